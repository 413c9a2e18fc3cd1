"""State spaces: which combinations of factors exist, how they are drawn and numbered.

Factors are drawn with one call of numpy's RandomState each, in the order of
disentanglement_lib, so that the same seed gives the same factors.
"""

import numpy as np


def factors_to_index(factors, factor_sizes):
    """Converts rows of factors to indices, where the last factor counts fastest.

    Args:
        factors: int array of shape (n, len(factor_sizes)).
        factor_sizes: number of values of each factor.

    Returns:
        int64 array of shape (n,), values in [0, product of factor_sizes).

    Raises:
        ValueError: if a factor is out of range or the number of factors is wrong.
    """
    factors = np.asarray(factors)
    if (
        factors.ndim != 2
        or factors.shape[1] != len(factor_sizes)
        or not np.issubdtype(factors.dtype, np.integer)
    ):
        raise ValueError(
            f"Factors must be integers of shape (n, {len(factor_sizes)}). "
            f"Received: dtype {factors.dtype}, shape {factors.shape}"
        )
    try:
        index = np.ravel_multi_index(tuple(factors.T), factor_sizes)
    except ValueError:
        valid = np.all((factors >= 0) & (factors < np.asarray(factor_sizes)), axis=1)
        raise ValueError(
            f"Factors must be in [0, size) for the sizes {list(factor_sizes)}. "
            f"Received: {factors[~valid][0].tolist()}"
        ) from None
    return index.astype(np.int64, copy=False)


def index_to_factors(indices, factor_sizes):
    """Inverse of `factors_to_index`."""
    return np.stack(np.unravel_index(indices, factor_sizes), axis=1).astype(np.int64)


class SplitDiscreteStateSpace:
    """Grid of factors split into latent factors and observation factors.

    The latent factors are the ground truth that a method should find. The observation
    factors also change the image, but are drawn for each observation.
    """

    def __init__(self, factor_sizes, latent_factor_indices):
        """Splits the grid.

        Args:
            factor_sizes: number of values of each factor.
            latent_factor_indices: which factors are latent, in the order of the
                columns.
        """
        self.factor_sizes = list(factor_sizes)
        self.num_factors = len(self.factor_sizes)
        self.latent_factor_indices = list(latent_factor_indices)
        self.num_latent_factors = len(self.latent_factor_indices)
        self.observation_factor_indices = [
            i for i in range(self.num_factors) if i not in self.latent_factor_indices
        ]

    def sample_latent_factors(self, num, random_state):
        """Draws latent factors: int64, shape (num, num_latent_factors)."""
        factors = np.zeros((num, self.num_latent_factors), dtype=np.int64)
        for column, i in enumerate(self.latent_factor_indices):
            factors[:, column] = self._sample_factor(i, num, random_state)
        return factors

    def sample_all_factors(self, latent_factors, random_state=None):
        """Completes latent factors with drawn observation factors.

        Args:
            latent_factors: int array of shape (n, num_latent_factors).
            random_state: numpy RandomState; may be None if no observation factor has
                more than one value.

        Returns:
            int64 array of shape (n, num_factors).
        """
        latent_factors = np.asarray(latent_factors)
        if latent_factors.ndim != 2 or (
            latent_factors.shape[1] != self.num_latent_factors
        ):
            raise ValueError(
                f"Factors must have the shape (n, {self.num_latent_factors}). "
                f"Received: shape {latent_factors.shape}"
            )
        num = len(latent_factors)
        all_factors = np.zeros((num, self.num_factors), dtype=np.int64)
        all_factors[:, self.latent_factor_indices] = latent_factors
        for i in self.observation_factor_indices:
            all_factors[:, i] = self._sample_factor(i, num, random_state)
        return all_factors

    def _sample_factor(self, i, num, random_state):
        if self.factor_sizes[i] == 1:
            # randint(1) does not change the random state either.
            return np.zeros(num, dtype=np.int64)
        if random_state is None:
            raise ValueError(
                f"State-space factor {i} is not a ground-truth factor and has to be "
                "drawn: pass a numpy RandomState. Received: random_state=None"
            )
        return random_state.randint(self.factor_sizes[i], size=num)


class StateSpaceAtomIndex:
    """Finds the row of each combination of factors in a file with another order.

    An atom is one combination of all factors.

    Attributes:
        rows: int64 array of shape (product of factor_sizes,), the file row of each
            combination, where the last factor counts fastest.
    """

    def __init__(self, factor_sizes, features):
        """Builds the lookup table.

        Args:
            factor_sizes: number of values of each factor.
            features: int array of shape (product of factor_sizes, num_factors), the
                factors of each file row.

        Raises:
            ValueError: if the rows do not hold every combination exactly once.
        """
        self.factor_sizes = list(factor_sizes)
        self.num_total_atoms = int(np.prod(self.factor_sizes))
        atoms = factors_to_index(features, self.factor_sizes)
        num_different = len(np.unique(atoms))
        if not len(atoms) == num_different == self.num_total_atoms:
            raise ValueError(
                f"Features must hold each of the {self.num_total_atoms} combinations "
                f"exactly once. Received: {len(atoms)} rows, {num_different} different "
                "ones"
            )
        self.rows = np.argsort(atoms)

    def features_to_index(self, features):
        """File row of each row of features: int64, shape (n,)."""
        return self.rows[factors_to_index(features, self.factor_sizes)]
