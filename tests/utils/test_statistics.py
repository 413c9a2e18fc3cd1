"""Intervals are those of scipy's t-test."""

import numpy as np
import pytest
from scipy import stats

from dmt.utils.statistics import student_interval


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_interval_is_that_of_the_t_test(confidence):
    values = np.random.RandomState(0).normal(size=7)
    expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    assert student_interval(values, confidence) == pytest.approx(tuple(expected))


def test_one_value_has_no_interval():
    assert student_interval([0.3]) == (None, None)
