"""Gradient boosted trees with scikit-learn's default settings, compiled.

Friedman: Greedy Function Approximation: A Gradient Boosting Machine, 2001
(https://doi.org/10.1214/aos/1013203451). The settings are those of
`GradientBoostingClassifier()` in scikit-learn 1.9: log-loss, 100 rounds, learning rate
0.1, in each round a regression tree of depth 3 per class (one tree for two classes),
exact best splits.
"""

import itertools
from concurrent import futures

import numba
import numpy as np

from dmt.evaluation.boosting import kernels
from dmt.evaluation.boosting.kernels import (
    BLOCK,
    LANES,
    NUM_LEAVES,
    NUM_ROUNDS,
    NUM_SPLITS,
)


class GradientBoosting:
    """Classifier of gradient boosted trees.

    It equals scikit-learn's classifier up to rounding, except where splits are equally
    good. Between splits on different codes, both then choose at random. Between splits
    on the same code, this class takes the smallest threshold, while in scikit-learn
    rounding errors decide.

    Args:
        random_state: seed, numpy RandomState, or None for numpy's global generator.

    Attributes:
        classes_: values of the target in ascending order, array (num_classes,).
        feature_importances_: share of each code in the reduction of the squared error
            by all splits, array (num_codes,). They sum to 1, or are 0 if no tree has a
            split.
    """

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, codes, target):
        """Trains on codes (n, num_codes) and a target (n,), see `fit_all`."""
        vars(self).update(vars(fit_all(codes, [target], self.random_state)[0]))
        return self

    def decision_function(self, codes):
        """Raw scores (n, num_classes), or (n,) for two classes, of finite codes."""
        codes = _check_codes(codes)
        if codes.shape[1] != len(self.feature_importances_):
            raise ValueError(
                f"Give the {len(self.feature_importances_)} codes of the training. "
                f"Received: codes.shape={codes.shape}"
            )
        scores = np.empty((len(self._prior), len(codes)))
        scores[:] = self._prior[:, None]
        kernels.predict(np.ascontiguousarray(codes.T), *self._trees, scores)
        return scores.T if len(scores) > 1 else scores[0]

    def predict(self, codes):
        """The most probable values (n,) of the target, for codes (n, num_codes)."""
        scores = self.decision_function(codes)
        if scores.ndim == 1:
            return self.classes_[(scores >= 0).astype(int)]
        return self.classes_[scores.argmax(axis=1)]

    def predict_proba(self, codes):
        """Probabilities (n, num_classes) of the classes; rows sum to 1."""
        scores = self.decision_function(codes)
        if scores.ndim == 1:
            scores = np.stack([np.zeros_like(scores), scores], axis=1)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)


def fit_all(codes, targets, random_state=None, num_threads=None):
    """Trains a classifier of every target on the same codes, in parallel.

    This is much faster than training for one target after the other. For a given
    `RandomState`, the result is the same, whatever the number of threads.

    Args:
        codes: array-like of shape (n, num_codes), finite; used in float32.
        targets: sequence of array-likes of shape (n,), each with at least 2 different
            values.
        random_state: seed, numpy RandomState, or None for numpy's global generator.
        num_threads: threads to use; default NUMBA_NUM_THREADS, which is all cores.

    Returns:
        List of fitted `GradientBoosting`, one per target.

    Raises:
        ValueError: if the shapes do not fit, codes are not finite, or a target has one
            value.
    """
    from sklearn.utils import check_random_state

    codes = _check_codes(codes)
    models = [GradientBoosting(random_state) for _ in targets]
    labels = np.empty((len(models), len(codes)), np.int64)
    for model, target, row in zip(models, targets, labels, strict=True):
        target = np.asarray(target)
        if target.shape != (len(codes),):
            raise ValueError(
                "Give one value of the target per row of codes. Received: "
                f"target.shape={target.shape}, codes.shape={codes.shape}"
            )
        model.classes_, row[:] = np.unique(target, return_inverse=True)
        if len(model.classes_) < 2:
            raise ValueError(
                "Give targets with at least 2 values. Received: "
                f"values={model.classes_.tolist()}"
            )
        shares = np.bincount(row) / len(row)
        if len(shares) == 2:
            model._prior = np.log(shares[1:] / shares[:1])
        else:
            model._prior = np.log(shares) - np.log(shares).mean()

    counts = np.array([len(model._prior) for model in models])
    random_state = check_random_state(random_state)
    seeds = [random_state.randint(2**31 - 1, size=(k, NUM_ROUNDS)) for k in counts]
    trees = _fit_trees(
        codes,
        labels,
        counts,
        np.concatenate([model._prior for model in models]),
        np.concatenate(seeds),
        num_threads or numba.config.NUMBA_NUM_THREADS,
    )
    stops = np.cumsum(counts)
    for model, start, stop in zip(models, stops - counts, stops, strict=True):
        *model._trees, gains = (array[start:stop] for array in trees)
        gains = gains.sum(axis=0)
        model.feature_importances_ = gains / (gains.sum() or 1)
    return models


