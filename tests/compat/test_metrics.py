"""Old names of metrics, whose arrays have one variable per row."""

import numpy as np
import pytest

import dmt.metrics
from dmt.evaluation.metrics import (
    dci,
    predictors,
    reduced_downstream_task,
    unified_scores,
    unsupervised_metrics,
)

RANDOM = np.random.RandomState(0)
FACTORS, FACTORS_TEST = RANDOM.randint(4, size=(2, 300, 2))
MIXING = np.array([[1.0, 0.2, 0.0], [0.0, 0.1, -1.0]])
CODES, CODES_TEST = (
    factors @ MIXING + RANDOM.normal(0, 0.3, (300, 3))
    for factors in (FACTORS, FACTORS_TEST)
)
ROWS = (CODES.T, FACTORS.T, CODES_TEST.T, FACTORS_TEST.T)


def test_importance():
    np.random.seed(0)
    importance, train, test = dci.compute_importance_gbt(*ROWS)
    np.random.seed(0)
    scores = dmt.metrics.dci(FACTORS, CODES, FACTORS_TEST, CODES_TEST)
    np.testing.assert_allclose(importance, scores["importance_matrix"])
    assert train == scores["informativeness_train"]
    assert test == scores["informativeness_test"]


def test_predictive_accuracy():
    predictor = predictors.logistic_regression_cv
    train, test = reduced_downstream_task.compute_predictive_accuracy(
        CODES, FACTORS.T, CODES_TEST, FACTORS_TEST.T, predictor
    )
    scores = dmt.metrics.downstream_task(
        FACTORS, CODES, FACTORS_TEST, CODES_TEST, predictor=predictor
    )
    for factor in range(2):
        assert train[factor] == scores[f"train_accuracy_factor_{factor}"]
        assert test[factor] == scores[f"test_accuracy_factor_{factor}"]


def test_unified_scores(tmp_path):
    relation = unified_scores.accuracy_svm_matrix
    names = ["size", "colour"]
    old = unified_scores.unified_scores(*ROWS, [relation], str(tmp_path), names)
    new = dmt.metrics.unified_scores(
        FACTORS, CODES, FACTORS_TEST, CODES_TEST, matrices=[relation.__name__]
    )
    assert set(new) - set(old) == {
        f"{relation.__name__}.matrix",
        "num_train",
        "num_test",
        "scikit_learn",
    }
    assert old == {key: new[key] for key in old}
    pictures = {path.name for path in tmp_path.iterdir()}
    assert f"{relation.__name__}_dendrogram.png" in pictures


def test_aggregations_of_a_matrix():
    matrix = np.array([[0.9, 0.1], [0.4, 0.3], [0.0, 0.8]])
    gaps = unified_scores.sap_compute_diff_top_two(matrix)
    np.testing.assert_allclose(gaps, [0.5, 0.5])
    per_code = unified_scores.compute_modularity_per_code(matrix)
    np.testing.assert_allclose(per_code, [1 - 1 / 81, 1 - 9 / 16, 1.0])


def test_total_correlation_is_a_divergence_of_gaussians():
    covariance, zero = np.cov(CODES.T), np.zeros(3)
    divergence = unsupervised_metrics.kl_gaussians_numerically_unstable(
        zero, covariance, zero, np.diag(np.diag(covariance)), 3
    )
    own = unsupervised_metrics.gaussian_total_correlation(covariance)
    assert divergence == pytest.approx(own)
    shifted = unsupervised_metrics.kl_gaussians_numerically_unstable(
        zero, np.eye(3), zero + 2, np.eye(3), 3
    )
    assert shifted == pytest.approx(6)  # Half of the squared distance.
