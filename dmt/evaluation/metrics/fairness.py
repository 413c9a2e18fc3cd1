"""Fairness: does the prediction of one factor depend on another, sensitive one?

Locatello, Abbati, Rainforth, Bauer, Schoelkopf, Bachem: On the Fairness of Disentangled
Representations, 2019, section 3 (https://arxiv.org/abs/1905.13662). The score of the
paper is `mean_fairness:mean_pred:mean_sens`.
"""

from collections.abc import Callable
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import predictors, registry
from dmt.evaluation.metrics.information import class_indices
from dmt.evaluation.metrics.samples import on_samples


@registry.metric(
    "fairness",
    scores=["mean_fairness:mean_pred:mean_sens"],
    intervals={},
    without_intervals={
        "mean_fairness:mean_pred:mean_sens": "it takes too long to measure"
    },
    axes={"mean_fairness_matrix": (0, 1), "max_fairness_matrix": (0, 1)},
    keys=r"(?<=pred)\d+|(?<=sens)\d+",
)
def fairness(
    factors: np.ndarray,
    codes: np.ndarray,
    factors_test: np.ndarray,
    codes_test: np.ndarray,
    *,
    predictor: Callable[[], Any] = predictors.gradient_boosting_classifier,
) -> dict[str, Any]:
    """Unfairness of predictions on a table of samples.

    For predicted factor i and sensitive factor j, the predictions of i for the test
    samples with v_j = c are compared with those for all test samples, by their total
    variation TV_c = 1/2 sum_y |p(y | v_j = c) - p(y)|. If factors are dependent, or if
    there are few samples of a value, even perfect predictions are unfair.

    Args:
        factors: array-like of shape (n_train, num_factors), discrete values.
        codes: array-like of shape (n_train, num_codes).
        factors_test: array-like of shape (n_test, num_factors), discrete values.
        codes_test: array-like of shape (n_test, num_codes), see
            `inputs.train_and_test`.
        predictor: function that makes a scikit-learn classifier, see `predictors.fit`.
        seed: integer seed of ties between splits, and of the held-out samples.

    Returns:
        Dictionary, all scores in [0, 1], 0 is fairest:
            mean_fairness:<name>: aggregates of the mean of TV_c over the values c,
                weighted by frequency; see `compute_scores_dict` for the names.
            max_fairness:<name>: aggregates of the maximum of TV_c over the values c.
            mean_fairness_matrix, max_fairness_matrix: nested lists (num_factors
                predicted, num_factors sensitive), 0 on the diagonal.
            num_train, num_test, predictor, scikit_learn: see `predictors.provenance`.

    Raises:
        ValueError: if the shapes do not fit, or fewer than two factors vary.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> samples = (factors, -2.0 * factors, factors, -2.0 * factors)
        >>> fairness(*samples)["mean_fairness:mean_pred:mean_sens"]
        0.0
    """
    groups = class_indices(factors_test)

    def predict_groups(model, predicted):
        predictions = np.unique(model.predict(codes_test), return_inverse=True)[1]
        for sensitive, values in enumerate(groups):
            if sensitive != predicted:
                yield sensitive, _count(predictions, values)

    scores = _scores(factors, codes, predictor, predict_groups)
    return scores | predictors.provenance(len(codes), len(codes_test), predictor)


@on_samples("fairness")
def compute_fairness(
    sampler,
    num_train=gin.REQUIRED,
    num_test_points_per_class=gin.REQUIRED,
    batch_size=16,
):
    """Unfairness of predictions when the sensitive factor is set to each value.

    For each pair of factors, `num_test_points_per_class` test samples are drawn. Each
    is observed once with each value of the sensitive factor, so dependent factors do
    not affect the scores. The classifier is the gin parameter `predictor.predictor_fn`.
    Unlike in disentanglement_lib, a prediction need not be in
    `range(factors_num_values)`.
    """
    predictor = predictors.make_predictor_fn()
    factors_train, codes_train = sampler.sample(num_train, batch_size)
    data, random_state = sampler.data, sampler.random_state
    sizes = data.factors_num_values

    def draw_groups(others):
        for sensitive in others:
            factors = data.sample_factors(num_test_points_per_class, random_state)
            for value in range(sizes[sensitive]):
                factors = factors.copy()  # The observations may be the factors.
                factors[:, sensitive] = value
                yield data.sample_observations_from_factors(factors, random_state)

    def predict_groups(model, predicted):
        others = [factor for factor in range(data.num_factors) if factor != predicted]
        codes = sampler.encode(draw_groups(others), batch_size)
        predictions = np.unique(model.predict(codes), return_inverse=True)[1]
        start = 0
        for sensitive in others:
            values = np.repeat(np.arange(sizes[sensitive]), num_test_points_per_class)
            stop = start + len(values)
            yield sensitive, _count(predictions[start:stop], values)
            start = stop

    facts = predictors.provenance(num_train, num_test_points_per_class, predictor)
    facts["num_test_points_per_class"] = facts.pop("num_test")
    return _scores(factors_train, codes_train, predictor, predict_groups) | facts


