"""Many draws at once against numpy's, one call after the other."""

import numpy as np
import pytest

from dmt.data import draws
from dmt.data.ground_truth import dsprites_rendered

CALLS = {
    "dsprites": [(5, 1), (1, 64), (3, 64), (6, 64), (40, 64), (32, 64), (32, 64)],
    "one": [(1, 3)],
    "powers of two": [(2, 5), (4, 1), (1 << 16, 2), (1 << 31, 3), (1 << 32, 4)],
    "above powers of two": [(3, 7), (129, 2), ((1 << 31) + 1, 5)],
    "mixed": [(7, 1), (1, 1), (10, 0), (183, 16), (1, 2), (2, 1)],
    "none": [],
}


@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("repeats", [0, 1, 300])
def test_same_numbers_and_state_as_numpy(calls, repeats):
    ours, numpys = np.random.RandomState(3), np.random.RandomState(3)
    width = sum(size for _, size in calls)
    expected = np.zeros((repeats, width), dtype=np.int64)
    for row in expected:
        start = 0
        for high, size in calls:
            row[start : start + size] = numpys.randint(high, size=size)
            start += size
    numbers = draws.randints(ours, calls, repeats)
    np.testing.assert_array_equal(numbers, expected)
    assert numbers.shape == (repeats, width) and numbers.dtype == np.int64
    for found, value in zip(ours.get_state(), numpys.get_state(), strict=True):
        np.testing.assert_array_equal(found, value)


def test_a_scalar_draw_is_a_draw_of_size_one():
    ours, numpys = np.random.RandomState(0), np.random.RandomState(0)
    numbers = draws.randints(ours, [(6, 1)], 1000)
    assert numbers[:, 0].tolist() == [numpys.randint(6) for _ in range(1000)]
    assert ours.randint(1 << 30) == numpys.randint(1 << 30)


def test_only_plain_draws_are_made_at_once():
    class Correlated(dsprites_rendered.SmallRenderedDSprites):
        def sample_factors(self, num, random_state):
            factors = super().sample_factors(num, random_state)
            factors[:, 1] = factors[:, 2]
            return factors

    assert dsprites_rendered.dsprites_rendered_small().has_grid_draws
    assert not dsprites_rendered.dsprites_rendered_noshape().has_grid_draws
    assert not Correlated([1, 2, 3, 4, 5]).has_grid_draws
