"""InfoMEC: modularity, explicitness and compactness in units of information.

Hsu, Dorrell, Whittington, Wu, Finn: Disentanglement via Latent Quantization, 2023
(https://arxiv.org/abs/2305.18378).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dmt.evaluation.metrics import predictors, registry
from dmt.evaluation.metrics.information import (
    class_indices,
    entropy,
    in_bins,
    mutual_information,
    with_continuous_in_bins,
)
from dmt.evaluation.metrics.samples import on_samples_of
from dmt.utils import checks

# A continuous code whose range is a smaller share of the largest range is not active.
ACTIVE_RANGE = 1 / 20


@registry.metric(
    "infomec",
    scores=["infom", "infoe", "infoc"],
    intervals={},
    without_intervals={
        "infom": "the bias of nearest neighbours does not fall as 1 / n",
        "infoe": "the bias of nearest neighbours does not fall as 1 / n",
        "infoc": "the bias of nearest neighbours does not fall as 1 / n",
    },
    # Codes of a small range are left out; repeated samples are near neighbours.
    invariances=registry.EVERYTHING - {"scale codes", "duplicate samples"},
    axes={"normalized_mutual_information": (1,)},
)
def infomec(
    factors: np.ndarray,
    codes: np.ndarray,
    *,
    estimator: str = "neighbors",
    num_neighbors: int = 10,
    num_bins: int = 20,
    continuous_factors: bool | Sequence[bool] = False,
) -> dict[str, Any]:
    """InfoM, InfoE and InfoC of codes.

    With N[d, k] = I(z_d; v_k) / H(v_k), for active codes z_d and K factors,
    InfoM = (mean_d max_k N[d, k] / sum_k N[d, k] - 1 / K) / (1 - 1 / K) and
    InfoC = (mean_k max_d N[d, k] / sum_d N[d, k] - 1 / D) / (1 - 1 / D), for D active
    codes. The ratio is set to 1 / K for a code without information, and to 1 / D for
    such a factor. InfoM is 1 if there is one factor, InfoC if one code is active.

    InfoE = mean_k (H_V(v_k) - H_V(v_k | z)) / H_V(v_k) is the predictive information of
    linear models V. H_V is the training loss, a cross-entropy, of logistic regression
    without penalty, either without codes or with all active codes. For continuous
    factors it is replaced by the R^2 of linear regression.

    Logistic regression stops after 100 iterations, as in the authors' program. Unlike
    theirs, it does not weight classes by their frequency.

    Args:
        factors: array-like of shape (n, num_factors).
        codes: array-like of shape (n, num_codes).
        estimator: how mutual information is estimated. "neighbors": k nearest
            neighbours, by scikit-learn's `mutual_info_classif`, or by
            `mutual_info_regression` for continuous factors. "bins": bins of equal
            width. "discrete": frequencies of values, for codes with few values such as
            quantised latents. The linear models then take the codes as one-hot vectors.
        num_neighbors: number of neighbours k.
        num_bins: number of bins of equal width per code, and per continuous factor,
            over the range of the sample.
        continuous_factors: whether the factors are numbers, not classes: a bool, or one
            for each factor. In place of the entropy of a continuous factor, its
            estimated mutual information with itself is used.

    Returns:
        Dictionary:
            infom, infoe, infoc: in [0, 1], 1 is best; 0 if no code is active.
            infom_per_code: ratio max_k N[d, k] / sum_k N[d, k] of each code, from
                1 / num_factors to 1, nan for a code that is not active.
            infoc_per_factor: ratio max_d N[d, k] / sum_d N[d, k] of each factor.
            infoe_per_factor: in [0, 1].
            normalized_mutual_information: N, nested list (num_codes, num_factors).
            num_active_codes: number of codes that are not constant. Unless the
                estimator is "discrete", their range must also be more than 1 / 20 of
                the largest range of a code.
            num_train, estimator, num_neighbors or num_bins, continuous_factors,
                scikit_learn: the settings, and the version of the library.

    Raises:
        ValueError: if the shapes do not fit, or the estimator is not among those above.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> scores = infomec(factors, -2.0 * factors, estimator="discrete")
        >>> [round(scores[key], 2) for key in ("infom", "infoe", "infoc")]
        [1.0, 1.0, 1.0]
    """
    import sklearn

    checks.one_of("estimator", estimator, ("neighbors", "bins", "discrete"))
    continuous = np.broadcast_to(continuous_factors, factors.shape[1])
    information, entropies, settings = _information(
        factors, codes, estimator, num_neighbors, num_bins, continuous
    )
    # The estimated information of a continuous factor with itself may be 0.
    shares = np.divide(
        information, entropies, out=np.zeros(information.shape), where=entropies > 0
    )
    ranges = np.ptp(codes, axis=0)
    least = 0.0 if estimator == "discrete" else ranges.max() * ACTIVE_RANGE
    active = ranges > least
    ratios = np.full(len(active), np.nan)
    ratios[active] = _ratios(shares[active])
    infoe = _predictive_information(
        factors, codes[:, active], estimator == "discrete", continuous
    )
    infoc = _ratios(shares[active].T)
    return {
        "infom": _above_baseline(ratios[active], factors.shape[1]),
        "infoe": float(infoe.mean()),
        "infoc": _above_baseline(infoc, active.sum()),
        "infom_per_code": ratios.tolist(),
        "infoc_per_factor": infoc.tolist(),
        "infoe_per_factor": infoe.tolist(),
        "normalized_mutual_information": shares.tolist(),
        "num_active_codes": int(active.sum()),
        "num_train": len(factors),
        "estimator": estimator,
        **settings,
        "continuous_factors": continuous_factors,
        "scikit_learn": sklearn.__version__,
    }


compute_infomec = on_samples_of("compute_infomec", infomec)


def _information(factors, codes, estimator, num_neighbors, num_bins, continuous):
    """Mutual information (num_codes, num_factors), entropy of the factors, setting."""
    if estimator == "neighbors":
        columns = [
            _neighbor_information(codes, column, num_neighbors, is_continuous)
            for column, is_continuous in zip(factors.T, continuous, strict=True)
        ]
        information, entropies = zip(*columns, strict=True)
        settings = {"num_neighbors": num_neighbors}
        return np.stack(information, axis=1), np.array(entropies), settings
    if estimator == "bins":
        codes = in_bins(codes, num_bins)
    factors = with_continuous_in_bins(factors, num_bins, continuous)
    information = mutual_information(codes, factors)
    return information, entropy(factors), {"num_bins": num_bins}


def _neighbor_information(codes, factor, num_neighbors, is_continuous):
    """Information (num_codes,) about a factor (n,), and the factor's entropy."""
    from sklearn import feature_selection

    # The functions add tiny noise that keeps equal values apart; its seed is fixed.
    options = {"n_neighbors": num_neighbors, "random_state": 0}
    if is_continuous:
        if len(factor) <= num_neighbors:
            raise ValueError(
                "Information about a continuous factor needs more samples than "
                f"neighbors. Received: num_neighbors={num_neighbors}, "
                f"{len(factor)} samples"
            )
        factor = factor.astype(np.float64)
        estimate = feature_selection.mutual_info_regression
        itself = estimate(factor[:, None], factor, **options)
        return estimate(codes, factor, **options), itself[0]
    entropies = entropy(factor[:, None])
    classes = class_indices(factor[:, None])[0]
    if np.bincount(classes).max() == 1:
        return np.zeros(codes.shape[1]), entropies[0]
    with predictors.without_advice():
        information = feature_selection.mutual_info_classif(
            codes, classes, discrete_features=False, **options
        )
    return information, entropies[0]


