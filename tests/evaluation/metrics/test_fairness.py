"""Fairness."""

import functools

import gin
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dmt.evaluation.metrics import fairness
from tests.golden import metric_cases as golden
from tests.golden import recipes

CASES = golden.cases(
    "fairness", slow=["seed1", "seed2", "tiny_identity", "tiny_dead", "tiny_lossy"]
)
REGRESSION = functools.partial(LogisticRegression, max_iter=1000)


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    golden.check(case)


@pytest.mark.parametrize("case", golden.components("fairness."))
def test_golden_components(case):
    function = getattr(fairness, case["component"].removeprefix("fairness."))
    output = function(*case["inputs"].values())
    if isinstance(output, dict):
        assert output.keys() == case["output"].keys()
        assert output == pytest.approx(case["output"])
    else:
        np.testing.assert_allclose(output, case["output"], rtol=1e-6)


def test_known_counts():
    counts = np.array([[0, 100], [100, 100]])
    assert fairness.inter_group_fairness(counts) == pytest.approx((2 / 9, 1 / 3))
    with_empty_group = np.array([[0, 0, 100], [100, 0, 100]])
    assert fairness.inter_group_fairness(with_empty_group) == pytest.approx(
        (2 / 9, 1 / 3)
    )


def test_known_aggregates():
    scores = fairness.compute_scores_dict(np.array([[9.0, 1.0], [3.0, 9.0]]), "p")
    assert scores["p:pred0:sens1"] == 1 and scores["p:pred1:sens0"] == 3
    assert scores["p:mean_pred:mean_sens"] == 2 and scores["p:max_sens:max_pred"] == 3
    assert len(scores) == 2 + 4 * 2 + 8


def test_predictions_may_exceed_the_number_of_values():
    """The reported sizes of these factors are 1, their values up to 10."""
    gin.bind_parameter("predictor.predictor_fn", REGRESSION)
    scores = fairness.compute_fairness(
        recipes.Identity10(), lambda x: x / 10, np.random.RandomState(0), None, 50, 10
    )
    assert scores["max_fairness:max_pred:max_sens"] == 0


def test_tables():
    factors = np.indices([3, 4, 2]).reshape(3, -1).T.repeat(20, axis=0)
    fair = fairness.fairness(factors, factors, factors, factors, predictor=REGRESSION)
    assert fair["mean_fairness:mean_pred:mean_sens"] == pytest.approx(0, abs=0.02)
    codes = factors.astype(float)
    codes[:, 0] += codes[:, 2]
    codes[:, 2] = 0
    unfair = fairness.fairness(factors, codes, factors, codes, predictor=REGRESSION)
    assert unfair["mean_fairness:pred0:sens2"] > 0.1
    assert unfair["mean_fairness_matrix"][0][2] == unfair["mean_fairness:pred0:sens2"]
    assert unfair["mean_fairness:pred1:sens0"] == pytest.approx(0, abs=0.02)


def test_needs_two_factors():
    factors = np.arange(20)[:, None] % 2
    with pytest.raises(ValueError, match=r"factors_train.shape=\(20, 1\)"):
        fairness.fairness(factors, factors, factors, factors)
