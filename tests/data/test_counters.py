"""Numbers by counter: known answers, distributions, and the same numbers everywhere."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from dmt.data import counters


# Known answers of Random123, the authors' implementation.
@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        (
            (0x13198A2E, 0x03707344),
            (0x243F6A88, 0x85A308D3),
            (0xC4923A9C, 0x483DF7A0),
        ),
    ],
)
def test_threefry_has_known_answers(key, counter, expected):
    key, counter = (
        [np.array([word], dtype="uint32") for word in pair] for pair in (key, counter)
    )
    found = counters.threefry(counters.HOST, key, counter)
    assert tuple(int(word[0]) for word in found) == expected


@pytest.mark.parametrize("draw", [counters.words, counters.uniforms, counters.normals])
def test_numbers_are_functions_of_their_arguments(draw):
    numbers = draw(3, 5, 0, 101)
    assert numbers.shape == (101,)
    np.testing.assert_array_equal(draw(3, 5, 0, 1000)[:101], numbers)
    several = draw([2**32 - 1, 3], 5, 0, 101)
    np.testing.assert_array_equal(several[1], numbers)
    for other in (draw(4, 5, 0, 101), draw(3, 6, 0, 101), draw(3, 5, 1, 101)):
        assert np.mean(other == numbers) < 0.05
    tensors = draw(3, ops.convert_to_tensor(5, "int32"), 0, 101)
    assert keras.ops.is_tensor(tensors)
    found = ops.convert_to_numpy(tensors)
    assert found.dtype == numbers.dtype
    np.testing.assert_allclose(found, numbers, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("draw", "distribution"),
    [(counters.uniforms, "uniform"), (counters.normals, "norm")],
)
def test_distributions(draw, distribution):
    numbers = draw(0, 1, 2, 100_000)
    assert numbers.dtype == np.float32
    assert stats.kstest(numbers, distribution).pvalue > 0.01
    # Neighbours come from one block.
    assert abs(np.corrcoef(numbers[::2], numbers[1::2])[0, 1]) < 0.01


def test_uniform_numbers_are_inside_the_interval():
    for bits in (0, 2**32 - 1):
        number = counters._unit(counters.HOST, np.array([bits], dtype="uint32"))
        assert 0 < number[0] < 1 and number[0] + (1 - number[0]) == 1


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, [0, -1]])
def test_seed_out_of_range(seed):
    with pytest.raises(ValueError, match="seed must be an integer in .0, 2.*Received"):
        counters.words(seed, 0, 0, 1)


def test_booleans_use_half_words():
    key, count = np.array([7, 3], "uint32"), 10
    is_kept, share = counters.thinned(ops.convert_to_tensor(key), (2, 5), 0.9)
    positions = np.arange(3, dtype="uint32")
    words = counters.threefry(
        counters.HOST, (key[:1], key[1:]), (positions, np.zeros(1, "uint32"))
    )
    halves = [half for w in words for half in (w & 0xFFFF, w >> 16)]
    number = round(0.9 * 2**16)
    expected = (np.concatenate(halves)[:count] < number).reshape(2, 5)
    np.testing.assert_array_equal(ops.convert_to_numpy(is_kept), expected)
    assert share == number / 2**16


def test_booleans_have_their_probability():
    drawn = [
        ops.convert_to_numpy(
            counters.thinned(ops.convert_to_tensor([5, k]), (40000,), 0.9)[0]
        )
        for k in range(2)
    ]
    for one in drawn:
        assert one.mean() == pytest.approx(0.9, abs=0.006)
    assert np.corrcoef(*drawn)[0, 1] == pytest.approx(0, abs=0.02)
