"""Writes files and directories completely or not at all; reads and writes models."""

import contextlib
import errno
import hashlib
import logging
import os
import re
import shutil
import socket
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

logger = logging.getLogger(__name__)

# New content, replaced content, content to delete: hidden beside what they belong to.
_LEFTOVER = re.compile(r"\.(tmp|parts|old|gone)\.([^.]+)\.(\d+)\.(.+)", re.DOTALL)
# The system's limit of a name is 255 bytes.
_LONGEST_NAME = 150
# What reading a damaged zip file raises; RuntimeError if it is encrypted, or of a kind
# that Python cannot read.
DAMAGED_ZIP = (
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[str]:
    """Context with a temporary path, which is renamed to `path` on success.

    After an error, nothing is left, and what was at `path` is unchanged. A killed
    process leaves a hidden file or directory. The next attempt on the same machine, or
    the next process that locks `path` (`dmt.utils.locks`), removes it.

    Args:
        path: the file or directory to write or to replace. A link stays a link.

    Yields:
        The path to write to, in the directory of `path` and with its extension.

    Raises:
        OSError: if there is no room; the error names the file.
    """
    path = os.path.realpath(path)
    with folder_of(path):
        remove_leftovers(path)
        temporary = _beside(path, "tmp")
        with _removing_if_failed(temporary, path):
            yield temporary
            if os.path.isdir(temporary):
                _replace_directory(temporary, path)
            else:
                with contextlib.suppress(FileNotFoundError):  # A link to nothing.
                    with open(temporary, "rb") as file:
                        os.fsync(file.fileno())
                os.replace(temporary, path)


@contextlib.contextmanager
def scratch_of(path: str | os.PathLike) -> Iterator[str]:
    """Context with an empty directory beside `path` for what is needed to write it."""
    path = os.path.realpath(path)
    with folder_of(path):
        remove_leftovers(path)
        directory = _beside(path, "parts")
        with _removing_if_failed(directory, path):
            os.mkdir(directory)
            yield directory
        remove(directory)


@contextlib.contextmanager
def _removing_if_failed(temporary, path):
    """Context that has no temporary file at first, and none after an error.

    The error of a file that cannot be written names the final path.
    """
    remove(temporary)  # A killed process may have had the same process number.
    try:
        yield
    except BaseException as error:
        remove(temporary)
        if not isinstance(error, OSError):
            raise
        place = os.fsdecode(error.filename or "")
        if temporary in place or (not place and error.errno in _NO_ROOM):
            place = place.replace(temporary, path) or path
            raise OSError(error.errno, error.strerror, place) from error
        raise


def _replace_directory(temporary, path):
    """Renames a directory; what was there is deleted last."""
    old = _beside(path, "old")
    # One call cannot replace a directory.
    exists = os.path.lexists(path)
    if exists:
        os.rename(path, old)
    try:
        os.rename(temporary, path)
    except BaseException:
        if exists:
            os.rename(old, path)
        raise
    if exists:
        _delete(old, path)


def is_empty(path: str | os.PathLike) -> bool:
    """Whether a path is a directory without anything but a lock of this package."""
    return os.path.isdir(path) and set(os.listdir(path)) <= {".lock"}


def discard(path: str | os.PathLike) -> None:
    """Deletes a file or a directory tree if it exists, at once for all who look.

    It is renamed before it is deleted, so that a killed process leaves no part of it.
    """
    path = os.path.realpath(path)
    if os.path.lexists(path):
        _delete(path, path)


def _delete(path, owner):
    gone = _beside(owner, "gone")
    remove(gone)
    os.rename(path, gone)
    remove(gone)


def _beside(path, kind):
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{kind}.{_host()}.{os.getpid()}.{short(name)}")


def _host():
    return socket.gethostname().replace(".", "-")


def short(name: str) -> str:
    """Returns a name, or a digest with its extension if it is too long to add to."""
    if len(os.fsencode(name)) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return digest + os.path.splitext(name)[1][:16]


@contextlib.contextmanager
def folder_of(path: str) -> Iterator[None]:
    """Context in which the directory of `path` exists; removes it if it stays empty.

    Directories that were there before, and those that others use, are kept.
    """
    directory = os.path.dirname(path)
    made = []
    while not os.path.isdir(directory):
        made.append(directory)
        directory = os.path.dirname(directory)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            for directory in made:
                os.rmdir(directory)


def remove_leftovers(path: str, of_all: bool = False) -> None:
    """Removes what killed processes left beside a path while they replaced it.

    If a process was killed while it replaced a directory, the old one is put back.

    Args:
        path: the file or directory that was being written.
        of_all: whether to remove also what processes of other machines left. The caller
            then holds the lock on `path`.
    """
    directory, name = os.path.split(path)
    # Earlier versions gave replaced directories the last ending.
    names = (short(name), f"{short(name)}.old")
    for leftover in os.listdir(directory):
        found = _LEFTOVER.fullmatch(leftover)
        if not found or found[4] not in names or not is_left(leftover, of_all):
            continue
        leftover = os.path.join(directory, leftover)
        is_old = found[1] == "old" or found[4] == names[1]
        if is_old and not os.path.lexists(path):
            os.rename(leftover, path)
        else:
            remove(leftover)


def target_of(name: str) -> str | None:
    """The name of what a temporary file belongs to, None if it is not one of ours."""
    found = _LEFTOVER.fullmatch(name)
    return found and found[4]


def is_left(name: str, of_all: bool) -> bool:
    """Whether the process that wrote a temporary file of ours has ended.

    Args:
        name: the name of the file.
        of_all: whether processes of other machines count as ended.
    """
    _, host, pid, _ = _LEFTOVER.fullmatch(name).groups()  # type: ignore[union-attr]
    if host != _host():
        return of_all
    return (of_all and int(pid) == os.getpid()) or not is_running(int(pid))


def is_running(pid: int) -> bool:
    """Whether a process of this machine is running."""
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError) as error:
        return isinstance(error, PermissionError)
    return True


