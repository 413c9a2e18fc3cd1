"""Names of disentanglement_lib for `dmt.evaluation.metrics.reduced_downstream_task`."""

import numpy as np

from dmt.evaluation.metrics import predictors

__all__ = ["compute_predictive_accuracy"]


def compute_predictive_accuracy(x_train, y_train, x_test, y_test, predictor_fn):
    """Accuracies of classifiers that predict each factor from all codes.

    Codes have one sample per row, factors one sample per column.

    Args:
        x_train: codes, array of shape (n_train, num_codes).
        y_train: factors, array of shape (num_factors, n_train), discrete values.
        x_test: codes, array of shape (n_test, num_codes).
        y_test: factors, array of shape (num_factors, n_test), discrete values.
        predictor_fn: function that makes a scikit-learn classifier.

    Returns:
        Training and test accuracies, two lists (num_factors,), in [0, 1].
    """
    train, test = predictors.accuracies(
        predictor_fn,
        np.transpose(y_train),
        np.asarray(x_train),
        np.transpose(y_test),
        np.asarray(x_test),
    )
    return train.tolist(), test.tolist()
