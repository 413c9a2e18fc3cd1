"""Pairs: which factors change, and that both images exist."""

import itertools

import gin
import numpy as np
import pytest

from dmt.data import pairs, pipeline
from dmt.data.ground_truth import ground_truth_data, named_data, table_data

SIZES = [4, 3, 5, 6]


class NumberedGrid(ground_truth_data.GroundTruthData):
    """Images whose four pixels are the factors."""

    factors_num_values = SIZES
    observation_shape = [1, 4, 1]
    size = int(np.prod(SIZES))

    def sample_factors(self, num, random_state):
        return random_state.randint(SIZES, size=(num, 4))

    def factors_at(self, indices):
        return np.stack(np.unravel_index(indices, SIZES), axis=1)

    def indices_of(self, factors, random_state=None):
        return np.ravel_multi_index(tuple(factors.T), SIZES)

    def images_at(self, indices):
        return self.factors_at(indices).astype("uint8")[:, None, :, None]


def table(factors, sizes=None):
    factors = np.asarray(factors)
    images = factors.astype("uint8")[:, None, :, None]
    names = [f"f{i}" for i in range(factors.shape[1])]
    sizes = sizes or (factors.max(axis=0) + 1).tolist()
    return table_data.ImageTable("table", images, factors, names, sizes)


def factors_of(examples, batch_size=2000, step=0, seed=0):
    """Factors of both images, (n, num_factors) each, and labels (n,)."""
    images, labels = examples.load_batch(seed, step, batch_size)
    assert images.dtype == np.uint8 and labels.dtype == np.int32
    height, width, channels = examples.dataset.observation_shape
    assert images.shape == (batch_size, 2 * height, width, channels)
    assert labels.shape == (batch_size, 1)
    return *images[..., 0].astype(int).swapaxes(0, 1), labels[:, 0]


@pytest.mark.parametrize(
    ("k", "shares"),
    # Of pairs with 1, 2, 3 and 4 factors drawn anew.
    [
        (1, [1, 0, 0, 0]),
        (3, [1 / 2, 0, 1 / 2, 0]),
        (4, [1 / 2, 0, 0, 1 / 2]),
        (-1, [1 / 2 + 1 / 6, 1 / 6, 1 / 6, 0]),
    ],
)
def test_number_of_factors_that_change(k, shares):
    changes, last = pairs.draw_changes(k, 20000, 4, np.random.RandomState(0))
    counts = np.bincount(changes.sum(axis=1), minlength=5)[1:] / 20000
    np.testing.assert_allclose(counts, shares, atol=0.02)
    assert changes[np.arange(20000), last].all()
    np.testing.assert_allclose(np.bincount(last) / 20000, 1 / 4, atol=0.02)
    np.testing.assert_allclose(changes.mean(axis=0), changes.mean(), atol=0.02)


DSPRITES = [3, 6, 40, 32, 32]


def pairs_of(sizes, num=20000, **settings):
    """First and second factors of pairs on a grid, and labels."""

    class Grid(ground_truth_data.GroundTruthData):
        factors_num_values = sizes
        observation_shape = [1]

    random_state = np.random.RandomState(0)
    first = random_state.randint(sizes, size=(num, len(sizes)))
    second, labels = pairs.DrawnPairs(Grid(), **settings).change(first, random_state)
    return first, second, labels


def test_shares_that_the_documentation_states():
    first, second, _ = pairs_of(DSPRITES, k=3)
    assert ((first != second).sum(axis=1) == 3).mean() == pytest.approx(1 / 3, abs=0.02)
    first, second, _ = pairs_of(DSPRITES, k=1)
    assert (first == second).all(axis=1).mean() == pytest.approx(1 / 8, abs=0.02)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_exactly_k_factors_differ(k):
    first, second, labels = pairs_of(DSPRITES, k=k, exact=True)
    changed = first != second
    assert (changed.sum(axis=1) == k).all()
    assert changed[np.arange(20000), labels].all()
    np.testing.assert_allclose(changed.mean(axis=0), k / 5, atol=0.02)
    assert second.min() >= 0 and (second.max(axis=0) < DSPRITES).all()
    # The other values are equally frequent.
    rows = changed[:, 0]
    joint = np.zeros((3, 3))
    np.add.at(joint, (first[rows, 0], second[rows, 0]), 1 / rows.sum())
    np.testing.assert_allclose(joint, (1 - np.eye(3)) / 6, atol=0.02)


def test_exact_numbers_are_drawn():
    first, second, _ = pairs_of([4, 4, 4, 4], k=-1, exact=True)
    shares = np.bincount((first != second).sum(axis=1), minlength=5) / 20000
    np.testing.assert_allclose(shares, [0, 1 / 3, 1 / 3, 1 / 3, 0], atol=0.02)


