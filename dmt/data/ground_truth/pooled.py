"""Datasets at lower resolution, on which models train faster.

These bindings halve the height and the width of the images:

    dataset.name = "pooled"
    pooled.base = "shapes3d_rendered"
    pooled.factor = 2
"""

import gin
import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import wrapped
from dmt.utils import checks, stages


@registry.dataset("pooled")
@stages.configurable("pooled", "dataset")
class PooledData(wrapped.DatasetWrapper):
    """Another dataset at lower resolution: pixels are means of square blocks.

    Args:
        base: name of the dataset, or a reference to a configurable that makes it.
        factor: side of the blocks in pixels, at least 2.

    Raises:
        ValueError: if the factor does not divide height and width, or the base is not
            another dataset.
    """

    def __init__(self, base=gin.REQUIRED, factor=2):
        base = wrapped.open_base(base, "pooled")
        super().__init__("pooled", base)
        height, width, channels = base.observation_shape
        checks.integer("pooled.factor", factor, low=2)
        if height % factor or width % factor:
            raise ValueError(
                f"pooled.factor must divide {height} and {width}. "
                f"Received: factor={factor!r}"
            )
        self._factor = factor
        self.observation_shape = [height // factor, width // factor, channels]
        self.size = base.size
        self.is_grid = base.is_grid
        self.has_grid_draws = base.has_grid_draws
        self.has_drawn_rows = base.has_drawn_rows
        self.image_names = base.image_names
        self.image_numbers = base.image_numbers
        self.indices_of = base.indices_of
        self.factors_at = base.factors_at

    def images_at(self, indices):
        """Images at the indices, rounded half up: uint8, (n, *observation_shape)."""
        area = self._factor**2
        dtype = np.min_scalar_type(255 * area + area // 2)
        sums = self._sums(self._base.images_at(indices), dtype)
        return ((sums + area // 2) // area).astype(np.uint8)

    def sample_observations_from_factors(self, factors, random_state):
        """See `GroundTruthData`; observations that have indices are rounded."""
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
