"""SAP score."""

import numpy as np
import pytest

from dmt.evaluation.metrics import sap_score
from tests.golden import metric_cases as golden
from tests.golden import recipes

CASES = golden.cases("sap_score") + golden.cases("sap_score_validation")


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    golden.check(case)


@pytest.mark.parametrize("case", CASES[::4])
def test_golden_of_arrays(case):
    continuous = case["params"]["continuous_factors"]
    golden.check(
        case,
        lambda *arrays: sap_score.sap_score(*arrays, continuous_factors=continuous),
    )


@pytest.mark.parametrize("case", golden.components("sap."))
def test_golden_components(case):
    if case["component"] == "sap.avg_diff_top_two":
        output = sap_score.compute_avg_diff_top_two(case["inputs"]["m"])
    else:
        output = sap_score.compute_score_matrix(**case["inputs"])
    np.testing.assert_allclose(output, case["output"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("representation", "low", "high"),
    [
        (lambda x: np.array(x, np.float64), 0.9, 1.0),
        (lambda x: np.zeros((len(x), 10)), 0.0, 0.2),
        (lambda x: np.hstack([x, x]).astype(np.float64), 0.0, 0.2),
    ],
    ids=["identity", "zeros", "duplicated"],
)
def test_known_representations(representation, low, high):
    random_state = np.random.RandomState(0)
    scores = sap_score.compute_sap(
        recipes.Identity10(),
        representation,
        random_state,
        None,
        3000,
        3000,
        continuous_factors=True,
    )
    assert low <= scores["SAP_score"] <= high
    assert scores["SAP_score"] == pytest.approx(np.mean(scores["sap_per_factor"]))


def test_squared_correlation_equals_numpy():
    random_state = np.random.RandomState(0)
    codes = random_state.standard_normal((50, 4))
    factors = codes[:, :2] + random_state.standard_normal((50, 2))
    scores = sap_score.sap_score(
        factors, codes, factors, codes, continuous_factors=True
    )
    expected = np.corrcoef(codes.T, factors.T)[:4, 4:] ** 2
    np.testing.assert_allclose(scores["score_matrix"], expected)


def test_constant_factor():
    random_state = np.random.RandomState(0)
    codes = random_state.standard_normal((40, 3))
    train = np.stack([np.ones(40, int), codes[:, 0] > 0], axis=1)
    test = train.copy()
    test[:10, 0] = 2
    scores = sap_score.sap_score(train, codes, test, codes)
    assert np.isnan([row[0] for row in scores["score_matrix"]]).all()
    np.testing.assert_equal(scores["sap_per_factor"], [np.nan, scores["SAP_score"]])
    scores = sap_score.sap_score(train, codes, test, codes, continuous_factors=True)
    assert np.isnan(scores["sap_per_factor"][0])


def test_continuous_factors_in_float64():
    random_state = np.random.RandomState(0)
    factors = random_state.uniform(size=(500, 2))
    codes = (1e4 + factors @ random_state.standard_normal((2, 3))).astype(np.float32)
    expected = np.corrcoef(factors.T, codes.T.astype(np.float64))[2:, :2] ** 2
    scores = sap_score.sap_score(
        factors, codes, factors, codes, continuous_factors=True
    )
    np.testing.assert_allclose(scores["score_matrix"], expected, rtol=1e-9)


def test_kinds_of_factors_may_be_mixed():
    random_state = np.random.RandomState(0)
    factors = np.stack([random_state.uniform(size=300), np.arange(300) % 3], axis=1)
    codes = factors + 0.1 * random_state.standard_normal((300, 2))
    mixed = sap_score.sap_score(factors, codes, continuous_factors=[True, False])
    assert mixed["continuous_factors"] == [True, False]
    for index, continuous in enumerate((True, False)):
        alone = sap_score.sap_score(
            factors[:, [index]], codes, continuous_factors=continuous
        )
        assert mixed["sap_per_factor"][index] == pytest.approx(alone["SAP_score"])


def test_errors():
    factors = np.arange(4)[:, None]
    with pytest.raises(ValueError, match="num_codes=1"):
        sap_score.sap_score(factors, factors, factors, factors)
    with pytest.raises(ValueError, match="train_percentage=1.0 of 4 samples"):
        sap_score.compute_sap_on_fixed_data(
            factors, factors.T, lambda x: x, 1.0, continuous_factors=True
        )
