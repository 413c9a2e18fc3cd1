"""Names of disentanglement_lib for `dmt.evaluation.metrics.unified_scores`."""

import numpy as np

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
        artifact_dir: directory for a picture of each matrix, None for none.
        factor_names: names of the factors in the pictures, None for their numbers.

    Returns:
        Dictionary of scores, with the prefix `<name of the function>.`.
    """
    arrays = (ys_train, mus_train, ys_test, mus_test)
    scores = ours.scores_of_relations(
        *(np.transpose(array) for array in arrays),
        {function.__name__: function for function in matrix_fns},
    )
    if artifact_dir is not None:
        names = factor_names or [f"Factor {i}" for i in range(len(ys_train))]
        ours.plot_relations(scores, matrix_fns, artifact_dir, names)
    return scores
