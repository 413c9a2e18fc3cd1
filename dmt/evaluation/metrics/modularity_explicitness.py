"""Modularity (one factor per code) and explicitness (linearly separable values).

Ridgeway, Mozer: Learning Deep Disentangled Embeddings with the F-Statistic Loss, 2018,
section 3 (https://arxiv.org/abs/1802.05312).
"""

import functools
from collections.abc import Sequence
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import predictors, registry
from dmt.evaluation.metrics.information import (
    Discretizer,
    in_bins,
    left_edges,
    mutual_information,
)
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.evaluation.metrics.samples import on_samples


@registry.metric(
    "modularity_explicitness",
    scores=["modularity_score", "explicitness_score_test"],
    intervals={"explicitness_score_test": (0, 1)},
    without_intervals={
        "modularity_score": "codes without information score by chance at any size"
    },
    # Modularity is a mean over codes; the regression is regularised.
    invariances=registry.EVERYTHING - {"add dead code", "duplicate samples"},
    axes={"mutual_information": (1,)},
)
def modularity_explicitness(
    factors: np.ndarray,
    codes: np.ndarray,
    factors_test: np.ndarray,
    codes_test: np.ndarray,
    *,
    num_bins: int = 20,
    continuous_factors: bool | Sequence[bool] = False,
) -> dict[str, Any]:
    """Modularity and explicitness of codes, with histogram bins for the former.

    Modularity = mean_d (1 - sum_{k != best} I(z_d; v_k)^2 / (I(z_d; v_best)^2 (K - 1)))
    for K factors, where v_best is the factor that shares most information with code
    z_d. Explicitness of a factor is the mean over its values of the area under the ROC
    curve (this value against the others) of a logistic regression on standardised
    codes.

    Args:
        factors: array-like of shape (n_train, num_factors), discrete values.
        codes: array-like of shape (n_train, num_codes).
        factors_test: array-like of shape (n_test, num_factors), discrete values.
        codes_test: array-like of shape (n_test, num_codes), see
            `inputs.train_and_test`.
        num_bins: number of bins of equal width per code, over the range of the training
            sample.
        continuous_factors: whether factors are numbers: a bool, or one for each factor.
            Their values are then bins of equal width over the range of the training
            sample.

    Returns:
        Dictionary:
            modularity_score: mean over codes, in [0, 1], 1 is best.
            explicitness_score_train, explicitness_score_test: mean over factors, in
                [0, 1], 1 is best, 0.5 is chance. Constant codes are ignored. Values
                that only training or only test samples have are left out.
                (disentanglement_lib fails in these two cases.) Nan if no value is left.
            modularity_per_code: list (num_codes,).
            explicitness_train_per_factor, explicitness_test_per_factor: lists
                (num_factors,); nan for a factor that is left out.
            mutual_information: nested list (num_codes, num_factors), in nats.
            num_train, num_test, num_bins, scikit_learn: the settings, and the version
                of the classifier's library.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([2, 2]).reshape(2, -1).T
        >>> samples = (factors, -2.0 * factors, factors, -2.0 * factors)
        >>> scores = modularity_explicitness(*samples)
        >>> scores["modularity_score"], scores["explicitness_score_test"]
        (1.0, 1.0)
    """
    train, test = factors.copy(), factors_test.copy()
    for index in np.flatnonzero(continuous_factors):
        edges = left_edges(factors[:, index], num_bins)[1:]
        train[:, index] = np.digitize(factors[:, index], edges)
        test[:, index] = np.digitize(factors_test[:, index], edges)
    return _scores(train, codes, in_bins(codes, num_bins), test, codes_test, num_bins)


@on_samples("modularity_explicitness")
def compute_modularity_explicitness(
    sampler, num_train=gin.REQUIRED, num_test=gin.REQUIRED, batch_size=16
):
    """The scores on samples of a dataset, in the bins of `discretizer`."""
    discretizer = Discretizer()
    train, test = sampler.train_and_test(num_train, num_test, batch_size)
    return bootstrap(
        functools.partial(_scores, num_bins=discretizer.num_bins),
        [(*train, discretizer(train[1])), test],
    )


