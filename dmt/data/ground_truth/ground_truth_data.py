"""The base class of all datasets.

A dataset has known factors of variation, draws them, and turns them into observations.
The rest of the package uses datasets through this class only.
"""

import functools
import os
from pathlib import Path

import numpy as np
from numpy.random import RandomState


class DatasetNotFound(FileNotFoundError):
    """The files of a dataset were not found."""


def data_root() -> Path:
    """Folder that holds the files of all datasets.

    It is named by the environment variable DMT_DATA, or by DISENTANGLEMENT_LIB_DATA. If
    neither is set, it is the current folder.
    """
    root = os.environ.get("DMT_DATA") or os.environ.get("DISENTANGLEMENT_LIB_DATA")
    return Path(root or ".").expanduser()


class GroundTruthData:
    """Base class of the datasets with known factors of variation.

    A new dataset sets `factors_num_values` and `observation_shape`, and defines
    `sample_factors` and one of
        * `sample_observations_from_factors`, if observations are made when they are
          needed;
        * `size`, `factors_at`, `indices_of` and `images_at`, if there is a finite list
          of images. Training and evaluation then work on indices, which is faster.

    Attributes:
        origin: "official" (published files), "rendered" (by this package with the
            factors of a published dataset), "synthetic" (noise) or "user".
        renderer_version: version of the images that this package renders. It changes
            when any pixel changes. None for other origins.
        size: number of observations that have an index; None if observations hold
            random pixels and have no index.
        is_grid: whether index i is the i-th combination of factor values, where the
            last factor counts fastest.
        has_all_combinations: whether every combination of factor values has an
            observation.
        has_grid_draws: whether many draws of factors may be made at once, with
            `draws.randints`. True promises that `sample_factors` is one call of
            `randint` for each factor in turn, and that
            `sample_observations_from_factors` draws nothing.
    """

    origin: str = "user"
    renderer_version: str | None = None
    size: int | None = None
    is_grid: bool = False
    has_all_combinations: bool = True
    has_grid_draws: bool = False

    # Cached properties let a class or an instance set plain attributes instead.

    @functools.cached_property
    def name(self) -> str:
        """The name under which the dataset is registered."""
        return type(self).__name__

    @functools.cached_property
    def factors_num_values(self) -> list[int]:
        """Number of values of each factor."""
        raise NotImplementedError

    @functools.cached_property
    def observation_shape(self) -> list[int]:
        """Shape of one observation, for images [height, width, channels]."""
        raise NotImplementedError

    @property
    def num_factors(self) -> int:
        """Number of factors of variation."""
        return len(self.factors_num_values)

    @functools.cached_property
    def factor_names(self) -> list[str]:
        """Name of each factor."""
        return [f"Factor {i}" for i in range(self.num_factors)]

    @property
    def num_images(self) -> int:
        """Number of images that `images_at` can return."""
        return self.size or 0

    def indexed_size(self, user: str) -> int:
        """Returns `size`, or raises an error if observations have no indices.

        Args:
            user: what needs indices, for the message.

        Raises:
            ValueError: if observations have no indices.
        """
        if self.size is None:
            raise ValueError(
                f"{user} needs a dataset whose images have indices. "
                f"Received: {self.name}, which draws random pixels"
            )
        return self.size

    def prepare(self) -> None:
        """Writes files for later uses, if rendering the images takes long."""

    def sample_factors(self, num: int, random_state: RandomState) -> np.ndarray:
        """Draws factors.

        Args:
            num: number of rows to draw.
            random_state: numpy RandomState.

        Returns:
            int64 array of shape (num, num_factors).
        """
        raise NotImplementedError

    def sample_observations_from_factors(
        self, factors: np.ndarray, random_state: RandomState
    ) -> np.ndarray:
        """Draws one observation for each row of factors.

        Args:
            factors: int array of shape (n, num_factors).
            random_state: numpy RandomState, for all that the factors do not determine.

        Returns:
            float32 array of shape (n, *observation_shape), values in [0, 1].
        """
        images = self.images_at(self.indices_of(factors, random_state))
        return images.astype(np.float32) / 255

    def sample(
        self, num: int, random_state: RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws factors, then their observations, as (factors, observations)."""
        factors = self.sample_factors(num, random_state)
        return factors, self.sample_observations_from_factors(factors, random_state)

    def sample_observations(self, num: int, random_state: RandomState) -> np.ndarray:
        """Draws observations of random factors."""
        return self.sample(num, random_state)[1]

    def factors_at(self, indices: np.ndarray) -> np.ndarray:
        """Factors of the observations at the indices.

        Args:
            indices: int array of shape (n,), values in [0, size).

        Returns:
            int64 array of shape (n, num_factors).
        """
        raise NotImplementedError(f"Observations of {self.name} have no indices.")

    def indices_of(
        self, factors: np.ndarray, random_state: RandomState | None = None
    ) -> np.ndarray:
        """Indices of observations that show the factors.

        Args:
            factors: int array of shape (n, num_factors).
            random_state: numpy RandomState. It is needed if several observations show
                the same factors, because one of them is then drawn.

        Returns:
            int64 array of shape (n,), values in [0, size).
        """
        raise NotImplementedError(f"Observations of {self.name} have no indices.")

    def images_at(self, indices: np.ndarray) -> np.ndarray:
        """Observations at the indices.

        Args:
            indices: int array of shape (n,), values in [0, size).

        Returns:
            uint8 array of shape (n, *observation_shape), values in [0, 255].
        """
        raise NotImplementedError(f"Observations of {self.name} have no indices.")

    def checked(self, indices: np.ndarray) -> np.ndarray:
        """Checks that the indices are in [0, size), and returns them as an array.

        Raises:
            ValueError: if one is not.
        """
        indices = np.asarray(indices)
        size = self.num_images
        if indices.size and not (0 <= indices.min() and indices.max() < size):
            raise ValueError(
                f"Indices must be in [0, {size}). "
                f"Received: from {indices.min()} to {indices.max()}"
            )
        return indices
