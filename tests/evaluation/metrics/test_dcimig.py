"""DCIMIG."""

import numpy as np
import pytest

from dmt.evaluation.metrics import dcimig
from tests.helpers import information
from tests.helpers.information import GRID, LOG2, columns


def test_definition():
    factors, codes = information.noisy_mixture()
    columns_of_factors, _, shared = information.tables(factors, codes, 7)
    best = [0.0] * len(columns_of_factors)
    for row in shared:
        k = max(range(len(row)), key=lambda k, row=row: row[k])
        best[k] = max(best[k], row[k] - sorted(row)[-2])
    total = sum(information.entropy(v) for v in columns_of_factors)
    score = dcimig.dcimig(factors, codes, num_bins=7)["dcimig"]
    assert score == pytest.approx(sum(best) / total)


@pytest.mark.parametrize(
    ("codes", "per_factor"),
    [
        (GRID, [1, 2, 3]),
        (columns(2, 2), [0, 0, 3]),
        # A code of two factors votes for the larger one, with the difference.
        (columns(0) + 2 * columns(1), [0, 1, 0]),
        (np.ones((64, 2)), [0, 0, 0]),
    ],
    ids=["identity", "duplicated", "two factors", "constant"],
)
def test_dcimig(codes, per_factor):
    scores = dcimig.dcimig(GRID, codes)
    gaps = np.array(per_factor) * LOG2
    np.testing.assert_allclose(scores["gap_per_factor"], gaps, atol=1e-12)
    assert scores["dcimig"] == pytest.approx(sum(per_factor) / 6)


def test_noise_scores_low():
    assert dcimig.dcimig(*information.noise())["dcimig"] < 0.02


def test_factor_with_one_value():
    factors = np.column_stack([np.zeros(4), np.arange(4)])
    with pytest.raises(ValueError, match="2 factors that vary"):
        dcimig.dcimig(factors, factors)
    with pytest.raises(ValueError, match="in which a factor varies"):
        dcimig.dcimig(0 * factors, factors)


def test_array_function_equals_gin_function():
    information.check_on_samples(dcimig.compute_dcimig, dcimig.dcimig)


def test_continuous_factors_are_put_into_bins():
    information.check_continuous_factors(dcimig.dcimig)


def test_needs_two_factors():
    with pytest.raises(ValueError, match="num_factors=1"):
        dcimig.dcimig(np.arange(4)[:, None], np.arange(8.0).reshape(4, 2))
