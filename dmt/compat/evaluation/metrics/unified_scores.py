"""Names of disentanglement_lib for `dmt.evaluation.metrics.unified_scores`."""

import numpy as np

from dmt.compat.visualize import dendrogram, visualize_scores
from dmt.evaluation.metrics import information, modularity_explicitness
from dmt.evaluation.metrics import unified_scores as ours

__all__ = ["compute_modularity_per_code", "sap_compute_diff_top_two", "unified_scores"]

compute_modularity_per_code = modularity_explicitness.modularity_per_code


def sap_compute_diff_top_two(matrix):
    """Difference between the two largest values of each column of a matrix."""
    return information.top_two_gap(np.asarray(matrix))


def unified_scores(
    mus_train,
    ys_train,
    mus_test,
    ys_test,
    matrix_fns,
    artifact_dir=None,
    factor_names=None,
):
    """Unified scores; see `aggregate_relations`, whose arrays are transposed.

    Args:
        mus_train: codes, array of shape (num_codes, n_train).
        ys_train: factors, array of shape (num_factors, n_train), discrete values.
        mus_test: codes, array of shape (num_codes, n_test).
        ys_test: factors, array of shape (num_factors, n_test), discrete values.
        matrix_fns: functions of these four arrays that return an array (num_codes,
            num_factors), known by their names.
        artifact_dir: directory for pictures of each matrix, None for none.
        factor_names: names of the factors in the pictures, None for their numbers.

    Returns:
        Dictionary of scores, with the prefix `<name of the function>.`.
    """
    scores = {}
    for function in matrix_fns:
        matrix = np.asarray(function(mus_train, ys_train, mus_test, ys_test))
        values = ours.pr_curves_values(matrix) | ours.merge_points(matrix)
        for aggregate in ours.AGGREGATION_FN:
            values |= aggregate(matrix, ys_train)
        name = function.__name__
        scores |= {f"{name}.{key}": value for key, value in values.items()}
        if artifact_dir is not None:
            _plot(matrix, artifact_dir, name, factor_names)
    return scores


def _plot(matrix, folder, name, factor_names):
    names = factor_names or [f"Factor {i}" for i in range(matrix.shape[1])]
    axes = ("Latent codes", "Factors of variation")
    visualize_scores.heat_square(matrix, folder, name, *axes, factor_names=names)
    visualize_scores.plot_recovery_vs_independent(matrix.T, folder, f"{name}_pr")
    dendrogram.dendrogram_plot(matrix.T, f"{folder}/{name}_dendrogram", names)
