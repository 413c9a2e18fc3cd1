"""Random numbers that are functions of a seed, a step and a position.

They are equal in NumPy and on every Keras backend, on the host and on the device, up to
the rounding of float32. The generator is Threefry-2x32 with 20 rounds (Salmon et al.,
2011, "Parallel random numbers: as easy as 1, 2, 3"): a bijection of 64-bit counters for
each 64-bit key. Here the key is (seed, step) and the counter is (position, stream), so
that different seeds, steps and streams give independent numbers.
"""

import math
from typing import Any

import numpy as np
import scipy.special
from keras import ops

from dmt.utils import checks

# Constants of Threefry-2x32.
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


class _Host:
    """NumPy under the names of `keras.ops`."""

    convert_to_tensor = staticmethod(np.asarray)
    cast = staticmethod(lambda x, dtype: np.asarray(x).astype(dtype))
    erf = staticmethod(scipy.special.erf)

    def __getattr__(self, name):
        return getattr(np, name)


HOST = _Host()


def namespace(value: Any) -> Any:
    """`keras.ops` for tensors, NumPy under the same names for arrays and numbers."""
    return ops if ops.is_tensor(value) else HOST


def words(seed: int | list[int], step: Any, stream: int, count: int) -> Any:
    """Random bits.

    Args:
        seed: integer in [0, 2**32), or a list of them.
        step: integer in [0, 2**32), or integer scalar tensor.
        stream: integer in [0, 2**32), the purpose of the numbers.
        count: number of words. More words begin with the same ones.

    Returns:
        uint32 words of shape (count,), or (number of seeds, count) for a list of seeds.
        They are an array if `step` is a Python or NumPy integer, and a tensor
        otherwise.
    """
    xp = namespace(step)
    pairs = xp.stack(_blocks(seed, step, stream, -(-count // 2)), axis=-1)
    return xp.reshape(pairs, (*pairs.shape[:-2], -1))[..., :count]


def uniforms(seed: int | list[int], step: Any, stream: int, count: int) -> Any:
    """Uniform numbers, float32 in the open interval (0, 1).

    They are odd multiples of 2**-24, symmetric about 0.5, and therefore equal bit by
    bit everywhere. Arguments and shapes are those of `words`.
    """
    return _unit(namespace(step), words(seed, step, stream, count))


def normals(seed: int | list[int], step: Any, stream: int, count: int) -> Any:
    """Standard normal numbers, float32, by the method of Box and Muller.

    Their absolute values are below 5.8. Arguments and shapes are those of `words`.
    """
    xp = namespace(step)
    first, second = _blocks(seed, step, stream, -(-count // 2))
    radius = xp.sqrt(-2 * xp.log(_unit(xp, first)))
    angle = (2 * math.pi) * _unit(xp, second)
    pairs = xp.stack([radius * xp.cos(angle), radius * xp.sin(angle)], axis=-1)
    return xp.reshape(pairs, (*pairs.shape[:-2], -1))[..., :count]


def thinned(key: Any, shape: tuple, probability: float) -> tuple[Any, float]:
    """Independent booleans, each from half of a random word.

    Args:
        key: tensor of two integers. Different keys give independent booleans.
        shape: shape of the booleans.
        probability: of True, in (0, 1].

    Returns:
        The booleans, and their probability, which is a multiple of 2**-16.
    """
    count = math.prod(shape)  # A tensor if the shape is not known.
    key = ops.cast(key, "uint32")
    positions = ops.cast(ops.arange(-(-count // 4)), "uint32")
    counter = (positions, ops.zeros((1,), "uint32"))
    first, second = threefry(ops, (key[:1], key[1:]), counter)
    low, half = (ops.convert_to_tensor(number, "uint32") for number in (0xFFFF, 16))
    numbers = ops.concatenate(
        [
            part
            for bits in (first, second)
            for part in (ops.bitwise_and(bits, low), ops.right_shift(bits, half))
        ]
    )
    numbers = ops.reshape(ops.cast(numbers[:count], "int32"), shape)
    number = round(probability * 2**16)
    return numbers < number, number / 2**16


def threefry(xp: Any, key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple:
    """The Threefry-2x32 function of 20 rounds, of uint32 arrays or tensors.

    Args:
        xp: `namespace` of what follows.
        key: two words, or arrays of words.
        counter: the same.

    Returns:
        Two arrays of words, of the shape to which the arguments broadcast.
    """

    def constant(number):
        return xp.convert_to_tensor(number, "uint32")

    def rotated(x, bits):
        left = xp.left_shift(x, constant(bits))
        return xp.bitwise_or(left, xp.right_shift(x, constant(32 - bits)))

    parity = xp.bitwise_xor(xp.bitwise_xor(key[0], key[1]), constant(_PARITY))
    keys = (*key, parity)
    x, y = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            x = x + y
            y = xp.bitwise_xor(rotated(y, bits), x)
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + constant(group + 1)
    return x, y


def _blocks(seed, step, stream, count):
    """The first and the second words of `count` blocks, each (..., count)."""
    xp = namespace(step)
    for one in seed if isinstance(seed, list) else [seed]:
        checks.seed("seed", one)
    # Arrays, because overflows of NumPy's scalars would warn.
    seeds = np.array(seed, dtype="uint32")[..., None]
    steps = xp.reshape(xp.cast(step, "uint32"), (1,))
    positions = np.arange(count, dtype="uint32")
    key = (xp.convert_to_tensor(seeds, "uint32"), steps)
    streams = np.array([stream], dtype="uint32")
    counter = [xp.convert_to_tensor(array, "uint32") for array in (positions, streams)]
    return threefry(xp, key, counter)


def _unit(xp, bits):
    # Half of the numbers that float32 has in (0, 1) at this spacing, so that 0 and 1
    # do not occur, whose logarithms or quantiles are not finite.
    top = xp.right_shift(bits, xp.convert_to_tensor(9, "uint32"))
    return (xp.cast(xp.cast(top, "int32"), "float32") + 0.5) * 2.0**-23
