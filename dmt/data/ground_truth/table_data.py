"""Datasets that are a list of samples with known factors, not a grid of factors."""

import math
from collections.abc import Sequence

import numpy as np

from dmt.data.ground_truth import ground_truth_data, state_space


class FactorTable(ground_truth_data.GroundTruthData):
    """Samples with known factors, each of which is a row of a table.

    If the table has every combination of factor values, factors are drawn as from any
    other grid, with the same random numbers. Otherwise the factors of random rows
    are drawn. A combination that the table lacks is never drawn, and it is an error to
    ask for its observation.
    """

    def __init__(
        self,
        factors: np.ndarray,
        factors_num_values: Sequence[int] | None = None,
        continuous_factors: Sequence[bool] | None = None,
    ):
        """Numbers the combinations of values that occur.

        Args:
            factors: array of shape (n, num_factors).
            factors_num_values: number of values of each factor, if `factors` holds
                value numbers. None to number the values that occur, in ascending order.
            continuous_factors: whether each factor is continuous; None if none is. The
                values of a continuous factor are kept.
        """
        factors = np.asarray(factors)
        numbers = np.empty(factors.shape, dtype=np.int64)
        kinds = list(continuous_factors or [False] * factors.shape[1])
        sizes = list(factors_num_values or [0] * factors.shape[1])
        self._values = {}
        for column, is_continuous in enumerate(kinds):
            if factors_num_values is not None and not is_continuous:
                numbers[:, column] = factors[:, column]
                continue
            values, numbers[:, column] = np.unique(
                factors[:, column], return_inverse=True
            )
            sizes[column] = len(values)
            if is_continuous:
                self._values[column] = values
        self.continuous_factors = kinds
        self.factors_num_values = sizes
        self._factors = numbers
        if self._values:
            self._factors = numbers.astype(np.float64)
            for column in self._values:
                self._factors[:, column] = factors[:, column]
        self.size = len(factors)
        self._known = []
        ids, num_ids = np.zeros(self.size, dtype=np.int64), 1
        for columns in _column_groups(self.factors_num_values, self.size):
            keys = self._keys(ids, numbers, columns)
            known, ids = np.unique(keys, return_inverse=True)
            num_ids = len(known)
            self._known.append((columns, known))
        self._row_order = np.argsort(ids, kind="stable")
        self._counts = np.bincount(ids, minlength=num_ids)
        self._starts = np.cumsum(self._counts) - self._counts
        self._is_unique = num_ids == self.size
        # Nobody can name the values of a continuous factor to ask for an observation.
        is_grid = 0 < len(kinds) and not self._values
        num_combinations = math.prod(self.factors_num_values)
        self.has_all_combinations = is_grid and num_ids == num_combinations
        self.has_grid_draws = self.has_all_combinations and self._is_unique
        self.has_drawn_rows = not self.has_grid_draws
        in_order = np.array_equal(self._row_order, np.arange(self.size))
        self.is_grid = self.has_grid_draws and in_order
        self._space = state_space.SplitDiscreteStateSpace(
            self.factors_num_values, range(self.num_factors)
        )

    def _keys(self, ids, factors, columns):
        """Numbers each combination of an id and the values of some columns."""
        sizes = self.factors_num_values[columns]
        index = state_space.factors_to_index(factors[:, columns], sizes)
        return ids * math.prod(sizes) + index

    def sample_factors(self, num, random_state):
        """Draws factors, see `GroundTruthData`: shape (num, num_factors)."""
        if self.has_all_combinations:
            return self._space.sample_latent_factors(num, random_state)
        return self._factors[random_state.randint(self.size, size=num)]

    def factors_at(self, indices):
        """Factors of the rows, see `GroundTruthData`: shape (n, num_factors)."""
        return self._factors[indices]

    def indices_of(self, factors, random_state=None):
        """Numbers of rows that have these factors, drawn if there are several.

        Raises:
            ValueError: if there is no such row.
        """
        factors = np.asarray(factors)
        ids = np.zeros(len(factors), dtype=np.int64)
        numbers, found = self._numbered(factors)
        for columns, known in self._known:
            keys = self._keys(ids, numbers, columns)
            ids = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            found &= known[ids] == keys
        if not found.all():
            raise ValueError(self._missing(self._described(factors[~found][0])))
        rows = self._starts[ids]
        if not self._is_unique:
            if random_state is None:
                raise ValueError(
                    "Several rows have the same factors and one has to be drawn: pass "
                    "a numpy RandomState. Received: random_state=None"
                )
            rows = rows + random_state.randint(self._counts[ids])
        return self._row_order[rows]

    def _numbered(self, factors):
        """Value numbers of factors (n, num_factors), and whether each row is known."""
        known = np.ones(len(factors), dtype=bool)
        if not self._values:
            return factors, known
        numbers = factors.astype(np.int64)
        for column, values in self._values.items():
            places = np.searchsorted(values, factors[:, column])
            numbers[:, column] = np.minimum(places, len(values) - 1)
            known &= values[numbers[:, column]] == factors[:, column]
        return numbers, known

    def _described(self, factors):
        """Factor values with the names of the factors."""
        named = zip(self.factor_names, factors, strict=True)
        text = ", ".join(f"{name} = {value}" for name, value in named)
        return f"factor values {factors.tolist()} ({text})"

    def _missing(self, factors):
        """The message about a combination of factors that no row has."""
        return (
            f"{self.name} has no observation of a combination of factors that is "
            "needed. Metrics that fix factors need all combinations; mig, dci, "
            f"sap_score and others do not. Received: {factors}"
        )


