"""Modularity, compactness and explicitness by exclusivity."""

import json

import numpy as np
import pytest
from scipy.special import psi
from sklearn.feature_selection import mutual_info_classif

from dmt.evaluation.metrics import edi, utils
from tests.golden import recipes

GRID = np.tile(np.indices([2, 4, 8]).reshape(3, -1), 8).T.astype(float)
SCORES = ["modularity", "compactness", "explicitness"]


@pytest.mark.parametrize(
    ("codes", "scores"),
    [
        (GRID, (1, 1, 1)),
        (-3 * GRID[:, [2, 0, 1]], (1, 1, 1)),
        # E of [1, 1, 0, 0, 0, 0] is 1 - (1 / 5)^(1/2); two codes serve each factor.
        (np.hstack([GRID, GRID]), (1, 1 - 0.2**0.5, 1)),
        # One code knows two factors, E of [1, 1, 0] is 1 - (1 / 2)^(1/2), and serves
        # the first of them; each factor has one code.
        (
            np.column_stack([GRID[:, 0] + 2 * GRID[:, 1], GRID[:, 2]]),
            ((2 - 0.5**0.5) / 3, 1, 1),
        ),
        # Nothing is known of the first factor.
        (GRID[:, 1:], (2 / 3, 2 / 3, 2 / 3)),
        (np.hstack([GRID, np.ones((512, 2))]), (1, 1, 1)),
        (np.ones((512, 2)), (0, 0, 0)),
    ],
    ids=[
        "identity",
        "scaled",
        "duplicated",
        "two factors",
        "missing factor",
        "dead codes",
        "constant",
    ],
)
def test_known_codes(codes, scores):
    results = edi.edi(GRID, codes)
    for key, value in zip(SCORES, scores, strict=True):
        assert results[key] == pytest.approx(value, abs=0.04), key


def test_factor_in_two_halves():
    """A factor of 4 values in two codes, of which each knows half."""
    factors = np.column_stack([2 * GRID[:, 0] + GRID[:, 1] % 2, GRID[:, 2]])
    codes = np.column_stack([GRID[:, 0], GRID[:, 1] % 2, GRID[:, 2]])
    results = edi.edi(factors, codes)
    np.testing.assert_allclose(
        results["share_matrix"], [[0.5, 0], [0.5, 0], [0, 1]], atol=0.03
    )
    # The halves make a whole; but neither code is exclusive: 1/2 - (1/4 / 2)^(1/2).
    np.testing.assert_allclose(results["modularity_per_factor"], [1, 1], atol=0.06)
    np.testing.assert_allclose(
        results["compactness_per_factor"], [0.5 - 0.125**0.5, 1], atol=0.04
    )
    assert results["explicitness"] == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("num_codes", [1, 3])
def test_information_against_a_slow_calculation(num_codes):
    random_state = np.random.RandomState(0)
    classes = random_state.randint(3, size=90)
    codes = classes[:, None] + random_state.standard_normal((90, num_codes))
    scaled = codes / codes.std(axis=0)
    total = 0.0
    for i in range(90):
        distances = np.sqrt(((scaled - scaled[i]) ** 2).sum(axis=1))
        radius = np.sort(distances[classes == classes[i]])[4]
        total += psi(4) - psi(np.sum(classes == classes[i]))
        total -= psi(np.sum(distances < radius))
    information = edi.nearest_neighbor_information(codes, classes, 4)
    assert information == pytest.approx(psi(90) + total / 90)
    if num_codes == 1:
        library = mutual_info_classif(codes, classes, n_neighbors=4, random_state=0)
        assert information == pytest.approx(library[0])


def test_information_of_small_classes():
    assert edi.nearest_neighbor_information(GRID[:5], np.arange(5), 3) == 0
    # Classes of 1 and of 2 samples: one neighbour, or none.
    classes = np.array([0, 0, 0, 0, 1, 1, 2])
    codes = np.array([0, 0.1, 0.3, 0.6, 9, 9.1, 5])[:, None]
    information = edi.nearest_neighbor_information(codes, classes, 3)
    library = mutual_info_classif(codes, classes, n_neighbors=3, random_state=0)
    assert information == pytest.approx(library[0]) and information > 0


def test_noise_is_not_explicit():
    random_state = np.random.RandomState(0)
    scores = edi.edi(GRID, random_state.standard_normal((512, 3)))
    assert scores["explicitness"] < 0.1
    together = GRID + random_state.standard_normal((512, 3))
    assert scores["explicitness"] < edi.edi(GRID, together)["explicitness"] < 0.9


def test_factor_with_one_value():
    random_state = np.random.RandomState(0)
    factors = random_state.randint(4, size=(1480, 2))
    codes = factors + 0.2 * random_state.standard_normal((1480, 2))
    alone = edi.edi(factors, codes)
    factors = np.insert(factors, 1, 7, axis=1)
    scores = edi.edi(factors, codes)
    assert scores["explicitness"] == alone["explicitness"]
    per_factor = scores["modularity_per_factor"]
    assert [per_factor[0], per_factor[2]] == alone["modularity_per_factor"]
    assert np.isnan(per_factor[1])


def test_array_function_equals_gin_function():
    dataset = recipes.Grid([3, 4, 5], sigma=0.3)
    codes, factors = utils.generate_batch_factor_code(
        dataset, lambda x: x, 200, np.random.RandomState(0), 16
    )
    scores = edi.compute_edi(
        dataset, lambda x: x, np.random.RandomState(0), num_train=200, num_neighbors=4
    )
    assert edi.edi(factors.T, codes.T, num_neighbors=4) == scores
    assert json.loads(json.dumps(scores)) == scores
    assert scores["num_train"] == 200 and scores["num_neighbors"] == 4
    assert np.shape(scores["share_matrix"]) == (3, 3)


def test_continuous_factors_are_refused():
    with pytest.raises(ValueError, match="discrete"):
        edi.edi(np.random.RandomState(0).uniform(size=(50, 2)), GRID[:50])
