"""MIG-sup."""

import numpy as np
import pytest

from dmt.evaluation.metrics import mig_sup
from tests.helpers import information
from tests.helpers.information import GRID, columns


def test_definition():
    factors, codes = information.noisy_mixture()
    columns_of_factors, _, shared = information.tables(factors, codes, 7)
    entropies = [information.entropy(v) for v in columns_of_factors]
    gaps = []
    for row in shared:
        second, first = sorted(i / h for i, h in zip(row, entropies, strict=True))[-2:]
        gaps.append(first - second)
    score = mig_sup.mig_sup(factors, codes, num_bins=7)["mig_sup"]
    assert score == pytest.approx(sum(gaps) / len(gaps))


@pytest.mark.parametrize(
    ("codes", "per_code", "score"),
    [
        (GRID, [1, 1, 1], 1),
        (-3 * GRID, [1, 1, 1], 1),
        (columns(2, 2, 0), [1, 1, 1], 1),
        # Of a sum of two numbers, each number alone is told to the same extent.
        ((columns(0) + 2 * columns(1)), [0], 0),
        (np.hstack([GRID, np.full((64, 2), 7.0)]), [1, 1, 1, 0, 0], 1),
        (np.ones((64, 2)), [0, 0], 0),
    ],
    ids=["identity", "scaled", "duplicated", "two factors", "dead codes", "constant"],
)
def test_mig_sup(codes, per_code, score):
    scores = mig_sup.mig_sup(GRID, codes)
    np.testing.assert_allclose(scores["mig_sup_per_code"], per_code, atol=1e-12)
    assert scores["mig_sup"] == pytest.approx(score)
    assert scores["num_active_codes"] == np.sum(np.ptp(codes, axis=0) > 0)


def test_noise_scores_low():
    assert mig_sup.mig_sup(*information.noise())["mig_sup"] < 0.02


def test_factor_with_one_value():
    factors = np.column_stack([np.zeros(4), np.arange(4)])
    with pytest.raises(ValueError, match="2 factors that vary"):
        mig_sup.mig_sup(factors, factors)


def test_array_function_equals_gin_function():
    information.check_on_samples(mig_sup.compute_mig_sup, mig_sup.mig_sup)


def test_continuous_factors_are_put_into_bins():
    information.check_continuous_factors(mig_sup.mig_sup)


def test_needs_two_factors():
    with pytest.raises(ValueError, match="num_factors=1"):
        mig_sup.mig_sup(np.arange(4)[:, None], np.arange(8.0).reshape(4, 2))
