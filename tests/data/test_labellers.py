"""Labels and the order of the random numbers that they are made with."""

import gin
import numpy as np
import pytest

from dmt.data import labellers
from dmt.data.ground_truth import dummy_data, named_data, table_data

SIZES = [3, 6, 40, 32]


class Data:
    """Observations that repeat the factors, with a number drawn for their pixels."""

    factors_num_values = SIZES

    def sample_factors(self, num, random_state):
        columns = [random_state.randint(size, size=num) for size in SIZES]
        return np.stack(columns, axis=1)

    def sample_observations_from_factors(self, factors, random_state):
        return factors + random_state.rand(len(factors), 1)


def sample(labeller, seed=3, num=50, **parameters):
    gin.parse_config(f"labeller.labeller_fn = @{labeller}")
    for name, value in parameters.items():
        gin.parse_config(f"{labeller}.{name} = {value!r}")
    return labellers.sample_supervised_data(seed, Data(), num)


def by_hand(seed=3, num=50):
    random_state = np.random.RandomState(seed)
    factors = np.stack([random_state.randint(n, size=num) for n in SIZES], axis=1)
    return factors, factors + random_state.rand(num, 1), random_state


def check(found, observations, labels, sizes):
    np.testing.assert_array_equal(found[0], observations)
    np.testing.assert_array_equal(found[1], labels)
    assert found[1].dtype == np.float32
    assert found[2] == sizes


def test_perfect_labels():
    factors, observations, _ = by_hand()
    check(sample("perfect_labeller"), observations, factors, SIZES)


