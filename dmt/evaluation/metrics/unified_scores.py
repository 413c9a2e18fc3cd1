"""Unified scores: every aggregation of every matrix of codes and factors.

MIG, SAP, modularity and DCI first compute a matrix of relations between codes and
factors, then aggregate it. Here, every aggregation is applied to every matrix. Two more
count the groups of codes and factors that entries above a threshold connect.
Locatello et al.: A Sober Look at the Unsupervised Learning of Disentangled
Representations and their Evaluation, 2020 (https://arxiv.org/abs/2010.14766).
"""

import functools
import os
from collections.abc import Sequence
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import (
    dci,
    modularity_explicitness,
    predictors,
    reduced_downstream_task,
    registry,
    sap_score,
)
from dmt.evaluation.metrics.information import (
    Discretizer,
    class_indices,
    entropy,
    in_bins,
    top_two_gap,
)
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.evaluation.metrics.samples import on_labels, on_samples, split
from dmt.utils import pictures, stages


@registry.metric(
    "unified_scores",
    scores=[
        "mutual_information_matrix.mig",
        "importance_gbt_matrix.dci",
        "accuracy_svm_matrix.sap",
    ],
    intervals={
        "mutual_information_matrix.mig": (0, 1),
        "importance_gbt_matrix.dci": (0, 1),
    },
    of_same_size=["importance_gbt_matrix.dci"],
    without_intervals={
        "accuracy_svm_matrix.sap": "penalties are stronger in smaller samples"
    },
    invariances=registry.EVERYTHING - {"scale codes", "duplicate samples"},
    axes={"matrix": (1,)},
    keys=(
        r"(?<=\.factor_)\d+|(?<=\.dci_completeness\.code_)\d+"
        r"|(?<=\.merge_)\d+|(?<=\d_)\d+$"
    ),
)
def unified_scores(
    factors: np.ndarray,
    codes: np.ndarray,
    factors_test: np.ndarray,
    codes_test: np.ndarray,
    *,
    matrices: Sequence[str] = (
        "importance_gbt_matrix",
        "mutual_information_matrix",
        "accuracy_svm_matrix",
    ),
    num_bins: int = 20,
) -> dict[str, Any]:
    """All aggregations of the relations between codes and factors.

    Args:
        factors: array-like of shape (n_train, num_factors), discrete values.
        codes: array-like of shape (n_train, num_codes), at least two codes.
        factors_test: array-like of shape (n_test, num_factors), discrete values.
        codes_test: array-like of shape (n_test, num_codes), see
            `inputs.train_and_test`.
        matrices: names of the relations, functions of this module.
        num_bins: number of bins of equal width per code, for mutual information.
        seed: integer seed of ties between splits, and of the held-out samples.

    Returns:
        Dictionary with the prefix `<name of the relation>.`:
            area_precision, max_precision: see `pr_curves_values`.
            merge_<a>_<b>: see `merge_points`. (disentanglement_lib reports them only
                where it plots, and in no fixed order of a and b.)
            dci, dci_disentanglement, dci_completeness and .code_<i>: see
                `aggregation_dci`.
            mig, sap and .factor_<j>: see `aggregation_mig`, `aggregation_sap`.
            modularity and .code_<i>: see `aggregation_modularity`.
            matrix: the relation, nested list (num_codes, num_factors).
        and num_train, num_test, scikit_learn: numbers of samples, library version.

    Raises:
        ValueError: if the shapes do not fit, there is only one code, or a name is
            unknown.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> samples = (factors, -2.0 * factors, factors, -2.0 * factors)
        >>> relation = "mutual_information_matrix"
        >>> scores = aggregate_relations(*samples, matrices=[relation])
        >>> round(scores["mutual_information_matrix.mig"], 9)
        1.0
        >>> scores["mutual_information_matrix.max_precision"]  # One group per factor.
        2
    """
    functions = {
        "importance_gbt_matrix": importance_gbt_matrix,
        "accuracy_svm_matrix": accuracy_svm_matrix,
        "mutual_information_matrix": lambda mus, ys, mus_test, ys_test: (
            _mutual_information(in_bins(mus.T, num_bins), ys.T)
        ),
    }
    unknown = set(matrices) - functions.keys()
    if unknown:
        raise ValueError(
            f"The relations are {', '.join(functions)}. Received: {sorted(unknown)}"
        )
    return _scores(
        factors,
        codes,
        factors_test,
        codes_test,
        {name: functions[name] for name in matrices},
    )


