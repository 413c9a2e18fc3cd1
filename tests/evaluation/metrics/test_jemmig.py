"""JEMMIG."""

import math

import numpy as np
import pytest

from dmt.evaluation.metrics import jemmig
from tests.helpers import information
from tests.helpers.information import GRID, LOG2, columns


def test_definition():
    factors, codes = information.noisy_mixture()
    columns_of_factors, bins, shared = information.tables(factors, codes, 7)
    jemmigs, normalized = [], []
    for k, v in enumerate(columns_of_factors):
        first, second = sorted(range(len(bins)), key=lambda d, k=k: -shared[d][k])[:2]
        joint = information.entropy(bins[first], v)
        jemmigs.append(joint - shared[first][k] + shared[second][k])
        limit = information.entropy(v) + math.log(7)
        normalized.append(1 - jemmigs[-1] / limit)
    scores = jemmig.jemmig(factors, codes, num_bins=7)
    assert scores["jemmig"] == pytest.approx(np.mean(jemmigs))
    assert scores["jemmig_normalized"] == pytest.approx(np.mean(normalized))


@pytest.mark.parametrize(
    ("codes", "per_factor"),
    [
        (GRID, [0, 0, 0]),
        # No code knows the first factor: its joint entropy with the first code is left.
        (columns(1, 2), [3 * LOG2, 0, 0]),
        # The second code knows as much: H - H + H.
        (columns(2, 2), [4 * LOG2, 5 * LOG2, 3 * LOG2]),
        # The code of the second factor knows the first one, too: H(z, v) - I = H(v_0).
        (
            np.hstack([columns(0) + 2 * columns(1), columns(2)]),
            [2 * LOG2, 1 * LOG2, 0],
        ),
    ],
    ids=["identity", "missing", "duplicated", "two factors"],
)
def test_jemmig(codes, per_factor):
    scores = jemmig.jemmig(GRID, codes, num_bins=16)
    np.testing.assert_allclose(scores["jemmig_per_factor"], per_factor, atol=1e-12)
    assert scores["jemmig"] == pytest.approx(np.mean(per_factor))
    limits = np.log([2, 4, 8]) + np.log(16)
    normalized = 1 - np.array(per_factor) / limits
    np.testing.assert_allclose(scores["jemmig_normalized_per_factor"], normalized)
    assert scores["jemmig_normalized"] == pytest.approx(normalized.mean())


def test_noise_scores_low():
    # Normally distributed values do not fill equal bins, so joint entropy is not full.
    assert jemmig.jemmig(*information.noise())["jemmig_normalized"] < 0.2


def test_factor_with_one_value():
    factors = np.column_stack([np.zeros(4), np.arange(4)])
    scores = jemmig.jemmig(factors, factors)
    np.testing.assert_equal(scores["jemmig_normalized_per_factor"], [np.nan, 1])
    assert scores["jemmig_normalized"] == 1


def test_chance_level_is_that_of_constant_codes():
    factors = np.indices([4, 9]).reshape(2, -1).T
    scores = jemmig.jemmig(factors, np.ones((36, 3)))
    assert scores["jemmig_normalized"] == pytest.approx(scores["chance_level"])
    chance_level = jemmig.jemmig(factors[:, :1], factors)["chance_level"]
    assert chance_level == pytest.approx(0.684, abs=1e-3)


def test_array_function_equals_gin_function():
    information.check_on_samples(jemmig.compute_jemmig, jemmig.jemmig)


def test_continuous_factors_are_put_into_bins():
    information.check_continuous_factors(jemmig.jemmig)


def test_needs_two_codes():
    with pytest.raises(ValueError, match="num_codes=1"):
        jemmig.jemmig(np.arange(4)[:, None], np.arange(4.0)[:, None])
