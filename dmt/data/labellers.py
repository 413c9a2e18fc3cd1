"""Labels of a few images, for semi-supervised methods and for validation.

A labeller turns factors of variation into labels that have the errors and gaps of human
labels (Locatello et al., 2020, "Disentangling factors of variation using few
labels", https://arxiv.org/abs/1905.01258). Random numbers are drawn in the order of
disentanglement_lib, so that a seed gives the same images and labels.
"""

import math
from collections.abc import Callable, Sequence

import gin
import numpy as np

from dmt.data.ground_truth.ground_truth_data import GroundTruthData
from dmt.utils import checks, stages

Labeller = Callable[
    [np.ndarray, GroundTruthData, np.random.RandomState],
    tuple[np.ndarray, Sequence[int]],
]
_ARGUMENTS = ["labels", "dataset", "random_state"]


@stages.configurable("labeller", "supervision", denylist=_ARGUMENTS)
def make_labeller(
    labels: np.ndarray,
    dataset: GroundTruthData,
    random_state: np.random.RandomState,
    labeller_fn: Labeller = gin.REQUIRED,
) -> tuple[np.ndarray, list[int]]:
    """Makes labels of factors with a labeller.

    Args:
        labels: array (n, num_factors), the factors of n images: value numbers, and
            continuous factors scaled to [0, 1].
        dataset: the `GroundTruthData` of the images.
        random_state: numpy RandomState.
        labeller_fn: the labeller, for example `perfect_labeller`.

    Returns:
        float32 array (n, num_labels), and the number of values of each label, a list of
        int, 0 for a continuous label in [0, 1].
    """
    labels, sizes = labeller_fn(labels, dataset, random_state)
    return np.asarray(labels, dtype="float32"), [int(size) for size in sizes]


@stages.configurable("perfect_labeller", "supervision", denylist=_ARGUMENTS)
def perfect_labeller(
    labels: np.ndarray, dataset: GroundTruthData, random_state: np.random.RandomState
) -> tuple[np.ndarray, Sequence[int]]:
    """Labels that are the factors; see `make_labeller`."""
    del random_state
    return labels, label_sizes(dataset)


