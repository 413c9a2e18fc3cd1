"""Downstream tasks: plain, with codes removed, and under a shift."""

import functools

import gin
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dmt.evaluation.metrics import (
    downstream_task,
    reduced_downstream_task,
    strong_downstream_task,
    utils,
)
from tests.golden import metric_cases as golden
from tests.golden import recipes

PLAIN = golden.cases(
    "downstream_task",
    slow=["seed1", "seed2", "tiny_identity", "tiny_dead", "tiny_lossy"],
)
REDUCED = golden.cases(
    "reduced_downstream_task",
    slow=["tiny_identity", "tiny_dead", "tiny_lossy", "noisy"],
)
STRONG = golden.cases(
    "strong_downstream_task",
    slow=["seed1", "seed2", "tiny_identity", "tiny_dead", "tiny_lossy"],
)
REGRESSION = functools.partial(LogisticRegression, max_iter=1000)


@pytest.mark.parametrize("case", PLAIN + REDUCED + STRONG)
def test_golden(case):
    golden.check(case)


@pytest.mark.parametrize("case", [c for c in PLAIN if "lr10" in c.id])
def test_golden_of_arrays(case):
    (size,) = case["params"]["num_train"]
    predictor = getattr(utils, case["params"]["predictor"])

    def score(*arrays):
        scores = downstream_task.downstream_task(*arrays, predictor=predictor)
        return {f"{size}:{key}": value for key, value in scores.items()}

    golden.check({**case, "params": {**case["params"], "num_train": size}}, score)


@pytest.mark.parametrize("case", golden.components("strong_downstream.intervene"))
def test_golden_interventions(case):
    inputs = case["inputs"]
    np.random.seed(inputs["global_seed"])
    dataset = recipes.make_dataset(inputs["dataset"])
    output = strong_downstream_task.intervene(
        np.array(inputs["y_train"]),
        np.array(inputs["y_test"]),
        inputs["target"],
        dataset.num_factors,
        dataset,
    )
    for value, expected in zip(output, case["output"].values(), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_interventions_change_one_other_factor():
    np.random.seed(0)
    dataset = recipes.Grid([3, 1, 5, 4])
    random_state = np.random.RandomState(0)
    for target in range(4):
        train = dataset.sample_factors(50, random_state)
        test = dataset.sample_factors(50, random_state)
        new_train, new_test, factor, value = strong_downstream_task.intervene(
            train.copy(), test.copy(), target, 4, dataset
        )
        assert factor not in (target, 1)
        assert np.all(new_train[:, factor] == value)
        assert np.all(new_test[:, factor] != value)
        others = np.arange(4) != factor
        np.testing.assert_array_equal(new_train[:, others], train[:, others])
        np.testing.assert_array_equal(new_test[:, others], test[:, others])


def test_unrelated_images_generalise_to_chance():
    gin.bind_parameter("predictor.predictor_fn", REGRESSION)
    np.random.seed(0)
    scores = strong_downstream_task.compute_strong_downstream_task(
        recipes.DummyImages(),
        lambda x: np.array(x[:, ::16, ::16], np.float64).reshape(len(x), -1),
        np.random.RandomState(0),
        None,
        num_train=[200],
        num_test=100,
        n_experiment=2,
    )
    assert 0 <= scores["200:mean_strong_test_accuracy"] <= 0.3


@pytest.fixture(scope="module")
def samples():
    dataset = recipes.Grid([3, 4, 2])
    random_state = np.random.RandomState(0)
    train = dataset.sample_factors(200, random_state)
    test = dataset.sample_factors(100, random_state)
    return train, train * 1.5, test, test * 1.5


def test_removed_code_costs_its_factor(samples):
    scores = reduced_downstream_task.reduced_downstream_task(
        *samples, predictor=REGRESSION
    )
    assert scores["mean_test_accuracy_other_factors"] > 0.95
    assert scores["mean_test_accuracy_reduced_factor"] < 0.6
    assert (
        scores["reduced_factor_1:mean_test_accuracy_factor_1"]
        == scores["reduced_factor_1:mean_test_accuracy_reduced_factor"]
    )
    with pytest.raises(ValueError, match="num_factors_to_remove=3, num_codes=3"):
        reduced_downstream_task.reduced_downstream_task(
            *samples, num_factors_to_remove=3
        )


def test_correlation_measure_is_chosen_in_gin(samples):
    def column_of_factor(mus_train, ys_train, mus_test, ys_test):
        return np.array([[np.array_equal(mu, ys_train[0] * 1.5)] for mu in mus_train])

    mus_train, mus_test = samples[1].T, samples[3].T
    gin.bind_parameter("reduced_representation.correlation_measure", column_of_factor)
    train, test = reduced_downstream_task.compute_reduced_representation(
        mus_train, samples[0].T, mus_test, samples[2].T, 1
    )
    np.testing.assert_array_equal(train, mus_train[[0, 2]])
    np.testing.assert_array_equal(test, mus_test[[0, 2]])


def test_correlation_measure_is_required():
    gin.bind_parameter("predictor.predictor_fn", REGRESSION)
    with pytest.raises(RuntimeError, match="correlation_measure"):
        reduced_downstream_task.compute_reduced_downstream_task(
            recipes.Grid([2, 2]),
            lambda x: x,
            np.random.RandomState(0),
            None,
            num_factors_to_remove=1,
            num_train=[20],
            num_test=10,
        )


def test_predictor_is_required():
    with pytest.raises(RuntimeError, match="predictor_fn"):
        downstream_task.compute_downstream_task(
            recipes.Grid([2, 2]), lambda x: x, np.random.RandomState(0), None, [9], 9
        )


def test_one_value_in_training(samples):
    train, codes_train, test, codes_test = (array.copy() for array in samples)
    train[:, 1] = 2
    scores = downstream_task.downstream_task(
        train, codes_train, test, codes_test, predictor=REGRESSION
    )
    assert scores["train_accuracy_factor_1"] == 1
    assert scores["test_accuracy_factor_1"] == np.mean(test[:, 1] == 2)


def test_strong_generalisation_of_tables(samples):
    settings = {"predictor": REGRESSION, "n_experiment": 3}
    scores = strong_downstream_task.strong_downstream_task(*samples, **settings)
    assert scores["mean_strong_test_accuracy"] > 0.95
    # The first code is the first factor in one half and the wrong one in the other.
    train, codes_train, test, codes_test = (array.copy() for array in samples)
    for factors, codes in ((train, codes_train), (test, codes_test)):
        codes[:, 0] = (factors[:, 0] + factors[:, 2]) % 3
        codes[:, 1:] = 0
    mixed = strong_downstream_task.strong_downstream_task(
        train, codes_train, test, codes_test, **settings
    )
    assert mixed["strong_generalization_gap"] > scores["strong_generalization_gap"]
    assert scores == strong_downstream_task.strong_downstream_task(*samples, **settings)


def test_nothing_to_intervene_on(samples):
    gin.bind_parameter("predictor.predictor_fn", REGRESSION)
    np.random.seed(0)
    with pytest.raises(ValueError, match="factors with several values="):
        strong_downstream_task.compute_strong_downstream_task(
            recipes.Grid([4, 1]), lambda x: x, np.random.RandomState(0), None, [9], 9, 1
        )
    one = [array[:, :1] for array in samples]
    with pytest.raises(ValueError, match="factors with several values="):
        strong_downstream_task.strong_downstream_task(*one, predictor=REGRESSION)
