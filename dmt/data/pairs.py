"""Pairs of images that differ in few factors of variation, for weak supervision.

As in Locatello et al. (2020), "Weakly-supervised disentanglement without compromises",
https://arxiv.org/abs/2002.02886, the second image of a pair has the factors of the
first, except for a few that are drawn again (`dynamics`).
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
# A False that gin does not write, because it is no literal: the configuration of a run
# that does not bind it stays that of disentanglement_lib.
_NOT_BOUND: Any = np.bool_(False)
# Largest number of combinations to examine for one pair.
_MAX_EXAMINED = 20000


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

    As in disentanglement_lib, one factor is drawn again in half of the pairs, and k
    factors in the others. New values are uniform over all values of the factor and may
    equal the old ones. So fewer than half of the pairs differ in k factors, if k > 1,
    and some pairs are equal. With the factors of dSprites, a third of the pairs differ
    in three factors at k = 3, and an eighth are equal at k = 1. With `exact`, every
    pair differs in k factors. The label is the last of the factors that were drawn.

    If a dataset lacks combinations of factors, the draw is repeated until the second
    image exists and differs from the first. If that does not happen within a limited
    number of draws, the second image is one that differs in as few factors as possible,
    or with `exact` in a number of factors as near to k as possible. The label is then a
    factor whose value changed.
    """

    def __init__(
        self, dataset: GroundTruthData, k: int = gin.REQUIRED, exact: bool = _NOT_BOUND
    ):
        """Finds the combinations of factors that exist.

        Args:
            dataset: a `GroundTruthData`.
            k: number of factors that are drawn again, at least 1; -1 to draw the number
                for each pair, from 1 to the number of factors minus one.
            exact: whether k factors of every pair differ. Factors with one value are
                then not counted.

        Raises:
            ValueError: if k is another number, exact is no bool, or the dataset has one
                combination only.
        """
        super().__init__(dataset)
        dataset.check_factors("dynamics")
        if not isinstance(exact, (bool, np.bool_)):
            raise ValueError(
                f"dynamics.exact must be True or False. Received: exact={exact!r}"
            )
        self.exact = bool(exact)
        sizes = np.asarray(dataset.factors_num_values)
        self._can_change = np.flatnonzero(sizes > (1 if exact else 0))
        possible = (-1, *range(1, len(self._can_change) + 1))
        if not checks.is_integer(k) or k not in possible:
            several = " with several values" if exact else ""
            raise ValueError(
                f"dynamics.k must be -1 or 1 to {possible[-1]}, the number of factors"
                f"{several} of {dataset.name}. Received: k={k!r}"
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
        num = len(first)
        changes, labels = self._draw_changes(first, random_state)
        second = np.where(changes, self._draw_values(first, random_state), first)
        if self._exist is None:
            return second, labels
        for attempt in range(1, _DRAWS_OF_VALUES * _DRAWS_OF_FACTORS + 1):
            good = (second != first).any(axis=1)
            good[good] = self._exist(second[good])
            (rest,) = np.nonzero(~good)
            if not len(rest):
                break
            if attempt % _DRAWS_OF_VALUES == 0:
                changes[rest], labels[rest] = self._draw_changes(
                    first[rest], random_state
                )
            values = self._draw_values(first[rest], random_state)
            second[rest] = np.where(changes[rest], values, first[rest])
        else:
            if self._combinations is None:
                raise ValueError(
                    f"No image of {self.dataset.name} was found that differs from that "
                    f"of the factors {first[rest[0]].tolist()} in the drawn factors."
                )
            if self.exact:
                second[rest] = self._combinations.at_distance(
                    first[rest], changes[rest].sum(axis=1), random_state
                )
            else:
                second[rest] = self._combinations.nearest(first[rest], random_state)
        changed = second != first
        others = (changed * random_state.random_sample(first.shape)).argmax(axis=1)
        return second, np.where(changed[np.arange(num), labels], labels, others)

    def _draw_changes(self, first, random_state):
        """`draw_changes` of the factors that can change, for all factors."""
        changes = np.zeros(first.shape, dtype=bool)
        changes[:, self._can_change], labels = draw_changes(
            self.k, len(first), len(self._can_change), random_state, self.exact
        )
        return changes, self._can_change[labels]

    def _draw_values(self, first, random_state):
        """Values of all factors (n, num_factors), with `exact` other values."""
        sizes = np.asarray(self.dataset.factors_num_values)
        if not self.exact:
            return random_state.randint(sizes, size=first.shape)
        values = random_state.randint(np.maximum(sizes - 1, 1), size=first.shape)
        return values + (values >= first)


def draw_changes(
    k: int,
    num: int,
    num_factors: int,
    random_state: np.random.RandomState,
    exact: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws which factors change.

    Args:
        k: see `DrawnPairs`.
        num: number of pairs.
        num_factors: number of factors.
        random_state: numpy RandomState.
        exact: see `DrawnPairs`.

    Returns:
        Whether each factor changes, bool array (num, num_factors), and which of the
        changing factors was drawn last, int array (num,).
    """
    most = random_state.randint(1, max(num_factors, 2), size=num) if k == -1 else k
    if exact:
        sizes = np.broadcast_to(most, num)
    else:
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

    def at_distance(
        self,
        factors: np.ndarray,
        distances: np.ndarray,
        random_state: np.random.RandomState,
    ) -> np.ndarray:
        """Finds other combinations that differ in given numbers of factors.

        Args:
            factors: int array (n, num_factors) of combinations that exist.
            distances: int array (n,), in how many factors each shall differ. If none of
                the combinations does (of `_MAX_EXAMINED` random ones, if there are
                more), one is taken that differs in about as many.
            random_state: numpy RandomState, to draw among several.

        Returns:
            int array (n, num_factors).
        """
        found = np.empty_like(factors)
        for row, (start, distance) in enumerate(zip(factors, distances, strict=True)):
            some = self._factors
            if len(some) > _MAX_EXAMINED:
                some = some[random_state.randint(len(some), size=_MAX_EXAMINED)]
            differences = (some != start).sum(axis=1)
            costs = np.where(differences, np.abs(differences - distance), np.inf)
            costs += random_state.random_sample(costs.shape)
            found[row] = some[costs.argmin()]
        return found


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
