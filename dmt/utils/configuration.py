"""Gin at the edge of a step: parse, run, clear; mistakes become one line."""

import contextlib
import os
import re

import gin

from dmt.utils import results


@contextlib.contextmanager
def gin_configuration(gin_files, gin_bindings):
    """Parses files and bindings for the duration of a step.

    Args:
        gin_files: paths of gin files, later ones override earlier ones.
        gin_bindings: lines in gin's syntax, which override the files.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if gin refuses a line or a binding is missing.
    """
    try:
        for path in gin_files:
            if not os.path.isfile(path):
                raise FileNotFoundError(f"There is no gin file {path}.")
            _parse(gin.parse_config_file, path)
        for binding in gin_bindings:
            _parse(gin.parse_config, binding)
        gin.finalize()
        yield
    except (RuntimeError, TypeError) as error:
        missing = _missing_bindings(str(error))
        if not missing:
            raise
        raise ValueError(
            f"Required gin bindings are missing: {', '.join(missing)}. Add them to a "
            "gin file or give them with --gin_bindings."
        ) from error
    finally:
        gin.clear_config()


def _parse(parse, source):
    """Parses a file or a binding; what gin refuses becomes one line."""
    try:
        parse(source)
    except Exception as error:
        text = " ".join(str(error).split())
        if "No configurable matching" in text:
            text += (
                " It is misspelt, or not part of this version; a configurable of your "
                "own must be imported by a line `import your_module` in a gin file."
            )
        elif "doesn't have a parameter" in text:
            text += " It is misspelt, or not part of this version."
        raise ValueError(f"Gin configuration, {source}: {text}") from error


def _missing_bindings(message):
    """Names of the bindings that gin found missing when it called a configurable."""
    required = re.search(r"Required bindings for `(.*?)` not provided.*: (.*)", message)
    if required:
        name, parameters = required.groups()
    else:
        parameters = re.search(r"No values supplied by Gin or caller.*: (.*)", message)
        name = re.search(r"In call to configurable '(.*?)'", message)
        if not parameters or not name:
            return []
        name, parameters = name.group(1), parameters.group(1)
    return [f"{name}.{parameter}" for parameter in re.findall(r"'(\w+)'", parameters)]


def resolve_auto_dataset(previous_gin_file):
    """Replaces `dataset.name = "auto"` by the name that the previous step used.

    Args:
        previous_gin_file: operative configuration of the previous step.

    Raises:
        FileNotFoundError: if the previous step did not finish.
        ValueError: if `dataset.name` is not bound.
    """
    try:
        name = gin.query_parameter("dataset.name")
    except ValueError as error:
        raise ValueError(
            'Required gin bindings are missing: dataset.name. Bind it to "auto" to use '
            "the dataset of the step before."
        ) from error
    if name == "auto":
        name = results.bound_string(previous_gin_file, "dataset.name")
        with gin.unlock_config():
            gin.bind_parameter("dataset.name", name)
