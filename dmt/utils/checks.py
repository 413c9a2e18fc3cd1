"""Checks of arguments: what is wrong becomes one line that names the argument.

Every check returns the value, so that it can stand where the value is kept. `name` is
what the user wrote, for example "split.seed"; the message ends with what was received.
"""

import math
import numbers


def integer(name, value, low=None, high=None):
    """An integer in [low, high]; True and False are none.

    Args:
        name: the argument, for messages.
        value: what was given.
        low: smallest value, None for no limit.
        high: largest value, None for no limit.

    Raises:
        ValueError: if it is something else.
    """
    if not is_integer(value) or not _within(value, low, high):
        _fail(name, value, f"an integer{_range(low, high)}")
    return value


def seed(name, value):
    """An integer in [0, 2**32).

    Raises:
        ValueError: if it is something else.
    """
    if not is_integer(value) or not 0 <= value < 2**32:
        _fail(name, value, "an integer in [0, 2**32)")
    return value


def number(name, value, low=None, high=None, above=None, below=None):
    """A finite number in [low, high] or (above, below); True and False are none.

    Raises:
        ValueError: if it is something else.
    """
    within = _within(value, low, high) if is_number(value) else False
    strict = within and (above is None or value > above)
    if not strict or not (below is None or value < below):
        _fail(name, value, f"a number{_range(low, high, above, below)}")
    return value


def boolean(name, value):
    """True or False.

    Raises:
        ValueError: if it is something else.
    """
    if not isinstance(value, bool):
        _fail(name, value, "True or False")
    return value


def one_of(name, value, options):
    """One of the options, which are shown as Python writes them.

    Raises:
        ValueError: if it is none of them.
    """
    if not any(value is option or value == option for option in options):
        _fail(name, value, f"one of {', '.join(map(repr, options))}")
    return value


def is_integer(value):
    """Whether a value is an integer and no truth value."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value):
    """Whether a value is a finite number and no truth value."""
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_real and math.isfinite(value)


def _within(value, low, high):
    return (low is None or value >= low) and (high is None or value <= high)


def _range(low, high, above=None, below=None):
    limits = (
        ("at least", low),
        ("above", above),
        ("at most", high),
        ("below", below),
    )
    words = [f"{word} {limit}" for word, limit in limits if limit is not None]
    return f", {' and '.join(words)}" if words else ""


def _fail(name, value, wanted):
    argument = name.rpartition(".")[2]
    raise ValueError(f"{name} must be {wanted}. Received: {argument}={value!r}")
