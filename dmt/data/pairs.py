"""Pairs of images that differ in few factors of variation, for weak supervision.

As in Locatello et al. (2020), "Weakly-supervised disentanglement without compromises",
https://arxiv.org/abs/2002.02886, the second image of a pair has the factors of the
first, except for a few that are drawn again (`dynamics`).
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import gin
import numpy as np

from dmt.data.ground_truth.ground_truth_data import DatasetNotFound, GroundTruthData
from dmt.data.pipeline import Examples, batch_indices
from dmt.utils import checks, stages

# Largest number of draws of values for the same factors, and of draws of the factors
# that change, until the second image exists.
_DRAWS_OF_VALUES = 8
_DRAWS_OF_FACTORS = 4
# Largest number of orders in which combinations of factors are sorted, so that similar
# ones are neighbours. No more orders are made once the share of combinations without a
# similar neighbour is below `_MAX_ALONE`.
_MAX_ORDERS = 64
_MAX_ALONE = 0.01
# Number of neighbours to examine in each order and each direction.
_REACH = 8


class PairExamples(Examples):
    """Batches of pairs of images, with a factor that differs between the two.

    The first image is placed above the second. Subclasses define `draw`.

    Args:
        dataset: a `GroundTruthData`.

    Attributes:
        has_labels: whether it is known which factor changed.
    """

    has_labels: bool = True

    def __init__(self, dataset: GroundTruthData):
        self.dataset = dataset

    def draw(
        self, seed: int, step: int, batch_size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images (2, batch_size, height, width, channels) and labels (batch_size,)."""
        raise NotImplementedError(f"{type(self).__name__} must define draw.")

    def load_batch(
        self, seed: int, step: int, batch_size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Batch `step`, which depends on the arguments only.

        Returns:
            Images (batch_size, 2 * height, width, channels): uint8, or float32 in
            [0, 1] if the images of the dataset have no indices. Labels (batch_size, 1),
            int32: the number of a factor that changed, or -1 if it is unknown.
        """
        images, labels = self.draw(seed, step, batch_size)
        return np.concatenate(images, axis=1), labels[:, None].astype("int32")


@stages.configurable("dynamics", "supervision", denylist=["dataset"])
class DrawnPairs(PairExamples):
    """Pairs of images. For the second one, some factors are drawn again.

    One factor changes in half of the pairs, and k factors in the others. New values are
    uniform over all values of the factor and may equal the old ones. The label is the
    last of the factors that were drawn.

    If a dataset lacks combinations of factors, the draw is repeated until the second
    image exists and differs from the first. If that does not happen within a limited
    number of draws, the second image is one that differs in as few factors as possible.
    The label is then a factor whose value changed.
    """

    def __init__(self, dataset: GroundTruthData, k: int = gin.REQUIRED):
        """Finds the combinations of factors that exist.

        Args:
            dataset: a `GroundTruthData`.
            k: number of factors that change, at least 1; -1 to draw the number for each
                pair, from 1 to the number of factors minus one.

        Raises:
            ValueError: if k is another number, or the dataset has one combination only.
        """
        super().__init__(dataset)
        dataset.check_factors("dynamics")
        possible = (-1, *range(1, dataset.num_factors + 1))
        if not checks.is_integer(k) or k not in possible:
            raise ValueError(
                f"dynamics.k must be -1 or 1 to {dataset.num_factors}, the number of "
                f"factors of {dataset.name}. Received: k={k!r}"
            )
        self.k = k
        # Some datasets can also render images that are not in their list.
        self._exist = getattr(dataset, "is_feasible", None)
        self._combinations: Combinations | None = None
        if not dataset.has_all_combinations and self._exist is None:
            self._combinations = Combinations(
                dataset.factors_at(np.arange(dataset.size or 0)),
                dataset.factors_num_values,
            )
            self._exist = self._combinations.exist

    def draw(
        self, seed: int, step: int, batch_size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `PairExamples.draw`."""
        dataset = self.dataset
        random_state = np.random.RandomState(np.random.SFC64([seed, step]))
        first = dataset.sample_factors(batch_size, random_state)
        second, labels = self.change(first, random_state)
        factors = np.concatenate([first, second])
        if dataset.size is not None and (
            dataset.has_all_combinations or self._combinations is not None
        ):
            images = dataset.images_at(dataset.indices_of(factors, random_state))
        else:
            images = dataset.sample_observations_from_factors(factors, random_state)
            images = np.asarray(images, "float32")
            if dataset.size is not None:
                images = np.round(255 * images).astype("uint8")
        return images.reshape(2, batch_size, *images.shape[1:]), labels

    def change(
        self, first: np.ndarray, random_state: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws factors of second images.

        Args:
            first: int array (n, num_factors), factors of the first images.
            random_state: numpy RandomState.

        Returns:
            Factors, int array (n, num_factors), and labels, int array (n,).

        Raises:
            ValueError: if no other image was found.
        """
        num, num_factors = first.shape
        sizes = self.dataset.factors_num_values
        changes, labels = draw_changes(self.k, num, num_factors, random_state)
        second = np.where(changes, random_state.randint(sizes, size=first.shape), first)
        if self._exist is None:
            return second, labels
        for attempt in range(1, _DRAWS_OF_VALUES * _DRAWS_OF_FACTORS + 1):
            good = (second != first).any(axis=1)
            good[good] = self._exist(second[good])
            (rest,) = np.nonzero(~good)
            if not len(rest):
                break
            if attempt % _DRAWS_OF_VALUES == 0:
                changes[rest], labels[rest] = draw_changes(
                    self.k, len(rest), num_factors, random_state
                )
            values = random_state.randint(sizes, size=(len(rest), num_factors))
            second[rest] = np.where(changes[rest], values, first[rest])
        else:
            if self._combinations is None:
                raise ValueError(
                    f"No image of {self.dataset.name} was found that differs from that "
                    f"of the factors {first[rest[0]].tolist()} in the drawn factors."
                )
            second[rest] = self._combinations.nearest(first[rest], random_state)
        changed = second != first
        others = (changed * random_state.random_sample(first.shape)).argmax(axis=1)
        return second, np.where(changed[np.arange(num), labels], labels, others)


def draw_changes(
    k: int, num: int, num_factors: int, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draws which factors change.

    Args:
        k: see `DrawnPairs`.
        num: number of pairs.
        num_factors: number of factors.
        random_state: numpy RandomState.

    Returns:
        Whether each factor changes, bool array (num, num_factors), and which of the
        changing factors was drawn last, int array (num,).
    """
    most = random_state.randint(1, max(num_factors, 2), size=num) if k == -1 else k
    sizes = np.where(random_state.randint(2, size=num), most, 1)
    order = random_state.random_sample((num, num_factors)).argsort(axis=1)
    ranks = order.argsort(axis=1)
    return ranks < sizes[:, None], order[np.arange(num), sizes - 1]


class Combinations:
    """The combinations of factors of a list of images, and which ones are similar.

    Args:
        factors: int array (n, num_factors), the factors of each image.
        sizes: number of values of each factor.

    Raises:
        ValueError: if there is only one combination.
    """

    def __init__(self, factors: np.ndarray, sizes: Sequence[int]):
        random_state = np.random.RandomState(0)
        # The key of a combination is the sum of a random number for each of its values.
        # As the numbers have 64 bits, two combinations practically never have the same
        # key, even if some factors are left out.
        self._numbers = [
            random_state.randint(2**64 - 1, size=size, dtype="uint64") for size in sizes
        ]
        self._keys, rows = np.unique(
            self._sums(factors, range(len(sizes))), return_index=True
        )
        if len(rows) < 2:
            raise ValueError(
                "Pairs need a dataset with at least two combinations of factors. "
                f"Received: all {len(factors)} images have the same"
            )
        self._factors = factors[rows]
        # Combinations have equal keys if the factors in which they differ are left out.
        subsets = itertools.chain.from_iterable(
            itertools.combinations(range(len(sizes)), num)
            for num in range(1, len(sizes) + 1)
        )
        orders, alone, distance = [], np.ones(len(rows), dtype=bool), 1
        for subset in itertools.islice(subsets, _MAX_ORDERS):
            if len(subset) > distance and alone.mean() < _MAX_ALONE:
                break
            distance = len(subset)
            keys = self._keys - self._sums(self._factors, subset)
            order = keys.argsort(kind="stable")
            same = np.diff(keys[order]) == 0
            alone[order[1:][same]] = alone[order[:-1][same]] = False
            orders.append(order.astype("int32"))
        self._orders = np.stack(orders)
        self._places = np.empty_like(self._orders)
        numbers = np.arange(len(rows), dtype="int32")
        np.put_along_axis(self._places, self._orders, numbers[None], axis=1)

    def _sums(self, factors, columns):
        return sum(self._numbers[column][factors[:, column]] for column in columns)

    def _find(self, factors):
        keys = self._sums(factors, range(len(self._numbers)))
        found = np.searchsorted(self._keys, keys)
        found = np.minimum(found, len(self._keys) - 1)
        return found, self._keys[found] == keys

    def exist(self, factors: np.ndarray) -> np.ndarray:
        """Whether there are images of these factors (n, num_factors): bool (n,)."""
        return self._find(factors)[1]

    def nearest(
        self, factors: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Finds other combinations that differ in as few factors as possible.

        With up to 10 factors, the result is exact for the combinations from which
        another one differs in at most two factors, except for at most 1 % of all
        combinations. Otherwise it is the best of the candidates that were examined.

        Args:
            factors: int array (n, num_factors) of combinations that exist.
            random_state: numpy RandomState, to draw among equally similar ones.

        Returns:
            int array (n, num_factors).
        """
        numbers = self._find(factors)[0]
        places = self._places[:, numbers, None] + np.arange(-_REACH, _REACH + 1)
        places = np.clip(places, 0, len(self._keys) - 1)
        candidates = self._orders[np.arange(len(places))[:, None, None], places]
        candidates = candidates.swapaxes(0, 1).reshape(len(factors), -1)
        differences = (self._factors[candidates] != factors[:, None]).sum(axis=2)
        costs = np.where(differences, differences, np.inf)
        costs += random_state.random_sample(costs.shape)
        best = candidates[np.arange(len(factors)), costs.argmin(axis=1)]
        return self._factors[best]


class StoredPairs(PairExamples):
    """Pairs of images that a file lists.

    Args:
        dataset: an indexable `GroundTruthData`.
        path: npy file of integers of shape (n, 2), the indices of the two images of
            each pair, or (n, 3). The third column is the number of a factor that
            changed, or -1 if it is unknown.

    Raises:
        DatasetNotFound: if there is no such file.
        ValueError: if the file holds something else, or the images have no indices.
    """

    def __init__(self, dataset: GroundTruthData, path: str):
        super().__init__(dataset)
        size = dataset.indexed_size("pairs.path")
        file = Path(str(path)).expanduser()
        if not file.is_file():
            raise DatasetNotFound(f"pairs.path names no file. Received: path={path!r}")
        try:
            pairs = np.load(file, allow_pickle=False)
        except Exception as error:  # NumPy raises errors of many kinds.
            raise ValueError(f"{file} is no npy file: {error}") from error
        shape: tuple[int, ...] = getattr(pairs, "shape", ())
        if len(shape) != 2 or shape[1] not in (2, 3) or pairs.dtype.kind not in "iu":
            raise ValueError(
                f"{file} must hold integers of shape (n, 2) or (n, 3). "
                f"Received: {getattr(pairs, 'dtype', type(pairs))} of shape {shape}"
            )
        ends = [(0, size)] * 2 + [(-1, dataset.num_factors)]
        for column, (low, high) in zip(pairs.T, ends, strict=False):
            if not len(column) or column.min() < low or column.max() >= high:
                raise ValueError(
                    f"{file} must hold indices in [0, {size}) and factors in "
                    f"[-1, {dataset.num_factors}). Received: a column with "
                    f"{np.unique(column)[[0, -1]].tolist() if len(column) else 'none'}"
                )
        self._pairs = pairs[:, :2].astype(np.int64)
        self._labels = pairs[:, 2] if shape[1] == 3 else np.full(len(pairs), -1)
        self.has_labels = self._labels.min() >= 0

    def draw(
        self, seed: int, step: int, batch_size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `PairExamples.draw`."""
        rows = batch_indices(seed, step, batch_size, len(self._pairs))
        images = self.dataset.images_at(self._pairs[rows].T.ravel())
        return images.reshape(2, batch_size, *images.shape[1:]), self._labels[rows]


@stages.configurable("pairs", "supervision", denylist=["dataset"])
def make_pairs(dataset: GroundTruthData, path: str | None = None) -> PairExamples:
    """Makes the pairs to train on.

    Args:
        dataset: a `GroundTruthData`.
        path: file of `StoredPairs`; None for `DrawnPairs`.
    """
    return DrawnPairs(dataset) if path is None else StoredPairs(dataset, path)
