"""Disentanglement, Completeness and Informativeness of codes.

Eastwood, Williams: A Framework for the Quantitative Evaluation of Disentangled
Representations, 2018, section 2 (https://openreview.net/forum?id=By-7dz-AZ).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import predictors, registry
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.evaluation.metrics.samples import on_labels, on_samples, split


@registry.metric(
    "dci",
    scores=["disentanglement", "completeness", "informativeness_test"],
    intervals={
        "disentanglement": (0, 1),
        "completeness": (0, 1),
        "informativeness_test": (0, 1),
    },
    of_same_size=["disentanglement", "completeness", "informativeness_test"],
    accuracies=["informativeness_test"],
    # Completeness is an entropy to the base of the number of codes.
    invariances=registry.EVERYTHING - {"add dead code"},
    axes={"importance_matrix": (1,)},
)
def dci(
    factors: np.ndarray,
    codes: np.ndarray,
    factors_test: np.ndarray,
    codes_test: np.ndarray,
    *,
    predictor: Callable[[], Any] | None = None,
    continuous_factors: bool | Sequence[bool] = False,
) -> dict[str, Any]:
    """DCI scores from classifiers that predict each factor from all codes.

    With R[d, k] the importance of code d to the classifier of factor k:
    disentanglement = sum_d w_d (1 - H(R[d, :] / sum)), entropy to base num_factors;
    completeness = sum_k w_k (1 - H(R[:, k] / sum)), entropy to base num_codes;
    the weight w of a row or column is its share in the sum of all importances.
    Informativeness is the accuracy of the classifiers.

    Args:
        factors: array-like of shape (n_train, num_factors), discrete values.
        codes: array-like of shape (n_train, num_codes).
        factors_test: array-like of shape (n_test, num_factors), discrete values.
        codes_test: array-like of shape (n_test, num_codes), see
            `inputs.train_and_test`.
        predictor: function without arguments that returns an unfitted scikit-learn
            classifier, or regressor for continuous factors. Importances are its
            `feature_importances_`, or the mean absolute `coef_` over classes. Gradient
            boosted trees if None.
        continuous_factors: whether the factors are numbers, not classes: a bool, or one
            for each factor. The informativeness of a continuous factor is R^2, at most
            1.
        seed: integer seed of ties between splits, and of the held-out samples.

    Returns:
        Dictionary:
            informativeness_train, informativeness_test: mean accuracy over factors, in
                [0, 1], 1 is best.
            disentanglement, completeness: in [0, 1], 1 is best. Disentanglement is nan
                if only one factor varies, completeness if there is one code.
            informativeness_train_per_factor, informativeness_test_per_factor,
                completeness_per_factor: lists (num_factors,).
            disentanglement_per_code: list (num_codes,).
            importance_matrix: nested list (num_codes, num_factors), at least 0.
            num_train, num_test, predictor, scikit_learn: see `predictors.provenance`.

    Raises:
        ValueError: if the shapes do not fit, the predictor has no importances, or there
            is a predictor for both discrete and continuous factors.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> scores = dci(factors, -2.0 * factors, factors, -2.0 * factors)
        >>> round(scores["disentanglement"], 6), scores["informativeness_test"]
        (1.0, 1.0)
    """
    continuous = np.asarray(continuous_factors)
    if predictor is None:
        models = predictors.fit_each(
            predictors.gradient_boosting_classifier,
            _regressor,
            codes,
            factors,
            continuous,
        )
        predictor = (
            _regressor if continuous.all() else predictors.gradient_boosting_classifier
        )
    elif continuous.any() and not continuous.all():
        raise ValueError(
            "A predictor cannot be both a classifier and a regressor: leave it out if "
            f"some factors are continuous. Received: predictor={predictor!r}"
        )
    else:
        models = predictors.fit(predictor, codes, factors)
    importance = importances(models, codes.shape[1])
    train_accuracy = predictors.scores(models, codes, factors)
    test_accuracy = predictors.scores(models, codes_test, factors_test)
    return {
        "informativeness_train": float(train_accuracy.mean()),
        "informativeness_test": float(test_accuracy.mean()),
        "disentanglement": disentanglement(importance),
        "completeness": completeness(importance),
        "informativeness_train_per_factor": train_accuracy.tolist(),
        "informativeness_test_per_factor": test_accuracy.tolist(),
        "disentanglement_per_code": disentanglement_per_code(importance).tolist(),
        "completeness_per_factor": completeness_per_factor(importance).tolist(),
        "importance_matrix": importance.tolist(),
        **predictors.provenance(len(codes), len(codes_test), predictor),
    }


def _regressor():
    from sklearn import ensemble

    return ensemble.GradientBoostingRegressor()


@on_samples("dci")
def compute_dci(
    sampler,
    num_train=gin.REQUIRED,
    num_test=gin.REQUIRED,
    batch_size=16,
    predictor_fn=predictors.gradient_boosting_classifier,
):
    """DCI scores on samples of a dataset; `predictor_fn` is the predictor of `dci`."""
    tables = sampler.train_and_test(num_train, num_test, batch_size)
    return bootstrap(_with_predictor(predictor_fn), tables)


@on_labels("dci_validation")
def compute_dci_on_fixed_data(
    factors,
    codes,
    train_percentage=gin.REQUIRED,
    batch_size=100,
    predictor_fn=predictors.gradient_boosting_classifier,
):
    """DCI scores of labelled observations; see `split` for train and test."""
    del batch_size
    tables = split(factors, codes, train_percentage)
    return bootstrap(_with_predictor(predictor_fn), tables)


def _with_predictor(predictor):
    return functools.partial(dci, predictor=predictor, seed=None)


def importances(models, num_codes):
    """Importance (num_codes, num_factors) of every code to each factor's classifier."""
    return np.stack([_importances(model, num_codes) for model in models], axis=1)


