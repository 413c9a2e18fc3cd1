"""Ranking the models of a study: values, ranks, groups, and what is refused."""

import json
import logging
import math
import os

import pytest

from dmt.analysis import selection
from dmt.evaluation.udr import evaluate as udr
from dmt.methods.population.train_population import train_population_with_gin
from dmt.methods.train import train_with_gin
from dmt.postprocessing.postprocess import postprocess_with_gin
from dmt.utils import configuration, results
from dmt.validation.validate import validate_with_gin
from tests.helpers.runs import TINY, bindings, run_binary

UDR = ("udr_sklearn.num_data_points = 300", "udr_sklearn.kl_filter_threshold = 0.0")
FEW_LABELS = (
    "few_labels.validation_fn = @mig_validation",
    "few_labels.score = 'discrete_mig'",
)
PAIR = ("vae_4/0", "vae_4/1")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two pairs of seeds, a FactorVAE alone, and a run that was killed."""
    root = tmp_path_factory.mktemp("study")

    def run(name, **changes):
        return str(root / name / "model"), (), bindings(TINY, **changes)

    train_population_with_gin(
        [
            run(f"vae_{beta}/{seed}", model__random_seed=seed, vae__beta=f"{beta}.0")
            for beta in "14"
            for seed in "01"
        ]
    )
    factor = run("factor", model__model="@factor_vae()", factor_vae__gamma="2.0")
    train_with_gin(factor[0], gin_bindings=factor[2])
    (root / "killed" / "model").mkdir(parents=True)
    (root / "link").symlink_to(root / "vae_4" / "0")
    return root


@pytest.fixture(scope="module")
def process(study):
    return run_binary(
        "dmt_select",
        study,
        "--study_dir=.",
        "--output_dir=selected",
        "--criteria=few_labels,elbo,reconstruction,udr",
        "--num_labels=200",
        "--seed=7",
        *(f"--gin_bindings={line}" for line in (*UDR, *FEW_LABELS)),
    )


@pytest.fixture
def found(study, process):
    assert process.returncode == 0, process.stderr[-2000:]
    return json.loads((study / "selected" / "selection.json").read_text())


def values_of(found, criterion):
    (section,) = found["datasets"]
    return {run["name"]: run["values"][criterion] for run in section["runs"]}


def trained(study, name):
    return results.load_json(study / name / "model/results/json/train_results.json")


def test_command(study, process, found):
    (section,) = found["datasets"]
    names = [run["name"] for run in section["runs"]]
    assert sorted(names) == ["factor", "vae_1/0", "vae_1/1", *PAIR]
    # Sorted by the first criterion.
    assert [run["ranks"]["few_labels"] for run in section["runs"]] == [1, 2, 3, 4, 5]
    assert [line.split()[0] for line in process.stdout.splitlines()[2:7]] == names
    assert section["best"]["few_labels"] == names[0]
    assert found["incomplete"] == ["killed"]
    assert section["dataset"] == {"dataset.name": "dsprites_rendered_small"}
    assert section["settings"]["udr_sklearn.num_data_points"] == "300"
    assert section["settings"]["udr_sklearn.correlation_matrix"] == "'lasso'"
    by_name = {run["name"]: run["bindings"] for run in section["runs"]}
    assert by_name["vae_4/1"].items() >= {"model.random_seed": 1, "vae.beta": 4}.items()
    assert by_name["factor"]["factor_vae.gamma"] == 2
    lines = process.stderr.splitlines()
    modules = ("selection.py", "criteria.py")
    warnings = [x for x in lines if x[0] == "W" and any(m in x for m in modules)]
    assert len(warnings) == 2
    assert warnings[0].endswith("not complete: killed")
    assert warnings[1].endswith("differs in seeds only: factor")


def test_losses_are_those_of_training(study, found):
    (section,) = found["datasets"]
    for name, value in values_of(found, "elbo").items():
        losses = trained(study, name)
        wanted = -losses["reconstruction_loss"] - losses["kl_loss"]
        assert value == pytest.approx(wanted)
        assert value == pytest.approx(losses.get("elbo", wanted))
    ranks = {run["name"]: run["ranks"] for run in section["runs"]}
    losses = {name: trained(study, name)["reconstruction_loss"] for name in ranks}
    least = min(losses, key=losses.get)
    assert values_of(found, "reconstruction") == losses
    assert ranks[least]["reconstruction"] == 1
    assert section["best"]["reconstruction"] == least


def test_udr_is_that_of_the_group(study, found, tmp_path):
    lines = bindings(
        {
            "dataset.name": "'auto'",
            "evaluation.evaluation_fn": "@udr_sklearn",
            "evaluation.random_seed": "7",
            "udr_sklearn.batch_size": "10",
        }
    )
    udr.evaluate_with_gin(
        [str(study / name / "model") for name in PAIR],
        str(tmp_path / "udr"),
        gin_bindings=[*lines, *UDR],
    )
    wanted = results.load_json(tmp_path / "udr/results/json/evaluation_results.json")
    values = values_of(found, "udr")
    assert [values[name] for name in PAIR] == wanted["model_scores"]
    assert values["factor"] is None
    assert values["vae_1/0"] != values["vae_4/0"]
    (section,) = found["datasets"]
    ranks = {run["name"]: run["ranks"]["udr"] for run in section["runs"]}
    assert ranks["factor"] is None
    assert min(filter(None, ranks.values())) == 1


def test_few_labels_are_those_of_validation(study, found, tmp_path):
    lines = [
        "dataset.name = 'auto'",
        "validation.validation_fn = @mig_validation",
        "validation.random_seed = 7",
        "validation.num_labelled_samples = 200",
        "labeller.labeller_fn = @perfect_labeller",
        "discretizer.discretizer_fn = @histogram_discretizer",
        "discretizer.num_bins = 20",
    ]
    mean_dir = str(tmp_path / "mean")
    postprocess_with_gin(
        str(study / "vae_1/1/model"),
        mean_dir,
        gin_config_files=[configuration.shipped("postprocess/mean.gin")],
    )
    validate_with_gin(mean_dir, str(tmp_path / "out"), gin_bindings=lines)
    wanted = results.load_json(tmp_path / "out/results/json/validation_results.json")
    assert values_of(found, "few_labels")["vae_1/1"] == wanted["discrete_mig"]


def test_result_is_not_replaced(study, process):
    before = (study / "selected" / "selection.json").read_text()
    with pytest.raises(ValueError, match="selection.json exists. Give --overwrite"):
        selection.select(str(study), str(study / "selected"), ["elbo"])
    assert (study / "selected" / "selection.json").read_text() == before
    selection.select(str(study), str(study / "selected"), ["elbo"], overwrite=True)
    assert (study / "selected" / "selection.json").read_text() != before


def write(root, **runs):
    """Runs of which there is but what training found."""
    for name, cells in runs.items():
        folder = root / name / "model" / "results"
        for part in ("aggregate", "gin", "json"):
            (folder / part).mkdir(parents=True)
        (folder / "aggregate" / "train.json").write_text(json.dumps(cells))
        for file in (
            "gin/train.gin",
            "json/train_config.json",
            "json/train_results.json",
        ):
            (folder / file).touch()
    return str(root)


def row(loss, kl=1.0, **changes):
    return {
        "train_config.dataset.name": "'dsprites_full'",
        "train_config.model.model": "@vae()",
        "train_config.model.name": "'a label'",
        "train_config.model.log_steps": "10",
        "train_config.reconstruction_loss.loss_fn": "@bernoulli_loss",
        "train_config.bernoulli_loss.subtract_true_image_entropy": "False",
        "train_results.reconstruction_loss": loss,
        "train_results.kl_loss": kl,
        "train_results.elbo": -(loss + (kl or 0)),
        **{f"train_config.{k.replace('__', '.')}": v for k, v in changes.items()},
    }


def select(study_dir, output_dir, *criteria, **flags):
    table = selection.select(study_dir, str(output_dir), criteria, **flags)
    return table, json.loads((output_dir / "selection.json").read_text())["datasets"]


def ranks_of(section, criterion):
    return {run["name"]: run["ranks"][criterion] for run in section["runs"]}


def test_ranks_signs_ties_and_missing_values(tmp_path):
    study_dir = write(
        tmp_path / "study",
        a=row(10.0, 9.0),
        b=row(12.0, 3.0),
        c=row(11.0, 4.0),
        # Of a model without codes that are drawn, and of one that diverged.
        d=row(13.0, None),
        e=row(math.nan, 1.0),
    )
    _, (section,) = select(study_dir, tmp_path / "out", "elbo", "reconstruction")
    assert ranks_of(section, "elbo") == {"b": 1, "c": 1, "a": 3, "d": None, "e": None}
    assert ranks_of(section, "reconstruction") == {
        "a": 1,
        "c": 2,
        "b": 3,
        "d": 4,
        "e": None,
    }
    assert section["best"] == {"elbo": "b", "reconstruction": "a"}
    assert section["runs"][0]["values"] == {"elbo": -15.0, "reconstruction": 12.0}
    assert section["agreement"] == {}


def test_data_sets_are_ranked_apart(tmp_path):
    split = {"dataset__name": "'split'", "split__base": "'cars3d'"}
    study_dir = write(
        tmp_path / "study",
        a=row(1.0, official_data__preload="True"),
        b=row(2.0, official_data__preload="False"),
        c=row(3.0, split__part="'train'", **split),
        d=row(4.0, split__part="'test'", **split),
        # Of another loss: on data of its own it need not compare.
        e=row(5.0, dataset__name="'cars3d'", reconstruction_loss__loss_fn="@l2_loss"),
    )
    table, sections = select(study_dir, tmp_path / "out", "elbo")
    ranked = [ranks_of(section, "elbo") for section in sections]
    assert ranked == [{"a": 1, "b": 2}, {"c": 1}, {"d": 1}, {"e": 1}]
    headings = [
        part.splitlines()[0].split(", value")[0] for part in table.split("\n\n")
    ]
    parts = ["split, split.base = cars3d, split.part = " + x for x in ("train", "test")]
    assert headings == ["dsprites_full", *parts, "cars3d"]


def test_long_tables_are_cut(tmp_path):
    runs = {f"run_{i}": row(float(i), vae__beta=f"{i}.0") for i in range(23)}
    table, (section,) = select(
        write(tmp_path / "study", **runs), tmp_path / "o", "elbo"
    )
    lines = table.splitlines()
    assert lines[21].startswith("run_19 ")
    assert lines[22:] == ["and 3 more in selection.json", "Best: elbo run_0"]
    assert lines[21].endswith("vae.beta = 19.0")
    assert len(section["runs"]) == 23


def test_scores_with_all_labels_do_not_rank(tmp_path):
    study_dir = write(tmp_path / "study", **{x: row(i) for i, x in enumerate("abcd")})
    criteria = ("reconstruction", "elbo")
    _, (before,) = select(study_dir, tmp_path / "before", *criteria)
    for name, mig in zip("abcd", (0.4, 0.3, 0.1, 0.2), strict=True):
        folder = os.path.join(study_dir, name, "metrics/mean/0/mig/results/aggregate")
        os.makedirs(folder)
        cells = {
            "evaluation_config.evaluation.evaluation_fn": "@mig",
            "evaluation_results.discrete_mig": mig,
            "evaluation_results.num_bins": 20,
        }
        results.save_dict(os.path.join(folder, "evaluation.json"), cells)
    _, (after,) = select(study_dir, tmp_path / "after", *criteria)
    # Small losses and large bounds go with large scores: 1 - 6 * 2 / (4 * 15).
    agreement = {"spearman": pytest.approx(0.8), "runs": 4}
    assert after.pop("agreement") == {
        "mean/0/mig discrete_mig": dict.fromkeys(criteria, agreement)
    }
    assert before.pop("agreement") == {}
    assert after == before


def test_groups_differ_in_what_is_learned(tmp_path, caplog):
    changes = (
        {"model__random_seed": "1", "model__name": "'b'", "model__log_steps": "7"},
        {"vae__beta": "4.0"},
        {"pairs__path": "'pairs.csv'"},
    )
    runs = {name: row(1.0, **c) for name, c in zip("bcd", changes, strict=True)}
    study_dir = write(tmp_path / "study", a=row(1.0), **runs)
    for name in ("a", "b", "c", "d"):
        path = os.path.join(study_dir, name, "model/results/gin/train.gin")
        with open(path, "w") as file:
            file.write("dataset.name = 'dsprites_rendered_small'\n")
    # There are no models, so what is asked for first says who is in a group.
    with caplog.at_level(logging.INFO), pytest.raises(OSError, match="a/model/model"):
        select(study_dir, tmp_path / "out", "udr")
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].endswith("seeds only: c, d")
    assert messages[1] == "UDR of 2 models like a."
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("criteria", "flags", "message"),
    [
        (["mig"], {}, "criteria=mig"),
        ([], {}, "The criteria are elbo"),
        (["few_labels"], {"gin_bindings": ["few_labels.score = 'mig'"]}, "disentang"),
        (["few_labels"], {"num_labels": 0}, "num_labelled_samples=0"),
        (["elbo"], {"gin_bindings": ["udr_sklearn.points = 3"]}, "udr_sklearn"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    criteria, flags, message, study, tmp_path
):
    with pytest.raises(ValueError, match=message):
        select(str(study), tmp_path / "out", *criteria, **flags)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"reconstruction_loss__loss_fn": "@l2_loss"},
        {"bernoulli_loss__subtract_true_image_entropy": "True"},
    ],
)
def test_losses_that_do_not_compare_are_refused(changes, tmp_path):
    study_dir = write(tmp_path / "study", a=row(1.0), b=row(2.0, **changes))
    (key,) = (key.replace("__", ".") for key in changes)
    with pytest.raises(ValueError, match=f"{key}.*--criteria=udr"):
        select(study_dir, tmp_path / "out", "elbo")


def test_directory_without_runs(tmp_path):
    (tmp_path / "killed" / "model").mkdir(parents=True)
    process = run_binary(
        "dmt_select", tmp_path, "--study_dir=.", "--output_dir=selected"
    )
    assert process.returncode == 2
    line = process.stderr.strip().splitlines()[-1]
    assert "holds no complete run" in line
    assert line.endswith("Not complete: killed")
    assert not (tmp_path / "selected").exists()