class TableData(FactorTable):
    """A table without images: an observation is the number of its row."""

    observation_shape = []

    def check_factors(self, user, discrete=True):
        """See `GroundTruthData`."""
        if not self.num_factors:
            raise ValueError(f"{user} needs --factors, a table of factors.")
        super().check_factors(user, discrete)

    def _missing(self, factors):
        return (
            "The table has no row for a combination of factors that the metric "
            "needs: give all combinations, or use the metric's function of arrays. "
            f"Received: {factors}"
        )

    def observations_at(self, indices):
        """The indices, which are the numbers of rows."""
        return indices


class ImageTable(FactorTable):
    """A table of factors with an image for each row."""

    def __init__(
        self,
        name: str,
        images: np.ndarray,
        factors: np.ndarray,
        factor_names: Sequence[str],
        factors_num_values: Sequence[int] | None = None,
        rows: np.ndarray | None = None,
        origin: str = "user",
        continuous_factors: Sequence[bool] | None = None,
        image_names: Sequence[str] | None = None,
    ):
        """Joins factors and images.

        Args:
            name: the name of the dataset.
            images: uint8 array or memory map of shape (num_images, height, width,
                channels).
            factors: array of shape (n, num_factors).
            factor_names: names of the factors.
            factors_num_values: see `FactorTable`.
            rows: int array of shape (n,), the number of the image of each row of
                factors; None if they are in the same order.
            origin: see `GroundTruthData`.
            continuous_factors: see `FactorTable`.
            image_names: see `GroundTruthData`.
        """
        super().__init__(factors, factors_num_values, continuous_factors)
        self.name = name
        self.origin = origin
        self.image_names = image_names
        # With dozens of images, independent draws would test on the training images.
        self.has_drawn_rows = self.has_drawn_rows or origin == "user"
        self.factor_names = list(factor_names)
        self.observation_shape = list(images.shape[1:])
        self._images = images
        self._rows = rows

    def images_at(self, indices):
        """Images at the indices: uint8, shape (n, *observation_shape)."""
        indices = np.asarray(indices)
        return self._images[indices if self._rows is None else self._rows[indices]]


def _column_groups(sizes, num_rows):
    """Slices of columns; rows times combinations of each slice fit in int64."""
    if not sizes:
        return []
    groups, start, span = [], 0, 1
    for stop, num_values in enumerate(sizes):
        # Python's integers do not overflow if the grid is huge.
        if span * num_values * max(num_rows, 1) >= 2**63:
            groups.append(slice(start, stop))
            start, span = stop, 1
        span *= num_values
    return [*groups, slice(start, len(sizes))]
