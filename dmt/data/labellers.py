"""Labels of a few images: what a semi-supervised method or a validation is told.

A labeller makes labels of factors of variation, with the errors and gaps that labels
of people have (Locatello et al., 2020, "Disentangling factors of variation using few
labels", https://arxiv.org/abs/1905.01258). Random numbers are drawn in the order of
disentanglement_lib, so that a seed gives the same images and labels.
"""

import math

import gin
import numpy as np

from dmt.utils import stages

_ARGUMENTS = ["labels", "dataset", "random_state"]


@stages.configurable("labeller", "supervision", denylist=_ARGUMENTS)
def make_labeller(labels, dataset, random_state, labeller_fn=gin.REQUIRED):
    """Labels of factors.

    Args:
        labels: int array (n, num_factors), the factors of n images.
        dataset: the `GroundTruthData` that they are from.
        random_state: numpy RandomState.
        labeller_fn: the labeller, for example `perfect_labeller`.

    Returns:
        float32 array (n, num_labels) of integers, and the number of values of each
        label, a list of int.
    """
    labels, sizes = labeller_fn(labels, dataset, random_state)
    return np.asarray(labels, dtype="float32"), [int(size) for size in sizes]


@stages.configurable("perfect_labeller", "supervision", denylist=_ARGUMENTS)
def perfect_labeller(labels, dataset, random_state):
    """The factors themselves; see `make_labeller`."""
    del random_state
    return labels, dataset.factors_num_values


@stages.configurable("bin_labeller", "supervision", denylist=_ARGUMENTS)
def bin_labeller(labels, dataset, random_state, num_bins=5):
    """Factors rounded down to few values; see `make_labeller`.

    Args:
        labels: see `make_labeller`.
        dataset: see `make_labeller`.
        random_state: unused.
        num_bins: greatest number of values of a label.

    Raises:
        ValueError: if num_bins is not a positive integer.
    """
    del random_state
    if not isinstance(num_bins, int) or num_bins < 1:
        raise ValueError(
            "bin_labeller.num_bins must be an integer, at least 1. "
            f"Received: num_bins={num_bins!r}"
        )
    sizes = np.array(dataset.factors_num_values)
    bins = np.minimum(labels // (sizes / num_bins), num_bins - 1)
    return np.where(sizes > num_bins, bins, labels), np.minimum(sizes, num_bins)


@stages.configurable("noisy_labeller", "supervision", denylist=_ARGUMENTS)
def noisy_labeller(labels, dataset, random_state, prob_random=0.1):
    """Factors of which some are replaced by random values; see `make_labeller`.

    Args:
        labels: see `make_labeller`.
        dataset: see `make_labeller`.
        random_state: numpy RandomState.
        prob_random: probability, for each label of each image, that it is drawn at
            random; it may be drawn right.

    Raises:
        ValueError: if prob_random is not a probability.
    """
    if not 0 <= prob_random <= 1:
        raise ValueError(
            "noisy_labeller.prob_random must be in [0, 1]. "
            f"Received: prob_random={prob_random!r}"
        )
    labels, sizes = labels.copy(), dataset.factors_num_values
    for row in labels:
        for factor, size in enumerate(sizes):
            if random_state.rand() < prob_random:
                row[factor] = random_state.randint(size)
    return labels, sizes


@stages.configurable("permuted_labeller", "supervision", denylist=_ARGUMENTS)
def permuted_labeller(labels, dataset, random_state):
    """Factors whose values are renamed, without their order; see `make_labeller`."""
    sizes = dataset.factors_num_values
    columns = [
        random_state.permutation(size)[column]
        for size, column in zip(sizes, labels.T, strict=True)
    ]
    return np.stack(columns, axis=1), sizes


@stages.configurable("partial_labeller", "supervision", denylist=_ARGUMENTS)
def partial_labeller(labels, dataset, random_state, num_observed_factors=2):
    """Some of the factors, chosen at random, in random order; see `make_labeller`.

    Args:
        labels: see `make_labeller`.
        dataset: see `make_labeller`.
        random_state: numpy RandomState.
        num_observed_factors: number of factors to keep.

    Raises:
        ValueError: if it is not in 1 to the number of factors.
    """
    num_factors = labels.shape[1]
    is_integer = type(num_observed_factors) is int
    if not is_integer or not 1 <= num_observed_factors <= num_factors:
        raise ValueError(
            f"partial_labeller.num_observed_factors must be 1 to {num_factors}. "
            f"Received: num_observed_factors={num_observed_factors!r}"
        )
    kept = random_state.choice(num_factors, num_observed_factors, replace=False)
    return labels[:, kept], np.array(dataset.factors_num_values)[kept]


def sample_supervised_data(seed, dataset, num_labelled_samples):
    """Draws images with labels; their factors, their pixels, then their labels.

    Args:
        seed: integer in [0, 2**32).
        dataset: a `GroundTruthData`.
        num_labelled_samples: number of images.

    Returns:
        Observations (n, ...), labels float32 (n, num_labels), and the number of values
        of each label, a list of int.

    Raises:
        ValueError: if num_labelled_samples is not a positive integer.
    """
    is_integer = type(num_labelled_samples) is int
    if not is_integer or num_labelled_samples < 1:
        raise ValueError(
            "num_labelled_samples must be an integer, at least 1. "
            f"Received: num_labelled_samples={num_labelled_samples!r}"
        )
    random_state = np.random.RandomState(seed)
    factors = dataset.sample_factors(num_labelled_samples, random_state)
    observations = dataset.sample_observations_from_factors(factors, random_state)
    return observations, *make_labeller(factors, dataset, random_state)


def train_test_split(observations, labels, train_percentage):
    """The first rows to train, the others to test.

    Args:
        observations: array (n, ...).
        labels: array (n, num_labels).
        train_percentage: share of the rows that train, rounded up to whole ones.

    Returns:
        Observations and labels to train, observations and labels to test.

    Raises:
        ValueError: if no rows are left to train or to test.
    """
    num_train = math.ceil(len(labels) * train_percentage)
    if not 0 < num_train < len(labels):
        raise ValueError(
            "train_percentage must leave labelled images both to train and to test. "
            f"Received: train_percentage={train_percentage} of {len(labels)} images"
        )
    return (
        observations[:num_train],
        labels[:num_train],
        observations[num_train:],
        labels[num_train:],
    )
