"""Arrays of official files, which are converted once and then memory-mapped.

The first use of an official file streams its images to `prepared/<name>/images.npy` in
the folder of `cache_root`. Later uses memory-map that file. The file `meta.json` beside
it, the "seal", identifies the source and is written last. If the seal is missing or the
source has changed, the images are prepared again.
"""

import contextlib
import functools
import hashlib
import json
import logging
import math
import os
import shutil
import struct
import weakref
import zipfile
from pathlib import Path

import numpy as np
import platformdirs

from dmt.data.ground_truth import ground_truth_data
from dmt.utils import checks, files, locks, machine, stages

logger = logging.getLogger(__name__)

_FORMAT = 1
# Number of bytes of a source to read at once.
_READ_BYTES = 1 << 24
# Copies in memory that are in use; a dataset that is opened again shares them.
_copies: weakref.WeakValueDictionary[tuple, np.ndarray] = weakref.WeakValueDictionary()


def cache_root() -> Path:
    """Folder that holds `prepared/`.

    It is named by the environment variable DMT_DATA, or by DISENTANGLEMENT_LIB_DATA. If
    neither is set, it is the user's cache folder, on Linux ~/.cache/dmt.
    """
    root = ground_truth_data.bound_data_root()
    return Path(root).expanduser() if root else _user_cache()


def _user_cache():
    return platformdirs.user_cache_path("dmt")


def not_found(name, path, fetch, rendered=None):
    """Makes the error for missing official files, which tells how to get them.

    Args:
        name: the name of the dataset.
        path: where its file or folder should be, inside a folder of the data root.
        fetch: how to get it, such as "run ...".
        rendered: the name of a dataset to use instead, None if there is none.
    """
    twin = f", or use {rendered!r}, which needs no file" if rendered else ""
    folder = path.relative_to(ground_truth_data.data_root()).parts[0]
    return ground_truth_data.DatasetNotFound(
        f"{name} is not at {path.absolute()}: {fetch}, or set the environment variable "
        f"DMT_DATA to the folder that holds {folder!r}{twin}."
    )


def find(name, paths, fetch, rendered=None):
    """Finds an official file in the data root.

    Args:
        name: the name of the dataset.
        paths: where the file may be, relative to the data root. All but the first
            are other formats of the same file.
        fetch: see `not_found`.
        rendered: see `not_found`.

    Raises:
        DatasetNotFound: if there is no such file.
    """
    places = [ground_truth_data.data_root() / path for path in paths]
    for place in places:
        if place.is_file():
            return place
    others = "".join(f" (or {''.join(other.suffixes)})" for other in places[1:])
    missing = places[0].with_name(places[0].name + others)
    raise not_found(name, missing, fetch, rendered)


@contextlib.contextmanager
def naming_damage(source, fetch):
    """Context that turns any error of reading a file into one line.

    Args:
        source: the file that is read.
        fetch: how to get it again, such as "run ...".

    Raises:
        ValueError: if the body raises anything; the message names the file.
    """
    try:
        yield
    except Exception as e:
        reason = " ".join(str(e).split()) or type(e).__name__
        raise ValueError(
            f"{source} is not the official file or is damaged, delete it and "
            f"{fetch}. Received: {reason}"
        ) from e


def open_images(name, sources, read, shape, dtype="uint8", mapped=None):
    """Opens the images of official files, preparing them at the first use.

    Prepared files are in `prepared/<name>` of `cache_root`, or of the user's cache
    folder if that root cannot be written. They are made again when a source changes.

    Args:
        name: the name of the folder of prepared files.
        sources: paths of the official files, which exist.
        read: callable without arguments that returns an iterator over the images in
            order, as arrays of shape (n, *shape[1:]) with any n.
        shape: shape of the array of all images.
        dtype: type of the array.
        mapped: memory map of all images inside the official file. If it is given, only
            the seal is written, after the whole file was read without an error.

    Returns:
        Array or memory map of that shape and type, read-only.

    Raises:
        ValueError: if a source is damaged, or no folder has room for prepared files.
    """
    fingerprint = _fingerprint(sources)
    images = _open_sealed(name, fingerprint, shape, dtype, mapped)
    if images is not None:
        return images
    num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    folder = _folder_with_room(name, num_bytes if mapped is None else 0)
    with locks.waiting_for(folder):
        # Another process may have prepared them meanwhile.
        images = _open_sealed(name, fingerprint, shape, dtype, mapped)
        if images is not None:
            return images
        logger.info("Preparing %s in %s, this happens once.", name, folder)
        if mapped is None:
            seal = functools.partial(_seal, sources, fingerprint)
            _write_sealed(folder, read(), shape, dtype, seal)
            mapped = _map(folder, shape, dtype)
        else:
            for _ in read():
                pass
            _write_seal(folder, _seal(sources, fingerprint))
    return in_memory(mapped)