@on_samples("unified_scores")
def compute_unified_scores(
    sampler,
    num_train=gin.REQUIRED,
    num_test=gin.REQUIRED,
    matrix_fns=gin.REQUIRED,
    batch_size=16,
):
    """Unified scores on samples of a dataset.

    `matrix_fns` is a list of functions such as `importance_gbt_matrix`, known by their
    names. With an `artifact_dir`, and if matplotlib is installed, each matrix is
    plotted there.
    """
    tables = sampler.train_and_test(num_train, num_test, batch_size)
    scores = _scores_of_tables(tables, matrix_fns)
    if sampler.artifact_dir is not None:
        names = getattr(sampler.data, "factor_names", None) or [
            f"Factor {index}" for index in range(sampler.data.num_factors)
        ]
        for function in matrix_fns:
            name = function.__name__
            _plot(np.array(scores[f"{name}.matrix"]), sampler.artifact_dir, name, names)
    return scores


@on_labels("unified_score_validation")
def compute_unified_score_on_fixed_data(
    factors,
    codes,
    train_percentage=gin.REQUIRED,
    matrix_fns=gin.REQUIRED,
    batch_size=100,
):
    """Unified scores of labelled observations; see `split` for train and test."""
    del batch_size
    return _scores_of_tables(split(factors, codes, train_percentage), matrix_fns)


def _scores_of_tables(tables, matrix_fns):
    named = {function.__name__: function for function in matrix_fns}
    return bootstrap(functools.partial(_scores, matrix_fns=named), tables)


@registry.formula_of("unified_scores")
def _scores(factors_train, codes_train, factors_test, codes_test, matrix_fns):
    scores = {}
    for name, matrix_fn in matrix_fns.items():
        matrix = matrix_fn(codes_train.T, factors_train.T, codes_test.T, factors_test.T)
        results = pr_curves_values(matrix) | merge_points(matrix)
        for aggregate in AGGREGATION_FN:
            results |= aggregate(matrix, factors_train.T)
        results["matrix"] = matrix.tolist()
        scores |= {f"{name}.{key}": value for key, value in results.items()}
    return scores | predictors.provenance(len(codes_train), len(codes_test))


# Relations of codes to factors take the arguments of disentanglement_lib, one variable
# per row: codes (num_codes, n_train), factors (num_factors, n_train), then the same of
# the test samples. They return an array (num_codes, num_factors).
_MATRIX_ARGUMENTS = ["mus_train", "ys_train", "mus_test", "ys_test"]


@stages.configurable("importance_gbt_matrix", "evaluation", denylist=_MATRIX_ARGUMENTS)
def importance_gbt_matrix(mus_train, ys_train, mus_test, ys_test):
    """Importance of every code to gradient boosted trees that predict each factor.

    Entries are at least 0. Columns sum to 1, or to 0 for a factor with one value in the
    training sample.
    """
    return reduced_downstream_task.compute_factorwise_dci(
        mus_train, ys_train, mus_test, ys_test
    )


@stages.configurable(
    "mutual_information_matrix", "evaluation", denylist=_MATRIX_ARGUMENTS
)
def mutual_information_matrix(mus_train, ys_train, mus_test, ys_test):
    """Mutual information of training codes, in the bins of `discretizer`, in nats."""
    del mus_test, ys_test
    bins = Discretizer()(np.transpose(mus_train))
    return _mutual_information(bins, np.transpose(ys_train))


