"""DCI-ES: DCI with explicitness (how easy it is to use the codes) and size.

Eastwood, Nicolicioiu, von Kügelgen, Kekić, Träuble, Dittadi, Schölkopf: DCI-ES: An
Extended Disentanglement Framework with Connections to Identifiability, 2023
(https://arxiv.org/abs/2210.00364).
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from dmt.evaluation.metrics import dci, predictors, registry
from dmt.evaluation.metrics.samples import on_samples_of
from dmt.utils import checks


@registry.metric(
    "dci_es",
    scores=[
        "disentanglement",
        "completeness",
        "informativeness_test",
        "explicitness",
        "size",
    ],
    intervals={},
    without_intervals=dict.fromkeys(
        ["disentanglement", "completeness", "informativeness_test", "explicitness"],
        "the best depth changes with the sample",
    )
    | {"size": "it does not depend on the samples"},
    # Size counts codes; trees grow deeper on repeated samples.
    invariances=registry.EVERYTHING - {"add dead code", "duplicate samples"},
    axes={"importance_matrix": (1,), "loss_capacity_curves": (0,)},
)
def dci_es(
    factors: np.ndarray,
    codes: np.ndarray,
    factors_test: np.ndarray,
    codes_test: np.ndarray,
    *,
    max_depth: int = 32,
    num_trees: int = 10,
    continuous_factors: bool | Sequence[bool] = False,
    seed: int = 0,
) -> dict[str, Any]:
    """DCI-ES scores from random forests of growing depth.

    The capacity of a probe is the depth of its trees, from 1 to max_depth. The
    loss-capacity curve l_k of a factor v_k gives for each depth the smallest test loss
    of the forests up to this depth, where loss is 1 - accuracy. With l_k* the minimum
    of l_k and b_k the loss of guessing, 1 - 1 / (number of values), the explicitness is

      E_k = 1 - (area between l_k and l_k*) / ((max_depth - 1) b_k / 2),

    1 if trees of depth 1 are as good as deeper ones, 0 if the loss falls from b_k to 0
    along a straight line. E, the mean over factors, measures how soon the loss falls,
    not how far. Codes without information about a factor have a flat curve, so read E
    together with informativeness. The size is S = num_factors / num_codes.

    Disentanglement, completeness and informativeness are those of `dci`, for the
    forests of the depth with the best mean test score. Importances are the mean
    decrease in impurity.

    The forests are grown once, to max_depth, and are cut to give forests of lower
    depth. Every split may use every code. The authors use forests of 100 trees, 12
    depths from 1 to 32, and a random subset of the codes for each split.

    Args:
        factors: array-like of shape (n_train, num_factors).
        codes: array-like of shape (n_train, num_codes).
        factors_test: array-like of shape (n_test, num_factors).
        codes_test: array-like of shape (n_test, num_codes), see
            `inputs.train_and_test`.
        max_depth: largest depth of the trees, at least 2.
        num_trees: number of trees in a forest.
        continuous_factors: whether the factors are numbers, not classes: a bool, or one
            for each factor. The score of a continuous factor is R^2 in place of
            accuracy, and its loss of guessing is 1.
        seed: integer seed of the forests, and of the held-out samples.

    Returns:
        Dictionary:
            disentanglement, completeness: in [0, 1], 1 is best. Disentanglement is nan
                if only one factor varies, completeness if there is one code.
            informativeness_test: mean test accuracy over factors, in [0, 1], 1 is best;
                or R^2, at most 1.
            explicitness: mean over factors, at most 1, which is best; about -1 if the
                loss falls at the largest depth only.
            size: greater than 0; less than 1 if there are more codes than factors.
            informativeness_test_per_factor, completeness_per_factor,
                explicitness_per_factor: lists (num_factors,).
            disentanglement_per_code: list (num_codes,).
            importance_matrix: nested list (num_codes, num_factors), at least 0.
            loss_capacity_curves: nested list (num_factors, max_depth), the curves l_k.
            best_depth: depth with the best mean test score.
            num_train, num_test, max_depth, num_trees, scikit_learn: the settings, and
                the version of the library.

    Raises:
        ValueError: if the shapes do not fit, or max_depth is less than 2.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([2, 2]).reshape(2, -1).T
        >>> factors = np.tile(factors, (50, 1))
        >>> scores = dci_es(factors, -2.0 * factors, factors, -2.0 * factors)
        >>> scores["explicitness"], scores["informativeness_test"], scores["size"]
        (1.0, 1.0, 1.0)
    """
    checks.integer("max_depth", max_depth, low=2)
    continuous = np.broadcast_to(continuous_factors, factors.shape[1])
    models = predictors.fit_each(
        functools.partial(_forest, False, max_depth, num_trees, seed),
        functools.partial(_forest, True, max_depth, num_trees, seed),
        codes,
        factors,
        continuous,
    )
    scores = np.array(
        [
            _scores_by_depth(model, codes_test, target, max_depth)
            for model, target in zip(models, factors_test.T, strict=True)
        ]
    )
    best_depth = 1 + int(scores.mean(axis=0).argmax())
    num_codes = codes.shape[1]
    importance = np.stack(
        [_importances(model, num_codes, best_depth) for model in models], axis=1
    )
    losses = np.minimum.accumulate(1.0 - scores, axis=1)
    guessing = np.array(
        [
            1.0 if is_continuous else 1.0 - 1.0 / len(np.unique(target))
            for target, is_continuous in zip(factors.T, continuous, strict=True)
        ]
    )
    explicitness = _explicitness(losses, guessing)
    informativeness = scores[:, best_depth - 1]
    return {
        "disentanglement": dci.disentanglement(importance),
        "completeness": dci.completeness(importance),
        "informativeness_test": float(informativeness.mean()),
        "explicitness": float(explicitness.mean()),
        "size": len(models) / num_codes,
        "informativeness_test_per_factor": informativeness.tolist(),
        "completeness_per_factor": dci.completeness_per_factor(importance).tolist(),
        "explicitness_per_factor": explicitness.tolist(),
        "disentanglement_per_code": dci.disentanglement_per_code(importance).tolist(),
        "importance_matrix": importance.tolist(),
        "loss_capacity_curves": losses.tolist(),
        "best_depth": best_depth,
        **predictors.provenance(len(codes), len(codes_test)),
        "max_depth": max_depth,
        "num_trees": num_trees,
    }


compute_dci_es = on_samples_of("compute_dci_es", dci_es)


def _forest(continuous_factors, max_depth, num_trees, seed):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    forest = RandomForestRegressor if continuous_factors else RandomForestClassifier
    return forest(num_trees, max_depth=max_depth, max_features=None, random_state=seed)


def _scores_by_depth(forest, codes, target, max_depth):
    """Test accuracy, or R^2, (max_depth,) of the forest cut at depth 1, 2, ...

    Takes a fitted random forest, or a classifier that always predicts one value.
    """
    if not hasattr(forest, "estimators_"):
        return np.full(max_depth, np.mean(forest.predict(codes) == target))
    codes = np.ascontiguousarray(codes, np.float32)  # The dtype of the trees.
    rows = np.arange(len(codes))
    outputs = forest.estimators_[0].tree_.value.shape[2]
    sums = np.zeros((max_depth, len(codes), outputs))
    for estimator in forest.estimators_:
        tree = estimator.tree_
        feature = np.maximum(0, tree.feature)  # Leaves have a negative one.
        nodes = np.zeros(len(codes), np.int64)
        for depth in range(max_depth):
            inner = tree.children_left[nodes] >= 0
            left = codes[rows, feature[nodes]] <= tree.threshold[nodes]
            children = np.where(
                left, tree.children_left[nodes], tree.children_right[nodes]
            )
            nodes = np.where(inner, children, nodes)
            sums[depth] += tree.value[nodes, 0]
    if hasattr(forest, "classes_"):
        return np.mean(forest.classes_[sums.argmax(axis=2)] == target, axis=1)
    return predictors.r_squared(target, sums[:, :, 0] / len(forest.estimators_))


def _importances(forest, num_codes, depth):
    """Mean decrease in impurity (num_codes,) by the splits above a depth."""
    total = np.zeros(num_codes)
    for estimator in getattr(forest, "estimators_", []):
        tree = estimator.tree_
        weight = tree.weighted_n_node_samples * tree.impurity
        splits = (tree.children_left >= 0) & (_depths(tree) < depth)
        decrease = weight - weight[tree.children_left] - weight[tree.children_right]
        importances = np.bincount(tree.feature[splits], decrease[splits], num_codes)
        if importances.any():
            total += importances / importances.sum()
    return total / total.sum() if total.any() else total


def _depths(tree):
    depths = np.zeros(tree.node_count, np.int64)
    # Nodes are numbered from the root: children come after their parent.
    for node in np.flatnonzero(tree.children_left >= 0):
        depths[tree.children_left[node]] = depths[node] + 1
        depths[tree.children_right[node]] = depths[node] + 1
    return depths


def _explicitness(losses, guessing):
    """Explicitness (num_factors,) of loss-capacity curves (num_factors, max_depth)."""
    above = losses - losses[:, -1:]
    area = ((above[:, :-1] + above[:, 1:]) / 2).sum(axis=1)
    triangle = (losses.shape[1] - 1) * guessing / 2
    return 1.0 - np.divide(area, triangle, out=np.zeros(len(area)), where=triangle > 0)
