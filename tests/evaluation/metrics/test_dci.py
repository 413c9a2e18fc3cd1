"""Disentanglement, completeness, informativeness."""

import gin
import numpy as np
import pytest

from dmt.evaluation.metrics import dci, utils
from tests.golden import metric_cases as golden
from tests.golden import recipes

GOLDEN = recipes.load("metrics.json")
CASES = [c for c in GOLDEN["cases"] if c["metric"] == "dci"]
COMPONENTS = [c for c in GOLDEN["components"] if c["component"].startswith("dci.")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_golden(case):
    """Ties between splits are broken at random, so the golden numbers are a band."""
    np.random.seed(11)
    random_state = np.random.RandomState(case["seed"])
    scores = dci.compute_dci(
        recipes.make_dataset(case["dataset"]),
        recipes.make_representation(case["representation"]),
        random_state,
        None,
        **case["params"],
    )
    for key, spread in case["spread"].items():
        margin = max(4 * spread["std"], 0.02)
        assert spread["min"] - margin <= scores[key] <= spread["max"] + margin, key
    assert random_state.randint(1 << 30) == case["next_draw"]


@pytest.mark.parametrize("case", golden.cases("dci_validation"))
def test_golden_on_fixed_data(case):
    golden.check(case)


@pytest.mark.parametrize("case", COMPONENTS, ids=lambda case: case["id"])
def test_golden_components(case):
    function = getattr(dci, case["component"].removeprefix("dci."))
    output = function(np.array(case["inputs"]["m"]))
    np.testing.assert_allclose(output, case["output"], rtol=1e-9, atol=1e-12)


HALF = 1 - np.log(2) / np.log(10)
DIAGONAL = np.diag([5.0] * 10)


@pytest.mark.parametrize(
    ("importance", "disentanglement", "completeness"),
    [
        (DIAGONAL, 1, 1),
        (np.vstack([DIAGONAL, np.zeros((10, 10))]), 1, 1),
        (np.zeros((10, 10)), 0, 0),
        (np.vstack([np.diag([5.0] * 5)] * 2), 1, HALF),
        (np.hstack([np.diag([5.0] * 5)] * 2), HALF, 1),
    ],
    ids=["diagonal", "empty codes", "zeros", "redundant codes", "two factors per code"],
)
def test_known_importances(importance, disentanglement, completeness):
    assert dci.disentanglement(importance) == pytest.approx(disentanglement, abs=1e-8)
    assert dci.completeness(importance) == pytest.approx(completeness, abs=1e-8)


def _sample(num, seed=0):
    random_state = np.random.RandomState(seed)
    return recipes.Grid([4, 4, 4]).sample_factors(num, random_state)


def test_identity_and_duplicated_codes():
    train, test = _sample(200), _sample(100, seed=1)
    scores = dci.dci(train, train, test, test)
    for key in ("disentanglement", "completeness", "informativeness_test"):
        assert scores[key] > 0.9
    scores = dci.dci(train, np.hstack([train] * 2), test, np.hstack([test] * 2))
    assert scores["disentanglement"] > 0.9
    expected = 1 - np.log(2) / np.log(6)
    assert scores["completeness"] == pytest.approx(expected, abs=0.1)


def test_unrelated_codes_score_low():
    codes = np.random.RandomState(2).standard_normal((300, 3))
    factors = _sample(300)
    scores = dci.dci(factors[:200], codes[:200], factors[200:], codes[200:])
    assert scores["disentanglement"] < 0.2 and scores["completeness"] < 0.2
    assert scores["informativeness_test"] < 0.5


def test_factor_with_one_value_in_training():
    train, test = _sample(200), _sample(100, seed=1)
    train[:, 1] = 2
    scores = dci.dci(train, train, test, test)
    others = dci.dci(train[:, [0, 2]], train, test[:, [0, 2]], test)
    for key in ("disentanglement", "completeness", "informativeness_test"):
        assert scores[key] == others[key]
    assert scores["constant_factors"] == [1]
    assert np.isnan([row[1] for row in scores["importance_matrix"]]).all()
    assert np.isnan(scores["informativeness_test_per_factor"][1])


def test_array_function_equals_gin_function():
    gin.bind_parameter("dci.predictor_fn", utils.logistic_regression_cv)
    dataset = recipes.Grid([2, 3], sigma=0.3)
    random_state = np.random.RandomState(0)
    codes_train, train = utils.generate_batch_factor_code(
        dataset, lambda x: x, 100, random_state, 16
    )
    codes_test, test = utils.generate_batch_factor_code(
        dataset, lambda x: x, 50, random_state, 16
    )
    expected = dci.dci(
        train.T,
        codes_train.T,
        test.T,
        codes_test.T,
        predictor=utils.logistic_regression_cv,
    )
    scores = dci.compute_dci(
        dataset, lambda x: x, np.random.RandomState(0), None, 100, 50
    )
    assert scores == expected
    assert scores["predictor"] == "LogisticRegressionCV"
    assert (scores["num_train"], scores["num_test"]) == (100, 50)
    assert np.shape(scores["importance_matrix"]) == (2, 2)


def test_default_predictor_is_gradient_boosting():
    scores = dci.compute_dci(
        recipes.Grid([2, 2]), lambda x: x, np.random.RandomState(0), None, 30, 10
    )
    assert scores["predictor"] == "GradientBoosting"


def test_classifier_without_importances():
    from sklearn import neighbors

    sample = _sample(20)
    with pytest.raises(ValueError, match="predictor=KNeighborsClassifier"):
        dci.dci(
            sample, sample, sample, sample, predictor=neighbors.KNeighborsClassifier
        )
