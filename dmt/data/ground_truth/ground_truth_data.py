"""What a data set is to the rest of the package.

A data set is a set of known factors of variation, a way to draw them, and a way to
turn them into observations. Every other part of `dmt` sees data through this class.
"""

import os
from pathlib import Path

import numpy as np


class DatasetNotFound(FileNotFoundError):
    """The files of a data set are not where they were looked for."""


def data_root():
    """Folder that holds the files of the data sets, as a path.

    The environment variable DMT_DATA, else DISENTANGLEMENT_LIB_DATA, else the current
    folder.
    """
    root = os.environ.get("DMT_DATA") or os.environ.get("DISENTANGLEMENT_LIB_DATA")
    return Path(root or ".").expanduser()


class GroundTruthData:
    """Base class of the data sets with known factors of variation.

    A new data set defines `factors_num_values`, `observation_shape`, `sample_factors`
    and one of
      * `sample_observations_from_factors`, when observations are made on the spot;
      * `size`, `factors_at`, `indices_of` and `images_at`, when there is a finite list
        of images. Training and evaluation then work on indices, which is faster.

    Attributes:
      name: the name under which the data set is registered.
      origin: "official" (the published files), "rendered" (our own pictures on the
        factors of a published set), "synthetic" (noise) or "user".
      renderer_version: version of our pictures, which changes when a pixel does; None
        for all other origins.
      size: number of observations that an index can address; None when observations
        hold random pixels and have no index.
    """

    origin = "user"
    renderer_version = None
    size = None

    @property
    def name(self):
        """Name of the data set."""
        return type(self).__name__

    @property
    def factors_num_values(self):
        """Number of values of each factor, a list of int."""
        raise NotImplementedError

    @property
    def observation_shape(self):
        """Shape of one observation, for images [height, width, channels]."""
        raise NotImplementedError

    @property
    def num_factors(self):
        """Number of factors of variation."""
        return len(self.factors_num_values)

    @property
    def factor_names(self):
        """Name of each factor, a list of str."""
        return [f"Factor {i}" for i in range(self.num_factors)]

    @property
    def is_grid(self):
        """Whether indices count through all factor values, the last factor fastest."""
        return False

    @property
    def has_all_combinations(self):
        """Whether there are observations of every combination of factor values."""
        return True

    @property
    def has_grid_draws(self):
        """Whether many draws of factors may be made at once, with `draws.randints`.

        True promises that `sample_factors` is one call of `randint` for each factor in
        turn, and that `sample_observations_from_factors` draws nothing.
        """
        return False

    def prepare(self):
        """Writes files that later uses read, where drawing images anew takes long."""

    def sample_factors(self, num, random_state):
        """Draws factors.

        Args:
          num: number of rows to draw.
          random_state: numpy RandomState.

        Returns:
          int64 array of shape (num, num_factors).
        """
        raise NotImplementedError

    def sample_observations_from_factors(self, factors, random_state):
        """Draws one observation for each row of factors.

        Args:
          factors: int array of shape (n, num_factors).
          random_state: numpy RandomState, used where the factors leave something open.

        Returns:
          float32 array of shape (n, *observation_shape), values in [0, 1].
        """
        images = self.images_at(self.indices_of(factors, random_state))
        return images.astype(np.float32) / 255

    def sample(self, num, random_state):
        """Draws factors, then their observations, as (factors, observations)."""
        factors = self.sample_factors(num, random_state)
        return factors, self.sample_observations_from_factors(factors, random_state)

    def sample_observations(self, num, random_state):
        """Draws observations of random factors."""
        return self.sample(num, random_state)[1]

    def factors_at(self, indices):
        """Factors of the observations at the indices.

        Args:
          indices: int array of shape (n,), values in [0, size).

        Returns:
          int64 array of shape (n, num_factors).
        """
        raise NotImplementedError(f"Observations of {self.name} have no indices.")

    def indices_of(self, factors, random_state=None):
        """Indices of observations that show the factors.

        Args:
          factors: int array of shape (n, num_factors).
          random_state: numpy RandomState; needed when several observations show the
            same factors, and one of them has to be drawn.

        Returns:
          int64 array of shape (n,), values in [0, size).
        """
        raise NotImplementedError(f"Observations of {self.name} have no indices.")

    def images_at(self, indices):
        """Observations at the indices.

        Args:
          indices: int array of shape (n,), values in [0, size).

        Returns:
          uint8 array of shape (n, *observation_shape), values in [0, 255].
        """
        raise NotImplementedError(f"Observations of {self.name} have no indices.")

    def checked(self, indices):
        """The indices as an array.

        Raises:
          ValueError: if one is not in [0, size).
        """
        indices = np.asarray(indices)
        if indices.size and not (0 <= indices.min() and indices.max() < self.size):
            raise ValueError(
                f"Indices must be in [0, {self.size}). "
                f"Received: from {indices.min()} to {indices.max()}"
            )
        return indices
