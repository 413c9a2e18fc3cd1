"""Modularity and explicitness."""

import gin
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dmt.evaluation.metrics import modularity_explicitness as metric
from tests.golden import metric_cases as golden
from tests.golden import recipes

CASES = golden.cases("modularity_explicitness")


GENERATOR = np.random.default_rng(3)


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    golden.check(case)


@pytest.mark.parametrize("case", CASES[::4])
def test_golden_of_arrays(case):
    num_bins = case["params"]["num_bins"]
    golden.check(
        case, lambda *arrays: metric.modularity_explicitness(*arrays, num_bins=num_bins)
    )


@pytest.mark.parametrize("case", golden.components("modularity", "explicitness"))
def test_golden_components(case):
    function = getattr(metric, case["component"])
    output = function(*case["inputs"].values())
    np.testing.assert_allclose(output, case["output"], rtol=1e-9, atol=1e-12)


DIAGONAL = np.diag([5.0] * 10)


@pytest.mark.parametrize(
    ("information", "expected"),
    [
        (DIAGONAL, 1),
        (np.vstack([DIAGONAL, np.zeros((5, 10))]), 2 / 3),
        (np.zeros((10, 10)), 0),
        (np.vstack([DIAGONAL, DIAGONAL]), 1),
        (np.diag([5.0] * 5 + [0] * 5)[:5], 1),
        (np.hstack([np.diag([5.0] * 5)] * 2), 1 - 1 / 9),
        (np.array([[2.0], [0.0]]), 0.5),
    ],
    ids=["diagonal", "empty", "zeros", "redundant", "missed", "shared", "one factor"],
)
def test_known_information(information, expected):
    assert metric.modularity(information) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("representation", "num_train", "low", "high"),
    [
        (lambda x: np.array(x, np.float64), 3000, 0.9, 1.0),
        (lambda x: np.hstack([x, x]).astype(np.float64), 3000, 0.9, 1.0),
        (
            lambda x: GENERATOR.permuted(x.astype(np.float64), axis=1),
            20000,
            0.0,
            0.2,
        ),
    ],
    ids=["identity", "duplicated", "permuted"],
)
def test_known_representations(representation, num_train, low, high):
    gin.bind_parameter("discretizer.discretizer_fn", lambda target, num_bins: target)
    gin.bind_parameter("discretizer.num_bins", 10)
    scores = metric.compute_modularity_explicitness(
        recipes.Identity10(),
        representation,
        np.random.RandomState(0),
        None,
        num_train,
        500,
    )
    assert low <= scores["modularity_score"] <= high


def test_areas_equal_scikit_learn():
    random_state = np.random.RandomState(0)
    classes = np.eye(4, dtype=bool)[random_state.randint(4, size=60)]
    scores = random_state.randint(9, size=(60, 4))
    np.testing.assert_allclose(
        metric._areas_under_roc(classes, scores),
        roc_auc_score(classes, scores, average=None),
    )


def test_values_in_one_of_the_samples_are_left_out():
    train = np.array([0, 0, 1, 1, 2, 2])
    codes = np.array([[0.0, 0.1, 1.0, 1.1, 2.0, 2.1], [3.0] * 6])
    same = metric.explicitness_per_factor(codes, train, codes, train)
    test = np.array([0, 0, 1, 1, 7, 7])
    area, area_test = metric.explicitness_per_factor(codes, train, codes, test)
    assert area == same[0] and 0 < area_test <= 1
    nothing_known = metric.explicitness_per_factor(codes, train, codes, train + 5)
    assert nothing_known[0] == area and np.isnan(nothing_known[1])


def test_constant_factor_and_constant_code():
    factors = np.stack([np.arange(60) % 3, np.ones(60, int)], axis=1)
    codes = np.stack([factors[:, 0], np.full(60, 0.1)], axis=1)
    scores = metric.modularity_explicitness(factors, codes, factors, codes)
    assert scores["explicitness_test_per_factor"][0] > 0.8
    assert np.isnan(scores["explicitness_test_per_factor"][1])
    assert (
        scores["explicitness_score_test"] == scores["explicitness_test_per_factor"][0]
    )
    assert scores["modularity_per_code"] == [1, 0]