def _mutual_information(codes, factors):
    """Like `information.mutual_information`, but with the rounding of scikit-learn.

    Codes that determine a factor have equal information up to rounding. The number of
    groups depends on which of them is larger.
    """
    from sklearn import metrics

    codes, factors = class_indices(codes), class_indices(factors)
    return np.array([[metrics.mutual_info_score(v, z) for v in factors] for z in codes])


@stages.configurable("accuracy_svm_matrix", "evaluation", denylist=_MATRIX_ARGUMENTS)
def accuracy_svm_matrix(mus_train, ys_train, mus_test, ys_test):
    """Test accuracy of a linear classifier of each factor on each code alone."""
    return sap_score.compute_score_matrix(
        mus_train, ys_train, mus_test, ys_test, continuous_factors=False
    )


def precision(matrix, threshold):
    """Number of groups of codes and factors that the large entries connect.

    Args:
        matrix: array of shape (num_codes, num_factors), at least 0.
        threshold: smallest entry that connects its code and its factor; zeros never do.

    Returns:
        Number of connected groups with at least two members. It is the number of
        factors if each has its own codes, and 1 if all are entangled.
    """
    from scipy.sparse import csgraph

    num_codes, size = len(matrix), sum(np.shape(matrix))
    connected = np.zeros((size, size), dtype=bool)
    connected[:num_codes, num_codes:] = (matrix >= threshold) & (matrix != 0)
    groups = csgraph.connected_components(connected, directed=False)[1]
    return int(np.sum(np.bincount(groups) > 1))


def _precision_curve(matrix):
    """The entries in increasing order, and the `precision` at each of them."""
    thresholds = np.sort(matrix, axis=None)
    distinct, inverse = np.unique(thresholds, return_inverse=True)
    values = np.array([precision(matrix, threshold) for threshold in distinct])
    return thresholds, values[inverse]


def pr_curves_values(matrix):
    """Area and maximum of the number of groups as a function of the threshold.

    Args:
        matrix: array of shape (num_codes, num_factors), at least 0.

    Returns:
        Dictionary: area_precision, the integral of `precision` over thresholds between
        the smallest and the largest entry, by the trapezoidal rule; max_precision, the
        largest number of groups.
    """
    thresholds, values = _precision_curve(np.asarray(matrix))
    return {
        "area_precision": float(np.trapezoid(values, thresholds)),
        "max_precision": int(values.max()),
    }


def merge_points(matrix):
    """When factors become connected as the threshold is lowered.

    Args:
        matrix: array of shape (num_codes, num_factors), at least 0.

    Returns:
        Dictionary of `merge_<a>_<b>` for factors a < b: how many entries are larger
        than the one that connects them, from 0 to num_codes * num_factors - 1. Larger
        is better.
    """
    matrix = np.asarray(matrix)
    thresholds = _merge_thresholds(matrix)
    return {
        f"merge_{a}_{b}": int(np.sum(matrix > thresholds[a, b]))
        for b in range(len(thresholds))
        for a in range(b)
    }


def _merge_thresholds(matrix):
    """Largest threshold that connects two factors, shape (num_factors, num_factors)."""
    # Directly, by a code; then by way of other factors.
    connected = np.minimum(matrix[:, :, None], matrix[:, None, :]).max(axis=0)
    for factor in range(len(connected)):
        detour = np.minimum(connected[:, [factor]], connected[[factor], :])
        connected = np.maximum(connected, detour)
    return connected


def aggregation_dci(matrix, ys):
    """Aggregates a matrix (num_codes, num_factors), at least 0, like DCI.

    Returns:
        Dictionary: dci_disentanglement, dci_completeness, dci (which is the former),
        all in [0, 1], 1 is best; dci_disentanglement.code_<i> of code i;
        dci_completeness.code_<j>, which in spite of its name belongs to factor j.
    """
    del ys
    matrix = np.asarray(matrix)
    disentanglement = dci.disentanglement(matrix)
    return {
        "dci_disentanglement": disentanglement,
        "dci_completeness": dci.completeness(matrix),
        "dci": disentanglement,
        **_numbered("dci_disentanglement.code", dci.disentanglement_per_code(matrix)),
        **_numbered("dci_completeness.code", dci.completeness_per_factor(matrix)),
    }


