"""Unified scores."""

import gin
import numpy as np
import pytest

from dmt.evaluation.metrics import dci, mig, sap_score, unified_scores
from tests.golden import metric_cases as golden
from tests.golden import recipes

CASES = golden.cases("unified_scores") + golden.cases("unified_score_validation")


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    golden.check(case)


@pytest.mark.parametrize("case", [c for c in CASES if "no_gbt" in c.id])
def test_golden_of_arrays(case):
    params = case["params"]
    options = {"matrices": params["matrix_fns"], "num_bins": params["num_bins"]}
    golden.check(
        case, lambda *arrays: unified_scores.aggregate_relations(*arrays, **options)
    )


@pytest.mark.parametrize("case", golden.components("unified."))
def test_golden_components(case):
    function = getattr(unified_scores, case["component"].removeprefix("unified."))
    output = function(*[np.array(value) for value in case["inputs"].values()])
    if not isinstance(output, dict):
        output, case = {"": output}, {"output": {"": case["output"]}}
    assert output.keys() == case["output"].keys()
    for key, value in case["output"].items():
        np.testing.assert_allclose(
            output[key], float(value), rtol=1e-9, atol=1e-12, err_msg=key
        )


def _identity(x):
    return np.array(x, np.float64)


def _duplicated(x):
    return np.hstack([x, x]).astype(np.float64)


@pytest.mark.parametrize(
    ("representation", "num_train", "matrix_fn", "limits"),
    [
        (
            _identity,
            10000,
            unified_scores.mutual_information_matrix,
            {"mig": (0.9, 1.0), "modularity": (0.9, 1.0)},
        ),
        (
            _duplicated,
            1000,
            unified_scores.mutual_information_matrix,
            {"mig": (0.0, 0.2), "modularity": (0.9, 1.0)},
        ),
        (_duplicated, 1000, unified_scores.accuracy_svm_matrix, {"sap": (0.0, 0.2)}),
        pytest.param(
            _identity,
            1000,
            unified_scores.importance_gbt_matrix,
            {"dci_disentanglement": (0.9, 1.0)},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            _duplicated,
            1000,
            unified_scores.importance_gbt_matrix,
            {"dci_disentanglement": (0.9, 1.0)},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_known_representations(representation, num_train, matrix_fn, limits):
    gin.bind_parameter("discretizer.discretizer_fn", lambda target, num_bins: target)
    gin.bind_parameter("discretizer.num_bins", 10)
    scores = unified_scores.compute_unified_scores(
        recipes.Identity10(),
        representation,
        np.random.RandomState(0),
        None,
        num_train,
        100,
        matrix_fns=[matrix_fn],
    )
    for key, (low, high) in limits.items():
        assert low <= scores[f"{matrix_fn.__name__}.{key}"] <= high


@pytest.fixture(scope="module")
def samples():
    dataset = recipes.Grid([3, 4, 5], sigma=0.4)
    random_state = np.random.RandomState(0)
    arrays = []
    for num in (300, 200):
        arrays += dataset.sample(num, random_state)
    return arrays


def test_own_aggregations_agree_with_their_metrics(samples):
    np.random.seed(0)
    scores = unified_scores.aggregate_relations(*samples)
    assert scores["mutual_information_matrix.mig"] == pytest.approx(
        mig.mig(*samples[:2])["discrete_mig"]
    )
    sap = sap_score.sap_score(*samples)
    assert scores["accuracy_svm_matrix.sap"] == sap["SAP_score"]
    assert scores["accuracy_svm_matrix.matrix"] == sap["score_matrix"]
    np.random.seed(0)
    expected = dci.dci(*samples)
    name = "importance_gbt_matrix"
    assert scores[f"{name}.dci"] == expected["disentanglement"]
    assert scores[f"{name}.dci_completeness"] == expected["completeness"]


def test_known_merges():
    matrix = np.array([[9.0, 1, 0], [0, 8, 0], [0, 0, 7], [0, 2, 3]])
    assert unified_scores.merge_points(matrix) == {
        "merge_0_1": 5,
        "merge_0_2": 5,
        "merge_1_2": 4,
    }
    thresholds = [0, 1, 2, 3, 4, 7.5, 8.5, 10]
    groups = [unified_scores.precision(matrix, t) for t in thresholds]
    assert groups == [1, 1, 2, 3, 3, 2, 1, 0]


@pytest.mark.parametrize("named", [True, False])
def test_plots(named, samples, tmp_path):
    class Unnamed:
        num_factors = 3

        def sample(self, num, random_state):
            return recipes.Grid([3, 4, 5]).sample(num, random_state)

    def score(artifact_dir):
        return unified_scores.compute_unified_scores(
            recipes.Grid([3, 4, 5]) if named else Unnamed(),
            lambda x: x,
            np.random.RandomState(0),
            artifact_dir,
            60,
            30,
            [unified_scores.accuracy_svm_matrix],
        )

    directory = tmp_path / "artifacts" / "name"
    assert score(str(directory)) == score(None)
    name = "accuracy_svm_matrix"
    assert {path.name for path in directory.iterdir()} == {
        f"{name}.png",
        f"{name}_pr.png",
        f"{name}_dendrogram.png",
    }


def test_unknown_relation(samples):
    with pytest.raises(ValueError, match=r"Received: \['correlation'\]"):
        unified_scores.aggregate_relations(*samples, matrices=["correlation"])