@stages.configurable("bin_labeller", "supervision", denylist=_ARGUMENTS)
def bin_labeller(
    labels: np.ndarray,
    dataset: GroundTruthData,
    random_state: np.random.RandomState,
    num_bins: int = 5,
) -> tuple[np.ndarray, Sequence[int]]:
    """Labels that are the factors in a few bins; see `make_labeller`.

    Args:
        labels: see `make_labeller`.
        dataset: see `make_labeller`.
        random_state: unused.
        num_bins: largest number of values of a label.

    Raises:
        ValueError: if num_bins is not a positive integer.
    """
    del random_state
    checks.integer("bin_labeller.num_bins", num_bins, low=1)
    sizes = np.array(label_sizes(dataset))
    # A continuous label is in [0, 1].
    widths = np.where(sizes > 0, sizes, 1) / num_bins
    is_binned = (sizes > num_bins) | (sizes == 0)
    binned = np.where(is_binned, np.minimum(labels // widths, num_bins - 1), labels)
    return binned, np.where(is_binned, num_bins, sizes).tolist()


@stages.configurable("noisy_labeller", "supervision", denylist=_ARGUMENTS)
def noisy_labeller(
    labels: np.ndarray,
    dataset: GroundTruthData,
    random_state: np.random.RandomState,
    prob_random: float = 0.1,
) -> tuple[np.ndarray, Sequence[int]]:
    """Labels that are the factors or random values; see `make_labeller`.

    Args:
        labels: see `make_labeller`.
        dataset: see `make_labeller`.
        random_state: numpy RandomState.
        prob_random: probability that a label of an image is a random value, which may
            be the right one. Those of a continuous label are uniform in [0, 1).

    Raises:
        ValueError: if prob_random is not a probability.
    """
    checks.number("noisy_labeller.prob_random", prob_random, low=0, high=1)
    labels, sizes = labels.copy(), label_sizes(dataset)
    for row in labels:
        for factor, size in enumerate(sizes):
            if random_state.rand() < prob_random:
                draw = random_state.randint(size) if size else random_state.rand()
                row[factor] = draw
    return labels, sizes


@stages.configurable("permuted_labeller", "supervision", denylist=_ARGUMENTS)
def permuted_labeller(
    labels: np.ndarray, dataset: GroundTruthData, random_state: np.random.RandomState
) -> tuple[np.ndarray, Sequence[int]]:
    """Labels that are the factors with permuted values; see `make_labeller`."""
    sizes = label_sizes(dataset)
    if 0 in sizes:
        dataset.check_factors("permuted_labeller")
    columns = [
        random_state.permutation(size)[column]
        for size, column in zip(sizes, labels.T, strict=True)
    ]
    return np.stack(columns, axis=1), sizes


@stages.configurable("partial_labeller", "supervision", denylist=_ARGUMENTS)
def partial_labeller(
    labels: np.ndarray,
    dataset: GroundTruthData,
    random_state: np.random.RandomState,
    num_observed_factors: int = 2,
) -> tuple[np.ndarray, Sequence[int]]:
    """Labels that are a random subset of the factors; see `make_labeller`.

    The order of the factors is random, too.

    Args:
        labels: see `make_labeller`.
        dataset: see `make_labeller`.
        random_state: numpy RandomState.
        num_observed_factors: number of factors to keep.

    Raises:
        ValueError: if it is not an integer from 1 to the number of factors.
    """
    num_factors = labels.shape[1]
    checks.integer(
        "partial_labeller.num_observed_factors",
        num_observed_factors,
        low=1,
        high=num_factors,
    )
    kept = random_state.choice(num_factors, num_observed_factors, replace=False)
    return labels[:, kept], [label_sizes(dataset)[column] for column in kept]


def sample_supervised_data(
    seed: int, dataset: GroundTruthData, num_labelled_samples: int
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Draws factors, then their images, then their labels.

    Args:
        seed: integer in [0, 2**32).
        dataset: a `GroundTruthData`.
        num_labelled_samples: number of images, at most those of the dataset. If the
            dataset is a list of images (`has_drawn_rows`), they are different ones.

    Returns:
        Observations (n, ...), labels float32 (n, num_labels), and the number of values
        of each label, a list of int. It is 0 for labels in [0, 1] of a continuous
        factor.

    Raises:
        ValueError: if num_labelled_samples or the seed is out of range, or the images
            have no labels.
    """
    checks.seed("seed", seed)
    size = getattr(dataset, "size", None)
    checks.integer("num_labelled_samples", num_labelled_samples, low=1, high=size)
    if not dataset.factors_num_values:
        dataset.check_factors("Learning from labels")
    random_state = np.random.RandomState(seed)
    if getattr(dataset, "has_drawn_rows", False):
        (rows,) = dataset.disjoint_rows([num_labelled_samples], random_state)
        factors = dataset.factors_at(rows)
        observations = dataset.observations_at(rows)
    else:
        factors = dataset.sample_factors(num_labelled_samples, random_state)
        observations = dataset.sample_observations_from_factors(factors, random_state)
    if 0 in label_sizes(dataset):
        factors = dataset.scaled_factors(factors)
    return observations, *make_labeller(factors, dataset, random_state)


def label_sizes(dataset: GroundTruthData) -> list[int]:
    """Number of values of each factor as a label, 0 for a continuous factor."""
    sizes = [int(size) for size in dataset.factors_num_values]
    for factor in np.flatnonzero(getattr(dataset, "continuous_factors", ())):
        sizes[factor] = 0
    return sizes


def train_test_split(
    observations: np.ndarray, labels: np.ndarray, train_percentage: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Splits rows into the first ones, to train, and the others, to test.

    Args:
        observations: array (n, ...).
        labels: array (n, num_labels).
        train_percentage: share of the rows to train, in (0, 1); the number of rows is
            rounded up.

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
