import numpy as np
import pytest

from dmt.data.ground_truth import grid_data


class Grid(grid_data.GridData):
    factor_sizes = [2, 3, 4]
    state_space_names = ["a", "b", "c"]
    observation_shape = [2, 2, 1]

    def __init__(self, latent_factor_indices=None, rows=None):
        images = np.zeros((24, 2, 2, 1), dtype=np.uint8)
        images[:, 0, 0, 0] = np.arange(24)
        super().__init__("grid", latent_factor_indices, images, rows)


def test_last_factor_counts_fastest():
    data = Grid()
    assert data.is_grid and data.has_grid_draws and data.size == 24
    np.testing.assert_array_equal(data.factors_at([1, 4]), [[0, 0, 1], [0, 1, 0]])
    np.testing.assert_array_equal(data.indices_of(np.array([[1, 2, 3]])), [23])
    assert data.images_at([7])[0, 0, 0, 0] == 7


def test_other_factors_are_drawn():
    data = Grid([2, 0])
    assert (data.factor_names, data.factors_num_values) == (["c", "a"], [4, 2])
    assert not data.is_grid and not data.has_grid_draws
    factors = np.tile([3, 1], (200, 1))
    indices = data.indices_of(factors, np.random.RandomState(0))
    assert set(indices) == {15, 19, 23}
    np.testing.assert_array_equal(data.factors_at(indices), factors)


def test_rows_lead_to_images():
    data = Grid(rows=np.arange(24)[::-1])
    np.testing.assert_array_equal(data.images_at([0, 23])[:, 0, 0, 0], [23, 0])


@pytest.mark.parametrize("index", [-1, 24])
def test_indices_out_of_range_are_refused(index):
    with pytest.raises(ValueError, match=r"\[0, 24\). Received: from"):
        Grid().images_at([0, index])


def test_own_draws_are_no_grid_draws():
    class Drawn(Grid):
        def sample_factors(self, num, random_state):
            return np.zeros((num, 3), dtype=np.int64)

    assert Drawn().is_grid and not Drawn().has_grid_draws
