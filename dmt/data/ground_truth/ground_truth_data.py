"""The base class of all datasets.

A dataset has known factors of variation, draws them, and turns them into observations.
The rest of the package uses datasets through this class only.
"""

import functools
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.random import RandomState

logger = logging.getLogger(__name__)


class DatasetNotFound(FileNotFoundError):
    """The files of a dataset were not found."""


def data_root() -> Path:
    """Folder that holds the files of all datasets.

    It is named by the environment variable DMT_DATA, or by DISENTANGLEMENT_LIB_DATA. If
    neither is set, it is the current folder.
    """
    return Path(bound_data_root() or ".").expanduser()


def bound_data_root() -> str | None:
    """The value of the environment variables of `data_root`, None if none is set."""
    return os.environ.get("DMT_DATA") or os.environ.get("DISENTANGLEMENT_LIB_DATA")


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
        has_drawn_rows: whether the samples of a metric are different rows of the list
            of images, see `disjoint_rows`. Otherwise they are drawn independently, as
            in disentanglement_lib.
        image_names: names of the images in the order of the indices, None if they have
            no names.
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
    image_names: Sequence[str] | None = None

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
        """Number of factors of variation, 0 if the images have no labels."""
        return len(self.factors_num_values)

    @functools.cached_property
    def continuous_factors(self) -> list[bool]:
        """Whether each factor is continuous: its values are numbers of their own."""
        return [False] * self.num_factors

    @functools.cached_property
    def has_drawn_rows(self) -> bool:
        """See the class."""
        return self.size is not None and not self.has_all_combinations

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

    def check_factors(self, user: str, discrete: bool = True) -> None:
        """Raises an error if there are no factors of variation, or of another kind.

        Args:
            user: what needs the factors, for the message.
            discrete: whether no factor may be continuous.

        Raises:
            ValueError: if that is so.
        """
        if not self.num_factors:
            raise ValueError(
                f"{user} needs factors of variation. Give the images labels, as in "
                f"image_folder.csv. Received: {self.name}, whose images have none"
            )
        pairs = zip(self.factor_names, self.continuous_factors, strict=True)
        names = [name for name, is_continuous in pairs if is_continuous]
        if discrete and names:
            raise ValueError(
                f"{user} needs factors with discrete values. Bind {self.name}.num_bins "
                "= 5, or another number, to put continuous ones into bins. Received: "
                f"{self.name}, whose {', '.join(names)} "
                f"{'is' if len(names) == 1 else 'are'} continuous"
            )

    def prepare(self) -> None:
        """Writes files for later uses, if rendering the images takes long."""

    def sample_factors(self, num: int, random_state: RandomState) -> np.ndarray:
        """Draws factors.

        Args:
            num: number of rows to draw.
            random_state: numpy RandomState.

        Returns:
            Array of shape (num, num_factors): int64 value numbers; or float64, if there
            are continuous factors, which have their own values.
        """
        raise NotImplementedError

    def disjoint_rows(
        self,
        sizes: Sequence[int],
        random_state: RandomState,
        drawn: Sequence[int] | np.ndarray = (),
    ) -> list[np.ndarray]:
        """Draws the rows of a sample, or of a training and a test sample.

        No image is drawn twice. If there are fewer images than are wanted, at most a
        third of them are test samples.

        Args:
            sizes: number of rows of each sample, one or two.
            random_state: numpy RandomState.
            drawn: indices of images that are not drawn unless no others are left.

        Returns:
            An int array of indices for each sample.

        Raises:
            ValueError: if there are too few images, or images have no indices.
        """
        rows = random_state.permutation(self.indexed_size("A list of images"))
        if len(drawn):
            is_left = ~np.isin(
                self.image_numbers(rows), self.image_numbers(np.asarray(drawn))
            )
            if is_left.any():
                rows = rows[is_left]
            else:
                logger.warning(
                    "All %d images of %s were in earlier samples and are drawn again. "
                    "Draw fewer at first, or training and test samples at once with "
                    "Sampler.train_and_test.",
                    len(rows),
                    self.name,
                )
        wanted = sum(sizes)
        if wanted > len(rows):
            tests = [min(size, len(rows) // 3) for size in sizes[1:]]
            sizes = [min(sizes[0], len(rows) - sum(tests)), *tests]
            logger.warning(
                "%s has %d images%s, fewer than the %d samples that are wanted. "
                "Used: %s",
                self.name,
                len(rows),
                " left" if len(rows) < (self.size or 0) else "",
                wanted,
                " to train and ".join(map(str, sizes)) + " to test" * len(tests),
            )
        samples = []
        for size in sizes:
            samples.append(rows[:size])
            rows = rows[size:]
            same = np.isin(self.image_numbers(rows), self.image_numbers(samples[-1]))
            rows = rows[~same]
        if not all(len(sample) for sample in samples):
            raise ValueError(
                f"{self.name} has too few images for {len(sizes)} samples without "
                f"common images. Received: {self.size} images"
            )
        return samples

    def image_numbers(self, indices: np.ndarray) -> np.ndarray:
        """Numbers of the images at the indices, equal if an image is listed twice."""
        return indices

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
        return self.observations_at(self.indices_of(factors, random_state))

    def observations_at(self, indices: np.ndarray) -> np.ndarray:
        """Observations at the indices; see `sample_observations_from_factors`."""
        return self.images_at(indices).astype(np.float32) / 255

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
            Array of shape (n, num_factors), as `sample_factors` returns.
        """
        raise NotImplementedError(f"Observations of {self.name} have no indices.")

    def scaled_factors(self, factors: np.ndarray) -> np.ndarray:
        """Factors (n, num_factors) with continuous ones scaled to [0, 1]."""
        if not any(self.continuous_factors):
            return factors
        table = self.factors_at(np.arange(self.size or 0))
        scaled = np.array(factors, dtype=np.float64)
        for column in np.flatnonzero(self.continuous_factors):
            low, high = table[:, column].min(), table[:, column].max()
            scaled[:, column] = (scaled[:, column] - low) / max(high - low, 1e-300)
        return scaled

    def indices_of(
        self, factors: np.ndarray, random_state: RandomState | None = None
    ) -> np.ndarray:
        """Indices of observations that show the factors.

        Args:
            factors: array of shape (n, num_factors).
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