def write_computed(name, facts, rows, shape, dtype="uint8"):
    """Writes computed values to a file, which `open_computed` opens.

    Args:
        name: the name of the folder of prepared files.
        facts: what the values depend on, such as {"renderer_version": "1"}.
        rows: iterable of arrays of shape (n, *shape[1:]) with any n.
        shape: shape of the array of all rows.
        dtype: type of the array.

    Raises:
        ValueError: if no folder has room for prepared files.
    """
    num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    folder = _folder_with_room(name, num_bytes)
    facts = {"format": _FORMAT, **facts}
    with locks.waiting_for(folder):
        if _open_sealed(name, facts, shape, dtype) is None:
            _write_sealed(folder, rows, shape, dtype, lambda: facts)


def open_computed(name, facts, shape, dtype="uint8"):
    """Opens the values that `write_computed` wrote with the same facts.

    Returns:
        Array or memory map of that shape and type, read-only; None if there is none.
    """
    return _open_sealed(name, {"format": _FORMAT, **facts}, shape, dtype)


def _open_sealed(name, facts, shape, dtype, mapped=None):
    for folder in _folders(name):
        if _is_sealed(folder, facts):
            images = _map(folder, shape, dtype) if mapped is None else mapped
            if images is not None:
                return in_memory(images)
    return None


def _folders(name):
    roots = dict.fromkeys((cache_root(), _user_cache()))
    return [root / "prepared" / name for root in roots]


def _write_sealed(folder, images, shape, dtype, seal):
    with files.replacing(folder / "images.npy") as path:
        _write(path, images, shape, dtype)
        facts = seal()
        # The old seal does not describe the new images.
        (folder / "meta.json").unlink(missing_ok=True)
    _write_seal(folder, facts)


def _write_seal(folder, facts):
    files.write_text(folder / "meta.json", json.dumps(facts, indent=2))


def _fingerprint(sources):
    """Names, sizes and times of the sources, which show whether they have changed."""
    status = [source.stat() for source in sources]
    return {
        "format": _FORMAT,
        "source": _joined([source.name for source in sources]),
        "size": _joined([s.st_size for s in status]),
        "mtime_ns": _joined([s.st_mtime_ns for s in status]),
    }


def _joined(values):
    return values[0] if len(values) == 1 else values


def _is_sealed(folder, fingerprint):
    try:
        meta = json.loads((folder / "meta.json").read_text())
        return fingerprint.items() <= meta.items()
    except (OSError, ValueError, AttributeError):
        return False


def _map(folder, shape, dtype):
    try:
        images = np.load(folder / "images.npy", mmap_mode="r")
    except (OSError, EOFError, ValueError):
        return None
    return images if images.shape == shape and images.dtype == dtype else None


def _folder_with_room(name, num_bytes):
    for folder in _folders(name):
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            has_room = shutil.disk_usage(folder).free >= num_bytes
            if has_room and os.access(folder, os.W_OK):
                return folder
    raise ValueError(
        "No folder for prepared files is writable and has "
        f"{num_bytes / 1e9:.1f} GB of room. Set DMT_DATA to one that has. Received: "
        f"{[str(folder) for folder in _folders(name)]}"
    )


def _write(path, chunks, shape, dtype):
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": shape,
    }
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        count = 0
        for images in chunks:
            file.write(np.ascontiguousarray(images, dtype))
            count += len(images)
    if count != shape[0]:
        raise ValueError(
            f"{os.path.dirname(path)} must hold {shape[0]} rows. Received: {count} rows"
        )


def _seal(sources, fingerprint):
    sha256 = []
    for source in sources:
        with open(source, "rb") as file:
            sha256.append(hashlib.file_digest(file, "sha256").hexdigest())
    if _fingerprint(sources) != fingerprint:
        raise ValueError(
            "An official file changed while it was read, try again. "
            f"Received: {[str(source) for source in sources]}"
        )
    return {**fingerprint, "sha256": _joined(sha256)}


