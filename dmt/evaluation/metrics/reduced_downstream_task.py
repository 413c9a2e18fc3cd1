"""Reduced downstream task: what is lost without the codes that encode a factor best?

If each factor has its own code, removing the code affects this factor and no other.
"""

import functools
from collections.abc import Callable
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import dci, predictors, registry
from dmt.evaluation.metrics.samples import on_samples
from dmt.utils import stages


@stages.configurable(
    "factorwise_dci",
    "evaluation",
    denylist=["mus_train", "ys_train", "mus_test", "ys_test"],
)
def compute_factorwise_dci(mus_train, ys_train, mus_test, ys_test):
    """Importance of every code to gradient boosted trees that predict each factor.

    Args:
        mus_train: training codes, array of shape (num_codes, n_train).
        ys_train: training factors, array of shape (num_factors, n_train).
        mus_test: not used, array of shape (num_codes, n_test).
        ys_test: not used, array of shape (num_factors, n_test).

    Returns:
        Array of shape (num_codes, num_factors), at least 0.
    """
    del mus_test, ys_test
    codes, factors = np.transpose(mus_train), np.transpose(ys_train)
    models = predictors.fit(predictors.gradient_boosting_classifier, codes, factors)
    return dci.importances(models, codes.shape[1])


@registry.metric(
    "reduced_downstream_task",
    scores=["mean_test_accuracy_reduced_factor", "mean_test_accuracy_other_factors"],
    intervals={},
    without_intervals={
        "mean_test_accuracy_reduced_factor": "it takes too long to measure",
        "mean_test_accuracy_other_factors": "it takes too long to measure",
    },
    keys=r"(?<=factor_)\d+",
)
def reduced_downstream_task(
    factors: np.ndarray,
    codes: np.ndarray,
    factors_test: np.ndarray,
    codes_test: np.ndarray,
    *,
    num_factors_to_remove: int = 1,
    predictor: Callable[[], Any] = predictors.gradient_boosting_classifier,
    correlation_measure: Callable = compute_factorwise_dci,
) -> dict[str, Any]:
    """Accuracy of classifiers without the codes that encode one factor best.

    Args:
        factors: array-like of shape (n_train, num_factors), discrete values.
        codes: array-like of shape (n_train, num_codes).
        factors_test: array-like of shape (n_test, num_factors), discrete values.
        codes_test: array-like of shape (n_test, num_codes), see
            `inputs.train_and_test`.
        num_factors_to_remove: number of codes to remove for each factor, one by one.
        predictor: function that makes a scikit-learn classifier, see `predictors.fit`.
        correlation_measure: function from codes (num_codes, n_train), factors
            (num_factors, n_train), test codes and test factors to an array (num_codes,
            num_factors) that is large where a code encodes a factor. It is called with
            one factor at a time.
        seed: integer seed of ties between splits, and of the held-out samples.

    Returns:
        Dictionary of accuracies in [0, 1]. Each key with train also exists with test:
            mean_train_accuracy_reduced_factor: accuracy on the factor whose codes were
                removed, mean over factors; low if no other code encodes it.
            mean_train_accuracy_other_factors: mean over the other factors; high if the
                removed codes encode nothing else. nan if only one factor varies.
            reduced_factor_<f>:mean_train_accuracy_factor_<i>: accuracy on factor i
                without the best codes of factor f.
            reduced_factor_<f>:mean_train_accuracy_reduced_factor: The same for i = f.
            reduced_factor_<f>:mean_train_accuracy_non_reduced_factor: Mean over the i
                other than f.
            num_train, num_test, num_factors_to_remove, predictor, scikit_learn: the
                settings, and the version of the classifier's library.

    Raises:
        ValueError: if the shapes do not fit, or no code would be left.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> samples = (factors, -2.0 * factors, factors, -2.0 * factors)
        >>> scores = reduced_downstream_task(*samples)
        >>> scores["mean_test_accuracy_other_factors"]
        1.0
        >>> round(scores["mean_test_accuracy_reduced_factor"], 6)  # (1 / 3 + 1 / 4) / 2
        0.291667
    """
    return {
        **_scores(
            predictor,
            factors,
            codes,
            factors_test,
            codes_test,
            num_factors_to_remove=num_factors_to_remove,
            correlation_measure=correlation_measure,
        ),
        **predictors.provenance(len(codes), len(codes_test), predictor),
        "num_factors_to_remove": num_factors_to_remove,
    }


