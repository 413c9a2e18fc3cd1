"""Confidence intervals."""

import doctest

import numpy as np
import pytest

from dmt.evaluation.metrics import resampling


def test_example_runs():
    result = doctest.testmod(resampling)
    assert result.attempted and not result.failed


def test_tables_are_resampled_apart():
    seen = []

    def metric(train, test):
        seen.append((set(train), set(test)))
        return {"mean": float(train.mean()), "number": len(train)}

    scores = resampling.bootstrap(
        metric, [(np.arange(50),), (np.arange(50, 80),)], num_resamples=20
    )
    assert len(seen) > 20
    assert all(max(train) < 50 <= min(test) for train, test in seen)
    low, high = scores["confidence_intervals"]["mean"]
    assert low < scores["mean"] == 24.5 < high
    assert scores["num_resamples"] == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_resamples": -1}, "num_resamples=-1"),
        ({"num_resamples": 1}, "num_resamples=1"),
        ({"num_resamples": 9, "confidence_level": 1}, "confidence_level=1"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        resampling.bootstrap(lambda x: {}, [(np.arange(3),)], **options)
