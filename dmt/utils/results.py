"""Result directories, with the configuration and the results of every step.

Layout and keys are those of disentanglement_lib:

    results/gin/<step>.gin             operative gin configuration of the step
    results/json/<step>_config.json    the same as {"binding": "value"}
    results/json/<step>_results.json   values that the step measured
    results/aggregate/<step>.json      all files of results/json, keys prefixed

Each step starts from a copy of the previous step's directory, so the last directory has
the files of all steps.
"""

import ast
import functools
import glob
import json
import os
import uuid
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import gin
import numpy as np

from dmt.utils import files, trust
from dmt.utils.gin_files import read_text

_LARGEST = 2**27  # bytes of a file in JSON


def update_result_directory(
    result_directory: str,
    step_name: str,
    results_dict: Mapping[str, Any],
    old_result_directory: str | None = None,
    operative_config: str | None = None,
) -> None:
    """Writes the results of a step, completely or not at all.

    Args:
        result_directory: the directory to write, `<output_dir>/results`.
        step_name: prefix of the step's files, for example "train".
        results_dict: values of JSON or NumPy types. A new "uuid" is added.
        old_result_directory: results of the previous step, which are copied first.
        operative_config: configuration as gin writes it, None for the present one.
    """
    if old_result_directory is not None:
        # A damaged file is named by its own path, not by that of its copy.
        aggregate_json_results(os.path.join(old_result_directory, "json"))
    with files.replacing(result_directory) as directory:
        if old_result_directory is None:
            os.makedirs(directory)
        else:
            files.copy_tree(old_result_directory, directory)
        for name in ("gin", "json", "aggregate"):
            os.makedirs(os.path.join(directory, name), exist_ok=True)
        path = functools.partial(os.path.join, directory)
        gin_path = path("gin", f"{step_name}.gin")
        files.write_text(gin_path, operative_config or gin.operative_config_str())
        save_dict(path("json", f"{step_name}_config.json"), gin_dict(gin_path))
        save_dict(
            path("json", f"{step_name}_results.json"),
            {**results_dict, "uuid": str(uuid.uuid4())},
        )
        save_dict(
            path("aggregate", f"{step_name}.json"),
            aggregate_json_results(path("json")),
        )
        trust.sign(os.path.dirname(os.path.abspath(result_directory)), gin_path)


# What a step writes besides its results, for later steps to read.
_PRODUCTS = {"train": "model.keras", "postprocess": "representation.keras"}


def is_complete(output_dir: str, step_name: str) -> bool:
    """Whether a directory has the results of a step, which are written last."""
    return all(map(os.path.exists, _files_of(output_dir, step_name)))


def fault(output_dir: str, step_name: str) -> str:
    """Reads all that a complete step has written.

    Returns:
        What is wrong, "" if the step is complete.
    """
    gin_path, *json_paths = _files_of(output_dir, step_name)
    try:
        for path in json_paths:
            load_json(path)
        bindings_of(gin_path)
    except (OSError, ValueError) as error:
        return str(error)
    if step_name in _PRODUCTS:
        path = os.path.join(output_dir, _PRODUCTS[step_name])
        try:
            files.check_plain(path)
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
        except files.DAMAGED_ZIP as error:
            return f"{path} cannot be read: {error}"
        if damaged:
            return f"{path} cannot be read: {damaged} in it is damaged"
    return ""


def is_own(output_dir: str, step_name: str) -> bool:
    """Whether a directory holds what a step has begun, and nothing of a later step."""
    pattern = os.path.join(glob.escape(output_dir), "results", "gin", "*.gin")
    found = {os.path.basename(path).removesuffix(".gin") for path in glob.glob(pattern)}
    if step_name == "train":
        return found <= {"train"}
    earlier = found if step_name != "postprocess" else {"train"}
    return step_name in found and found <= {step_name, *earlier}


