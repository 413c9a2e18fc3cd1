"""InfoM, InfoE and InfoC."""

import json

import numpy as np
import pytest

from dmt.evaluation.metrics import infomec, utils
from tests.golden import recipes

GRID = np.indices([4, 4, 4]).reshape(3, -1).T.astype(float)
MANY = np.tile(GRID, (8, 1))
SCORES = ["infom", "infoe", "infoc"]


def _discrete(factors, codes, **options):
    return infomec.infomec(factors, codes, estimator="discrete", **options)


@pytest.mark.parametrize(
    ("codes", "infom", "infoe", "infoc"),
    [
        (GRID, 1, 1, 1),
        (-GRID[:, [1, 2, 0]], 1, 1, 1),
        # A factor is shared by two of six codes: (1/2 - 1/6) / (1 - 1/6).
        (np.hstack([GRID, GRID]), 1, 1, 2 / 5),
        # The code of two factors: (1/2 - 1/3) / (1 - 1/3) = 1/4, the other code 1.
        (np.column_stack([GRID[:, 0] + 4 * GRID[:, 1], GRID[:, 2]]), 5 / 8, 1, 1),
        # One factor is not encoded: its ratio is that of indifference, 1/2.
        (GRID[:, :2], 1, 2 / 3, 2 / 3),
        (np.hstack([GRID, np.zeros((64, 2))]), 1, 1, 1),
        (np.zeros((64, 2)), 0, 0, 0),
        # One active code alone is compact.
        (GRID[:, :1], 1, 1 / 3, 1),
    ],
    ids=[
        "identity",
        "permuted",
        "duplicated",
        "two factors",
        "missing factor",
        "dead codes",
        "constant",
        "one code",
    ],
)
def test_discrete_codes(codes, infom, infoe, infoc):
    scores = _discrete(GRID, codes)
    for key, value in zip(SCORES, (infom, infoe, infoc), strict=True):
        assert scores[key] == pytest.approx(value, abs=0.01), key
    assert scores["num_active_codes"] == np.sum(np.ptp(codes, axis=0) > 0)


def test_formulas_on_a_known_matrix():
    shares = np.array([[0.6, 0.2, 0.0], [0.1, 0.1, 0.2], [0.0, 0.9, 0.3]])
    ratios = infomec._ratios(shares)
    np.testing.assert_allclose(ratios, [0.75, 0.5, 0.75])
    score = infomec._above_baseline(ratios, 3)
    assert score == pytest.approx((2 / 3 - 1 / 3) / (2 / 3))


def test_per_code_values_and_pruning():
    codes = np.column_stack([MANY[:, 0], 0.04 * MANY[:, 1], MANY[:, 2], 0 * MANY[:, 0]])
    scores = infomec.infomec(MANY, codes)
    # The second code has less than a twentieth of the largest range.
    assert scores["num_active_codes"] == 2
    np.testing.assert_allclose(
        scores["infom_per_code"], [1, np.nan, 1, np.nan], atol=0.02
    )
    assert _discrete(MANY, codes)["num_active_codes"] == 3


@pytest.mark.parametrize("estimator", ["neighbors", "bins"])
def test_continuous_codes(estimator):
    random_state = np.random.RandomState(0)
    codes = MANY * [1, -5, 2]
    codes = codes + 0.05 * random_state.standard_normal(codes.shape)
    scores = infomec.infomec(MANY, codes, estimator=estimator)
    diagonal = np.diag(scores["normalized_mutual_information"])
    np.testing.assert_allclose(diagonal, 1, atol=0.02)
    assert scores["infom"] > 0.85 and scores["infoc"] > 0.85
    assert scores["infoe"] > 0.95
    noise = random_state.standard_normal((512, 3))
    assert infomec.infomec(MANY, noise, estimator=estimator)["infoe"] < 0.1


def test_neighbors_find_what_bins_cannot():
    """Two clusters of a code that an outlier crowds into one bin."""
    codes = MANY[:, :2] + 0.05 * np.random.RandomState(0).standard_normal((512, 2))
    codes[0, 0] = 1000.0
    neighbors = infomec.infomec(MANY, codes)["normalized_mutual_information"]
    bins = infomec.infomec(MANY, codes, estimator="bins")
    assert neighbors[0][0] > 0.95
    assert bins["normalized_mutual_information"][0][0] < 0.1


