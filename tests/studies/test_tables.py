"""Verdicts on claims, and cells as text."""

import numpy as np
import pytest

from dmt.studies import tables


@pytest.mark.parametrize(
    ("low", "high", "above", "below", "expected"),
    [
        (0.1, 0.2, 0.0, None, "agrees"),
        (-0.2, -0.1, 0.0, None, "disagrees"),
        (-0.1, 0.2, 0.0, None, "not decided"),
        (0.0, 0.0, 0.0, None, "not decided"),
        (-5.0, 0.0, None, 0.1, "agrees"),
        (0.2, 5.0, None, 0.1, "disagrees"),
        (0.0, 5.0, None, 0.1, "not decided"),
        (81, 99, 80, 100, "agrees"),
        (79, 99, 80, 100, "not decided"),
        (81, 101, 80, 100, "not decided"),
        (70, 110, 80, 100, "not decided"),
        (101, 110, 80, 100, "disagrees"),
        (60, 79, 80, 100, "disagrees"),
        (np.nan, np.nan, 0.0, None, "not decided"),
    ],
)
def test_verdict_compares_an_interval_with_a_range(low, high, above, below, expected):
    assert tables.verdict(low, high, above, below) == expected


def test_claim_has_the_interval_of_student():
    # The quantile of Student's t for 2 degrees of freedom is 4.302653.
    found = tables.claim("x", [1.0, 2.0, 3.0], -3.0, number=4)
    half = 4.302653 / np.sqrt(3)
    np.testing.assert_allclose(
        [found["low"], found["high"]], [2 - half, 2 + half], 1e-6
    )
    assert (found["difference"], found["number"]) == (2.0, 4)
    assert found["verdict"] == "agrees"
    assert tables.claim("x", [1.0, 2.0, 3.0])["verdict"] == "not decided"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "–"),
        ("1e-9", "1e-9"),
        (3, "3"),
        (-0.0001, "0.000"),
        (-0.5, "−0.500"),
        (123.46, "123.5"),
        (tables.mean_and_std([1.0, 3.0]), "2.000 ± 1.414"),
        (
            tables.median_and_quartiles([[4.0, 0.0, 2.0], [1.0, 3.0, 2.0]]),
            "2.000 (1.250 to 2.750)",
        ),
    ],
)
def test_cells_are_text(cell, text):
    assert tables.format_cell(cell) == text


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ((0.0, None), "above 0"),
        ((None, -0.1), "below −0.1"),
        ((80, 100), "between 80 and 100"),
    ],
)
def test_ranges_are_text(limits, text):
    assert tables.format_range(*limits) == text
