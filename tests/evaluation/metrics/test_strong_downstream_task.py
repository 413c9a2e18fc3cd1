"""Strong downstream task: predictions under a shift."""

import functools

import gin
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dmt.evaluation.metrics import strong_downstream_task
from tests.golden import metric_cases as golden
from tests.golden import recipes

REGRESSION = functools.partial(LogisticRegression, max_iter=1000)
CASES = golden.cases(
    "strong_downstream_task",
    slow=["seed1", "seed2", "tiny_identity", "tiny_dead", "tiny_lossy"],
)


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    golden.check(case)


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