def aggregation_mig(m, ys_train):
    """Aggregates like MIG: gaps between the best two codes over factors' entropies.

    Takes a matrix (num_codes, num_factors), at least two codes, and discrete factors
    (num_factors, n).

    Returns:
        Dictionary: mig, the mean, and mig.factor_<j>; nan for a factor with one value.
    """
    gaps = top_two_gap(np.asarray(m)) / entropy(np.transpose(ys_train))
    return {"mig": float(gaps.mean()), **_numbered("mig.factor", gaps)}


def aggregation_sap(matrix, ys):
    """Gaps, as in SAP, between the best two codes of a matrix (num_codes, num_factors).

    Returns:
        Dictionary: sap, the mean, and sap.factor_<j>, at least 0.
    """
    del ys
    gaps = top_two_gap(np.asarray(matrix))
    return {"sap": float(gaps.mean()), **_numbered("sap.factor", gaps)}


def aggregation_modularity(matrix, ys):
    """Aggregates a matrix (num_codes, num_factors), at least 0, like modularity.

    Returns:
        Dictionary: modularity, the mean, and modularity.code_<i>, in [0, 1].
    """
    del ys
    scores = modularity_explicitness.modularity_per_code(np.asarray(matrix))
    return {"modularity": float(scores.mean()), **_numbered("modularity.code", scores)}


AGGREGATION_FN = [
    aggregation_dci,
    aggregation_mig,
    aggregation_sap,
    aggregation_modularity,
]


def _numbered(name, values):
    return {f"{name}_{index}": float(value) for index, value in enumerate(values)}


def _plot(matrix, directory, name, factor_names):
    """Calls `_draw` if matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    _draw(matrix, directory, name, list(map(pictures.as_label, factor_names)))


@pictures.plain_text()
def _draw(matrix, directory, name, factor_names):
    """Draws a matrix, its number of groups, and the order in which factors merge."""
    from matplotlib.figure import Figure
    from scipy.cluster import hierarchy
    from scipy.spatial import distance

    os.makedirs(directory, exist_ok=True)

    def new_axes():
        return Figure(layout="constrained").subplots()

    def save(axes, suffix=""):
        axes.figure.savefig(os.path.join(directory, f"{name}{suffix}.png"))

    axes = new_axes()
    axes.figure.colorbar(axes.imshow(matrix, cmap="Blues", vmin=0))
    axes.set(title=name, xlabel="Factors", ylabel="Codes", yticks=range(len(matrix)))
    axes.set_xticks(range(len(factor_names)), factor_names, rotation=45, ha="right")
    save(axes)

    axes = new_axes()
    thresholds, groups = _precision_curve(matrix)
    factors_left = [np.sum((matrix >= t).any(axis=0)) for t in thresholds]
    axes.step(thresholds, groups, where="pre", label="Groups")
    axes.step(thresholds, factors_left, where="pre", label="Factors with a code")
    axes.set(title=name, xlabel="Threshold", ylabel="Number")
    axes.legend()
    save(axes, "_pr")

    if len(factor_names) > 1:
        axes = new_axes()
        merged = matrix.max() - _merge_thresholds(matrix)
        np.fill_diagonal(merged, 0)
        tree = hierarchy.linkage(distance.squareform(merged), "single")
        hierarchy.dendrogram(tree, labels=factor_names, orientation="left", ax=axes)
        axes.set(title=name, xlabel="Largest entry minus threshold")
        save(axes, "_dendrogram")


# It is `dmt.metrics.unified_scores`. disentanglement_lib has another function of this
# name in this module, which `dmt.compat` adds.
aggregate_relations = unified_scores
del unified_scores
