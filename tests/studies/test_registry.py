"""A study is a folder: it is found, has flags, and its runs are made."""

import json
import os
import sys

import pytest

import dmt.studies
from dmt.runs import runner, steps
from dmt.studies import registry
from tests.helpers.runs import TINY, bindings

INIT = """
from dmt.studies.registry import Option, register

register(
    "two_betas",
    "dmt.studies.two_betas.runs:open_study",
    Option("largest", "largest beta, by default 2.", default=2, kind="integer"),
)
"""
RUNS = '''
"""Two models that differ in beta, and the sum of their scores."""

import json
import os

from dmt.runs import steps
from dmt.runs.runner import Run
from dmt.runs.steps import Step

steps.register("copy_loss", "dmt.studies.two_betas.runs:copy_loss")


def copy_loss(model_dir, path, overwrite):
    with open(f"{model_dir}/results/json/train_results.json") as file:
        loss = json.load(file)["reconstruction_loss"]
    with open(path, "w") as file:
        json.dump(loss, file)


def open_study(name, gin_bindings, largest):
    return TwoBetas(gin_bindings, largest)


class TwoBetas:
    def __init__(self, gin_bindings, largest):
        self._bindings = gin_bindings
        self._betas = (1, largest)
        self.configuration = f"{largest}"

    def prepare(self):
        pass

    def stages(self, output_dir):
        return [[self._run(output_dir, beta) for beta in self._betas]]

    def _run(self, output_dir, beta):
        directory = os.path.join(output_dir, f"beta_{beta}")
        model_dir = os.path.join(directory, "model")
        lines = (*self._bindings, f"vae.beta = {beta}.")
        return Run(
            f"beta_{beta}",
            directory,
            (
                Step("train", model_dir, None, (), lines),
                Step("copy_loss", os.path.join(directory, "loss.json"), model_dir),
            ),
        )

    def write_page(self, output_dir):
        losses = []
        for beta in self._betas:
            with open(os.path.join(output_dir, f"beta_{beta}", "loss.json")) as file:
                losses.append(json.load(file))
        path = os.path.join(output_dir, "losses.json")
        with open(path, "w") as file:
            json.dump(losses, file)
        return path
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of a study, as if it were one of the package."""
    path = tmp_path / "studies" / "two_betas"
    path.mkdir(parents=True)
    (path / "__init__.py").write_text(INIT)
    (path / "runs.py").write_text(RUNS)
    monkeypatch.setattr(registry, "_registrations", registry.registered())
    places = [*dmt.studies.__path__, str(path.parent)]
    monkeypatch.setattr(dmt.studies, "__path__", places)
    monkeypatch.setattr(steps, "_kinds", dict(steps._kinds))
    yield path
    for name in [n for n in sys.modules if n.startswith("dmt.studies.two_betas")]:
        del sys.modules[name]


def test_a_folder_is_found_and_its_options_are_flags(folder):
    from dmt.cli import studies

    assert "two_betas" in registry.registered()
    flags = {flag.name: flag for flag in studies._option_flags()}
    flag = flags["largest"]
    assert (flag.kind, flag.default) == ("integer", None)
    assert flag.help == "two_betas: largest beta, by default 2."
    assert flags["scale"].choices == ("small", "paper")


def test_runs_of_a_folder_are_made_once_with_a_kind_of_step_of_its_own(
    folder, tmp_path
):
    lines = bindings({k: v for k, v in TINY.items() if k != "vae.beta"})
    study = registry.open_study("two_betas", lines, largest=4)
    output_dir = str(tmp_path / "out")
    (runs,) = study.stages(output_dir)
    assert [run.name for run in runs] == ["beta_1", "beta_4"]
    for run in runs:
        os.makedirs(run.directory)
        runner.execute(run)
        assert run.is_complete()
    assert runner.summary([runs]).startswith("2 runs: 2 complete")
    with open(study.write_page(output_dir)) as file:
        losses = json.load(file)
    expected = [run.steps[0].results()["reconstruction_loss"] for run in runs]
    assert losses == expected and losses[0] != losses[1]


def test_defaults_are_those_of_the_options(folder):
    study = registry.open_study("two_betas", (), largest=None)
    assert [run.name for run in study.stages("out")[0]] == ["beta_1", "beta_2"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nothing", {}, "--study must be one of evidence, mul.*Received: nothing"),
        ("two_betas", {"scale": "small"}, "--scale is not an option of .*--largest"),
        ("multitask", {"model_nums": "0"}, "--model_nums is not an option of"),
    ],
)
def test_unknown_studies_and_options_are_refused(folder, name, options, message):
    with pytest.raises(ValueError, match=message):
        registry.open_study(name, (), **options)


def test_names_and_flags_mean_one_thing(folder):
    registry.registered()
    with pytest.raises(ValueError, match="already a study named two_betas"):
        registry.register("two_betas", "somewhere:else")
    with pytest.raises(ValueError, match="option scale with other values"):
        registry.register("new", "somewhere:else", registry.Option("scale", "1 to 9."))


def test_one_study_is_the_default():
    defaults = [r.name for r in registry.registered().values() if r.is_default]
    assert defaults == ["multitask"]