def _ratios(shares):
    """Largest entry of each row over its sum; 1 / (number of columns) if that is 0."""
    if not shares.size:
        return np.full(len(shares), np.nan)
    total = shares.sum(axis=1)
    indifferent = np.full(len(shares), 1 / shares.shape[1])
    return np.divide(shares.max(axis=1), total, out=indifferent, where=total != 0)


def _above_baseline(ratios, num_choices):
    """Mean ratio, scaled so that equal shares of all choices give 0."""
    if not num_choices or not ratios.size:
        return 0.0
    if num_choices == 1:
        return 1.0
    return float((ratios.mean() - 1 / num_choices) / (1 - 1 / num_choices))


def _predictive_information(factors, codes, discrete_codes, continuous):
    """Normalised predictive information (num_factors,) of linear models."""
    from sklearn import linear_model, preprocessing

    if not codes.size:
        return np.zeros(factors.shape[1])
    if discrete_codes:
        inputs = preprocessing.OneHotEncoder().fit_transform(codes)
    else:
        inputs = preprocessing.StandardScaler().fit_transform(codes)
    model = linear_model.LinearRegression()
    scores = [
        model.fit(inputs, v).score(inputs, v)
        if is_continuous
        else 1 - _cross_entropy(inputs, classes) / h
        for v, is_continuous, classes, h in zip(
            factors.T, continuous, class_indices(factors), entropy(factors), strict=True
        )
    ]
    return np.clip(scores, 0.0, 1.0)


def _cross_entropy(inputs, classes):
    """Mean negative log-likelihood of logistic regression on its training samples."""
    from sklearn import linear_model, metrics

    model = linear_model.LogisticRegression(C=np.inf, max_iter=100)
    # Without penalty there is no optimum if classes can be separated.
    with predictors.without_advice():
        model.fit(inputs, classes)
    return metrics.log_loss(classes, model.predict_proba(inputs))
