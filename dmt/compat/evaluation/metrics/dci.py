"""Names of disentanglement_lib for `dmt.evaluation.metrics.dci`."""

import numpy as np

from dmt.evaluation.metrics import dci, predictors

__all__ = ["compute_importance_gbt"]


def compute_importance_gbt(x_train, y_train, x_test, y_test):
    """Importances and accuracies of gradient boosted trees; see `dci.dci`.

    Ties between splits are broken with numpy's global generator.

    Args:
        x_train: codes, array of shape (num_codes, n_train).
        y_train: factors, array of shape (num_factors, n_train), discrete values.
        x_test: codes, array of shape (num_codes, n_test).
        y_test: factors, array of shape (num_factors, n_test), discrete values.

    Returns:
        Importances, array of shape (num_codes, num_factors), at least 0; mean accuracy
        over factors in training, and in test, both in [0, 1].
    """
    codes_train, factors_train, codes_test, factors_test = (
        np.transpose(rows) for rows in (x_train, y_train, x_test, y_test)
    )
    models = predictors.fit(
        predictors.gradient_boosting_classifier, codes_train, factors_train
    )
    return (
        dci.importances(models, codes_train.shape[1]),
        float(predictors.scores(models, codes_train, factors_train).mean()),
        float(predictors.scores(models, codes_test, factors_test).mean()),
    )
