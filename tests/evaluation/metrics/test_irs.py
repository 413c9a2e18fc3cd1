"""Interventional robustness score."""

import gin
import numpy as np
import pytest

from dmt.evaluation.metrics import irs
from tests.golden import metric_cases as golden
from tests.golden import recipes

CASES = golden.cases("irs")


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    """All but num_active_dims, which is the sum of the codes in the original."""
    golden.check(case)


@pytest.mark.parametrize("case", CASES[::3])
def test_golden_of_arrays(case):
    options = {"diff_quantile": 0.99, **case["params"]}
    del options["num_train"], options["batch_size"]
    golden.check(case, lambda factors, codes: irs.irs(factors, codes, **options))


@pytest.mark.parametrize("case", golden.components("irs."))
def test_golden_components(case):
    if case["component"] == "irs.drop_constant_dims":
        output = irs._drop_constant_dims(case["inputs"]["x"])
        np.testing.assert_array_equal(output, case["output"])
        return
    output = irs.scalable_disentanglement_score(**case["inputs"])
    assert output.keys() == case["output"].keys()
    for key, value in case["output"].items():
        np.testing.assert_allclose(output[key], value, rtol=1e-9, err_msg=key)


@pytest.mark.parametrize(
    ("representation", "low", "high"),
    [
        (lambda x: np.array(x, np.float64), 0.9, 1.0),
        (lambda x: np.zeros((len(x), 10)), 0.0, 0.1),
    ],
    ids=["identity", "zeros"],
)
def test_known_representations(representation, low, high):
    gin.bind_parameter("discretizer.discretizer_fn", lambda target, num_bins: target)
    gin.bind_parameter("discretizer.num_bins", 10)
    random_state = np.random.RandomState(0)
    scores = irs.compute_irs(
        recipes.Identity10(), representation, random_state, None, 0.99, 3000, 3000
    )
    assert low <= scores["IRS"] <= high


def test_codes_that_vary():
    rows = np.array([[0.1] * 4, [1, 2, 3, 4], [5, 5, 5, 6], [0.3] * 4])
    np.testing.assert_array_equal(irs._drop_constant_dims(rows), rows[1:3])
    factors = np.array([[0, 1], [0, 0], [1, 1], [1, 0]])
    scores = irs.irs(factors, np.array([[0.1, 1, 0.3], [0.1, 1, 0.3]] * 2) + 0)
    assert scores["IRS"] == scores["num_active_dims"] == 0
    assert scores["active_codes"] == scores["IRS_matrix"] == []
    codes = np.stack([np.full(4, 0.1), factors[:, 1], factors[:, 0] * 3], axis=1)
    scores = irs.irs(factors, codes)
    assert scores["active_codes"] == [1, 2] and scores["parents"] == [1, 0]
    assert scores["IRS"] == 1
