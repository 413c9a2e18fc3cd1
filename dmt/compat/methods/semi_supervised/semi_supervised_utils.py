"""disentanglement_lib's path of labellers and of labelled images.

Here labellers return float32 labels also if they are called directly.
"""

import functools

import numpy as np

from dmt.data import labellers
from dmt.data.labellers import make_labeller
from dmt.utils import checks

__all__ = [
    "bin_labeller",
    "filter_factors",
    "make_labeller",
    "noisy_labeller",
    "partial_labeller",
    "perfect_labeller",
    "permute",
    "permuted_labeller",
    "sample_supervised_data",
    "train_test_split",
]


def _as_float32(labeller):
    @functools.wraps(labeller)
    def label(labels, dataset, random_state, *settings, **named_settings):
        labels, sizes = labeller(
            labels, dataset, random_state, *settings, **named_settings
        )
        return np.float32(labels), sizes

    return label


bin_labeller = _as_float32(labellers.bin_labeller)
noisy_labeller = _as_float32(labellers.noisy_labeller)
partial_labeller = _as_float32(labellers.partial_labeller)
perfect_labeller = _as_float32(labellers.perfect_labeller)
permuted_labeller = _as_float32(labellers.permuted_labeller)


def sample_supervised_data(supervised_seed, ground_truth_data, num_labelled_samples):
    """Draws images and labels; see `labellers.sample_supervised_data`."""
    return labellers.sample_supervised_data(
        supervised_seed, ground_truth_data, num_labelled_samples
    )


def train_test_split(observations, labels, num_labelled_samples, train_percentage):
    """Splits rows into the first ones, to train, and the others, to test.

    Args:
        observations: array (n, ...).
        labels: array (n, num_labels).
        num_labelled_samples: n.
        train_percentage: share of the rows to train, in [0, 1]; the number of rows is
            rounded up.

    Returns:
        Observations and labels to train, observations and labels to test. If the share
        is 1, there are no rows to test.

    Raises:
        ValueError: if there are not num_labelled_samples rows of both.
    """
    if not len(observations) == len(labels) == num_labelled_samples:
        raise ValueError(
            "Give num_labelled_samples observations and labels. Received: "
            f"num_labelled_samples={num_labelled_samples}, {len(observations)} "
            f"observations, {len(labels)} labels"
        )
    num_train = int(np.ceil(num_labelled_samples * train_percentage))
    train, test = slice(num_train), slice(num_train, None)
    return observations[train], labels[train], observations[test], labels[test]


def permute(factor, num_values, random_state):
    """Permutes the values of a factor, in place.

    Args:
        factor: int array (n,), values in [0, num_values).
        num_values: number of values.
        random_state: numpy RandomState.

    Returns:
        `factor`.
    """
    factor[:] = random_state.permutation(num_values)[factor]
    return factor


def filter_factors(labels, num_observed_factors, random_state):
    """Keeps a random subset of the factors, in random order.

    Args:
        labels: array (n, num_factors).
        num_observed_factors: number of factors to keep.
        random_state: numpy RandomState.

    Returns:
        Labels (n, num_observed_factors), and the indices of the factors that were kept.

    Raises:
        ValueError: if the number is not an integer from 1 to the number of factors.
    """
    num_factors = labels.shape[1]
    checks.integer("num_observed_factors", num_observed_factors, 1, num_factors)
    kept = random_state.choice(num_factors, num_observed_factors, replace=False)
    return labels[:, kept], kept