def _importances(model, num_codes):
    if hasattr(model, "feature_importances_"):
        return np.abs(model.feature_importances_)
    if hasattr(model, "coef_"):
        return np.abs(np.atleast_2d(model.coef_)).mean(axis=0)
    if len(model.classes_) == 1:
        return np.zeros(num_codes)
    raise ValueError(
        "DCI needs a classifier with feature_importances_ or coef_. Received: "
        f"predictor={type(model).__name__}"
    )


def disentanglement_per_code(importance_matrix):
    """1 - entropy of the shares of the factors in each code's importances.

    Args:
        importance_matrix: array of shape (num_codes, num_factors), at least 0.

    Returns:
        Array of shape (num_codes,), in [0, 1]; 0 for a code without importance, and nan
        if there is only one factor.
    """
    if importance_matrix.shape[1] == 1:
        return np.full(len(importance_matrix), np.nan)
    # With the offset, a row of zeros is a uniform distribution instead of nan.
    shares = importance_matrix + 1e-11
    shares = shares / shares.sum(axis=1, keepdims=True)
    entropies = -(shares * np.log(shares)).sum(axis=1) / np.log(shares.shape[1])
    return 1.0 - entropies


def disentanglement(importance_matrix):
    """Mean of `disentanglement_per_code`, weighted by the codes' importances.

    Takes importances (num_codes, num_factors), at least 0. Returns a float in [0, 1]:
    1 if each code is important to one factor only, 0 if all importances are 0.
    """
    weights = importance_matrix.sum(axis=1)
    if not weights.any():
        return 0.0
    scores = disentanglement_per_code(importance_matrix)
    return float(np.average(scores, weights=weights))


def completeness_per_factor(importance_matrix):
    """1 - entropy of the shares of the codes in each factor's importances.

    Takes importances (num_codes, num_factors), at least 0. Returns an array
    (num_factors,), in [0, 1]; 0 for a factor without importance.
    """
    return disentanglement_per_code(importance_matrix.T)


def completeness(importance_matrix):
    """Mean of `completeness_per_factor`, weighted by the factors' importances.

    Takes importances (num_codes, num_factors), at least 0. Returns a float in [0, 1]:
    1 if each factor has only one important code, 0 if all importances are 0.
    """
    return disentanglement(importance_matrix.T)
