"""Evaluations in one call, provenance, confidence intervals, other precisions."""

import gin
import numpy as np
import pytest

import dmt
from dmt import metrics
from dmt.data.ground_truth import named_data
from dmt.evaluation.codes import codes_of
from dmt.evaluation.evaluate import evaluate, evaluate_with_gin
from dmt.evaluation.metrics import mig
from dmt.postprocessing.representation import load_representation
from dmt.utils import configuration
from tests.helpers.runs import call


@pytest.mark.parametrize("representation", ["mean", "sampled"])
def test_several_evaluations_in_one_call_are_as_one_call_each(
    run_dir, results, representation, tmp_path
):
    process = call(
        "dmt_evaluate",
        f"--input_dir={run_dir / representation}",
        f"--output_dir={tmp_path}",
        f"--gin_evaluation_config_glob={run_dir}/configs/*.gin",
    )
    assert process.returncode == 0, process.stderr[-2000:]
    for name in ("mig", "factor_vae", "dci"):
        evaluate_with_gin(
            str(run_dir / representation),
            str(tmp_path / f"{name}_alone"),
            gin_config_files=[str(run_dir / "configs" / f"{name}.gin")],
        )
        assert results(tmp_path / name) == results(tmp_path / f"{name}_alone")
    lines = process.stdout.splitlines()
    scores = results(tmp_path / "dci")
    assert f"{scores['completeness']:.4f}" in next(x for x in lines if "complet" in x)
    assert [line.split()[0] for line in lines] == [*["dci"] * 3, "factor_vae", "mig"]


def test_codes_are_shared_between_evaluations(run_dir, tmp_path):
    shared_codes = {}
    for name in ("mig", "factor_vae"):
        evaluate_with_gin(
            str(run_dir / "mean"),
            str(tmp_path / name),
            gin_config_files=[str(run_dir / "configs" / f"{name}.gin")],
            shared_codes=shared_codes,
        )
        if name == "mig":
            (first,) = shared_codes.values()
    assert list(shared_codes.values()) == [first]
    # Another dataset must not get these codes.
    evaluate_with_gin(
        str(run_dir / "mean"),
        str(tmp_path / "other"),
        gin_config_files=[str(run_dir / "configs" / "mig.gin")],
        gin_bindings=["dataset.name = 'dsprites_rendered'"],
        shared_codes=shared_codes,
    )
    assert first not in shared_codes.values()


def test_results_name_versions_and_settings(run_dir, results, tmp_path):
    evaluate_with_gin(
        str(run_dir / "mean"),
        str(tmp_path / "dci"),
        gin_config_files=[str(run_dir / "configs" / "dci.gin")],
        gin_bindings=["gradient_boosting_classifier.engine = 'scikit-learn'"],
    )
    found = results(tmp_path / "dci")
    assert found["predictor"] == "GradientBoostingClassifier"
    assert found["versions"]["dmt"] == dmt.__version__
    assert found["versions"]["numpy"] == np.__version__
    assert (found["num_train"], found["num_test"]) == (300, 100)
    assert found["evaluation.random_seed"] == "3"


def test_confidence_intervals_on_request(run_dir, results, tmp_path):
    for name in ("mig", "factor_vae", "dci"):
        evaluate_with_gin(
            str(run_dir / "mean"),
            str(tmp_path / name),
            gin_config_files=[str(run_dir / "configs" / f"{name}.gin")],
            gin_bindings=["bootstrap.num_resamples = 30"],
        )
        found = results(tmp_path / name)
        (entry,) = [m for m in metrics.METRICS.values() if m.gin_name in _gin(found)]
        for key in entry.scores:
            low, high = found["confidence_intervals"][key]
            assert 0 <= low < high <= 1
        assert found["num_resamples"] == 30


def _gin(found):
    return found["evaluation.evaluation_fn"].lstrip("@")


def test_bfloat16_codes_are_close(run_dir):
    dataset = named_data.get_named_ground_truth_data("dsprites_rendered_small")
    indices = np.arange(0, 4608, 9)
    exact, rounded = (
        codes_of(dataset, load_representation(run_dir / "mean", policy))[1](indices)
        for policy in (None, "mixed_bfloat16")
    )
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, atol=0.05 * exact.std(axis=0).max())
    assert len(np.unique(rounded[:, 0])) == len(np.unique(exact[:, 0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("evaluation.evaluation_fn = 'mig'", "a function, written @name"),
        ("evaluation.random_seed = True", "random_seed=True"),
        ("evaluation.model_dir = 'elsewhere'", "model_dir"),
    ],
)
def test_mistakes_are_named(run_dir, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        evaluate_with_gin(
            str(run_dir / "mean"),
            str(tmp_path / "out"),
            gin_config_files=[str(run_dir / "configs" / "mig.gin")],
            gin_bindings=[change],
        )
    assert not (tmp_path / "out").exists()


def test_missing_metric_is_named(run_dir, tmp_path):
    with pytest.raises(ValueError, match="missing: evaluation.evaluation_fn"):
        evaluate_with_gin(
            str(run_dir / "mean"),
            str(tmp_path / "out"),
            gin_bindings=["dataset.name = 'auto'", "evaluation.random_seed = 0"],
        )


def test_settings_may_be_given_in_python(run_dir, results, tmp_path):
    lines = [
        "dataset.name = 'auto'",
        "mig.num_train = 300",
        "discretizer.num_bins = 20",
        "discretizer.discretizer_fn = @histogram_discretizer",
    ]
    with configuration.gin_configuration([], lines):
        evaluate(
            str(run_dir / "mean"),
            str(tmp_path / "python"),
            evaluation_fn=mig.compute_mig,
            random_seed=3,
        )
    evaluate_with_gin(
        str(run_dir / "mean"),
        str(tmp_path / "gin"),
        gin_config_files=[str(run_dir / "configs" / "mig.gin")],
    )
    python, from_gin = results(tmp_path / "python"), results(tmp_path / "gin")
    assert python["discrete_mig"] == from_gin["discrete_mig"]


def test_metric_of_a_user_needs_no_more_than_a_gin_name(run_dir, results, tmp_path):
    @gin.configurable("largest_code", module="my_metrics")
    def largest_code(
        ground_truth_data, representation_function, random_state, num=gin.REQUIRED
    ):
        _, observations = ground_truth_data.sample(num, random_state)
        return {"largest": float(np.max(representation_function(observations)))}

    evaluate_with_gin(
        str(run_dir / "mean"),
        str(tmp_path / "out"),
        gin_bindings=[
            "dataset.name = 'auto'",
            "evaluation.random_seed = 0",
            "evaluation.evaluation_fn = @largest_code",
            "largest_code.num = 50",
        ],
    )
    assert np.isfinite(results(tmp_path / "out")["largest"])
