"""The configurations of runs, in a form that can be compared.

A row is the content of `results/aggregate/<step>.json`. This package and
disentanglement_lib share its keys, for example "train_config.vae.beta".
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
    """The bindings in a row, {key: number or text}.

    Values with the same meaning are equal. Macros are replaced, and unknown values are
    left out.
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


def is_setting(name):
    """Whether a binding is a setting, that is, not a label, a seed or a path."""
    is_path = name.endswith(("path", "dir", "file"))
    return not (is_label(name) or is_seed(name) or is_path)


def is_label(name):
    """Whether a binding is a label of a run."""
    parameter = name.rpartition(".")[2]
    return name != "dataset.name" and parameter in ("model_num", "name")


def is_seed(name):
    """Whether a binding is a seed."""
    return "seed" in name.rpartition(".")[2]


def is_learned(name):
    """Whether a binding of the training can change what is learned."""
    return name not in _NOT_LEARNED


def differing(dicts):
    """Sorted keys whose value is not the same in all dictionaries."""
    missing = object()
    return [
        key
        for key in sorted(set().union(*dicts))
        if len({one.get(key, missing) for one in dicts}) > 1
    ]


def some(values, most=10):
    """The first values as text, and the number of the others."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(map(str, values[:most])) + more


def _plain(value):
    """The value of a binding in a form that can be compared, None if it is unknown."""
    # disentanglement_lib keeps only the first line of a value, here a backslash.
    if value is None or value == "\\" or value != value:
        return None
    if not isinstance(value, str):
        return value if isinstance(value, int | float) else json.dumps(value)
    return _literal(value)


@functools.cache
def _literal(value):
    # The scope and the module of a reference do not matter.
    if value.startswith("@"):
        return "@" + value.rpartition("/")[2].rpartition(".")[2].lstrip("@")
    try:
        literal = ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return value
    return literal if isinstance(literal, str | int | float) else repr(literal)
