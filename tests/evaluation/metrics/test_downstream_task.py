"""Downstream task."""

import functools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dmt.evaluation.metrics import downstream_task, predictors
from tests.golden import metric_cases as golden
from tests.golden import recipes

REGRESSION = functools.partial(LogisticRegression, max_iter=1000)
CASES = golden.cases(
    "downstream_task",
    slow=["seed1", "seed2", "tiny_identity", "tiny_dead", "tiny_lossy"],
)


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    golden.check(case)


@pytest.mark.parametrize("case", [c for c in CASES if "lr10" in c.id])
def test_golden_of_arrays(case):
    (size,) = case["params"]["num_train"]
    predictor = getattr(predictors, case["params"]["predictor"])

    def score(*arrays):
        scores = downstream_task.downstream_task(*arrays, predictor=predictor)
        return {f"{size}:{key}": value for key, value in scores.items()}

    golden.check({**case, "params": {**case["params"], "num_train": size}}, score)


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
    assert scores["constant_factors"] == [1]
    assert "test_accuracy_factor_1" not in scores
    others = downstream_task.downstream_task(
        train[:, [0, 2]], codes_train, test[:, [0, 2]], codes_test, predictor=REGRESSION
    )
    for key in ("mean_test_accuracy", "min_test_accuracy", "test_accuracy_factor_0"):
        assert scores[key] == others[key]
    assert scores["test_accuracy_factor_2"] == others["test_accuracy_factor_1"]
