"""Outputs of an encoder in a file, so that a killed evaluation need not repeat them."""

import contextlib
import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator

import keras
import numpy as np

from dmt.utils import files

logger = logging.getLogger(__name__)

FOLDER = ".moments"


class KeptMoments:
    """A file to which one process appends the moments of the images that it encodes.

    Each record is complete or ignored, whenever the process is killed. A file that
    cannot be written is only a loss of time, so this is logged and does no more.

    Args:
        path: the file, which is made if it does not exist.
        size: number of images of the dataset.
        width: number of moments of an image.
    """

    def __init__(self, path: str, size: int, width: int):
        self._path = path
        self._size = size
        self._record = np.dtype([("row", "<i8"), ("moments", "<f4", (width,))])
        self._file = None
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._file = open(path, "a+b")  # noqa: SIM115 (open as long as the table)
            # If another process keeps the same moments, this one need not.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._close()
        except OSError as error:
            self._stop(error)

    def read(self) -> np.ndarray:
        """Records with the fields `row` and `moments` that earlier processes wrote."""
        if self._file is None:
            return np.empty(0, self._record)
        self._file.seek(0)
        content = self._file.read()
        whole = len(content) - len(content) % self._record.itemsize
        records = np.frombuffer(content[:whole], self._record)
        if np.any((records["row"] < 0) | (records["row"] >= self._size)):
            records = records[:0]
        try:
            self._file.truncate(len(records) * self._record.itemsize)
        except OSError as error:
            self._stop(error)
        return records

    def append(self, rows: np.ndarray, moments: np.ndarray) -> None:
        """Keeps the moments (n, width) of the images with the indices `rows` (n,)."""
        if self._file is None:
            return
        records = np.empty(len(rows), self._record)
        records["row"], records["moments"] = rows, moments
        try:
            self._file.write(records.tobytes())
            self._file.flush()
        except OSError as error:
            self._stop(error)

    def _stop(self, error):
        logger.warning(
            "The codes are not kept in %s for a killed evaluation: %s",
            self._path,
            error.strerror,
        )
        self._close()

    def _close(self):
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        self._file = None


def digest_of(encoder: keras.Model, with_layers: bool = True) -> str:
    """Digest of what an encoder's outputs depend on, besides the images.

    Without layers, it is the same for the encoder of a model and of its representation.
    """
    digest = hashlib.sha256(encoder.to_json().encode() if with_layers else b"")
    digest.update(f"{keras.backend.backend()} {keras.__version__}".encode())
    for weights in encoder.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def folder(output_dir: str, resume: bool) -> Iterator[str]:
    """Context with the hidden folder of `output_dir` for files of moments.

    The folder outlives the context only if the process is killed or interrupted.

    Args:
        output_dir: directory that several evaluations write to.
        resume: whether to use what an earlier process left there.
    """
    path = os.path.join(output_dir, FOLDER)
    existed = os.path.exists(output_dir)

    def remove():
        files.remove(path)
        if not existed:
            with contextlib.suppress(OSError):
                os.rmdir(output_dir)  # It is empty if nothing was written.

    if not resume:
        files.remove(path)
    try:
        yield path
    except Exception:
        remove()
        raise
    remove()
