"""What runs were configured with, such that configurations of several runs compare.

A row is what `results/aggregate/<step>.json` holds, with the keys that this package and
disentanglement_lib share: "train_config.vae.beta".
"""

import ast
import functools
import json

_NOT_LEARNED = (
    "model.checkpoint_seconds",
    "model.eval_steps",
    "model.jit_compile",
    "model.log_steps",
    "model.resident",
    "model.steps_per_execution",
    "official_data.preload",
    "tfds.data_dir",
)


def bindings_of(row):
    """The bindings in a row, without macros and without values that are not known.

    Args:
        row: dictionary of a run's configurations and results.

    Returns:
        {key: number or text}; what means the same is equal.
    """
    bindings = {}
    for key, value in row.items():
        step, _, name = key.partition(".")
        if step.endswith("_config") and "." in name:
            if isinstance(value, str) and value.startswith("%"):
                value = row.get(f"{step}.{value[1:]}", value)
            value = _plain(value)
            if value is not None:
                bindings[key] = value
    return bindings


def says_what(name):
    """Whether a binding is part of a configuration: no label, seed or path."""
    is_path = name.endswith(("path", "dir", "file"))
    return not (is_label(name) or is_seed(name) or is_path)


def is_label(name):
    """Whether a binding is what a run is called."""
    parameter = name.rpartition(".")[2]
    return name != "dataset.name" and parameter in ("model_num", "name")


def is_seed(name):
    """Whether a binding is a seed."""
    return "seed" in name.rpartition(".")[2]


def is_learned(name):
    """Whether a binding of training may change what is learned.

    Others say how it is computed and reported, and where files are.
    """
    return name not in _NOT_LEARNED


def _plain(value):
    """A binding's value such that equal ones compare equal, None if it is not known."""
    # disentanglement_lib keeps of a value of several lines the first: a backslash.
    if value is None or value == "\\" or value != value:
        return None
    if not isinstance(value, str):
        return value if isinstance(value, int | float) else json.dumps(value)
    return _literal(value)


@functools.cache
def _literal(value):
    if value.startswith("@"):  # Scope and module are but names.
        return "@" + value.rpartition("/")[2].rpartition(".")[2].lstrip("@")
    try:
        literal = ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return value
    return literal if isinstance(literal, str | int | float) else repr(literal)