def _check_codes(codes):
    with np.errstate(over="ignore"):
        codes = np.asarray(codes, np.float32)
    if codes.ndim != 2 or not codes.size or not np.isfinite(codes).all():
        raise ValueError(
            "Give finite codes of shape (n, num_codes). Received: "
            f"codes.shape={codes.shape}"
        )
    return codes


def _fit_trees(codes, labels, counts, prior, seeds, num_threads):
    """Boosts the trees of all targets, counts[k] per round for target k.

    Trees are spread over groups of LANES; lanes without a tree have residuals of 0.

    Returns the codes and the thresholds of splits (num_trees, NUM_ROUNDS, NUM_SPLITS),
    the values of leaves (num_trees, NUM_ROUNDS, NUM_LEAVES), and the reduction of the
    squared error by all splits on each code (num_trees, num_codes).
    """
    num_trees, num_groups = len(prior), -(-len(prior) // LANES)

    def lanes(array):
        """Shapes an array (num_trees, ...) to (num_groups, ..., LANES)."""
        padded = np.zeros((num_groups * LANES, *array.shape[1:]), array.dtype)
        padded[:num_trees] = array
        groups = padded.reshape(num_groups, LANES, *array.shape[1:])
        return np.moveaxis(groups, 1, -1).copy()

    def trees(array):
        """The inverse of `lanes`."""
        return np.moveaxis(array, -1, 1).reshape(-1, *array.shape[1:-1])[:num_trees]

    order = np.argsort(codes, axis=0, kind="stable").T
    sorted_codes = np.take_along_axis(codes.T, order, axis=1)
    # The last block is padded with the index of a sample that is in no node.
    missing = ((0, 0), (0, -len(codes) % BLOCK))
    order = np.pad(order.astype(np.int32), missing, constant_values=len(codes))
    seeds = lanes(seeds.astype(np.uint64))
    # Two classes have a single tree. More classes have one tree each, with smaller
    # steps.
    step_sizes = lanes(np.repeat(np.where(counts > 1, 1 - 1 / counts, 1.0), counts))
    scores = lanes(np.repeat(prior[:, None], len(codes), axis=1))
    residuals = np.zeros_like(scores)
    split_codes = np.empty((num_groups, NUM_ROUNDS, NUM_SPLITS, LANES), np.int32)
    thresholds = np.empty((num_groups, NUM_ROUNDS, NUM_SPLITS, LANES))
    values = np.empty((num_groups, NUM_ROUNDS, NUM_LEAVES, LANES))
    gains = np.zeros((num_groups, codes.shape[1], LANES))

    def update_residuals(start, stop):
        kernels.update_residuals(labels, counts, scores, start, stop, residuals)

    def grow(r, g):
        kernels.grow(
            codes,
            order,
            sorted_codes,
            residuals[g],
            seeds[g, r],
            step_sizes[g],
            scores[g],
            split_codes[g, r],
            thresholds[g, r],
            values[g, r],
            gains[g],
        )

    rows = np.linspace(0, len(codes), 4 * num_threads + 1).astype(int)
    with futures.ThreadPoolExecutor(num_threads) as pool:
        for r in range(NUM_ROUNDS):
            list(pool.map(update_residuals, rows[:-1], rows[1:]))
            list(pool.map(grow, itertools.repeat(r), range(num_groups)))
    return trees(split_codes), trees(thresholds), trees(values), trees(gains)