def remove(path: str | os.PathLike) -> None:
    """Deletes a file or a directory tree if it exists."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


def check_plain(path: str | os.PathLike, largest: int | None = None) -> None:
    """Checks that a file can be read at once, if there is one.

    Args:
        path: the file.
        largest: number of bytes that it may have, None for any number.

    Raises:
        ValueError: if it is a directory, a pipe or a device, or too large.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{path} is no plain file.")
    if largest and os.path.exists(path) and os.path.getsize(path) > largest:
        raise ValueError(
            f"{path} has {os.path.getsize(path):,} bytes, more than the {largest:,} "
            "allowed."
        )


def move_contents(source: str, target: str) -> None:
    """Moves all files of a directory to another, then deletes it.

    Args:
        source: a directory in the file system of `target`.
        target: the directory whose files of the same names are replaced.
    """
    for folder, _, names in os.walk(source):
        into = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(into, exist_ok=True)
        for name in names:
            os.replace(os.path.join(folder, name), os.path.join(into, name))
    remove(source)


def copy_tree(source: str, target: str) -> None:
    """Copies a directory tree; `shutil.Error`, which lists errors, becomes the first.

    Raises:
        OSError: if a file cannot be copied.
    """
    try:
        shutil.copytree(source, target)
    except shutil.Error as error:
        _, place, reason = error.args[0][0]
        # "[Errno 28] reason: 'source' -> 'target'"
        reason = reason.partition(": '")[0].rpartition("] ")[2]
        raise OSError(errno.EIO, reason, place) from error


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file in UTF-8, completely or not at all.

    Names of files that are no text are written with escapes.
    """
    with replacing(path) as temporary:
        with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)


def write_saved_model(
    path: str,
    trackables: Iterable[Any],
    signatures: Mapping[str, tuple[Callable, tuple[str, Sequence[int | None]]]],
) -> None:
    """Writes a SavedModel of TensorFlow; only warns if TensorFlow is not installed.

    Args:
        path: the directory to write.
        trackables: Keras models and layers whose variables the functions use.
        signatures: {name: (function of one tensor that returns a dict of tensors,
            (argument name, argument shape))}.
    """
    import keras

    tf = tensorflow()
    if tf is None:
        logger.warning("TensorFlow is not installed, so %s is not written.", path)
        return

    archive = keras.export.ExportArchive()
    for trackable in trackables:
        archive.track(trackable)
    for name, (function, (argument, shape)) in signatures.items():
        archive.add_endpoint(
            name,
            function,
            input_signature=[tf.TensorSpec(shape, "float32", name=argument)],
        )
    with replacing(path) as temporary, _text_name(temporary) as name:
        try:
            archive.write_out(name, verbose=False)
        except tf.errors.OpError as error:
            # "{{the operation}} path; reason [Op:name]"
            reason = error.message.rpartition("; ")[2].partition(" [Op:")[0]
            raise OSError(errno.EIO, reason, temporary) from error


@contextlib.contextmanager
def _text_name(path):
    """Context with a name of `path` that is text, as TensorFlow needs it."""
    directory, name = os.path.split(path)
    if directory.isascii():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = os.path.join(folder, "link")
        os.symlink(directory, link)
        yield os.path.join(link, name)


def tensorflow() -> Any:
    """Imports TensorFlow for its file formats; None if it is not installed."""
    import keras

    try:
        import tensorflow as tf
    except ModuleNotFoundError:
        return None
    if keras.backend.backend() != "tensorflow":
        # TensorFlow would take the memory of GPUs from the backend.
        tf.config.set_visible_devices([], "GPU")
    return tf
