"""dSprites: 737,280 black and white pictures of a square, an ellipse or a heart.

The data set of Matthey et al. (2017), https://github.com/google-deepmind/dsprites-dataset.
Its pixels are 0 or 1, so a picture is kept as 512 bytes of bits: the first use of the
official file writes them to a folder of prepared files, later uses memory-map that.
"""

import contextlib
import hashlib
import json
import logging
import math
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from dmt.data.ground_truth import grid_data, ground_truth_data
from dmt.utils import files

logger = logging.getLogger(__name__)

URL = (
    "https://github.com/google-deepmind/dsprites-dataset/raw/master/"
    "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5"
)
_FILE_STEM = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64"
_PREPARED_FORMAT = 1
_CHUNK = 4096


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
        """Opens the pictures.

        Args:
          latent_factor_indices: the factors of the state space that are ground truth,
            the others are drawn for each observation. None for all six.
          name: the name of the data set.

        Raises:
          DatasetNotFound: if there is no official file.
          ValueError: if the official file is damaged.
        """
        super().__init__(name, latent_factor_indices)
        self._packed_images = self._open_images()

    def _open_images(self):
        return open_official_images(self.size)

    def images_at(self, indices):
        """Pictures at the indices: uint8, 0 or 255, shape (n, 64, 64, 1)."""
        pixels = np.unpackbits(self._packed_images[self.checked(indices)], axis=1)
        pixels *= 255
        return pixels.reshape(-1, *self.observation_shape)


def dsprites_full():
    """The official dSprites with all factors but the single colour."""
    return DSprites([1, 2, 3, 4, 5], "dsprites_full")


def dsprites_noshape():
    """The official dSprites where the shape is drawn and not a factor."""
    return DSprites([2, 3, 4, 5], "dsprites_noshape")


def open_official_images(num_images):
    """Memory-maps the bit-packed pictures, preparing them at the first use.

    Prepared files lie in `prepared/dsprites` of the data root, or of ~/.cache/dmt when
    the root cannot be written. They are prepared again when the official file changes.

    Args:
      num_images: number of pictures that the official file must hold.

    Returns:
      uint8 memory map of shape (num_images, 512).
    """
    root = ground_truth_data.data_root()
    source = _find_source(root / "dsprites")
    status = source.stat()
    key = {
        "format": _PREPARED_FORMAT,
        "source": source.name,
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }
    folders = [
        base / "prepared" / "dsprites" for base in (root, Path.home() / ".cache/dmt")
    ]
    for folder in folders:
        images = _open_prepared(folder, key, num_images)
        if images is not None:
            return images
    folder = _first_writable(folders)
    logger.info("Preparing %s in %s, this happens once.", source, folder)
    _prepare(source, folder, key, num_images)
    return np.load(folder / "images.npy", mmap_mode="r")


def _find_source(folder):
    for suffix in (".hdf5", ".npz"):
        source = folder / f"{_FILE_STEM}{suffix}"
        if source.is_file():
            return source
    raise ground_truth_data.DatasetNotFound(
        f"dSprites is not at {(folder / _FILE_STEM).absolute()}.hdf5 (or .npz): "
        f"download {URL} to that place, or set the environment variable DMT_DATA to "
        "the folder that holds 'dsprites', or use its rendered twin "
        "'dsprites_rendered', which needs no file."
    )


def _open_prepared(folder, key, num_images):
    """Returns the memory map, or None if it is missing or not of this source."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        images = np.load(folder / "images.npy", mmap_mode="r")
    except (OSError, EOFError, ValueError):
        return None
    is_current = key.items() <= meta.items() and images.shape == (num_images, 512)
    return images if is_current else None


def _first_writable(folders):
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise ValueError(
        "No folder for the prepared dSprites can be written, set DMT_DATA to one that "
        f"can. Received: {[str(folder) for folder in folders]}"
    )


def _prepare(source, folder, key, num_images):
    """Writes the pictures of the source as bits, then meta.json as the seal."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (num_images, 512)}
    with files.replacing(folder / "images.npy") as path, open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for images in _read_chunks(source, num_images):
            file.write(np.packbits(images.reshape(len(images), -1), axis=1))
        # Until the new seal is there, no reader may take new pictures for old ones.
        (folder / "meta.json").unlink(missing_ok=True)
    with open(source, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    files.write_text(
        folder / "meta.json", json.dumps({**key, "sha256": sha256}, indent=2)
    )


def _read_chunks(source, num_images):
    """Yields the checked pictures in order as uint8 arrays (n, 64, 64) of 0 and 1."""
    read = _read_hdf5 if source.suffix == ".hdf5" else _read_npz
    damages = (
        OSError,
        EOFError,
        KeyError,
        RuntimeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    )
    try:
        for images in read(source, (num_images, 64, 64)):
            if images.max() > 1:
                raise ValueError(f"pixels must be 0 or 1, not {images.max()}")
            yield images
    except damages as e:
        raise ValueError(
            f"{source} is not the dSprites file or is damaged, delete it and download "
            f"{URL} again. Received: {e}"
        ) from e


def _read_npz(source, shape):
    with zipfile.ZipFile(source) as archive, archive.open("imgs.npy") as member:
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[np.lib.format.read_magic(member)]
        found_shape, fortran_order, dtype = read_header(member)
        if fortran_order:
            raise ValueError("imgs in column-major order")
        _check_layout(found_shape, dtype, shape)
        for start in range(0, shape[0], _CHUNK):
            count = min(_CHUNK, shape[0] - start)
            pixels = np.frombuffer(member.read(count * 64 * 64), dtype=np.uint8)
            yield pixels.reshape(count, 64, 64)
        # The checksum of the member is compared at its end.
        if member.read(1):
            raise ValueError("imgs is longer than its header says")


def _read_hdf5(source, shape):
    try:
        import h5py
    except ImportError as e:
        raise ImportError(
            f"Reading {source} needs h5py: pip install h5py, or put the "
            "npz file in its place."
        ) from e
    with h5py.File(source, "r") as file:
        images = file["imgs"]
        _check_layout(images.shape, images.dtype, shape)
        # Whole storage chunks, so that none is decompressed twice.
        stored = images.chunks[0] if images.chunks else 1
        step = math.ceil(_CHUNK / stored) * stored
        for start in range(0, shape[0], step):
            yield images[start : start + step]


def _check_layout(found_shape, dtype, shape):
    if tuple(found_shape) != shape or dtype != np.uint8:
        raise ValueError(
            f"imgs must be uint8 of shape {shape}, not {dtype} of shape {found_shape}"
        )
