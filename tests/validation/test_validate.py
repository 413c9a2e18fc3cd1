"""Scores of a representation on a few labelled images."""

import json

import numpy as np
import pytest

from dmt.data import labellers
from dmt.data.ground_truth import named_data
from dmt.evaluation.metrics import dci, mig
from dmt.postprocessing.representation import load_representation
from dmt.utils import configuration
from dmt.validation.validate import validate_with_gin
from tests.helpers import representations
from tests.helpers.runs import bindings

LINES = {
    "dataset.name": "'auto'",
    "validation.random_seed": "4",
    "validation.num_labelled_samples": "120",
    "labeller.labeller_fn": "@bin_labeller",
    "discretizer.discretizer_fn": "@histogram_discretizer",
    "discretizer.num_bins": "20",
}
METRICS = {
    "mig_validation": {},
    "dci_validation": {"dci_validation.train_percentage": "0.75"},
    "sap_score_validation": {
        "sap_score_validation.train_percentage": "0.75",
        "sap_score_validation.continuous_factors": "False",
    },
    "unified_score_validation": {
        "unified_score_validation.train_percentage": "0.75",
        "unified_score_validation.matrix_fns": "[@mutual_information_matrix]",
    },
}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    return representations.make(root)


def lines(metric, **changes):
    own = {"validation.validation_fn": f"@{metric}", **METRICS[metric]}
    return bindings({**LINES, **own}, **changes)


def validate(run_dir, output_dir, metric, flags=None, **changes):
    validate_with_gin(
        str(run_dir / "mean"),
        str(output_dir),
        gin_bindings=lines(metric, **changes),
        **(flags or {}),
    )


def results(output_dir):
    path = output_dir / "results" / "json" / "validation_results.json"
    values = json.loads(path.read_text())
    return {k: v for k, v in values.items() if k not in ("uuid", "elapsed_time")}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.filterwarnings("error::UserWarning")
def test_every_metric_gives_scores(metric, run_dir, tmp_path):
    validate(run_dir, tmp_path / "out", metric)
    scores = [v for v in results(tmp_path / "out").values() if isinstance(v, float)]
    assert scores
    assert np.isfinite(scores).all()


def test_scores_are_the_metrics_on_the_labellers_images(run_dir, tmp_path):
    dataset = named_data.get_named_ground_truth_data("dsprites_rendered_small")
    representation = load_representation(str(run_dir / "mean"))
    for metric, function in (
        ("mig_validation", mig.compute_mig_on_fixed_data),
        ("dci_validation", dci.compute_dci_on_fixed_data),
    ):
        validate(run_dir, tmp_path / metric, metric)
        with configuration.gin_configuration([], lines(metric)):
            observations, labels, _ = labellers.sample_supervised_data(4, dataset, 120)
            np.random.seed(4)
            scores = function(observations, labels.T, representation)
        found = results(tmp_path / metric)
        numbers = {k: v for k, v in scores.items() if not isinstance(v, str)}
        assert len(numbers) > 1
        for key, value in numbers.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-5, err_msg=key)


def test_directory_holds_the_originals_files(run_dir, tmp_path):
    validate(run_dir, tmp_path / "out", "mig_validation", validation__name="'few'")
    found = {
        str(path.relative_to(tmp_path / "out"))
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found == {
        name.format(step)
        for step in ("train", "postprocess", "validation")
        for name in (
            "results/gin/{}.gin",
            "results/json/{}_config.json",
            "results/json/{}_results.json",
            "results/aggregate/{}.json",
        )
    }
    aggregate = tmp_path / "out" / "results" / "aggregate" / "validation.json"
    aggregate = json.loads(aggregate.read_text())
    assert aggregate["validation_config.validation.name"] == "'few'"
    assert aggregate["validation_config.dataset.name"] == "'dsprites_rendered_small'"
    assert aggregate["train_config.vae.beta"] == "1.0"
    assert "validation_results.discrete_mig" in aggregate


def test_codes_of_another_validation_change_nothing(run_dir, tmp_path):
    shared = {}
    for name in ("dci_validation", "mig_validation"):
        validate(run_dir, tmp_path / name, name, flags={"shared_codes": shared})
    validate(run_dir, tmp_path / "alone", "mig_validation")
    assert results(tmp_path / "mig_validation") == results(tmp_path / "alone")
    assert shared


def test_complete_step_is_left_alone_and_not_overwritten(run_dir, tmp_path):
    validate(run_dir, tmp_path / "out", "mig_validation")
    path = tmp_path / "out" / "results" / "json" / "validation_results.json"
    before = path.read_text()
    validate(run_dir, tmp_path / "out", "mig_validation", flags={"resume": True})
    assert path.read_text() == before
    with pytest.raises(ValueError, match="exists"):
        validate(run_dir, tmp_path / "out", "mig_validation")
    validate(run_dir, tmp_path / "out", "mig_validation", flags={"overwrite": True})
    assert path.read_text() != before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation__num_labelled_samples": "0"}, "num_labelled_samples=0"),
        ({"dci_validation__train_percentage": "1.0"}, "train_percentage=1.0"),
        ({"labeller__labeller_fn": "@nobody"}, "nobody"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(changes, message, run_dir, tmp_path):
    with pytest.raises(ValueError, match=message):
        validate(run_dir, tmp_path / "out", "dci_validation", **changes)
    assert not (tmp_path / "out").exists()


def test_missing_labeller_is_named(run_dir, tmp_path):
    without = [x for x in lines("mig_validation") if not x.startswith("labeller")]
    with pytest.raises(ValueError, match="missing: labeller.labeller_fn"):
        validate_with_gin(
            str(run_dir / "mean"), str(tmp_path / "out"), gin_bindings=without
        )
