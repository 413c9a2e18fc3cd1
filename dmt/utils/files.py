"""Writing files and directories whole or not at all, and reading Keras files."""

import contextlib
import logging
import os
import shutil
import socket

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def replacing(path):
    """A temporary path in the same directory that becomes `path` on success.

    Works for files and for directories. On an error nothing is left behind; what a
    killed process leaves has a hidden name, which the next attempt on the same machine
    removes. The name keeps the extension, which Keras looks at.

    Args:
        path: the file or directory to write or to replace.

    Yields:
        The path to write to. Its directory exists.
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
    remove(temporary)  # Of a killed process that had this very number.
    try:
        yield temporary
        if os.path.isdir(temporary) and os.path.exists(path):
            # Directories cannot be exchanged in one call; the old one goes last.
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
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def remove(path):
    """Deletes a file or a directory tree if it is there."""
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


def write_text(path, text):
    """Writes a text file whole or not at all."""
    with replacing(path) as temporary:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)


def load_keras(path, mend):
    """Loads a `.keras` file without compiling it.

    Args:
        path: the file.
        mend: what to do if it is missing, for the error message.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read.
    """
    import keras

    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no {path}: {mend}.")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise ValueError(f"{path} cannot be read, write it anew: {error}") from error


def write_saved_model(path, trackables, signatures):
    """Writes a TensorFlow SavedModel, where TensorFlow is installed.

    Args:
        path: the directory to write.
        trackables: the Keras models and layers whose variables the signatures use.
        signatures: name -> (function of one tensor that returns a dict of tensors,
            (argument name, argument shape)).
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


def tensorflow():
    """The module tensorflow, or None where it is not installed.

    For writing its file formats from any backend: if it is not the one that computes,
    it is kept off the accelerators.
    """
    import keras

    try:
        import tensorflow as tf
    except ModuleNotFoundError:
        return None
    if keras.backend.backend() != "tensorflow":
        tf.config.set_visible_devices([], "GPU")
    return tf
