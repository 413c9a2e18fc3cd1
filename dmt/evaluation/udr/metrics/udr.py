"""Unsupervised Disentanglement Ranking: do models agree on their codes?

Duan, Matthey, Saraiva, Watters, Burgess, Lerchner, Higgins: Unsupervised Model
Selection for Variational Disentangled Representation Learning, 2020
(https://arxiv.org/abs/1905.12614). Models that were trained with different seeds learn
the same codes, up to order and sign, only if they disentangle. So a model is scored by
its similarity to the others, and no factors are needed.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dmt.evaluation.metrics.encoding import (
    call_representation,
    chunks,
    takes_any_number,
)
from dmt.evaluation.metrics.information import unit_ranks
from dmt.evaluation.metrics.inputs import as_codes
from dmt.utils import checks, stages

# A code with at most this KL is noise, so its correlations are set to 0.
NOISE_KL = 0.01


def udr(
    codes: Sequence[ArrayLike],
    kl: Sequence[ArrayLike],
    *,
    correlation_matrix: str = "lasso",
    filter_low_kl: bool = True,
    include_raw_correlations: bool = True,
    kl_filter_threshold: float = 0.01,
) -> dict[str, Any]:
    """Unsupervised Disentanglement Ranking of models that encode the same observations.

    The score of a pair is the `relative_strength_disentanglement` of the correlations
    of their codes. The score of a model is the median over its pairs. Codes with a KL
    of at most 0.01 are set to 0 first.

    Args:
        codes: list of arrays of shape (n, num_codes), one per model; the numbers of
            codes may differ.
        kl: list of arrays of shape (num_codes,), each code's KL divergence from its
            prior, mean over observations, in nats.
        correlation_matrix: "lasso", weights of the first model's codes in a Lasso
            (alpha = 0.1) that predicts the codes of the second; or "spearman", rank
            correlations.
        filter_low_kl: whether codes with low KL are left out of the scores.
        include_raw_correlations: whether to return the correlations.
        kl_filter_threshold: KL up to which codes are left out, in nats.

    Returns:
        Dictionary:
            model_scores: list of the models' scores, in [0, 1], 1 is best.
            pairwise_disentanglement_scores: nested list (num_models, num_models, 1);
                the pairs of a model are in its column. 0 on the diagonal, and for a
                pair with a model that has no code left.
            raw_correlations: on request, nested list (num_models, num_models, num_codes
                of the first, num_codes of the second), absolute values, 0 on the
                diagonal. The rank correlation of a constant code is nan. A code
                that is compared with it counts as 0 in the score, so keep
                `filter_low_kl` with "spearman".
            mean_kl: `kl` as lists.
            num_data_points, correlation_matrix: n, and as given.

    Raises:
        ValueError: if there are fewer than 2 models, the shapes do not fit, a value is
            not finite, or the correlation matrix is neither of the two.

    Example:
        >>> import numpy as np
        >>> codes = np.random.RandomState(0).standard_normal((1000, 3))
        >>> mixture = codes @ [[1, 1, 0], [0, 1, 1], [1, 0, 1]]
        >>> models = [codes, -codes[:, ::-1], mixture]
        >>> scores = udr(models, np.ones((3, 3)), correlation_matrix="spearman")
        >>> np.round(scores["model_scores"], 1).tolist()
        [0.7, 0.7, 0.3]
    """
    checks.one_of("correlation_matrix", correlation_matrix, ("lasso", "spearman"))
    models, divergences = _check(codes, kl)
    from sklearn import preprocessing

    stacked = np.hstack(
        [
            preprocessing.StandardScaler().fit_transform(model) * (model_kl > NOISE_KL)
            for model, model_kl in zip(models, divergences, strict=True)
        ]
    )
    ends = np.cumsum([0, *map(len, divergences)])
    blocks = [slice(*ends_of_model) for ends_of_model in itertools.pairwise(ends)]
    if correlation_matrix == "lasso":
        samples = _fewer_samples(stacked)
        correlations = np.vstack([_lasso(samples[:, b], samples) for b in blocks])
    else:
        ranks = unit_ranks(stacked)
        correlations = _absolute_products(ranks, ranks)
    raw = [[correlations[rows, columns] for columns in blocks] for rows in blocks]
    used = [
        (model_kl > kl_filter_threshold) | (not filter_low_kl)
        for model_kl in divergences
    ]
    num_models = len(models)
    pairwise = np.zeros((num_models, num_models))
    for i in range(num_models):
        raw[i][i] = np.zeros_like(raw[i][i])
        for j in range(num_models):
            correlations = raw[i][j][used[i]][:, used[j]]
            pairwise[i, j] = relative_strength_disentanglement(correlations)
    others = ~np.eye(num_models, dtype=bool)
    results: dict[str, Any] = {
        "pairwise_disentanglement_scores": pairwise[:, :, None].tolist(),
        "model_scores": [
            float(np.median(column[other]))
            for column, other in zip(pairwise.T, others, strict=True)
        ],
        "mean_kl": [model_kl.tolist() for model_kl in divergences],
        "num_data_points": len(stacked),
        "correlation_matrix": correlation_matrix,
    }
    if include_raw_correlations:
        results["raw_correlations"] = [[m.tolist() for m in row] for row in raw]
    return results


@stages.configurable(
    "udr_sklearn",
    "evaluation",
    denylist=["ground_truth_data", "representation_functions", "random_state"],
)
def compute_udr_sklearn(
    ground_truth_data,
    representation_functions,
    random_state,
    batch_size,
    num_data_points,
    correlation_matrix="lasso",
    filter_low_kl=True,
    include_raw_correlations=True,
    kl_filter_threshold=0.01,
):
    """Unsupervised Disentanglement Ranking on samples of a dataset.

    `representation_functions` is a list of functions, one per model, that map
    observations (n, ...) to codes (n, num_codes) and the mean KL of each code
    (num_codes,). `num_data_points` observations are drawn, `batch_size` at a time. The
    batch size affects which observations are drawn. It is also the number that a
    function gets at once, unless all functions take any number of observations. For the
    other settings and the results see `udr`; these also have batch_size.

    Raises:
        ValueError: see `udr`; or if there is one function instead of a list, fewer than
            1 observation, or a function does not return a row of finite codes for each
            observation.
    """
    if callable(representation_functions):
        raise ValueError(
            "udr_sklearn compares the codes of several models, and there is one: give "
            "the directories of the trained models to dmt_udr."
        )
    checks.integer("num_data_points", num_data_points, low=1)
    checks.integer("batch_size", batch_size, low=1)
    batches = (
        ground_truth_data.sample_observations(
            min(batch_size, num_data_points - start), random_state
        )
        for start in range(0, num_data_points, batch_size)
    )
    codes = [[] for _ in representation_functions]
    kl = [0.0] * len(codes)
    if all(map(takes_any_number, representation_functions)):
        batches = chunks(batches)
    for observations in batches:
        for model, function in enumerate(representation_functions):
            batch_codes, batch_kl = call_representation(
                function, observations, batch_size, _codes_and_kl
            )
            codes[model].append(batch_codes)
            kl[model] += len(observations) / num_data_points * batch_kl
    scores = udr(
        [np.concatenate(parts) for parts in codes],
        kl,
        correlation_matrix=correlation_matrix,
        filter_low_kl=filter_low_kl,
        include_raw_correlations=include_raw_correlations,
        kl_filter_threshold=kl_filter_threshold,
    )
    return scores | {"batch_size": batch_size}


def _codes_and_kl(returned):
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        raise ValueError(
            "A representation function of udr_sklearn must return codes and the mean "
            f"KL of each code. Received: {type(returned).__name__}"
        )
    codes, kl = returned
    return codes, as_codes([kl], "kl")[0]


def relative_strength_disentanglement(corr_matrix):
    """How close correlations of codes are to those of codes that match one to one.

    The mean over rows and the mean over columns of max_k r_k^2 / sum_k r_k, averaged
    (Duan et al., 2020). A row or column without correlations, or with nan, counts as 0.

    Args:
        corr_matrix: array of shape (num_codes, num_other_codes), not negative.

    Returns:
        Float, in [0, 1] if the correlations are; 0 if there are no codes.
    """
    corr_matrix = np.asarray(corr_matrix)
    if corr_matrix.size == 0:
        return 0.0
    with np.errstate(invalid="ignore"):
        strengths = [
            np.nan_to_num(corr_matrix.max(axis=axis) ** 2 / corr_matrix.sum(axis=axis))
            for axis in (0, 1)
        ]
    return float(np.mean([strength.mean() for strength in strengths]))


# The next two are only for users of disentanglement_lib, who import these names.
def spearman_correlation_conv(vec1, vec2):
    """Absolute rank correlations of codes (n, num_codes) and (n, num_other_codes).

    Returns:
        Array of shape (num_codes, num_other_codes), in [0, 1]; nan for constant codes.
    """
    return _absolute_products(unit_ranks(vec1), unit_ranks(vec2))


def lasso_correlation_matrix(vec1, vec2, random_state=None):
    """Absolute weights of codes in a Lasso that predicts other codes.

    Args:
        vec1: array of shape (n, num_codes), what predicts.
        vec2: array of shape (n, num_other_codes), what is predicted.
        random_state: accepted for code written for disentanglement_lib; not used.

    Returns:
        Array of shape (num_codes, num_other_codes).
    """
    del random_state
    samples = _fewer_samples(np.hstack([vec1, vec2]))
    num_codes = np.shape(vec1)[1]
    return _lasso(samples[:, :num_codes], samples[:, num_codes:])


def _check(codes, kl):
    for name, tables in (("codes", codes), ("kl", kl)):
        if not hasattr(tables, "__len__"):
            raise ValueError(
                f"Give {name} as a list with an array for each model. Received: "
                f"{name} of type {type(tables).__name__}"
            )
    codes = [
        as_codes(model, f"codes[{index}]").astype(np.float64)
        for index, model in enumerate(codes)
    ]
    kl = [
        as_codes([model_kl], f"kl[{index}]")[0].astype(np.float64)
        for index, model_kl in enumerate(kl)
    ]
    shapes = [model.shape for model in codes]
    kl_shapes = [model_kl.shape for model_kl in kl]
    if len(codes) < 2:
        raise ValueError(
            f"UDR compares models, give 2 at least. Received: {len(codes)} models"
        )
    if (
        len({len(model) for model in codes}) > 1
        or [shape[1:] for shape in shapes] != kl_shapes
    ):
        raise ValueError(
            "Give codes (n, num_codes) of the same n observations and their KL "
            f"(num_codes,) for each model. Received: shapes of codes {shapes}, of KL "
            f"{kl_shapes}"
        )
    return codes, kl


def _absolute_products(ranks, other_ranks):
    return np.minimum(np.abs(ranks.T @ other_ranks), 1.0)


def _fewer_samples(vectors):
    """Reduces samples to at most one per column, with the same weights in Lasso.

    Lasso depends only on the inner products of columns, which vectors = QR and R share.
    It divides them by the number of rows, so R is scaled.
    """
    rows = np.linalg.qr(vectors - np.mean(vectors, axis=0), mode="r")
    return np.asfortranarray(rows * np.sqrt(len(rows) / len(vectors)))


def _lasso(samples, other_samples):
    from sklearn import linear_model

    lasso = linear_model.Lasso(alpha=0.1, fit_intercept=False)
    weights = lasso.fit(samples, other_samples).coef_
    return np.abs(weights.reshape(other_samples.shape[1], samples.shape[1])).T
