"""Cars3D: 17,568 images of 183 cars from all sides.

The dataset of Reed et al. (2015), "Deep Visual Analogy-Making",
http://www.scottreed.info/files/nips2015-analogy-data.tar.gz, folder `data/cars`.
"""

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import grid_data, ground_truth_data, prepared

_FETCH = "run `dmt_data fetch cars3d`"
# Height, width, channels, azimuth, elevation.
_MESH_SHAPE = (128, 128, 3, 24, 4)


@registry.dataset("cars3d")
class Cars3D(grid_data.GridData):
    """Cars3D from the official files, scaled to 64x64.

    The factors of variation are
        0 - elevation (4 values),
        1 - azimuth (24),
        2 - object type (183), in the order of `list.txt`. Without this file, in the
            order of the file names.

    disentanglement_lib numbers the object types in the order of the file system.
    """

    origin = "official"
    factor_sizes = [4, 24, 183]
    state_space_names = ["elevation", "azimuth", "object type"]
    observation_shape = [64, 64, 3]

    def __init__(self):
        """Opens the images.

        Raises:
            DatasetNotFound: if there are no official files.
            ValueError: if they are damaged or incomplete.
        """
        sources = _find_sources(
            ground_truth_data.data_root() / "cars", self.factor_sizes[2]
        )
        images = prepared.open_images(
            "cars3d",
            sources,
            lambda: map(_read_mesh, sources),
            (self.num_images, *self.observation_shape),
        )
        # A file holds the images of one object type, beginning with all elevations of
        # the first azimuth.
        rows = np.arange(self.num_images).reshape(self.factor_sizes[::-1]).T.ravel()
        super().__init__("cars3d", images=images, rows=rows)


def _find_sources(folder, count):
    """The files in the order of the object types."""
    names = sorted(path.name for path in folder.glob("*.mat"))
    if not names:
        raise prepared.not_found("cars3d", folder / "*.mat", _FETCH)
    if len(names) != count:
        raise ValueError(
            f"{folder} must hold {count} files *.mat, delete it and {_FETCH}. "
            f"Received: {len(names)} files"
        )
    order = folder / "list.txt"
    if order.is_file():
        listed = [
            line.strip().removesuffix(".mat") + ".mat"
            for line in order.read_text(errors="replace").splitlines()
            if line.strip()
        ]
        if sorted(listed) != names:
            raise ValueError(
                f"{order} must list the files *.mat beside it, delete it and {_FETCH}. "
                f"Received: {len(listed)} lines, "
                f"{len(set(names) - set(listed))} files are missing in it"
            )
        names = listed
    return [folder / name for name in names]


def _read_mesh(source):
    """Images of one object type: uint8, shape (96, 64, 64, 3)."""
    import scipy.io
    from PIL import Image

    with prepared.naming_damage(source, _FETCH):
        pictures = scipy.io.loadmat(source, variable_names=["im"])["im"]
        prepared.check_layout("im", pictures.shape, pictures.dtype, _MESH_SHAPE)
        pictures = pictures.transpose(3, 4, 0, 1, 2).reshape(-1, 128, 128, 3)
    small = [
        np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.LANCZOS))
        for picture in pictures
    ]
    return np.stack(small)
