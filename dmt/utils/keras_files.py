"""Reads Keras files, which may come from anybody.

A `.keras` file is an archive with the configuration of a network, `config.json`, and
its weights. Unless the file is trusted (`dmt.utils.trust`), nothing in it may be code,
and no small file may take much memory or time.
"""

import contextlib
import io
import json
import math
import os
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from dmt.utils import files, machine, trust

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MAX_ENTRIES = 10_000
_MAX_CONFIG = 2**24  # bytes
_MAX_LAYERS = 5_000
_MAX_DEPTH = 100
_MAX_PARTS = 500_000
_MAX_OUTPUT = 2**27  # numbers that a layer computes for one image
# What these classes of Keras compute is code or a file that their configuration names.
_CODE = (
    "FlaxLayer",
    "JaxLayer",
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
    "__lambda__",
    "__typespec__",
)
_PLAIN = ("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__slice__")
_FUNCTIONS = ("activations", "constraints", "initializers", "losses", "regularizers")


def load(path: str, mend: str) -> Any:
    """Loads a Keras model from a `.keras` file without compiling it.

    Args:
        path: the file.
        mend: what to do if there is no such file.

    Raises:
        FileNotFoundError: if there is no such file; the message ends with `mend`.
        ValueError: if the file cannot be read, or holds code and is not trusted.
    """
    import keras

    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no {path}: {mend}.")
    files.check_plain(path)
    trusted = trust.covers(path)
    config = _checked_config(path, trusted)
    if not trusted:
        _check_weights(path)
        _check_size(path, config)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=not trusted)
    except Exception as error:
        raise _unreadable(path, error) from error