@registry.formula_of("modularity_explicitness")
def _scores(factors_train, codes_train, bins_train, factors_test, codes_test, num_bins):
    information = mutual_information(bins_train, factors_train)
    # A constant code becomes 0 in training, so that the classifier ignores it.
    stddev = codes_train.std(axis=0)
    stddev[codes_train.max(axis=0) == codes_train.min(axis=0)] = 1
    mean = codes_train.mean(axis=0)
    train, test = (codes_train - mean) / stddev, (codes_test - mean) / stddev
    explicitness = np.array(
        [
            _explicitness(y_train, train, y_test, test)
            for y_train, y_test in zip(factors_train.T, factors_test.T, strict=True)
        ]
    )
    train_score, test_score = (_mean_of_defined(scores) for scores in explicitness.T)
    return {
        "modularity_score": modularity(information),
        "explicitness_score_train": train_score,
        "explicitness_score_test": test_score,
        "modularity_per_code": modularity_per_code(information).tolist(),
        "explicitness_train_per_factor": explicitness[:, 0].tolist(),
        "explicitness_test_per_factor": explicitness[:, 1].tolist(),
        "mutual_information": information.tolist(),
        **predictors.provenance(len(codes_train), len(codes_test)),
        "num_bins": num_bins,
    }


def _explicitness(factor_train, codes_train, factor_test, codes_test):
    """How well a logistic regression distinguishes the values of one factor (n,).

    Returns the mean areas under the ROC curves in the training and in the test sample,
    both in [0, 1]. A value counts if some but not all samples have it. The means are
    nan if no value counts, or if the training sample has only one value.
    """
    from sklearn import linear_model

    if np.all(factor_train == factor_train[0]):
        return np.nan, np.nan
    (model,) = predictors.fit(
        linear_model.LogisticRegression, codes_train, factor_train[:, None]
    )

    def mean_area(factor, codes):
        is_class = factor[:, None] == model.classes_
        return _mean_of_defined(_areas_under_roc(is_class, model.predict_proba(codes)))

    return mean_area(factor_train, codes_train), mean_area(factor_test, codes_test)


# Only for users of disentanglement_lib, who import this name.
def explicitness_per_factor(mus_train, y_train, mus_test, y_test):
    """Explicitness of a factor (n,) for standardised codes (num_codes, n)."""
    train = np.asarray(y_train), np.transpose(mus_train)
    return _explicitness(*train, np.asarray(y_test), np.transpose(mus_test))


def _areas_under_roc(is_class, scores):
    """Area under the ROC curve of each class.

    Takes memberships and scores (n, num_classes), and returns an array (num_classes,),
    with nan for a class that has all samples or none.
    """
    from scipy import stats

    members = is_class.sum(axis=0)
    # The Mann-Whitney U statistic.
    wins = (stats.rankdata(scores, axis=0) * is_class).sum(axis=0)
    wins = wins - members * (members + 1) / 2
    with np.errstate(invalid="ignore"):
        return wins / (members * (len(scores) - members))


def _mean_of_defined(scores):
    scores = np.asarray(scores)
    defined = scores[~np.isnan(scores)]
    return float(defined.mean()) if defined.size else np.nan


def modularity_per_code(mutual_information):
    """Modularity of each code: whether its information is about a single factor.

    Args:
        mutual_information: array of shape (num_codes, num_factors), at least 0.

    Returns:
        Array of shape (num_codes,), in [0, 1]: 1 for a code with information about one
        factor, 0 for a code with equal information about all factors, or with none.
    """
    squared = np.square(mutual_information)
    best, total = squared.max(axis=1), squared.sum(axis=1)
    others = np.maximum(1, squared.shape[1] - 1)
    ratio = np.divide(
        total - best, best * others, out=np.ones(len(best)), where=best > 0
    )
    return 1.0 - ratio


def modularity(mutual_information):
    """Mean of `modularity_per_code`, a float in [0, 1], 1 is best."""
    return float(modularity_per_code(mutual_information).mean())