@stages.configurable("official_data", "dataset", denylist=["images"])
def in_memory(images, preload="auto"):
    """Copies images to memory, or leaves them on disk.

    Args:
        images: memory map.
        preload: True to copy; False to read images from disk when they are needed;
            "auto" to copy if they take less than 40 % of the available memory.

    Returns:
        The memory map, or a read-only array of its values.
    """
    checks.one_of("official_data.preload", preload, ("auto", True, False))
    if preload == "auto":
        preload = images.nbytes < 0.4 * machine.available_memory()
    if not preload:
        return images
    status = os.stat(images.filename)
    key = (images.filename, images.offset, images.shape, images.dtype, status.st_ino)
    key += (status.st_mtime_ns,)
    copy = _copies.get(key)
    if copy is None:
        copy = _copies[key] = np.array(images)
        copy.flags.writeable = False
    return copy


def rows_at_once(row_bytes):
    """Number of rows of `row_bytes` bytes to read at once, at least 1."""
    return max(1, _READ_BYTES // row_bytes)


def npz_layout(path, key):
    """Shape and dtype of an array of an npz file, as (shape, dtype)."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as member:
        return _read_npy_header(member)


def map_npz(path, key):
    """Memory-maps an array inside an npz file.

    Args:
        path: the npz file.
        key: name of the array.

    Returns:
        Read-only memory map, or None if the array is compressed.

    Raises:
        ValueError: if the headers of the file contradict each other.
    """
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{key}.npy")
        if member.compress_type != zipfile.ZIP_STORED:
            return None
        with archive.open(member) as file:
            shape, dtype = _read_npy_header(file)
            header_size = file.tell()
    if dtype.hasobject:
        raise ValueError(f"{key} holds Python objects")
    # The length of the name and of the extra field before the data may differ from
    # those in the directory at the end of the file.
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        local = struct.unpack("<4s4xH16xHH", file.read(30))
        start = file.tell() + sum(local[2:]) + header_size
    num_bytes = math.prod(shape) * dtype.itemsize
    if (
        local[:2] != (b"PK\x03\x04", zipfile.ZIP_STORED)
        or not member.compress_size == member.file_size == header_size + num_bytes
    ):
        raise ValueError(f"the headers of {key} contradict each other")
    return np.memmap(path, dtype, mode="r", offset=start, shape=shape)


def read_npz(path, key, shape):
    """Yields the rows of a uint8 array of an npz file, some at a time.

    Args:
        path: the npz file.
        key: name of the array.
        shape: the shape that the array must have.

    Yields:
        uint8 arrays of shape (n, *shape[1:]).
    """
    row_bytes = math.prod(shape[1:])
    step = rows_at_once(row_bytes)
    with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as member:
        check_layout(key, *_read_npy_header(member), shape)
        for start in range(0, shape[0], step):
            count = min(step, shape[0] - start)
            rows = np.frombuffer(member.read(count * row_bytes), dtype=np.uint8)
            yield rows.reshape(count, *shape[1:])
        # Reading past the end compares the checksum of the member.
        if member.read(1):
            raise ValueError(f"{key} is longer than its header says")


def read_hdf5(path, key, shape):
    """Yields the rows of a uint8 array of an hdf5 file, like `read_npz`."""
    import h5py

    with h5py.File(path, "r") as file:
        rows = file[key]
        check_layout(key, rows.shape, rows.dtype, shape)
        # Read whole storage chunks, so that no chunk is decompressed twice.
        stored = rows.chunks[0] if rows.chunks else 1
        step = rows_at_once(stored * math.prod(shape[1:])) * stored
        for start in range(0, shape[0], step):
            yield rows[start : start + step]


def check_layout(key, found_shape, dtype, shape):
    """Raises ValueError unless the array is uint8 and of that shape."""
    if tuple(found_shape) != tuple(shape) or dtype != np.uint8:
        raise ValueError(
            f"{key} must be uint8 of shape {shape}, not {dtype} of shape {found_shape}"
        )


def _read_npy_header(file):
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(file)]
    shape, fortran_order, dtype = read_header(file)
    if fortran_order:
        raise ValueError("array in column-major order")
    return shape, dtype