def test_factors_with_one_value_cannot_differ():
    first, second, labels = pairs_of([1, 3, 1, 2], k=2, exact=True)
    assert ((first != second) == [False, True, False, True]).all()
    assert set(labels) == {1, 3}
    with pytest.raises(ValueError, match=r"1 to 2, .* several values .*k=3"):
        pairs_of([1, 3, 1, 2], k=3, exact=True)
    with pytest.raises(ValueError, match="exact='yes'"):
        pairs_of([3, 2], k=1, exact="yes")


def test_exact_pairs_of_incomplete_datasets():
    rows = NumberedGrid().factors_at(np.arange(NumberedGrid.size))
    for share in (0.7, 0.1):
        kept = rows[np.random.RandomState(0).rand(len(rows)) < share]
        dataset = table(kept, SIZES)
        for k in (1, 2, 4):
            examples = pairs.DrawnPairs(dataset, k=k, exact=True)
            first, second, labels = factors_of(examples, 500)
            distances = (kept[:, None] != kept).sum(axis=2)
            possible = {tuple(row) for row in kept[(distances == k).any(axis=1)]}
            counts = check_exist(dataset, first, second, labels)
            for row, count in zip(first.tolist(), counts, strict=True):
                assert (count == k) == (tuple(row) in possible)


def test_new_values_are_uniform_and_others_stay():
    first, second, labels = factors_of(pairs.DrawnPairs(NumberedGrid(), k=1), 20000)
    others = np.arange(4) != labels[:, None]
    assert (first == second)[others].all()
    for factor, size in enumerate(SIZES):
        rows = labels == factor
        joint = np.zeros((size, size))
        np.add.at(joint, (first[rows, factor], second[rows, factor]), 1 / rows.sum())
        np.testing.assert_allclose(joint, 1 / size**2, atol=0.02)


def test_batches_are_functions_of_seed_and_step():
    examples = pairs.DrawnPairs(NumberedGrid(), k=-1)
    batches = {
        key: examples.load_batch(*key, 50)
        for key in itertools.product((0, 2**32 - 1), (3, 0, 7))
    }
    again = pairs.DrawnPairs(NumberedGrid(), k=-1)
    for key, batch in batches.items():
        for found, expected in zip(again.load_batch(*key, 50), batch, strict=True):
            np.testing.assert_array_equal(found, expected)
    assert len({images.tobytes() for images, _ in batches.values()}) == 6


def test_one_factor():
    first, second, labels = factors_of(pairs.DrawnPairs(table([[0], [1]]), k=-1))
    assert not labels.any() and 0.4 < (first != second).mean() < 0.6


def test_random_pixels_are_float32(tmp_path):
    dataset = named_data.get_named_ground_truth_data("dummy_data")
    examples = pairs.DrawnPairs(dataset, k=1)
    for _, batch in zip(range(2), pipeline.host_batches(examples, 0, 3, 0, 2)):  # noqa: B905
        images, labels = map(np.asarray, batch)
        assert images.shape == (3, 128, 64, 1) and images.dtype == np.float32
        assert 0 <= images.min() and images.max() <= 1 and labels.shape == (3, 1)


def existing(dataset):
    return {tuple(row) for row in dataset.factors_at(np.arange(dataset.size)).tolist()}


def check_exist(dataset, first, second, labels):
    assert {tuple(row) for row in second.tolist()} <= existing(dataset)
    rows = np.arange(len(labels))
    assert (first[rows, labels] != second[rows, labels]).all()
    return (first != second).sum(axis=1)


def test_most_combinations_exist():
    grid = NumberedGrid().factors_at(np.arange(NumberedGrid.size))
    # Every row twice, as in a list of correlated factors.
    kept = np.repeat(grid[np.random.RandomState(0).rand(len(grid)) < 0.7], 2, axis=0)
    dataset = table(kept, SIZES)
    found = factors_of(pairs.DrawnPairs(dataset, k=1), 5000)
    assert (check_exist(dataset, *found) == 1).all()
    np.testing.assert_allclose(np.bincount(found[2]) / 5000, 1 / 4, atol=0.05)
    found = factors_of(pairs.DrawnPairs(dataset, k=3), 5000)
    counts = np.bincount(check_exist(dataset, *found)) / 5000
    assert counts[1] > 0.45 and counts[3] > 0.15 and len(counts) == 4


@pytest.mark.parametrize(("num_factors", "size"), [(4, 40), (3, 60)])
def test_few_combinations_exist(num_factors, size):
    rng = np.random.RandomState(1)
    dataset = table(rng.randint(20, size=(size, num_factors)), [20] * num_factors)
    first, second, labels = factors_of(pairs.DrawnPairs(dataset, k=1), 500)
    found = check_exist(dataset, first, second, labels)
    all_factors = np.unique(dataset.factors_at(np.arange(size)), axis=0)
    distances = (first[:, None] != all_factors).sum(axis=2)
    distances[distances == 0] = num_factors + 1
    np.testing.assert_array_equal(found, distances.min(axis=1))


