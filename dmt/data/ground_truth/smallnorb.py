"""SmallNORB: 48,600 grey images of 50 toys.

The dataset of LeCun, Huang and Bottou (2004),
https://cs.nyu.edu/~ylclab/data/norb-v1.0-small.
"""

import gzip
import itertools
import math

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import grid_data, ground_truth_data, prepared, state_space
from dmt.utils import stages

_FETCH = "run `dmt_data fetch smallnorb`"
PARTS = ("5x46789x9x18x6x2x96x96-training", "5x01235x9x18x6x2x96x96-testing")
# The first number of a file tells its type.
_MAGIC = {np.dtype("u1"): 507333717, np.dtype("<i4"): 507333716}


class SmallNORB(grid_data.GridData):
    """SmallNORB from the official files: the left camera, scaled to 64x64.

    The factors of variation are
        0 - category (5 values),
        1 - elevation (9),
        2 - azimuth (18),
        3 - lighting (6).
    In the state space, the category is followed by the instance (10 values), which is
    drawn for each observation.
    """

    origin = "official"
    factor_sizes = [5, 10, 9, 18, 6]
    state_space_names = ["category", "instance", "elevation", "azimuth", "lighting"]
    observation_shape = [64, 64, 1]
    _folder, _pixel_type = "smallnorb", "uint8"

    def __init__(self):
        """Opens the images.

        Raises:
            DatasetNotFound: if an official file is missing.
            ValueError: if one is damaged.
        """
        dat, cat, info = (
            [_find(part, kind) for part in PARTS] for kind in ("dat", "cat", "info")
        )
        count = math.prod(self.factor_sizes) // len(PARTS)
        features = np.column_stack([_read(cat, (count,)), _read(info, (count, 4))])
        # Azimuths are 0, 2, ..., 34.
        features[:, 3] //= 2
        with prepared.naming_damage(dat[0].parent, _FETCH):
            atoms = state_space.StateSpaceAtomIndex(self.factor_sizes, features)
        images = prepared.open_images(
            self._folder,
            [*dat, *cat, *info],
            lambda: self._read_images(dat, count),
            (len(features), *self.observation_shape),
            self._pixel_type,
        )
        super().__init__("smallnorb", [0, 2, 3, 4], images, atoms.rows)

    def _read_images(self, dat, count):
        for source in dat:
            for pairs in _read_chunks(source, "uint8", (count, 2, 96, 96)):
                yield np.stack([self._resized(left) for left in pairs[:, 0]])[..., None]

    def _resized(self, image):
        from PIL import Image

        return Image.fromarray(image).resize((64, 64), Image.Resampling.LANCZOS)


class UnclippedSmallNORB(SmallNORB):
    """SmallNORB with the pixels of disentanglement_lib.

    disentanglement_lib scales 32-bit integers, which Pillow does not clip. At strong
    edges, observations are therefore outside of [0, 1]. They have no indices, because
    images with indices are uint8.
    """

    size = None
    images_at = ground_truth_data.GroundTruthData.images_at
    _folder, _pixel_type = "smallnorb_unclipped", "int16"

    def sample_observations_from_factors(self, factors, random_state):
        """Observations, float32 of shape (n, 64, 64, 1), some outside of [0, 1]."""
        indices = self.indices_of(factors, random_state)
        return self._images[self._rows[indices]].astype(np.float32) / 255

    def _resized(self, image):
        return super()._resized(image.astype(np.int32))


@registry.dataset("smallnorb")
@stages.configurable("smallnorb", "dataset")
def smallnorb(unclipped=False):
    """SmallNORB from the official files.

    Args:
        unclipped: whether to make the pixels of disentanglement_lib, see
            `UnclippedSmallNORB`.
    """
    return UnclippedSmallNORB() if unclipped else SmallNORB()


def _find(part, kind):
    path = f"small_norb/smallnorb-{part}-{kind}.mat"
    return prepared.find("smallnorb", [path, f"{path}.gz"], _FETCH)


def _read(sources, shape):
    """The values of all parts, int32."""
    chunks = (_read_chunks(source, "<i4", shape) for source in sources)
    return np.concatenate(list(itertools.chain.from_iterable(chunks)))


def _read_chunks(source, dtype, shape):
    """Yields the rows of a matrix of that type and shape: arrays (n, *shape[1:]).

    A file holds a number that tells the type, the number of dimensions, the sizes of at
    least three dimensions, and the values.
    """
    dtype = np.dtype(dtype)
    row_bytes = math.prod(shape[1:]) * dtype.itemsize
    step = prepared.rows_at_once(row_bytes)
    expected = [_MAGIC[dtype], len(shape), *shape]
    with (
        prepared.naming_damage(source, _FETCH),
        (gzip.open if source.suffix == ".gz" else open)(source, "rb") as file,
    ):
        header = np.frombuffer(file.read(4 * max(5, len(expected))), "<i4").tolist()
        if header[: len(expected)] != expected:
            raise ValueError(f"the file must begin with {expected}, not {header}")
        for start in range(0, shape[0], step):
            count = min(step, shape[0] - start)
            rows = np.frombuffer(file.read(count * row_bytes), dtype)
            yield rows.reshape(count, *shape[1:])
        # Reading past the end compares the checksum of a compressed file.
        if file.read(1):
            raise ValueError("the file is longer than its header says")
