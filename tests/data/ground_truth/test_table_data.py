import numpy as np
import pytest

from dmt.data.ground_truth import table_data

GRID = [[a, b] for a in range(2) for b in range(3)]


def images_of(factors):
    """Images whose first pixel is the number of their row."""
    images = np.zeros((len(factors), 4, 4, 1), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(len(factors))
    return images


def open_table(factors, **options):
    names = ["a", "b"]
    return table_data.ImageTable("mine", images_of(factors), factors, names, **options)


def test_complete_table_is_a_grid():
    data = open_table(GRID)
    assert data.is_grid and data.has_grid_draws and data.has_all_combinations
    rows = np.arange(6)
    np.testing.assert_array_equal(data.indices_of(data.factors_at(rows)), rows)
    shuffled = open_table(GRID[::-1])
    assert shuffled.has_grid_draws and not shuffled.is_grid
    np.testing.assert_array_equal(shuffled.indices_of(np.array([[1, 2]])), [0])
    for table in (data, shuffled):
        state, again = (np.random.RandomState(0) for _ in range(2))
        drawn = table.sample_factors(5, state)
        expected = [again.randint(size, size=5) for size in (2, 3)]
        np.testing.assert_array_equal(drawn, np.stack(expected, axis=1))


def test_values_are_numbered_in_ascending_order():
    data = open_table([[0.5, 30], [-1.0, 10], [0.5, 20]])
    assert data.factors_num_values == [2, 3]
    np.testing.assert_array_equal(data.factors_at([0, 1, 2]), [[1, 2], [0, 0], [1, 1]])


def test_missing_combinations_are_never_drawn_and_refused():
    data = open_table(GRID[:-1], factors_num_values=[2, 3])
    assert not (data.has_all_combinations or data.has_grid_draws or data.is_grid)
    drawn = data.sample_factors(200, np.random.RandomState(0))
    assert len(np.unique(drawn, axis=0)) == 5
    with pytest.raises(ValueError, match=r"mine .*factor values \[1, 2\]"):
        data.indices_of(np.array([[0, 0], [1, 2]]))


def test_one_of_several_rows_is_drawn():
    data = open_table([*GRID, [0, 0], [0, 0]])
    assert data.has_all_combinations and not data.has_grid_draws
    factors = np.zeros((300, 2), dtype=int)
    with pytest.raises(ValueError, match="random_state=None"):
        data.indices_of(factors)
    counts = np.bincount(data.indices_of(factors, np.random.RandomState(0)))
    assert set(np.flatnonzero(counts)) == {0, 6, 7} and counts[[0, 6, 7]].min() > 70


def test_rows_lead_to_images():
    data = open_table(GRID, rows=np.arange(6)[::-1])
    np.testing.assert_array_equal(data.images_at([0, 5])[:, 0, 0, 0], [5, 0])


def test_table_without_images_observes_rows():
    data = table_data.TableData(GRID[:-1], [2, 3])
    state = np.random.RandomState(0)
    factors = np.array([[1, 1], [0, 2]])
    np.testing.assert_array_equal(
        data.sample_observations_from_factors(factors, state), [4, 2]
    )
    with pytest.raises(ValueError, match=r"no row .*factor values \[1, 2\]"):
        data.indices_of(np.array([[1, 2]]))
