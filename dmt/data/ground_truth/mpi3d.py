"""MPI3D: images of a robot arm that holds an object, drawn or photographed.

The datasets of Gondal et al. (2019), https://arxiv.org/abs/1906.03292, files at
https://github.com/rr-learning/disentanglement_dataset.
"""

import functools
import math

from dmt.data import registry
from dmt.data.ground_truth import grid_data, prepared

# File and description of each dataset.
_DATASETS = {
    "mpi3d_toy": ("mpi3d_toy.npz", "MPI3D in simple renderings"),
    "mpi3d_realistic": ("mpi3d_realistic.npz", "MPI3D in realistic renderings"),
    "mpi3d_real": ("mpi3d_real.npz", "MPI3D in photographs"),
    "mpi3d_real_complex": (
        "real3d_complicated_shapes_ordered.npz",
        "MPI3D in photographs of four everyday objects",
    ),
}


class MPI3D(grid_data.GridData):
    """MPI3D from an official file.

    The factors of variation are
        0 - object color (6 values),
        1 - object shape (6),
        2 - object size (2: small, large),
        3 - camera height (3: top, center, bottom),
        4 - background color (3),
        5 - first DOF (40: horizontal axis),
        6 - second DOF (40: vertical axis).

    There are 4 object colors and 4 shapes in `mpi3d_real_complex`, and in older files
    of `mpi3d_toy` and `mpi3d_realistic`, which disentanglement_lib reads. The number of
    images in a file tells whether it is older.
    """

    origin = "official"
    possible_factor_sizes = [[6, 6, 2, 3, 3, 40, 40], [4, 4, 2, 3, 3, 40, 40]]
    state_space_names = [
        "object color",
        "object shape",
        "object size",
        "camera height",
        "background color",
        "first DOF",
        "second DOF",
    ]
    observation_shape = [64, 64, 3]

    def __init__(self, mode="mpi3d_toy"):
        """Opens the images, directly in the official file if it is not compressed.

        Args:
            mode: the name of the dataset.

        Raises:
            DatasetNotFound: if there is no official file.
            ValueError: if the official file is damaged.
        """
        fetch = f"run `dmt_data fetch {mode}`"
        path = f"{mode}/{_DATASETS[mode][0]}"
        source = prepared.find(mode, [path], fetch, "armcube_rendered")
        with prepared.naming_damage(source, fetch):
            shape, dtype = prepared.npz_layout(source, "images")
            self.factor_sizes = self._sizes(shape)
            prepared.check_layout(
                "images", shape, dtype, (self.num_images, *self.observation_shape)
            )
            mapped = prepared.map_npz(source, "images")

        def read():
            with prepared.naming_damage(source, fetch):
                yield from prepared.read_npz(source, "images", shape)

        images = prepared.open_images(mode, [source], read, shape, mapped=mapped)
        super().__init__(mode, images=images)

    def _sizes(self, shape):
        possible = {math.prod(sizes): sizes for sizes in self.possible_factor_sizes}
        if not shape or shape[0] not in possible:
            raise ValueError(
                f"images must be {' or '.join(map(str, possible))} pictures, not of "
                f"shape {shape}"
            )
        return possible[shape[0]]


for _name, (_, _description) in _DATASETS.items():
    registry.dataset(_name, _description)(functools.partial(MPI3D, _name))
