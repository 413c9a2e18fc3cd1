"""Runs of a study that are trained together are those that are trained alone."""

import contextlib
import json
import resource

import numpy as np
import pytest

from dmt.methods.population import sizes
from dmt.runs import runner, steps
from dmt.utils import locks, processes
from tests.helpers.runs import TINY, bindings

METRIC = (
    "evaluation.evaluation_fn = @mig",
    "evaluation.random_seed = 0",
    "dataset.name = 'auto'",
    "mig.num_train = 500",
    "discretizer.discretizer_fn = @histogram_discretizer",
    "discretizer.num_bins = 20",
)
CONVOLUTIONS = {
    "encoder__encoder_fn": "@conv_encoder",
    "decoder__decoder_fn": "@deconv_decoder",
}


def make_run(root, name, k, **changes):
    lines = bindings(TINY, model__random_seed=str(k), vae__beta=f"{k + 1}.0", **changes)
    directory = str(root / name)
    training = steps.Step("train", f"{directory}/model", None, (), tuple(lines))
    scoring = steps.scoring(directory, {"mig": ((), METRIC)})
    return runner.Run(name, directory, (training, *scoring))


def stage(root):
    small = [make_run(root, f"small/{k}", k) for k in range(4)]
    other = [make_run(root, f"other/{k}", k, model__batch_size="4") for k in range(2)]
    return [*small, *other]


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    for population, num_workers in (("auto", 2), (1, 1), (3, 1)):
        directory = root / str(population)
        runner.execute_all([stage(directory)], num_workers, population)
    return root


def test_members_score_as_models_trained_alone(directories):
    for run in stage(directories):
        found, three, alone = (
            json.loads(
                (
                    directories
                    / name
                    / run.name
                    / "metrics/mean/mig/results/aggregate/evaluation.json"
                ).read_text()
            )["evaluation_results.discrete_mig"]
            for name in ("auto", "3", "1")
        )
        np.testing.assert_allclose([found, three], alone, atol=2e-3)


def test_runs_that_differ_in_numbers_are_trained_together(directories):
    # Each program has a log. Two processes get two of the small models each.
    logs = {
        name: len(list((directories / name).rglob("train.log")))
        for name in ("auto", "1", "3")
    }
    assert logs == {"auto": 4, "1": 6, "3": 3}


def test_moments_are_removed(directories):
    assert not list(directories.rglob("moments_*"))


def test_convolutions_are_trained_alone_on_a_cpu():
    assert sizes.most_at_once([], bindings(TINY, **CONVOLUTIONS)) == 1
    assert sizes.most_at_once([], bindings(TINY)) > 8


def test_heads_have_a_size(monkeypatch, tmp_path):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    tasks = {
        "model__model": "@multi_task()",
        "multi_task__tasks": "@random_tasks()",
        "random_tasks__num_tasks": "2",
        "heads__hidden_units": "(8,)",
    }
    lines = bindings({k: v for k, v in TINY.items() if k != "vae.beta"}, **tasks)
    assert sizes.most_at_once([], lines) > 8
    # Where there is an accelerator, convolutions are stacked too.
    monkeypatch.setattr(sizes, "on_cpu", lambda: False)
    monkeypatch.setattr(sizes, "_device_memory", lambda: 5e9)
    lines = bindings(TINY, **CONVOLUTIONS, model__batch_size="64")
    assert 4 < sizes.most_at_once([], lines) < sizes.MOST


def test_a_member_that_fails_is_named_and_the_others_are_scored(tmp_path):
    good = make_run(tmp_path, "run/0", 0)
    bad = make_run(tmp_path, "run/1", 1, AdamOptimizer__learning_rate="1e30")
    with pytest.raises(ValueError, match="1 of 2 failed.*run/1: The loss is"):
        runner.execute_all([[good, bad]], 1, 2)
    assert (tmp_path / "run/0/metrics/mean/mig/results").is_dir()
    assert not (tmp_path / "run/1/metrics").exists()
    assert not list(tmp_path.rglob("*moments_*"))


def test_runs_are_locked_until_their_processes_end(monkeypatch, tmp_path):
    run, impossible = (make_run(tmp_path, name, 0) for name in ("run", "file"))
    (tmp_path / "file").touch()
    executors, locked = processes.executors, []

    @contextlib.contextmanager
    def watched(*arguments):
        try:
            with executors(*arguments) as found:
                yield found
        finally:
            locked.append(locks.is_held(run.directory))

    monkeypatch.setattr(processes, "executors", watched)
    with pytest.raises(FileExistsError):
        runner.execute_all([[run, impossible]], 2, 1, "files")
    assert run.is_complete() and locked == [True]
    locks.claim(run.directory).close()


def test_more_runs_are_in_work_than_files_may_be_open(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, limits[1]))
    wrong = {"dataset__name": "'nothing'"}
    runs = [make_run(tmp_path, str(k), k, **wrong) for k in range(128)]
    try:
        with pytest.raises(ValueError, match="128 of 128 failed.*nothing"):
            runner.execute_all([runs], 1, 128)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_populations_fit_into_the_memory(monkeypatch):
    monkeypatch.setattr(sizes, "_device_memory", lambda: 2.5e7)
    few = sizes.most_at_once([], bindings(TINY))
    less = sizes.most_at_once([], bindings(TINY, model__batch_size="64"))
    assert 1 <= less < few < sizes.MOST


@pytest.mark.parametrize(
    ("number", "population", "workers", "limit", "expected"),
    [
        (10, 1, 2, None, 1),
        (10, 4, 2, None, 4),
        (3, 4, 2, None, 3),
        (10, "auto", 2, 128, 5),
        (10, "auto", 1, 128, 10),
        (10, "auto", 1, 4, 4),
        (10, "auto", 4, 128, 3),
        (3, "auto", 2, 1, 1),
        (1, "auto", 2, None, 1),
    ],
)
def test_processes_share_the_models(number, population, workers, limit, expected):
    assert sizes.size_of(number, population, workers, lambda: limit) == expected
