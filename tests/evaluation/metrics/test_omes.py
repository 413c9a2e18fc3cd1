"""Overlap and Multiple Encoding Scores."""

import itertools
import json

import gin
import numpy as np
import pytest

from dmt.evaluation.metrics import omes
from dmt.evaluation.metrics.encoding import any_number
from tests.golden import recipes

GRID = np.indices([3, 4, 6]).reshape(3, -1).T.astype(float)
# A code that equals a factor with n values: 1 - 1 / (n - 1).
OWN = np.array([1 / 2, 2 / 3, 4 / 5])


def _slowly(factors, codes, alpha, pooling):
    """The definition over all pairs, one number at a time."""
    num_factors, num_codes = factors.shape[1], codes.shape[1]
    association = np.zeros((num_codes, num_factors))
    for k in range(num_factors):
        others = [j for j in range(num_factors) if j != k]
        pairs = [
            (x, y)
            for x, y in itertools.permutations(range(len(factors)), 2)
            if factors[x, k] != factors[y, k]
            and all(factors[x, j] == factors[y, j] for j in others)
        ]
        first, second = np.array(pairs).T
        for d in range(num_codes):
            correlation = np.corrcoef(codes[first, d], codes[second, d])[0, 1]
            association[d, k] = 1 - abs(correlation)
    scores = []
    for k in range(num_factors):
        overlaps, multiples = [], []
        for d in range(num_codes):
            target = [float(j == k) for j in range(num_factors)]
            overlaps.append(1 - np.mean(np.abs(association[d] - target)))
            target = [float(i == d) for i in range(num_codes)]
            multiples.append(1 - np.mean(np.abs(association[:, k] - target)))
        pooled = []
        for values in (overlaps, multiples):
            weights = association[:, k]
            if pooling == "max":
                pooled.append(max(values * weights))
            else:
                pooled.append(np.average(values * weights, weights=weights))
        scores.append(alpha * pooled[0] + (1 - alpha) * pooled[1])
    return association, scores


