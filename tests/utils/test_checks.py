"""Checks of arguments: what passes is returned, the rest is named in one line."""

import numpy as np
import pytest

from dmt.utils import checks

NONE_INTEGERS = (True, False, 1.0, "1", None, [1], np.array([1, 2]))


@pytest.mark.parametrize("value", [0, 7, np.int64(7), np.uint8(0)])
def test_integers(value):
    assert checks.integer("split.seed", value) is value
    assert checks.is_integer(value) and checks.is_number(value)


@pytest.mark.parametrize("value", NONE_INTEGERS)
def test_none_integers(value):
    assert not checks.is_integer(value)
    for check in (checks.integer, checks.seed):
        with pytest.raises(ValueError, match="split.seed must be an integer") as error:
            check("split.seed", value)
        assert f"Received: seed={value!r}" in str(error.value)


def test_limits_of_integers():
    assert [checks.integer("n", n, 1, 3) for n in (1, 2, 3)] == [1, 2, 3]
    words = "n must be an integer, at least 1 and at most 3. Received: n="
    for wrong in (0, 4):
        with pytest.raises(ValueError, match=f"{words}{wrong}"):
            checks.integer("n", wrong, 1, 3)


def test_limits_of_seeds():
    assert checks.seed("seed", 2**32 - 1) == 2**32 - 1
    for wrong in (-1, 2**32):
        with pytest.raises(ValueError, match="Received"):
            checks.seed("seed", wrong)


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.5), np.int8(1)])
def test_numbers(value):
    assert checks.number("vae.beta", value, 0.5, 1.0) is value
    assert checks.is_number(value)


@pytest.mark.parametrize(
    "value", [True, "0.5", None, float("nan"), float("inf"), 1j, np.array([0.5, 0.5])]
)
def test_none_numbers(value):
    assert not checks.is_number(value)
    with pytest.raises(ValueError, match="vae.beta must be a number. .*beta="):
        checks.number("vae.beta", value)


def test_limits_of_numbers():
    assert checks.number("share", 0.5, above=0, below=1) == 0.5
    for wrong in (0, 1, -0.5):
        with pytest.raises(ValueError, match="a number, above 0 and below 1. Rec"):
            checks.number("share", wrong, above=0, below=1)
    with pytest.raises(ValueError, match="a number, at least 0 and at most 1. Rec"):
        checks.number("share", 2, 0, 1)


def test_booleans():
    assert checks.boolean("flag", False) is False
    for wrong in (0, 1, "True", None):
        with pytest.raises(ValueError, match="flag must be True or False. Received"):
            checks.boolean("flag", wrong)


def test_options():
    assert checks.one_of("mode", "a", (None, "a")) == "a"
    assert checks.one_of("mode", None, iter([None, "a"])) is None
    with pytest.raises(ValueError, match="must be one of None, 'a'. Received: m.*'b'"):
        checks.one_of("inner.mode", "b", (None, "a"))
