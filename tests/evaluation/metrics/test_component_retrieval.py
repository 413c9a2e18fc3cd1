"""Component retrieval against SciPy and cases solved by hand."""

import numpy as np
import pytest
from scipy import stats

from dmt.evaluation.metrics.component_retrieval import component_retrieval

RANDOM = np.random.RandomState(0)
FACTORS = np.stack([RANDOM.randint(size, size=400) for size in (5, 7, 3)], axis=1)


def test_correlations_and_significance_are_those_of_scipy():
    codes = FACTORS @ RANDOM.normal(size=(3, 4)) + RANDOM.normal(size=(400, 4)) * 9
    scores = component_retrieval(FACTORS, codes)
    for code in range(4):
        found = [stats.spearmanr(codes[:, code], FACTORS[:, k]) for k in range(3)]
        np.testing.assert_allclose(
            scores["spearman"][code], [r.statistic for r in found], atol=1e-12
        )
        strength = [abs(r.statistic) * (r.pvalue <= 0.05) for r in found]
        expected = int(np.argmax(strength)) if max(strength) else -1
        assert scores["factor_of_code"][code] == expected


def test_monotone_functions_of_factors_are_retrieved():
    codes = np.stack(
        [np.exp(FACTORS[:, 2]), -FACTORS[:, 0], FACTORS[:, 0] ** 3, RANDOM.rand(400)],
        axis=1,
    )
    scores = component_retrieval(FACTORS, codes, significance=1e-6)
    assert scores["factor_of_code"] == [2, 0, 0, -1]
    assert scores["num_retrieved"] == 2
    np.testing.assert_allclose(scores["retrieved_share"], 2 / 3)
    for key in ("mean", "min", "max"):
        np.testing.assert_allclose(scores[f"{key}_correlation"], 1)
    np.testing.assert_allclose(scores["std_correlation"], 0, atol=1e-12)


def test_constant_codes_retrieve_nothing():
    scores = component_retrieval(FACTORS, np.ones((400, 2)))
    assert scores["factor_of_code"] == [-1, -1]
    assert scores["num_retrieved"] == 0 and scores["mean_correlation"] == 0
    assert not np.any(scores["spearman"])


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="num_samples=2"):
        component_retrieval([[0], [1]], [[0.0], [1.0]])
    with pytest.raises(ValueError, match="significance=1.5"):
        component_retrieval(FACTORS, FACTORS, significance=1.5)