def _count(predictions, values):
    """Counts (num_classes, num_values) of pairs of indices."""
    counts = np.zeros((predictions.max() + 1, values.max() + 1), dtype=np.int64)
    np.add.at(counts, (predictions, values), 1)
    return counts


def _scores(factors_train, codes_train, predictor, predict_groups):
    """Trains a classifier for each factor and scores its predictions.

    `predict_groups` maps a fitted classifier and the index of its factor to pairs of
    the other factors' indices and the counts of `inter_group_fairness`.
    """
    num_factors = factors_train.shape[1]
    if num_factors < 2:
        raise ValueError(
            "Fairness compares two factors. Received: "
            f"factors_train.shape={factors_train.shape}"
        )
    mean, worst = np.zeros((2, num_factors, num_factors))
    models = predictors.fit(predictor, codes_train, factors_train)
    for predicted, model in enumerate(models):
        for sensitive, counts in predict_groups(model, predicted):
            unfairness = inter_group_fairness(counts)
            mean[predicted, sensitive], worst[predicted, sensitive] = unfairness
    return {
        **compute_scores_dict(mean, "mean_fairness"),
        **compute_scores_dict(worst, "max_fairness"),
        "mean_fairness_matrix": mean.tolist(),
        "max_fairness_matrix": worst.tolist(),
    }


def inter_group_fairness(counts):
    """Total variation between the predictions in each group and those in all groups.

    Args:
        counts: array of shape (num_classes, num_groups), how often a class is predicted
            in a group.

    Returns:
        Mean over groups, weighted by their sizes, and maximum over groups, in [0, 1]. A
        group without members is left out.
    """
    counts = np.asarray(counts, dtype=np.float64)
    counts = counts[:, counts.any(axis=0)]
    sizes = counts.sum(axis=0)
    overall = counts.sum(axis=1, keepdims=True) / sizes.sum()
    distances = 0.5 * np.abs(counts / sizes - overall).sum(axis=0)
    return float(np.average(distances, weights=sizes)), float(distances.max())


def compute_scores_dict(metric, prefix):
    """Names the scores of pairs of factors and their aggregates.

    Args:
        metric: array of shape (num_factors predicted, num_factors sensitive); its
            diagonal is ignored.
        prefix: first part of all keys.

    Returns:
        Dictionary, with mean or max for <a> and <b>:
            <prefix>:pred<i>:sens<j>: the score of predicted factor i, sensitive factor
                j.
            <prefix>:pred<i>:<a>_sens: over the sensitive factors.
            <prefix>:sens<j>:<a>_pred: over the predicted factors.
            <prefix>:<a>_pred:<b>_sens: <a> over i of `pred<i>:<b>_sens`.
            <prefix>:<a>_sens:<b>_pred: <a> over j of `sens<j>:<b>_pred`.
    """
    metric = np.asarray(metric, dtype=np.float64)
    size = len(metric)
    off_diagonal = ~np.eye(size, dtype=bool)
    scores = {
        f"{prefix}:pred{i}:sens{j}": float(metric[i, j])
        for i, j in np.argwhere(off_diagonal)
    }
    aggregates = {"mean": np.mean, "max": np.max}
    for one, other, matrix in (("pred", "sens", metric), ("sens", "pred", metric.T)):
        rows = matrix[off_diagonal].reshape(size, size - 1)
        for inner, aggregate_inner in aggregates.items():
            values = aggregate_inner(rows, axis=1)
            for index, value in enumerate(values):
                scores[f"{prefix}:{one}{index}:{inner}_{other}"] = float(value)
            for outer, aggregate_outer in aggregates.items():
                key = f"{prefix}:{outer}_{one}:{inner}_{other}"
                scores[key] = float(aggregate_outer(values))
    return scores