def test_many_factors_and_huge_grids():
    rng = np.random.RandomState(1)
    dataset = table(rng.randint(2, size=(300, 80)))
    found = check_exist(dataset, *factors_of(pairs.DrawnPairs(dataset, k=-1), 500))
    # Of random rows 40.
    assert found.mean() < 36


def test_feasible_scenes_need_not_be_in_the_list(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    dataset = named_data.get_named_ground_truth_data("armcube_rendered")
    examples = pairs.DrawnPairs(dataset, k=1)
    random_state = np.random.RandomState(0)
    first = dataset.sample_factors(1000, random_state)
    second, labels = examples.change(first, random_state)
    changed = first != second
    assert (changed.sum(axis=1) == 1).all()
    assert changed[np.arange(1000), labels].all()
    assert dataset.is_feasible(second).all()
    images, _ = examples.load_batch(0, 0, 4)
    assert images.shape == (4, 128, 64, 3) and images.dtype == np.uint8


def test_parts_of_a_dataset(tmp_path):
    gin.parse_config(
        [
            "split.base = 'dsprites_rendered_small'",
            "split.part = 'train'",
            "split.held_out = [{'shape': [0], 'scale': [1]}, {'shape': [1]}]",
        ]
    )
    dataset = named_data.get_named_ground_truth_data("split")
    images, labels = pairs.DrawnPairs(dataset, k=2).load_batch(0, 0, 50)
    assert images.shape == (50, 128, 64, 1)
    assert (images[:, :64] != images[:, 64:]).any(axis=(1, 2, 3)).all()


def test_stored_pairs(tmp_path):
    rng = np.random.RandomState(0)
    stored = np.concatenate(
        [rng.randint(NumberedGrid.size, size=(30, 2)), rng.randint(4, size=(30, 1))], 1
    )
    np.save(tmp_path / "pairs.npy", stored)
    examples = pairs.make_pairs(NumberedGrid(), str(tmp_path / "pairs.npy"))
    assert examples.has_labels
    first, second, labels = factors_of(examples, 500)
    rows = np.stack(
        [NumberedGrid().indices_of(first), NumberedGrid().indices_of(second), labels], 1
    )
    assert {tuple(row) for row in rows} == {tuple(row) for row in stored}
    np.save(tmp_path / "pairs.npy", stored[:, :2])
    examples = pairs.make_pairs(NumberedGrid(), str(tmp_path / "pairs.npy"))
    assert not examples.has_labels and (factors_of(examples)[2] == -1).all()


@pytest.mark.parametrize("k", [0, 5, -2, True, 1.0, None])
def test_wrong_k_is_refused(k):
    with pytest.raises(ValueError, match="dynamics.k must be -1 or 1 to 4.*Received"):
        pairs.DrawnPairs(NumberedGrid(), k=k)


def test_k_is_required():
    with pytest.raises((ValueError, RuntimeError, TypeError), match="dynamics"):
        pairs.make_pairs(NumberedGrid())


def test_one_combination_is_refused():
    with pytest.raises(ValueError, match="two combinations"):
        pairs.DrawnPairs(table([[1, 1], [1, 1]]), k=1)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (np.zeros((3, 2)), "integers of shape"),
        (np.zeros((3, 4), int), "integers of shape"),
        (np.array([[0, 360]]), "indices in .0, 360."),
        (np.array([[0, 1, 4]]), "factors in .-1, 4."),
        (np.zeros((0, 2), int), "none"),
        (np.array([[None, 1]]), "no npy file"),
    ],
)
def test_wrong_stored_pairs_are_refused(stored, message, tmp_path):
    np.save(tmp_path / "pairs.npy", stored)
    with pytest.raises(ValueError, match=message) as info:
        pairs.StoredPairs(NumberedGrid(), str(tmp_path / "pairs.npy"))
    assert "\n" not in str(info.value)
    (tmp_path / "pairs.npy").write_bytes(b"PK\x03\x04" + bytes(99))
    with pytest.raises(ValueError, match="no npy file"):
        pairs.StoredPairs(NumberedGrid(), str(tmp_path / "pairs.npy"))
    with pytest.raises(ValueError, match="random pixels"):
        dataset = named_data.get_named_ground_truth_data("dummy_data")
        pairs.StoredPairs(dataset, str(tmp_path / "pairs.npy"))
    with pytest.raises(ground_truth_data.DatasetNotFound, match="no file"):
        pairs.StoredPairs(NumberedGrid(), str(tmp_path / "none.npy"))


def test_pairs_need_discrete_factors():
    images = np.zeros((4, 2, 2, 1), np.uint8)
    for factors, words in (
        (np.zeros((4, 0)), "dynamics needs factors of variation"),
        (np.arange(4)[:, None] / 3, "dynamics needs factors with discrete values"),
    ):
        names = ["a"][: factors.shape[1]]
        kinds = [True] * len(names)
        data = table_data.ImageTable(
            "mine", images, factors, names, continuous_factors=kinds
        )
        with pytest.raises(ValueError, match=words):
            pairs.DrawnPairs(data, k=1)
