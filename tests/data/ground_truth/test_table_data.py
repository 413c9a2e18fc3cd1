import numpy as np
import pytest

from dmt.data.ground_truth import dummy_data, splits, table_data

GRID = [[a, b] for a in range(2) for b in range(3)]


def images_of(factors):
    """Images whose first pixel is the number of their row."""
    images = np.zeros((len(factors), 4, 4, 1), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(len(factors))
    return images


def open_table(factors, **options):
    names = ["a", "b"][: np.shape(factors)[1]]
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


def test_samples_of_a_list_have_no_common_images():
    data = open_table(GRID[:-1])
    assert data.has_drawn_rows
    state = np.random.RandomState(0)
    train, test = data.disjoint_rows([3, 2], state)
    assert sorted([*train, *test]) == [0, 1, 2, 3, 4]
    (all_rows,) = data.disjoint_rows([5], state)
    assert sorted(all_rows) == [0, 1, 2, 3, 4]
    # Where several rows show one image, it is on one side only.
    rows = np.array([0, 1, 2, 0, 1, 2])
    twice = splits.Subset("twice", data, rows)
    for seed in range(20):
        train, test = twice.disjoint_rows([2, 2], np.random.RandomState(seed))
        assert not set(rows[train]) & set(rows[test])


def test_few_images_make_smaller_samples(caplog):
    data = open_table(np.arange(12)[:, None] * [1, 2])
    state = np.random.RandomState(0)
    for sizes, found in (
        ([100, 50], [8, 4]),
        ([10, 5000], [8, 4]),
        ([3, 5000], [3, 4]),
        ([5000, 2], [10, 2]),
        ([13], [12]),
    ):
        samples = data.disjoint_rows(sizes, state)
        assert [len(rows) for rows in samples] == found
        assert len(np.unique(np.concatenate(samples))) == sum(found)
    assert "mine has 12 images, fewer than the 150 samples" in caplog.messages[0]
    assert "Used: 8 to train and 4 to test" in caplog.messages[0]
    with pytest.raises(ValueError, match="too few images for 2 samples.*2 images"):
        open_table(GRID[:2]).disjoint_rows([5, 5], state)


def test_grids_are_drawn_as_in_disentanglement_lib_unless_they_are_the_users():
    assert open_table(GRID).has_drawn_rows
    assert not open_table(GRID, origin="official").has_drawn_rows
    assert not table_data.TableData(GRID).has_drawn_rows
    assert table_data.TableData(GRID[:-1]).has_drawn_rows
    assert not dummy_data.DummyData().has_drawn_rows


def test_rows_without_factors():
    data = open_table(np.zeros((6, 0)))
    assert (data.num_factors, data.size) == (0, 6)
    assert not (data.has_all_combinations or data.is_grid)
    factors, images = data.sample(30, np.random.RandomState(0))
    assert factors.shape == (30, 0) and len(np.unique(images)) > 3
