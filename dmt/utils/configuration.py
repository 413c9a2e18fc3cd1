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
    for path in gin_files:
        if not os.path.isfile(path):
            raise FileNotFoundError(f"There is no gin file {path}.")
    try:
        try:
            gin.parse_config_files_and_bindings(list(gin_files), list(gin_bindings))
        except Exception as error:
            raise ValueError(_explain(error, gin_files)) from error
        yield
    except RuntimeError as error:
        match = re.search(r"Required bindings for `(.*?)` not provided.*?: (.*)", str(error))
        if match is None:
            raise
        name, parameters = match.groups()
        missing = ", ".join(f"{name}.{p}" for p in re.findall(r"'(\w+)'", parameters))
        raise ValueError(
            f"Required gin bindings are missing: {missing}. Add them to a gin file or "
            "give them with --gin_bindings."
        ) from error
    finally:
        gin.clear_config()


def _explain(error, gin_files):
    text = " ".join(str(error).split())
    if "No configurable matching" in text or "has no parameter" in text:
        text += (
            " It is misspelt, or not part of this version; a configurable of your own "
            "must be imported by a line `import your_module` in a gin file."
        )
    where = ", ".join(gin_files)
    return f"Gin configuration{f' ({where})' if where else ''}: {text}"


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
