"""Shapes3D: 480,000 images of an object in a room.

The dataset of Burgess and Kim (2018), https://github.com/google-deepmind/3d-shapes.
disentanglement_lib reads another file, which was not published; factors and their order
are the same.
"""

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import grid_data, prepared

_FETCH = "run `dmt_data fetch shapes3d`"


@registry.dataset("shapes3d")
class Shapes3D(grid_data.GridData):
    """Shapes3D from the official file.

    The factors of variation are
        0 - floor hue (10 values),
        1 - wall hue (10),
        2 - object hue (10),
        3 - scale (8),
        4 - shape (4: cube, cylinder, sphere, capsule),
        5 - orientation (15).
    """

    origin = "official"
    factor_sizes = [10, 10, 10, 8, 4, 15]
    state_space_names = [
        "floor hue",
        "wall hue",
        "object hue",
        "scale",
        "shape",
        "orientation",
    ]
    observation_shape = [64, 64, 3]

    def __init__(self):
        """Opens the images.

        Raises:
            DatasetNotFound: if there is no official file.
            ValueError: if the official file is damaged.
        """
        path, twin = "3dshapes/3dshapes.h5", "shapes3d_rendered"
        source = prepared.find("shapes3d", [path], _FETCH, twin)
        shape = (self.num_images, *self.observation_shape)
        images = prepared.open_images(
            "shapes3d", [source], lambda: self._read(source, shape), shape
        )
        super().__init__("shapes3d", images=images)

    def _read(self, source, shape):
        # The rendered version does not need h5py.
        import h5py

        with prepared.naming_damage(source, _FETCH):
            with h5py.File(source, "r") as file:
                _check_order(file["labels"][:], self.factor_sizes)
            yield from prepared.read_hdf5(source, "images", shape)


def _check_order(labels, factor_sizes):
    """Raises ValueError unless labels (n, num_factors) are in row-major order."""
    num_factors = len(factor_sizes)
    grid = labels.reshape(*factor_sizes, num_factors)
    for factor, size in enumerate(factor_sizes):
        # The factor's own axis first: a row for each of its values.
        values = np.moveaxis(grid[..., factor], factor, 0).reshape(size, -1)
        is_constant = np.all(values == values[:, :1])
        if not is_constant or len(np.unique(values[:, 0])) != size:
            raise ValueError(
                f"labels of factor {factor} do not count through {size} values in "
                "row-major order, the last factor fastest"
            )
