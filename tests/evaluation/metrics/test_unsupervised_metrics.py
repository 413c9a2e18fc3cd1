"""Unsupervised metrics."""

import numpy as np
import pytest
from scipy import linalg

from dmt.evaluation.metrics import unsupervised_metrics as metric
from tests.golden import metric_cases as golden

CASES = golden.cases("unsupervised_metrics")


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    """Without the values that are rounding errors, of singular covariances."""
    golden.check(case)


@pytest.mark.parametrize("case", CASES[::4])
def test_golden_of_arrays(case):
    num_bins = case["params"]["num_bins"]
    golden.check(
        case, lambda _, codes: metric.unsupervised_scores(codes, num_bins=num_bins)
    )


@pytest.mark.parametrize("case", golden.components("unsupervised."))
def test_golden_components(case):
    function = getattr(metric, case["component"].removeprefix("unsupervised."))
    assert function(**case["inputs"]) == pytest.approx(case["output"], rel=1e-9)


def test_uncorrelated_codes():
    assert metric.gaussian_total_correlation(np.diag([1.0, 2.0])) == pytest.approx(0)
    assert metric.gaussian_wasserstein_correlation(np.eye(5)) == pytest.approx(0)


def test_textbook_formulas():
    covariance = np.array([[1.0, 0.9], [0.9, 1.0]])
    # The divergence of the Gaussian from the one of its diagonal, with equal means.
    diagonal = np.diag(np.diag(covariance))
    ratio = np.linalg.solve(diagonal, covariance)
    divergence = 0.5 * (np.trace(ratio) - 2 - np.log(np.linalg.det(ratio)))
    assert metric.gaussian_total_correlation(covariance) == pytest.approx(divergence)
    root = linalg.sqrtm(diagonal)
    distance = np.trace(
        covariance + diagonal - 2 * linalg.sqrtm(root @ covariance @ root)
    )
    assert metric.gaussian_wasserstein_correlation(covariance) == pytest.approx(
        distance
    )


def test_identical_codes_are_singular():
    covariance = np.ones((2, 2))
    assert metric.gaussian_wasserstein_correlation(covariance) == pytest.approx(
        4 - 2 * np.sqrt(2), rel=1e-12
    )


def test_one_code_and_constant_codes():
    scores = metric.unsupervised_scores(np.arange(5.0)[:, None])
    assert scores["gaussian_total_correlation"] == scores["mutual_info_score"] == 0
    assert scores["gaussian_wasserstein_correlation"] == 0
    scores = metric.unsupervised_scores(np.ones((5, 2)))
    assert np.isnan(scores["gaussian_total_correlation"])
    assert np.isnan(scores["gaussian_wasserstein_correlation_norm"])
    with pytest.raises(ValueError, match=r"codes.shape=\(5,\)"):
        metric.unsupervised_scores(np.arange(5))