@pytest.mark.parametrize("pooling", ["avg", "max"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_definition(alpha, pooling):
    codes = GRID @ np.random.RandomState(0).standard_normal((3, 4))
    association, scores = _slowly(GRID, codes, alpha, pooling)
    result = omes.omes(GRID, codes, alpha=alpha, pooling=pooling, num_train=40000)
    np.testing.assert_allclose(result["association_matrix"], association, atol=0.02)
    np.testing.assert_allclose(result["omes_per_factor"], scores, atol=0.02)
    assert result["omes"] == pytest.approx(np.mean(result["omes_per_factor"]))
    assert result["alpha"] == alpha and result["pooling"] == pooling
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_identity(pooling):
    scores = omes.omes(GRID, -3 * GRID, pooling=pooling)
    association = np.array(scores["association_matrix"])
    np.testing.assert_allclose(association, np.diag(OWN), atol=0.03)
    # Off by 1 - OWN in one of three entries; weighted by OWN.
    expected = OWN * (1 - (1 - OWN) / 3)
    for key in ("omes", "overlap_score", "multiple_encoding_score"):
        np.testing.assert_allclose(scores[key + "_per_factor"], expected, atol=0.03)


def test_duplicated_codes_lower_multiple_encoding():
    scores = omes.omes(GRID, np.hstack([GRID, GRID]))
    overlap = OWN * (1 - (1 - OWN) / 3)
    multiple = OWN * (1 - (1 - OWN + OWN) / 6)
    np.testing.assert_allclose(scores["overlap_score_per_factor"], overlap, atol=0.03)
    np.testing.assert_allclose(
        scores["multiple_encoding_score_per_factor"], multiple, atol=0.03
    )


def test_one_code_for_two_factors_lowers_overlap():
    codes = np.column_stack([GRID[:, 1] + GRID[:, 2], GRID[:, 0]])
    scores = omes.omes(GRID, codes)
    identity = omes.omes(GRID, GRID)
    assert scores["overlap_score"] < identity["overlap_score"] - 0.1
    association = np.array(scores["association_matrix"])
    # The factor that is not varied is shared: Var(v) = 5/4 and 35/12, and within pairs
    # that vary v with n values, Cov = Var(other) - Var(v) / (n - 1).
    first, second = 5 / 4, 35 / 12
    expected = [
        1 - (second - first / 3) / (first + second),
        1 - (first - second / 5) / (first + second),
    ]
    np.testing.assert_allclose(association[0], [0, *expected], atol=0.03)


def test_factor_with_two_values_counts_as_not_encoded():
    factors = np.indices([2, 5]).reshape(2, -1).T
    association = np.array(omes.omes(factors, factors)["association_matrix"])
    np.testing.assert_allclose(association, [[0, 0], [0, 3 / 4]], atol=0.03)


def test_inactive_codes_are_left_out():
    codes = np.hstack([np.ones((72, 1)), GRID, 0.001 * GRID[:, :1]])
    pruned = omes.omes(GRID, codes, prune_threshold=0.05)
    assert pruned["num_active_codes"] == 3
    assert pruned["association_matrix"][0] == pruned["association_matrix"][4]
    assert pruned["omes"] == pytest.approx(omes.omes(GRID, GRID)["omes"])
    constant = omes.omes(GRID, np.ones((72, 2)))
    assert constant["omes"] == constant["num_active_codes"] == 0


def test_noise_is_associated_with_every_factor():
    random_state = np.random.RandomState(0)
    factors = np.tile(GRID, (30, 1))
    scores = omes.omes(factors, random_state.standard_normal((len(factors), 3)))
    assert np.min(scores["association_matrix"]) > 0.9
    # All three entries near 1: one as it should be, two not.
    assert scores["omes"] == pytest.approx(1 / 3, abs=0.05)


def test_table_agrees_with_data_set():
    dataset = recipes.Grid([3, 4, 6])
    representation = recipes.make_representation(
        {"kind": "linear", "seed": 1, "inputs": 3, "dim": 4}
    )
    sampled = omes.compute_omes(
        dataset, representation, np.random.RandomState(0), num_train=20000
    )
    table = omes.omes(GRID, representation(GRID), num_train=20000)
    assert table.keys() == sampled.keys()
    for key in ("association_matrix", "omes_per_factor"):
        np.testing.assert_allclose(table[key], sampled[key], atol=0.03)


def test_gin_function_on_its_pairs():
    """Feeds what the dataset function encodes to numpy's correlation."""
    chunks = []

    @any_number
    def representation(observations):
        chunks.append(observations)
        return observations

    scores = omes.compute_omes(
        recipes.Grid([3, 4, 5], sigma=0.2),
        representation,
        np.random.RandomState(0),
        None,
        50,
    )
    assert len(chunks) == 3
    for k, chunk in enumerate(chunks):
        first, second = chunk[:50], chunk[50:]
        changes = np.abs(np.round(first) - np.round(second)) > 0
        assert changes[:, k].mean() > 0.9
        for d in range(3):
            correlation = np.corrcoef(first[:, d], second[:, d])[0, 1]
            assert scores["association_matrix"][d][k] == pytest.approx(
                1 - abs(correlation)
            )


def test_bootstrap_resamples_pairs():
    gin.bind_parameter("bootstrap.num_resamples", 5)
    scores = omes.compute_omes(
        recipes.Grid([3, 4]), lambda x: x, np.random.RandomState(0), num_train=100
    )
    intervals = scores["confidence_intervals"]
    assert 0 < intervals["omes"][0] < intervals["omes"][1] < 1
    assert intervals.keys() == {"omes", "overlap_score", "multiple_encoding_score"}


def test_errors():
    codes = np.random.RandomState(0).standard_normal((4, 3))
    with pytest.raises(ValueError, match="differ in one factor"):
        omes.omes(np.eye(4), codes)
    with pytest.raises(ValueError, match="pooling='sum'"):
        omes.omes(GRID, GRID, pooling="sum")
    with pytest.raises(ValueError, match="in which a factor varies"):
        omes.compute_omes(
            recipes.Grid([1, 1]), lambda x: x, np.random.RandomState(0), num_train=9
        )
