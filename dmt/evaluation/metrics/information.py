"""Bins, entropy and mutual information of samples.

Rows are samples, columns are variables. Information is in nats, with the frequencies
of the sample as probabilities.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics.resampling import bootstrap
from dmt.utils import stages


def in_bins(values, num_bins):
    """Puts each column into bins of equal width between its minimum and maximum.

    If the values of a column differ only by rounding, there are no such bins. The
    column then counts as constant, and all its values are in bin 1.

    Args:
        values: array of shape (n, num_variables).
        num_bins: number of bins per column.

    Returns:
        Array of the shape of values, with bins from 1 to num_bins.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "fc":
        values = values.astype(np.int64)
    discretized = np.zeros_like(values)
    for column, bins in zip(values.T, discretized.T, strict=True):
        bins[:] = np.digitize(column, left_edges(column, num_bins))
    return discretized


def left_edges(column, num_bins):
    """Left edges of the bins of values (n,), see `in_bins`."""
    try:
        # Without the last edge, so that the maximum falls into the last bin.
        return np.histogram_bin_edges(column, num_bins)[:-1]
    except ValueError as error:
        if "Too many bins" not in str(error):
            raise
        return column.min(keepdims=True)


def samples_in_bins(factors, codes, num_bins, continuous_factors):
    """Puts codes, and continuous factors, into bins.

    Takes the arrays that a registered metric gets, and returns discrete factors
    (n, num_factors), bins of the codes (n, num_codes), and their number.
    """
    factors = with_continuous_in_bins(factors, num_bins, continuous_factors)
    return factors, in_bins(codes, num_bins), num_bins


def with_continuous_in_bins(factors, num_bins, continuous_factors):
    """Factors (n, num_factors), where continuous ones are replaced by their bins.

    `continuous_factors` is a bool array (num_factors,).
    """
    bins = factors.copy()
    bins[:, continuous_factors] = in_bins(factors[:, continuous_factors], num_bins)
    return bins


@stages.configurable("discretizer", "evaluation")
@dataclasses.dataclass(frozen=True)
class Discretizer:
    """Bins as gin configures them.

    Attributes:
        num_bins: number of bins per variable.
        discretizer_fn: function of an array (num_variables, n) and num_bins, as in
            disentanglement_lib, to an array of that shape.
    """

    num_bins: int = gin.REQUIRED
    discretizer_fn: Callable[[np.ndarray, int], np.ndarray] = gin.REQUIRED

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The bin of each value, for values (n, num_variables)."""
        return self.discretizer_fn(values.T, self.num_bins).T


def score_in_bins(
    metric: Callable[..., dict[str, Any]], samples: np.ndarray, codes: np.ndarray
) -> dict[str, Any]:
    """Scores codes in the bins that gin chooses, with intervals if gin asks for them.

    Args:
        metric: function of `samples`, bins (n, num_codes) and the number of bins.
        samples: array of shape (n, num_variables): factors, or the codes themselves.
        codes: array of shape (n, num_codes).
    """
    discretizer = Discretizer()

    @functools.wraps(metric)
    def score(samples, codes):
        return metric(samples, discretizer(codes), discretizer.num_bins)

    return bootstrap(score, [(samples, codes)])


def mutual_information(codes, factors):
    """Mutual information of every discrete code with every discrete factor.

    I(z; v) = sum_{z, v} p(z, v) log(p(z, v) / (p(z) p(v))).

    Args:
        codes: array of shape (n, num_codes), discrete values.
        factors: array of shape (n, num_factors), discrete values.

    Returns:
        Array of shape (num_codes, num_factors), at least 0, in nats.
    """
    codes, factors = class_indices(codes), class_indices(factors)
    return np.array([[_mutual_information(z, v) for v in factors] for z in codes])


def entropy(variables):
    """Entropy of each discrete variable.

    Args:
        variables: array of shape (n, num_variables), discrete values.

    Returns:
        Array of shape (num_variables,), at least 0, in nats.
    """
    shares = [np.bincount(column) / len(column) for column in class_indices(variables)]
    return np.array([max(0.0, -(p @ np.log(p))) for p in shares])


def class_indices(variables):
    """Replaces values by their ranks 0, 1, ... among the values of their variable.

    Returns a list of integer arrays (n,), one per column of `variables`.
    """
    columns = np.asarray(variables).T
    return [np.unique(column, return_inverse=True)[1] for column in columns]


def _mutual_information(x, y):
    """Mutual information in nats of two vectors of class indices."""
    num_x, num_y = x.max() + 1, y.max() + 1
    joint = np.bincount(x * num_y + y, minlength=num_x * num_y).reshape(num_x, num_y)
    # With counts, not frequencies, the ratio is exactly 1 if one variable is constant.
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    log_ratio = np.log(joint[seen] * len(x) / independent[seen])
    return max(0.0, joint[seen] @ log_ratio / len(x))


def top_two_gap(matrix, rows="codes"):
    """Difference between the two largest values of each column, at least 0.

    Raises:
        ValueError: if there is only one row; the message names the kind of `rows`.
    """
    if len(matrix) < 2:
        raise ValueError(
            f"The gap between the best two {rows} needs at least 2 {rows}"
            f"{' that vary' if rows == 'factors' else ''}. Received: "
            f"num_{rows}={len(matrix)}"
        )
    second, first = np.sort(matrix, axis=0)[-2:]
    return first - second


def unit_ranks(vectors):
    """Ranks of each column, centred and of length 1; nan where a column is constant.

    Their inner products are the rank correlations of Spearman.
    """
    # Not needed to import the package.
    from scipy import stats

    ranks = stats.rankdata(vectors, axis=0)
    ranks -= ranks.mean(axis=0)
    with np.errstate(invalid="ignore"):
        return ranks / np.linalg.norm(ranks, axis=0)
