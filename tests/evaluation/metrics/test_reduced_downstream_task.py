"""Reduced downstream task: codes are removed."""

import functools

import gin
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dmt.evaluation.metrics import reduced_downstream_task
from tests.golden import metric_cases as golden
from tests.golden import recipes

REGRESSION = functools.partial(LogisticRegression, max_iter=1000)
CASES = golden.cases(
    "reduced_downstream_task",
    slow=["tiny_identity", "tiny_dead", "tiny_lossy", "noisy"],
)


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    golden.check(case)


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
    def scaled(mus_train, ys_train, mus_test, ys_test):
        return np.array(
            [[np.array_equal(mu, y * 1.5) for y in ys_train] for mu in mus_train]
        )

    mus_train, mus_test = samples[1].T, samples[3].T
    gin.bind_parameter("reduced_representation.correlation_measure", scaled)
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
