"""Mutual Information Gap."""

import gin
import numpy as np
import pytest

from dmt.evaluation.metrics import mig, utils
from tests.golden import metric_cases as golden
from tests.golden import recipes

CASES = [c for c in recipes.load("metrics.json")["cases"] if c["metric"] == "mig"]


def _bind_discretizer(discretizer_fn, num_bins):
    gin.bind_parameter("discretizer.discretizer_fn", discretizer_fn)
    gin.bind_parameter("discretizer.num_bins", num_bins)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_golden(case):
    params = dict(case["params"])
    _bind_discretizer(utils.histogram_discretize, params.pop("num_bins"))
    random_state = np.random.RandomState(case["seed"])
    scores = mig.compute_mig(
        recipes.make_dataset(case["dataset"]),
        recipes.make_representation(case["representation"]),
        random_state,
        None,
        **params,
    )
    golden = case["output"]["discrete_mig"]
    np.testing.assert_allclose(scores["discrete_mig"], golden, rtol=1e-9, atol=1e-12)
    assert random_state.randint(1 << 30) == case["next_draw"]


@pytest.mark.parametrize("case", CASES[::4], ids=lambda case: case["id"])
def test_golden_of_arrays(case):
    num_bins = case["params"]["num_bins"]
    golden.check(case, lambda *arrays: mig.mig(*arrays, num_bins=num_bins))


@pytest.mark.parametrize("case", golden.cases("mig_validation"))
def test_golden_on_fixed_data(case):
    golden.check(case)


@pytest.mark.parametrize(
    ("representation", "low", "high"),
    [
        (lambda x: np.array(x, np.float64), 0.9, 1.0),
        (lambda x: np.zeros((len(x), 10)), 0.0, 0.2),
        (lambda x: np.hstack([x, x]).astype(np.float64), 0.0, 0.1),
    ],
    ids=["identity", "zeros", "duplicated"],
)
def test_known_representations(representation, low, high):
    _bind_discretizer(lambda target, num_bins: target, 10)
    random_state = np.random.RandomState(0)
    scores = mig.compute_mig(
        recipes.Identity10(), representation, random_state, None, 3000
    )
    assert low <= scores["discrete_mig"] <= high


def test_array_function_equals_gin_function():
    _bind_discretizer(utils.histogram_discretize, 12)
    dataset = recipes.Grid([3, 4, 5], sigma=0.3)
    codes, factors = utils.generate_batch_factor_code(
        dataset, lambda x: x, 300, np.random.RandomState(0), 16
    )
    scores = mig.compute_mig(
        dataset, lambda x: x, np.random.RandomState(0), num_train=300
    )
    assert mig.mig(factors.T, codes.T, num_bins=12) == scores
    assert scores["num_train"] == 300 and scores["num_bins"] == 12
    assert np.shape(scores["mutual_information"]) == (3, 3)
    assert scores["discrete_mig"] == pytest.approx(np.mean(scores["mig_per_factor"]))


def test_discretizer_is_required():
    with pytest.raises(RuntimeError, match="discretizer"):
        mig.compute_mig(
            recipes.Grid([3, 4]), lambda x: x, np.random.RandomState(0), None, 9
        )


def test_needs_two_codes():
    with pytest.raises(ValueError, match="num_codes=1"):
        mig.mig(np.arange(4)[:, None], np.arange(4.0)[:, None])
