"""Datasets that have an image of every combination of their factors."""

import math
from collections.abc import Sequence

import numpy as np

from dmt.data.ground_truth import ground_truth_data, state_space


class GridData(ground_truth_data.GroundTruthData):
    """Images of all combinations of the factors of a state space.

    Some factors of the state space are ground truth. The others are drawn for each
    observation. Index i is the i-th combination, where the last factor counts fastest.

    A subclass sets:
        factor_sizes: number of values of each factor of the state space.
        state_space_names: their names.
        observation_shape: [height, width, channels].
    and defines `images_at`, or passes an array of images.
    """

    factor_sizes: list[int]
    state_space_names: list[str]

    def __init__(
        self,
        name: str,
        latent_factor_indices: Sequence[int] | None = None,
        images: np.ndarray | None = None,
        rows: np.ndarray | None = None,
    ):
        """Sets up the state space.

        Args:
            name: the name of the dataset.
            latent_factor_indices: the factors of the state space that are ground truth;
                None for all.
            images: uint8 array or memory map of shape (size, *observation_shape), or
                None if the subclass defines `images_at`.
            rows: int array of shape (size,), the row in `images` of each index. None if
                images are in the order of the indices.
        """
        if latent_factor_indices is None:
            latent_factor_indices = range(len(self.factor_sizes))
        self.name = name
        self.factors_num_values = [self.factor_sizes[i] for i in latent_factor_indices]
        self.factor_names = [self.state_space_names[i] for i in latent_factor_indices]
        # Whether the ground-truth factors alone determine the image.
        self.is_grid = math.prod(self.factors_num_values) == self.size
        plain = type(self).sample_factors is GridData.sample_factors
        self.has_grid_draws = plain and self.is_grid
        self.state_space = state_space.SplitDiscreteStateSpace(
            self.factor_sizes, latent_factor_indices
        )
        self._images = images
        self._rows = rows

    @property
    def num_images(self):
        """Number of combinations, which all have an image."""
        return math.prod(self.factor_sizes)

    @property
    def size(self):
        """Number of images; None in a subclass that changes observations only.

        Its observations are not the images of `images_at`, so they have no indices.
        """
        changed = _place(self, "sample_observations_from_factors")
        return None if changed < _place(self, "images_at") else self.num_images

    def sample_factors(self, num, random_state):
        """Draws factors: int64, shape (num, num_factors)."""
        return self.state_space.sample_latent_factors(num, random_state)

    def factors_at(self, indices):
        """Factors of the images at the indices: int64, shape (n, num_factors)."""
        all_factors = state_space.index_to_factors(indices, self.factor_sizes)
        return all_factors[:, self.state_space.latent_factor_indices]

    def indices_of(self, factors, random_state=None):
        """Indices of images that show the factors: int64, shape (n,)."""
        all_factors = self.state_space.sample_all_factors(factors, random_state)
        return state_space.factors_to_index(all_factors, self.factor_sizes)

    def images_at(self, indices):
        """Images at the indices: uint8, shape (n, *observation_shape)."""
        indices = self.checked(indices)
        return self._images[indices if self._rows is None else self._rows[indices]]


def _place(data, method):
    """How many classes are asked for a method before the one that defines it."""
    return [method in vars(base) for base in type(data).__mro__].index(True)
