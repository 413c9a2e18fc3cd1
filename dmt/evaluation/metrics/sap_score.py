"""Separated Attribute Predictability: is each factor predicted by one code only?

Kumar, Sattigeri, Balakrishnan: Variational Inference of Disentangled Latent Concepts
from Unlabeled Observations, 2018, section 3 (https://arxiv.org/abs/1711.00848).
"""

import functools
from collections.abc import Sequence
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import predictors, registry
from dmt.evaluation.metrics.information import top_two_gap
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.evaluation.metrics.samples import on_labels, on_samples_of, split


@registry.metric(
    "sap_score",
    scores=["SAP_score"],
    intervals={},
    without_intervals={"SAP_score": "penalties are stronger in smaller samples"},
    # The classifiers are regularised, more strongly if there are fewer samples.
    invariances=registry.EVERYTHING - {"scale codes", "duplicate samples"},
    axes={"score_matrix": (1,)},
)
def sap_score(
    factors: np.ndarray,
    codes: np.ndarray,
    factors_test: np.ndarray,
    codes_test: np.ndarray,
    *,
    continuous_factors: bool | Sequence[bool] = False,
) -> dict[str, Any]:
    """SAP score: the gap between the two codes that predict a factor best.

    The score of one code for a factor is the test accuracy of a linear classifier. For
    continuous factors, it is the squared correlation in the training sample.

    Args:
        factors: array-like of shape (n_train, num_factors).
        codes: array-like of shape (n_train, num_codes), at least two codes.
        factors_test: array-like of shape (n_test, num_factors).
        codes_test: array-like of shape (n_test, num_codes), see
            `inputs.train_and_test`.
        continuous_factors: whether the factors are numbers, not classes: a bool, or one
            for each factor.
        seed: integer seed of the classifiers, and of the held-out samples.

    Returns:
        Dictionary:
            SAP_score: mean gap over factors, in [0, 1], 1 is best.
            sap_per_factor: gap of each factor, in [0, 1], list (num_factors,).
            score_matrix: nested list (num_codes, num_factors), accuracies or squared
                correlations.
            num_train, num_test, continuous_factors, scikit_learn: the settings, and the
                version of the classifier's library.

    Raises:
        ValueError: if the shapes do not fit, or there is only one code.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> samples = (factors, -2.0 * factors, factors, -2.0 * factors)
        >>> sap_score(*samples, continuous_factors=True)["SAP_score"]
        1.0
    """
    matrix = _squared_correlations(factors, codes)
    discrete = ~np.asarray(continuous_factors)
    if discrete.any():
        matrix[:, discrete] = accuracies(
            factors[:, discrete], codes, factors_test[:, discrete], codes_test
        )
    gaps = top_two_gap(matrix)
    return {
        "SAP_score": float(gaps.mean()),
        "sap_per_factor": gaps.tolist(),
        "score_matrix": matrix.tolist(),
        **predictors.provenance(len(codes), len(codes_test)),
        "continuous_factors": continuous_factors,
    }


compute_sap = on_samples_of("compute_sap", sap_score, continuous_factors=gin.REQUIRED)


@on_labels("sap_score_validation")
def compute_sap_on_fixed_data(
    factors,
    codes,
    train_percentage=gin.REQUIRED,
    continuous_factors=gin.REQUIRED,
    batch_size=100,
):
    """SAP score of labelled observations; see `split` for train and test."""
    del batch_size
    return bootstrap(
        functools.partial(sap_score, continuous_factors=continuous_factors),
        split(factors, codes, train_percentage),
    )


def accuracies(factors_train, codes_train, factors_test, codes_test):
    """Test accuracy of a linear support vector machine of each factor on each code.

    Takes what `inputs.train_and_test` returns, and returns an array of shape
    (num_codes, num_factors), values in [0, 1].
    """
    from sklearn import svm

    classifier = functools.partial(svm.LinearSVC, C=0.01, class_weight="balanced")
    return np.array(
        [
            predictors.scores(
                predictors.fit(classifier, train[:, None], factors_train),
                test[:, None],
                factors_test,
            )
            for train, test in zip(codes_train.T, codes_test.T, strict=True)
        ]
    )


def _squared_correlations(factors, codes):
    """Squared correlations (num_codes, num_factors), 0 for a constant variable."""
    # In float32, codes with a large mean would lose digits.
    codes = np.asarray(codes, np.float64)
    codes = codes - codes.mean(axis=0)
    factors = factors - factors.mean(axis=0)
    degrees = len(codes) - 1
    covariance = codes.T @ factors / degrees
    code_variance = (codes**2).sum(axis=0)[:, None] / degrees
    variances = code_variance * (factors**2).sum(axis=0) / degrees
    # Codes of a smaller variance count as constant.
    defined = (code_variance > 1e-12) & (variances > 0)
    return np.divide(
        covariance**2, variances, out=np.zeros_like(covariance), where=defined
    )


# Only for users of disentanglement_lib, who import these names.
def compute_score_matrix(mus, ys, mus_test, ys_test, continuous_factors):
    """The score matrix of `sap_score`, for arrays with one variable per row."""
    arrays = [np.transpose(array) for array in (ys, mus, ys_test, mus_test)]
    if continuous_factors:
        return _squared_correlations(*arrays[:2])
    return accuracies(*arrays)


def compute_avg_diff_top_two(matrix):
    """Mean over columns of the difference between their two largest values."""
    return float(top_two_gap(np.asarray(matrix)).mean())
