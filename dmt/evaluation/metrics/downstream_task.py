"""Downstream task: how well do classifiers predict factors from codes?

Locatello et al.: Challenging Common Assumptions in the Unsupervised Learning of
Disentangled Representations, 2019, section 5.5 (https://arxiv.org/abs/1811.12359).
"""

from collections.abc import Callable
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import predictors, registry
from dmt.evaluation.metrics.samples import on_samples


@registry.metric(
    "downstream_task",
    scores=["mean_test_accuracy"],
    intervals={"mean_test_accuracy": (0, 1)},
    of_same_size=["mean_test_accuracy"],
    accuracies=["mean_test_accuracy"],
    keys=r"(?<=_accuracy_factor_)\d+",
)
def downstream_task(
    factors: np.ndarray,
    codes: np.ndarray,
    factors_test: np.ndarray,
    codes_test: np.ndarray,
    *,
    predictor: Callable[[], Any] = predictors.gradient_boosting_classifier,
) -> dict[str, Any]:
    """Accuracy of classifiers that predict each factor from all codes.

    Args:
        factors: array-like of shape (n_train, num_factors), discrete values.
        codes: array-like of shape (n_train, num_codes).
        factors_test: array-like of shape (n_test, num_factors), discrete values.
        codes_test: array-like of shape (n_test, num_codes), see
            `inputs.train_and_test`.
        predictor: function that makes a scikit-learn classifier, see `predictors.fit`.
        seed: integer seed of ties between splits, and of the held-out samples.

    Returns:
        Dictionary:
            mean_train_accuracy, mean_test_accuracy: mean over factors, in [0, 1], 1 is
                best.
            min_train_accuracy, min_test_accuracy: accuracy of the worst factor.
            train_accuracy_factor_<i>, test_accuracy_factor_<i>: accuracy of factor i.
            num_train, num_test, predictor, scikit_learn: see `predictors.provenance`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> samples = (factors, -2.0 * factors, factors, -2.0 * factors)
        >>> downstream_task(*samples)["min_test_accuracy"]
        1.0
    """
    scores = _scores(predictor, factors, codes, factors_test, codes_test)
    return scores | predictors.provenance(len(codes), len(codes_test), predictor)


@on_samples("downstream_task")
def compute_downstream_task(
    sampler, num_train=gin.REQUIRED, num_test=gin.REQUIRED, batch_size=16
):
    """Downstream task on samples of a dataset, for several sizes.

    The classifier is the gin parameter `predictor.predictor_fn`. `num_train` is a list
    of numbers of training samples. New test samples are drawn for each of them. The
    keys of the scores have the prefix `<number of training samples>:`.
    """
    return predictors.scores_by_size(sampler, num_train, num_test, batch_size, _scores)


@registry.formula_of("downstream_task")
def _scores(predictor, factors_train, codes_train, factors_test, codes_test):
    accuracies = predictors.accuracies(
        predictor, factors_train, codes_train, factors_test, codes_test
    )
    scores = {}
    for name, accuracy in zip(("train", "test"), accuracies, strict=True):
        scores[f"mean_{name}_accuracy"] = float(accuracy.mean())
        scores[f"min_{name}_accuracy"] = float(accuracy.min())
        for index, value in enumerate(accuracy):
            scores[f"{name}_accuracy_factor_{index}"] = float(value)
    return scores
