"""dSprites: 737,280 black and white images of a square, an ellipse or a heart.

The dataset of Matthey et al. (2017), https://github.com/google-deepmind/dsprites-dataset.
Its pixels are 0 or 1, so an image is kept as 512 bytes of bits. The first use of the
official file writes them to a folder of prepared files. Later uses memory-map them.
"""

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import grid_data, prepared

FILE_STEM = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64"
URL = f"https://github.com/google-deepmind/dsprites-dataset/raw/master/{FILE_STEM}.hdf5"
_FETCH = f"run `dmt_data fetch dsprites_full` or download {URL}"


class DSprites(grid_data.GridData):
    """dSprites from the official file.

    The state space has the factors
        0 - color (1 value),
        1 - shape (3: square, ellipse, heart),
        2 - scale (6: 0.5 to 1),
        3 - orientation (40: 0 to a full turn, so that the last equals the first),
        4 - position x (32, to the right),
        5 - position y (32, downward).
    """

    origin = "official"
    factor_sizes = [1, 3, 6, 40, 32, 32]
    state_space_names = [
        "color",
        "shape",
        "scale",
        "orientation",
        "position x",
        "position y",
    ]
    observation_shape = [64, 64, 1]

    def __init__(self, latent_factor_indices=None, name="dsprites"):
        """Opens the images.

        Args:
            latent_factor_indices: the factors of the state space that are ground truth.
                The others are drawn for each observation. None for all six.
            name: the name of the dataset.

        Raises:
            DatasetNotFound: if there is no official file.
            ValueError: if the official file is damaged.
        """
        super().__init__(name, latent_factor_indices)
        self._packed_images = self._open_images()

    def _open_images(self):
        """The bit-packed images: uint8 array or memory map of shape (size, 512)."""
        paths = [f"dsprites/{FILE_STEM}{suffix}" for suffix in (".hdf5", ".npz")]
        source = prepared.find("dSprites", paths, _FETCH, "dsprites_rendered")
        return prepared.open_images(
            "dsprites",
            [source],
            lambda: _read(source, self.num_images),
            (self.num_images, 512),
        )

    def images_at(self, indices):
        """Images at the indices: uint8, 0 or 255, shape (n, 64, 64, 1)."""
        pixels = np.unpackbits(self._packed_images[self.checked(indices)], axis=1)
        pixels *= 255
        return pixels.reshape(-1, *self.observation_shape)

    def sample_observations_from_factors_no_color(self, factors, random_state):
        """The images as they are, for subclasses that change the observations.

        Args:
            factors: int array of shape (n, num_factors).
            random_state: numpy RandomState.

        Returns:
            float32 array of shape (n, 64, 64, 1), 0 or 1.
        """
        images = self.images_at(self.indices_of(factors, random_state))
        return images.astype(np.float32) / 255


@registry.dataset("dsprites_full")
def dsprites_full():
    """The official dSprites with all factors except the single colour."""
    return DSprites([1, 2, 3, 4, 5], "dsprites_full")


@registry.dataset("dsprites_noshape")
def dsprites_noshape():
    """The official dSprites with a random shape that is not a factor."""
    return DSprites([2, 3, 4, 5], "dsprites_noshape")


def _read(source, num_images):
    """Yields the checked images in order as bits, uint8 arrays (n, 512)."""
    read = prepared.read_hdf5 if source.suffix == ".hdf5" else prepared.read_npz
    with prepared.naming_damage(source, _FETCH):
        for images in read(source, "imgs", (num_images, 64, 64)):
            if images.max() > 1:
                raise ValueError(f"pixels must be 0 or 1, not {images.max()}")
            yield np.packbits(images.reshape(len(images), -1), axis=1)
