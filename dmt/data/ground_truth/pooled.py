"""A data set at lower resolution, for models that must train in little time.

dataset.name = "pooled"
pooled.base = "shapes3d_rendered"
pooled.factor = 2
"""

import gin
import numpy as np

from dmt.data.ground_truth import ground_truth_data
from dmt.utils import stages


class PooledData(ground_truth_data.GroundTruthData):
    """Another data set whose pixels are means of square blocks.

    Args:
      base: the data set.
      factor: side of the blocks in pixels, > 1, divides height and width.

    Raises:
      ValueError: if it does not.
    """

    def __init__(self, base, factor):
        height, width, channels = base.observation_shape
        is_integer = isinstance(factor, int) and not isinstance(factor, bool)
        if not is_integer or factor < 2 or height % factor or width % factor:
            raise ValueError(
                f"pooled.factor must be an integer > 1 that divides {height} and "
                f"{width}. Received: factor={factor!r}"
            )
        self._base = base
        self._factor = factor
        self._shape = [height // factor, width // factor, channels]
        self.size = base.size
        self.origin = base.origin
        self.renderer_version = base.renderer_version
        self.indices_of = base.indices_of
        self.factors_at = base.factors_at
        self.sample_factors = base.sample_factors

    @property
    def name(self):
        """Name of the data set."""
        return "pooled"

    @property
    def factors_num_values(self):
        """Number of values of each factor."""
        return self._base.factors_num_values

    @property
    def factor_names(self):
        """Names of the factors."""
        return self._base.factor_names

    @property
    def observation_shape(self):
        """[height, width, channels]."""
        return self._shape

    @property
    def is_grid(self):
        """See `GroundTruthData.is_grid`."""
        return self._base.is_grid

    @property
    def has_all_combinations(self):
        """See `GroundTruthData.has_all_combinations`."""
        return self._base.has_all_combinations

    @property
    def has_grid_draws(self):
        """See `GroundTruthData.has_grid_draws`."""
        return self._base.has_grid_draws

    def images_at(self, indices):
        """uint8 images at the indices, (n, *observation_shape), rounded half up."""
        area = self._factor**2
        dtype = np.min_scalar_type(255 * area + area // 2)
        sums = self._sums(self._base.images_at(indices), dtype)
        return ((sums + area // 2) // area).astype(np.uint8)

    def sample_observations_from_factors(self, factors, random_state):
        """See `GroundTruthData`; observations with indices are rounded."""
        if self.size is not None:
            return super().sample_observations_from_factors(factors, random_state)
        images = self._base.sample_observations_from_factors(factors, random_state)
        return self._sums(images, np.float32) / self._factor**2

    def _sums(self, images, dtype):
        steps = range(self._factor)
        blocks = [
            images[:, i :: self._factor, j :: self._factor]
            for i in steps
            for j in steps
        ]
        sums = blocks[0].astype(dtype)
        for block in blocks[1:]:
            sums += block
        return sums


@stages.configurable("pooled", "dataset")
def pooled(base=gin.REQUIRED, factor=2):
    """A data set whose pixels are means of square blocks.

    Args:
      base: name of the data set, or a reference to a configurable that makes it.
      factor: side of the blocks in pixels.

    Raises:
      ValueError: if the factor does not divide height and width, or the base is not
        another data set.
    """
    if not isinstance(base, ground_truth_data.GroundTruthData):
        # The registry imports this module.
        from dmt.data.ground_truth import named_data

        if base == "pooled":
            raise ValueError(
                "pooled.base is the data set to pool, bind another one. "
                f"Received: base={base!r}"
            )
        base = named_data.open_data_set(base)
    return PooledData(base, factor)