def _files_of(output_dir, step_name):
    """Paths of the files of a step: the configuration in gin, and all in JSON."""
    names = (
        f"gin/{step_name}.gin",
        f"json/{step_name}_config.json",
        f"json/{step_name}_results.json",
        f"aggregate/{step_name}.json",
    )
    return [os.path.join(output_dir, "results", name) for name in names]


def aggregate_json_results(base_path: str) -> dict[str, Any]:
    """Merges all JSON files of a directory, with keys "<file name>.<key>"."""
    result: dict[str, Any] = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(base_path), "*.json"))):
        name = os.path.basename(path).removesuffix(".json")
        result = namespaced_dict(result, **{name: load_json(path)})
    return result


def namespaced_dict(
    base_dict: Mapping[str, Any] | None = None, **named_dicts: Mapping[str, Any]
) -> dict[str, Any]:
    """Merges a dictionary with named ones, whose keys become "<name>.<key>"."""
    result = dict(base_dict or {})
    for name, values in named_dicts.items():
        result.update({f"{name}.{key}": value for key, value in values.items()})
    return result


def gin_dict(config_path: str | None = None) -> dict[str, str]:
    """Returns the bindings of a configuration as {"binding": "value"}.

    Args:
        config_path: operative configuration as gin writes it, None for the present one.
    """
    if config_path is None:
        return parse_bindings(gin.operative_config_str())
    return parse_bindings(read_text(config_path))


def parse_bindings(text: str) -> dict[str, str]:
    """Parses gin's text to {"binding": "value"}, with each value in one line."""
    result: dict[str, str] = {}
    key = None
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            key = None
        elif line[0].isspace() and key is not None:
            result[key] = f"{result[key]} {line.strip()}".strip()
        elif " = " in line:
            key, value = line.split(" = ", 1)
            result[key] = value.removesuffix("\\").strip()
    return result


def bindings_of(config_path: str) -> dict[str, str]:
    """Returns `gin_dict` of a step's configuration, with the values of macros.

    Raises:
        FileNotFoundError: if the step is not complete.
    """
    if not os.path.exists(config_path):
        raise FileNotFoundError(
            f"There is no {config_path}: the previous step is not complete, run it "
            "first."
        )
    bindings = gin_dict(config_path)
    return {
        key: bindings.get(value[1:], value) if value.startswith("%") else value
        for key, value in bindings.items()
    }


def bound_string(config_path: str, binding: str) -> str:
    """Returns the string of a binding like "dataset.name" in a step's configuration.

    Raises:
        FileNotFoundError: if the step is not complete.
        ValueError: if there is no such binding.
    """
    bindings = bindings_of(config_path)
    if binding not in bindings:
        raise ValueError(f"{config_path} binds no {binding}.")
    return text_of(bindings[binding])


def text_of(value: str) -> str:
    """The text that a value in gin's syntax stands for, or the value itself."""
    try:
        text = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    return text if isinstance(text, str) else value


def save_dict(config_path: str, dict_with_info: Mapping[str, Any]) -> None:
    """Writes a dictionary to a JSON file, with null for NaN and infinities."""
    try:
        text = json.dumps(_plain(dict_with_info), indent=2, allow_nan=False)
    except TypeError as error:
        raise ValueError(
            "Results must be numbers, text, or lists and dictionaries of them: "
            f"{error}."
        ) from error
    files.write_text(config_path, text)


def load_json(
    path: str, parse_constant: Callable[[str], Any] | None = None
) -> dict[str, Any]:
    """Reads a dictionary from a JSON file; `parse_constant` is passed to `json.load`.

    Raises:
        ValueError: if the file is damaged, too large, or holds something else.
    """
    files.check_plain(path, _LARGEST)
    with open(path, encoding="utf-8") as file:
        try:
            values = json.load(file, parse_constant=parse_constant)
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
        except RecursionError as error:
            raise ValueError(f"{path} is nested too deeply for JSON.") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} is no JSON object of the form {{name: value}}.")
    return values


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, complex):
        return _plain({"real": value.real, "imag": value.imag})
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