def test_binned_labels():
    factors, observations, _ = by_hand()
    expected = factors.copy()
    expected[:, 1] = np.minimum(factors[:, 1] // (6 / 5), 4)
    expected[:, 2] = factors[:, 2] // 8
    expected[:, 3] = np.minimum(factors[:, 3] // (32 / 5), 4)
    check(sample("bin_labeller"), observations, expected, [3, 5, 5, 5])


def test_noisy_labels():
    factors, observations, random_state = by_hand()
    expected = factors.copy()
    for i in range(50):
        for j, size in enumerate(SIZES):
            if random_state.rand() < 0.3:
                expected[i, j] = random_state.randint(size)
    found = sample("noisy_labeller", prob_random=0.3)
    check(found, observations, expected, SIZES)
    assert 0.1 < (expected != factors).mean() < 0.4


def test_permuted_labels():
    factors, observations, random_state = by_hand()
    tables = [random_state.permutation(size) for size in SIZES]
    expected = np.stack([t[f] for t, f in zip(tables, factors.T, strict=True)], axis=1)
    check(sample("permuted_labeller"), observations, expected, SIZES)


def test_partial_labels():
    factors, observations, random_state = by_hand()
    kept = random_state.choice(4, 3, replace=False)
    found = sample("partial_labeller", num_observed_factors=3)
    check(found, observations, factors[:, kept], [SIZES[factor] for factor in kept])


def test_factors_are_not_changed_by_their_labels():
    factors = np.zeros((40, 4), dtype=int)
    labellers.noisy_labeller(factors, Data(), np.random.RandomState(0), 1.0)
    assert not factors.any()


def test_images_of_a_dataset_are_those_that_its_seed_draws():
    gin.parse_config("labeller.labeller_fn = @perfect_labeller")
    for data in (
        dummy_data.DummyData(),
        named_data.get_named_ground_truth_data("dsprites_rendered_small"),
    ):
        observations, labels, _ = labellers.sample_supervised_data(5, data, 7)
        expected = data.sample(7, np.random.RandomState(5))
        np.testing.assert_array_equal(labels, expected[0])
        np.testing.assert_array_equal(observations, expected[1])


def test_first_rows_train():
    rows = np.arange(7)
    parts = labellers.train_test_split(rows[:, None], rows, 0.5)
    assert [part.ravel().tolist() for part in parts] == [
        [0, 1, 2, 3],
        [0, 1, 2, 3],
        [4, 5, 6],
        [4, 5, 6],
    ]


@pytest.mark.parametrize("train_percentage", [0.0, 0.99, 1.0, 1.5])
def test_split_leaves_something_on_both_sides(train_percentage):
    rows = np.zeros((7, 1))
    with pytest.raises(ValueError, match=f"train_percentage={train_percentage} of 7"):
        labellers.train_test_split(rows, rows, train_percentage)


@pytest.mark.parametrize(
    ("labeller", "parameters", "message"),
    [
        ("partial_labeller", {"num_observed_factors": 5}, "at most 4.*=5"),
        ("partial_labeller", {"num_observed_factors": 0}, "at most 4.*=0"),
        ("partial_labeller", {"num_observed_factors": 2.0}, "at most 4.*=2.0"),
        ("partial_labeller", {"num_observed_factors": True}, "=True"),
        ("bin_labeller", {"num_bins": 0}, "num_bins=0"),
        ("bin_labeller", {"num_bins": True}, "num_bins=True"),
        ("noisy_labeller", {"prob_random": 1.5}, "prob_random=1.5"),
        ("perfect_labeller", {}, "num_labelled_samples=0"),
    ],
)
def test_impossible_labels_are_refused(labeller, parameters, message):
    with pytest.raises(ValueError, match=message):
        sample(labeller, num=0 if "num_labelled" in message else 50, **parameters)


def own(factors, **options):
    images = np.arange(len(factors), dtype=np.uint8)[:, None, None, None]
    names = ["a", "b"][: factors.shape[1]]
    return table_data.ImageTable("mine", images, factors, names, **options)


def test_labelled_images_of_a_list_are_different_ones():
    gin.parse_config("labeller.labeller_fn = @perfect_labeller")
    data = own(np.random.RandomState(0).randint(3, size=(20, 2)))
    observations, labels, _ = labellers.sample_supervised_data(0, data, 20)
    rows = np.round(255 * observations.ravel()).astype(int)
    assert sorted(rows) == list(range(20))
    np.testing.assert_array_equal(labels, data.factors_at(rows))


@pytest.mark.parametrize("name", ["dsprites_rendered_small", "mine"])
def test_more_labels_than_images_are_refused(name):
    data = own(np.arange(8).reshape(4, 2))
    if name != "mine":
        data = named_data.get_named_ground_truth_data(name)
    for number in (data.size + 1, 10**12):
        with pytest.raises(ValueError, match=f"at most {data.size}. .*={number}"):
            labellers.sample_supervised_data(0, data, number)


def test_continuous_labels():
    factors = np.stack([[0, 1, 0, 1, 0], [1.5, 2.5, 3.5, 4.5, 5.5]], axis=1)
    data = own(factors, continuous_factors=[False, True])

    def labels_of(labeller, **parameters):
        gin.parse_config(f"labeller.labeller_fn = @{labeller}")
        for name, value in parameters.items():
            gin.parse_config(f"{labeller}.{name} = {value!r}")
        found = labellers.sample_supervised_data(0, data, 5)
        order = np.argsort(found[0].ravel())
        return found[1][order].tolist(), found[2]

    unit = [[0, 0], [1, 0.25], [0, 0.5], [1, 0.75], [0, 1]]
    assert labels_of("perfect_labeller") == (unit, [2, 0])
    binned = [[0, 0], [1, 0], [0, 1], [1, 1], [0, 1]]
    assert labels_of("bin_labeller", num_bins=2) == (binned, [2, 2])
    noisy, sizes = labels_of("noisy_labeller", prob_random=1.0)
    assert sizes == [2, 0] and all(0 <= row[1] < 1 for row in noisy)
    assert labels_of("partial_labeller", num_observed_factors=1)[1] in ([2], [0])
    with pytest.raises(ValueError, match="permuted_labeller needs.*b is continuous"):
        labels_of("permuted_labeller")
    with pytest.raises(ValueError, match="needs factors of variation"):
        labellers.sample_supervised_data(0, own(np.zeros((4, 0))), 2)
