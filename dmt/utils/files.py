"""Writes files and directories completely or not at all; reads and writes models."""

import contextlib
import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[str]:
    """Context with a temporary path, which is renamed to `path` on success.

    After an error, nothing is left. A killed process leaves a hidden file or directory,
    which the next attempt on the same machine removes.

    Args:
        path: the file or directory to write or to replace.

    Yields:
        The path to write to, in the directory of `path` and with its extension.
    """
    directory, name = os.path.split(os.path.abspath(path))
    os.makedirs(directory, exist_ok=True)
    prefix = f".tmp.{socket.gethostname()}."
    for leftover in os.listdir(directory):
        if leftover.startswith(prefix) and leftover.endswith(f".{name}"):
            pid = leftover.removeprefix(prefix).split(".")[0]
            if pid.isdigit() and not _is_running(int(pid)):
                remove(os.path.join(directory, leftover))
    temporary = os.path.join(directory, f"{prefix}{os.getpid()}.{name}")
    remove(temporary)  # A killed process may have had the same process number.
    try:
        yield temporary
        if os.path.isdir(temporary) and os.path.exists(path):
            # One call cannot replace a directory, so the old one is removed last.
            old = f"{temporary}.old"
            os.rename(path, old)
            os.rename(temporary, path)
            remove(old)
            return
        if os.path.isfile(temporary):
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def _is_running(pid):
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def remove(path: str | os.PathLike) -> None:
    """Deletes a file or a directory tree if it exists."""
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


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


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file, completely or not at all."""
    with replacing(path) as temporary:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)


def load_keras(path: str, mend: str) -> Any:
    """Loads a Keras model from a `.keras` file without compiling it.

    Raises:
        FileNotFoundError: if there is no such file; the message ends with `mend`.
        ValueError: if the file cannot be read.
    """
    import keras

    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no {path}: {mend}.")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise ValueError(f"{path} cannot be read, write it again: {error}") from error


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
    with replacing(path) as temporary:
        try:
            archive.write_out(temporary, verbose=False)
        except tf.errors.OpError as error:
            raise OSError(f"{path} cannot be written: {error.message}") from error


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
