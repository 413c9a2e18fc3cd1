"""Checks of arguments. Each returns the value or raises a ValueError of one line.

`name` is what the user wrote, for example "split.seed". The message has the name, what
is allowed, and the value received. True and False are not numbers.
"""

import math
import numbers
from collections.abc import Iterable
from typing import NoReturn, TypeGuard, TypeVar

Value = TypeVar("Value")
Limit = float | None

# Largest values of the settings of metrics that are counts, and at least 1. More take
# days, or all memory.
_COUNTS = {
    "batch_size": 10**9,
    "max_depth": 10**4,
    "n_experiment": 10**6,
    "num_bins": 10**6,
    "num_data_points": 10**9,
    "num_eval": 10**9,
    "num_neighbors": 10**6,
    "num_test": 10**9,
    "num_test_points_per_class": 10**9,
    "num_train": 10**9,
    "num_trees": 10**5,
    "num_variance_estimate": 10**9,
}


def integer(
    name: str, value: object, low: int | None = None, high: int | None = None
) -> int:
    """Returns `value` if it is an integer in [low, high], or raises ValueError."""
    if not is_integer(value) or not _within(value, low, high):
        _fail(name, value, f"an integer{_range(low, high)}")
    return value


def seed(name: str, value: object) -> int:
    """Returns `value` if it is an integer in [0, 2**32), or raises ValueError."""
    if not is_integer(value) or not 0 <= value < 2**32:
        _fail(name, value, "an integer in [0, 2**32)")
    return value


def count(name: str, value: object) -> None:
    """Checks settings of metrics that are counts, and lists of counts.

    Args:
        name: for example "mig.num_train". Other settings are not checked.
        value: None is not checked either.

    Raises:
        ValueError: if a count is no integer, below 1 or too large.
    """
    most = _COUNTS.get(name.rpartition(".")[2])
    if most is not None and value is not None:
        for one in value if isinstance(value, (list, tuple)) else [value]:
            integer(name, one, 1, most)


def number(
    name: str,
    value: object,
    low: Limit = None,
    high: Limit = None,
    above: Limit = None,
    below: Limit = None,
) -> float:
    """Returns `value` if it is a finite number in the limits, or raises ValueError.

    It must be in [low, high] and in (above, below). None means no limit.
    """
    if (
        not is_number(value)
        or not _within(value, low, high)
        or (above is not None and value <= above)
        or (below is not None and value >= below)
    ):
        _fail(name, value, f"a number{_range(low, high, above, below)}")
    return value


def boolean(name: str, value: object) -> bool:
    """Returns `value` if it is True or False, or raises ValueError."""
    if not isinstance(value, bool):
        _fail(name, value, "True or False")
    return value


def one_of(name: str, value: Value, options: Iterable[object]) -> Value:
    """Returns `value` if it is one of the options, or raises ValueError."""
    options = list(options)
    if not any(value is option or value == option for option in options):
        _fail(name, value, f"one of {', '.join(map(repr, options))}")
    return value


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value is an integer, which True and False are not."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number, which True and False are not."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    return math.isfinite(value)


def _within(value: float, low: Limit, high: Limit) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _range(low: Limit, high: Limit, above: Limit = None, below: Limit = None) -> str:
    limits = (("at least", low), ("above", above), ("at most", high), ("below", below))
    words = [f"{word} {limit}" for word, limit in limits if limit is not None]
    return f", {' and '.join(words)}" if words else ""


def _fail(name: str, value: object, wanted: str) -> NoReturn:
    argument = name.rpartition(".")[2]
    raise ValueError(f"{name} must be {wanted}. Received: {argument}={value!r}")