def _checked_config(path: str, trusted: bool) -> dict:
    """The configuration of the network, which `keras` can read without harm."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_archive(path, archive)
            config = json.loads(archive.read(_CONFIG))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        if str(error).startswith(path):
            raise
        raise _unreadable(path, error) from error
    except RecursionError as error:
        raise _refused(path, f"{_CONFIG} is nested too deeply") from error
    except (RuntimeError, NotImplementedError) as error:  # Encrypted, or unknown.
        raise _refused(path, str(error)) from error
    if not isinstance(config, dict) or not {"class_name", "config"} <= config.keys():
        raise _refused(path, f"{_CONFIG} describes no network")
    parts = list(_parts(path, config))
    # In a network, each layer has a list of its inputs.
    if sum("inbound_nodes" in part for part in parts) > _MAX_LAYERS or any(
        isinstance(part.get("layers"), list) and len(part["layers"]) > _MAX_LAYERS
        for part in parts
    ):
        raise _refused(path, f"it has more than {_MAX_LAYERS} layers")
    if not trusted:
        for part in parts:
            if "class_name" in part:
                _check_class(path, part)
    return config


def _check_archive(path, archive):
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(names) > _MAX_ENTRIES or len(set(names)) < len(names):
        raise _refused(path, "it has too many entries, or two of one name")
    if any(entry.flag_bits & 1 for entry in entries):
        raise _refused(path, "it is encrypted")
    size = sum(entry.file_size for entry in entries)
    most = max(2**26, 20 * os.path.getsize(path))
    if memory := machine.available_memory():
        most = min(most, memory)
    if size > most:
        raise _refused(path, f"it holds {size:,} bytes, more than the {most:,} allowed")
    if archive.getinfo(_CONFIG).file_size > _MAX_CONFIG:
        raise _refused(path, f"{_CONFIG} has more than {_MAX_CONFIG:,} bytes")


def _unreadable(path, error):
    # Keras wraps the error of a layer in those of the networks around it.
    text = re.sub(r"\x1b\[\d*m", "", " ".join(str(error).split()))
    text = text.rpartition("Exception encountered: ")[2]
    return ValueError(f"{path} cannot be read, write it again: {text[:300]}")


def _refused(path, reason):
    return ValueError(f"{path} is damaged or harmful, and is not read: {reason}.")


def _parts(path: str, config: Any) -> Iterator[dict]:
    """Yields all dictionaries of a configuration but those about compiling."""
    number, waiting = 1, [(config, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise _refused(path, f"{_CONFIG} is nested too deeply")
        number += len(value) if isinstance(value, (dict, list)) else 0
        if number > _MAX_PARTS:
            raise _refused(path, f"{_CONFIG} has more than {_MAX_PARTS:,} parts")
        if isinstance(value, dict):
            yield value
            items = (item for key, item in value.items() if key != "compile_config")
            waiting += [(item, depth + 1) for item in items]
        elif isinstance(value, list):
            waiting += [(item, depth + 1) for item in value]


def _check_class(path, part):
    """Checks that a class or function of the configuration runs no code of the file."""
    import keras

    name, module = part["class_name"], part.get("module") or ""
    if not isinstance(name, str) or not isinstance(module, str):
        raise _refused(path, f"{_CONFIG} names a class that is no text")
    if name in _CODE:
        raise ValueError(
            f"{path} was not written here, or was changed, and it holds code (a layer "
            f"of the kind {name}), which would run. If you trust it, give --trust."
        )
    if name in _PLAIN or name == "__ellipsis__":
        return
    known = keras.saving.get_custom_objects()
    if name == "function":
        own = isinstance(part.get("config"), str) and part["config"] in known
        shipped = module in {f"keras.{f}" for f in _FUNCTIONS}
        module = "" if module == "builtins" else module
        what = f"the function {part.get('config')}"
    else:
        own = part.get("registered_name") in known
        shipped = module.split(".")[0] == "keras"
        what = f"the class {name}"
    if not own and not shipped:
        raise ValueError(
            f"{path} holds {what} of the Python module {module or '(not named)'}, "
            "which is not imported. If you trust it, import the module by a line "
            "`import MODULE` in a file of --gin_config."
        )


def _check_weights(path):
    """Checks that the weights take no more memory than they do in the file."""
    import h5py

    with zipfile.ZipFile(path) as archive:
        if _WEIGHTS not in archive.namelist():
            raise _refused(path, f"it has no {_WEIGHTS}")
        try:
            content = archive.read(_WEIGHTS)
            with h5py.File(io.BytesIO(content), "r") as file:
                fault = _fault_of_weights(file, len(content))
        except (
            OSError,
            ValueError,
            KeyError,
            RuntimeError,
            zipfile.BadZipFile,
        ) as error:
            raise _refused(path, f"{_WEIGHTS} cannot be read, {error}") from error
    if fault:
        raise _refused(path, f"{_WEIGHTS} {fault}")


def _fault_of_weights(file, size):
    import h5py

    total, number, waiting = 0, 0, [file]
    while waiting:
        group = waiting.pop()
        for name in group:
            number += 1
            if number > 100 * _MAX_LAYERS:
                return "has too many entries"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                return "refers to other files"
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append(item)
                continue
            if item.external or item.is_virtual:
                return "refers to other files"
            total += item.nbytes
            if total > 20 * size:
                return "declares more numbers than it holds"
    return ""


def _check_size(path, config):
    """Checks the variables that the network would make before it makes them."""
    import keras

    from dmt.utils.compilation import BATCH_SIZE

    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo(_WEIGHTS).file_size
    try:
        with without_values():
            network = keras.saving.deserialize_keras_object(
                {k: v for k, v in config.items() if k != "compile_config"}
            )
            needed = bytes_of(network)
            largest = max(_sizes_of_outputs(network), default=0)
    except Exception as error:
        raise _unreadable(path, error) from error
    if needed > 4 * size + 2**20:
        raise _refused(
            path,
            f"its layers need {needed:,} bytes of weights, and it holds {size:,} bytes",
        )
    most = _MAX_OUTPUT
    if memory := machine.available_memory():
        most = min(most, memory // (4 * BATCH_SIZE))
    if largest > most:
        raise _refused(path, f"a layer computes {largest:,} numbers for one image")


@contextlib.contextmanager
def without_values() -> Iterator[None]:
    """Context in which the variables of new layers have shapes but no values."""
    import keras
    from keras.src.backend.common import global_state

    pending = "uninitialized_variables"
    before = list(global_state.get_global_attribute(pending, []))
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute(pending, before)


def bytes_of(network: Any) -> int:
    """Size of the weights of a network, in bytes."""
    return sum(4 * math.prod(v.shape) for v in network.variables)


def _sizes_of_outputs(network):
    """Numbers that each operation of a network computes for one image."""
    layers = network._flatten_layers() if hasattr(network, "_flatten_layers") else []
    for layer in layers:
        graph = getattr(layer, "_functional", None) or layer
        for operation in getattr(graph, "operations", []):
            for node in operation._inbound_nodes:
                for tensor in node.output_tensors:
                    yield math.prod(size or 1 for size in tensor.shape)