def test_explicitness_is_linear():
    codes = np.column_stack([MANY[:, 0], MANY[:, 1] % 2])
    scores = infomec.infomec(MANY, codes, estimator="bins")
    # Of the second factor, the code tells one of two bits.
    np.testing.assert_allclose(scores["infoe_per_factor"], [1, 0.5, 0], atol=0.02)
    # A class that is not a half-plane cannot be told from one number.
    even = (MANY[:, :1] % 2).astype(int)
    inexplicit = infomec.infomec(even, MANY[:, :1], estimator="bins")
    assert inexplicit["infoe"] < 0.5
    assert _discrete(even, MANY[:, :1])["infoe"] == pytest.approx(1, abs=0.01)


def test_infoe_against_a_slow_calculation():
    """Gradient descent on the cross-entropy of two classes and one code."""
    random_state = np.random.RandomState(0)
    factor = random_state.randint(2, size=200)
    code = factor + random_state.standard_normal(200)
    z = (code - code.mean()) / code.std()
    slope = offset = 0.0
    for _ in range(3000):
        error = 1 / (1 + np.exp(-slope * z - offset)) - factor
        slope, offset = slope - 0.5 * np.mean(error * z), offset - 0.5 * error.mean()
    p = 1 / (1 + np.exp(-slope * z - offset))
    loss = -np.mean(factor * np.log(p) + (1 - factor) * np.log(1 - p))
    share = factor.mean()
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    scores = infomec.infomec(factor[:, None], code[:, None])
    assert scores["infoe"] == pytest.approx(1 - loss / entropy, abs=1e-4)
    assert scores["infom"] == scores["infoc"] == 1


@pytest.mark.parametrize("estimator", ["neighbors", "bins"])
def test_continuous_factors(estimator):
    random_state = np.random.RandomState(0)
    factors = random_state.uniform(size=(500, 2))
    codes = np.column_stack([3 * factors[:, 0], factors[:, 1] ** 3])
    with pytest.raises(ValueError, match="continuous_factors"):
        infomec.infomec(factors, codes, estimator=estimator)
    scores = infomec.infomec(
        factors, codes, estimator=estimator, num_bins=5, continuous_factors=True
    )
    assert scores["infom"] > 0.8 and scores["infoc"] > 0.8
    correlations = [np.corrcoef(codes[:, k], factors[:, k])[0, 1] for k in range(2)]
    np.testing.assert_allclose(
        scores["infoe_per_factor"], np.square(correlations), atol=0.01
    )


def test_factor_with_one_value():
    scores = _discrete(np.column_stack([GRID[:, 0], np.zeros(64)]), GRID)
    others = _discrete(GRID[:, :1], GRID)
    assert all(scores[key] == others[key] for key in SCORES)
    assert scores["infoe_per_factor"][0] == pytest.approx(1, abs=0.01)
    assert np.isnan(scores["infoe_per_factor"][1])


@pytest.mark.parametrize(
    "options",
    [
        {"estimator": "neighbors", "num_neighbors": 5},
        {"estimator": "bins", "num_bins": 7},
        {"estimator": "discrete"},
    ],
    ids=lambda options: options["estimator"],
)
def test_array_function_equals_gin_function(options):
    sigma = 0 if options["estimator"] == "discrete" else 0.3
    dataset = recipes.Grid([3, 4, 5], sigma=sigma)
    codes, factors = utils.generate_batch_factor_code(
        dataset, lambda x: x, 200, np.random.RandomState(0), 16
    )
    scores = infomec.compute_infomec(
        dataset, lambda x: x, np.random.RandomState(0), num_train=200, **options
    )
    assert infomec.infomec(factors.T, codes.T, **options) == scores
    assert json.loads(json.dumps(scores)) == scores
    assert all(scores[key] == value for key, value in options.items())


def test_unknown_estimator():
    with pytest.raises(ValueError, match="estimator='mine'"):
        infomec.infomec(GRID, GRID, estimator="mine")
