"""A table of samples as a data set: metrics draw its rows like images."""

import numpy as np

from dmt.data.ground_truth import ground_truth_data, state_space


class TableData(ground_truth_data.GroundTruthData):
    """Samples whose factors are known; an observation is the number of its row.

    If the table has every combination of factor values, factors are drawn as from any
    other grid, with the same random numbers. Otherwise they are those of random rows.
    """

    observation_shape = []

    def __init__(self, factors):
        """Numbers the values of each factor in ascending order.

        Args:
          factors: Array of shape (n, num_factors).
        """
        columns = [np.unique(column, return_inverse=True) for column in factors.T]
        self._sizes = [len(values) for values, _ in columns]
        self._factors = np.stack([indices for _, indices in columns], axis=1)
        self.size = len(factors)
        # Python's integers: the grid of an incomplete table can be astronomic.
        self._strides = [1]
        for num_values in self._sizes[:0:-1]:
            self._strides.insert(0, self._strides[0] * num_values)
        if self._strides[0] * self._sizes[0] >= 2**63:
            raise ValueError(
                "The factors have too many values to number their combinations. "
                f"Received: numbers of values {self._sizes}"
            )
        atoms = self._atoms(self._factors)
        self._order = np.argsort(atoms, kind="stable")
        self._sorted_atoms = atoms[self._order]
        num_atoms = len(np.unique(atoms))
        self._is_unique = num_atoms == self.size
        self._is_complete = num_atoms == self._strides[0] * self._sizes[0]
        self._space = state_space.SplitDiscreteStateSpace(
            self._sizes, range(len(self._sizes))
        )

    @property
    def factors_num_values(self):
        """Number of values of each factor in the table."""
        return self._sizes

    @property
    def has_grid_draws(self):
        """Whether the table has every combination of factor values once."""
        return self._is_complete and self._is_unique

    def _atoms(self, factors):
        return np.asarray(factors) @ np.array(self._strides, dtype=np.int64)

    def sample_factors(self, num, random_state):
        """Draws factors, int64 of shape (num, num_factors)."""
        if self._is_complete:
            return self._space.sample_latent_factors(num, random_state)
        return self._factors[random_state.randint(self.size, size=num)]

    def factors_at(self, indices):
        """Factors (n, num_factors) of the rows."""
        return self._factors[indices]

    def indices_of(self, factors, random_state=None):
        """Numbers of rows that have these factors, drawn where there are several.

        Raises:
          ValueError: If there is no such row.
        """
        atoms = self._atoms(factors)
        first = np.searchsorted(self._sorted_atoms, atoms, side="left")
        counts = np.searchsorted(self._sorted_atoms, atoms, side="right") - first
        if not counts.all():
            raise ValueError(
                "The table has no row for a combination of factors that the metric "
                "asks for: give all combinations, or use the metric's function of "
                "arrays. Received: no row with the values number "
                f"{np.asarray(factors)[counts == 0][0].tolist()}"
            )
        if not self._is_unique:
            first = first + random_state.randint(counts)
        return self._order[first]

    def sample_observations_from_factors(self, factors, random_state):
        """Numbers (n,) of rows that have the factors."""
        return self.indices_of(factors, random_state)
