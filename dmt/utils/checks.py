"""Checks of arguments, whose errors are one line that names the argument.

Every check returns the value, so it can be used in an assignment. `name` is what the
user wrote, for example "split.seed"; the message ends with the value received.
"""

import math
import numbers
from collections.abc import Iterable
from typing import NoReturn, TypeGuard, TypeVar

Value = TypeVar("Value")


def integer(
    name: str, value: object, low: int | None = None, high: int | None = None
) -> int:
    """Checks for an integer in [low, high]; True and False are refused.

    Args:
        name: the argument, for messages.
        value: the value to check.
        low: smallest value, None for no limit.
        high: largest value, None for no limit.

    Raises:
        ValueError: if the value is anything else.
    """
    if not is_integer(value) or not _within(value, low, high):
        _fail(name, value, f"an integer{_range(low, high)}")
    return value


def seed(name: str, value: object) -> int:
    """Checks for an integer in [0, 2**32), as NumPy's generators take.

    Raises:
        ValueError: if the value is anything else.
    """
    if not is_integer(value) or not 0 <= value < 2**32:
        _fail(name, value, "an integer in [0, 2**32)")
    return value


def number(
    name: str,
    value: object,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """Checks for a finite number; True and False are refused.

    Args:
        name: the argument, for messages.
        value: the value to check.
        low: smallest value, None for no limit.
        high: largest value, None for no limit.
        above: the value must be greater, None for no limit.
        below: the value must be less, None for no limit.

    Raises:
        ValueError: if the value is anything else.
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
    """Checks for True or False.

    Raises:
        ValueError: if the value is anything else.
    """
    if not isinstance(value, bool):
        _fail(name, value, "True or False")
    return value


def one_of(name: str, value: Value, options: Iterable[object]) -> Value:
    """Checks for one of several options.

    Args:
        name: the argument, for messages.
        value: the value to check.
        options: the values that are allowed.

    Raises:
        ValueError: if the value is anything else.
    """
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


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _range(
    low: float | None,
    high: float | None,
    above: float | None = None,
    below: float | None = None,
) -> str:
    limits = (("at least", low), ("above", above), ("at most", high), ("below", below))
    words = [f"{word} {limit}" for word, limit in limits if limit is not None]
    return f", {' and '.join(words)}" if words else ""


def _fail(name: str, value: object, wanted: str) -> NoReturn:
    argument = name.rpartition(".")[2]
    raise ValueError(f"{name} must be {wanted}. Received: {argument}={value!r}")