@on_samples("reduced_downstream_task")
def compute_reduced_downstream_task(
    sampler,
    num_factors_to_remove=gin.REQUIRED,
    num_train=gin.REQUIRED,
    num_test=gin.REQUIRED,
    batch_size=16,
):
    """Reduced downstream task on samples of a dataset, for several sizes.

    The classifier is the gin parameter `predictor.predictor_fn`, the codes are ranked
    by `reduced_representation.correlation_measure`. `num_train` and the keys of the
    scores are those of `compute_downstream_task`.
    """
    score = functools.partial(
        _scores,
        num_factors_to_remove=num_factors_to_remove,
        correlation_measure=_chosen_measure(),
    )
    scores = predictors.scores_by_size(sampler, num_train, num_test, batch_size, score)
    return scores | {"num_factors_to_remove": num_factors_to_remove}


@registry.formula_of("reduced_downstream_task")
def _scores(
    predictor,
    factors_train,
    codes_train,
    factors_test,
    codes_test,
    *,
    num_factors_to_remove,
    correlation_measure,
):
    num_factors, num_codes = factors_train.shape[1], codes_train.shape[1]
    if num_factors_to_remove >= num_codes:
        raise ValueError(
            "Remove fewer codes than there are. Received: num_factors_to_remove="
            f"{num_factors_to_remove}, num_codes={num_codes}"
        )
    # Axes: train or test, removed factor, predicted factor.
    accuracy = np.empty((2, num_factors, num_factors))
    for factor in range(num_factors):
        train, test = codes_train, codes_test
        for _ in range(num_factors_to_remove):
            relation = correlation_measure(
                train.T, factors_train.T[[factor]], test.T, factors_test.T[[factor]]
            )
            best = np.argmax(relation[:, 0])
            train, test = (np.delete(codes, best, axis=1) for codes in (train, test))
        accuracy[:, factor] = predictors.accuracies(
            predictor, factors_train, train, factors_test, test
        )
    reduced = accuracy.diagonal(axis1=1, axis2=2)
    with np.errstate(invalid="ignore"):
        others = (accuracy.sum(axis=2) - reduced) / np.float64(num_factors - 1)
    scores = {}
    for index, name in enumerate(("train", "test")):
        mean = f"mean_{name}_accuracy"
        scores[f"{mean}_reduced_factor"] = float(reduced[index].mean())
        scores[f"{mean}_other_factors"] = float(others[index].mean())
        for f in range(num_factors):
            prefix = f"reduced_factor_{f}:{mean}"
            scores[f"{prefix}_reduced_factor"] = float(reduced[index, f])
            scores[f"{prefix}_non_reduced_factor"] = float(others[index, f])
            for i, value in enumerate(accuracy[index, f]):
                scores[f"{prefix}_factor_{i}"] = float(value)
    return scores


@stages.configurable("reduced_representation", "evaluation")
def _chosen_measure(correlation_measure=gin.REQUIRED):
    """The function chosen in gin that measures how well codes encode a factor."""
    return correlation_measure


# Only for users of disentanglement_lib, who import this name.
def compute_reduced_representation(
    mus_train,
    ys_train,
    mus_test,
    ys_test,
    factor_of_interest,
    correlation_measure=gin.REQUIRED,
):
    """Codes (num_codes, n) without the one that encodes a factor best."""
    relation = _chosen_measure(correlation_measure)(
        mus_train, ys_train, mus_test, ys_test
    )
    best = np.argmax(relation[:, factor_of_interest])
    return np.delete(mus_train, best, axis=0), np.delete(mus_test, best, axis=0)
