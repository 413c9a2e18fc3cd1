"""Information of columns, one number at a time, and codes on which it is known."""

import collections
import json
import math

import gin
import numpy as np
import pytest

from dmt.evaluation.metrics import utils
from dmt.evaluation.metrics.information import in_bins
from tests.golden import recipes

GRID = np.indices([2, 4, 8]).reshape(3, -1).T.astype(float)
LOG2 = np.log(2)


def columns(*indices):
    """These columns of `GRID`."""
    return GRID[:, list(indices)]


def noisy_mixture():
    """Factors (300, 3), and codes (300, 4) that mix them and add noise."""
    random_state = np.random.RandomState(0)
    factors = np.stack([random_state.randint(k, size=300) for k in (2, 3, 5)], axis=1)
    codes = factors @ random_state.standard_normal((3, 4))
    return factors, codes + 0.3 * random_state.standard_normal(codes.shape)


def noise():
    """Factors (4000, 3), and codes (4000, 5) that know nothing of them."""
    random_state = np.random.RandomState(0)
    factors = random_state.randint(4, size=(4000, 3))
    return factors, random_state.standard_normal((4000, 5))


def continuous():
    """Factors (300, 2) and codes (300, 2) that are numbers."""
    random_state = np.random.RandomState(0)
    factors = random_state.uniform(size=(300, 2))
    return factors, factors + random_state.normal(scale=0.1, size=(300, 2))


def entropy(*rows):
    """Joint entropy of rows of values, in nats."""
    counts = collections.Counter(zip(*rows, strict=True)).values()
    total = sum(counts)
    return -sum(count / total * math.log(count / total) for count in counts)


def tables(factors, codes, num_bins):
    """Columns of factors, bins of the codes, and I(z; v) of each code and factor."""
    low, width = codes.min(axis=0), np.ptp(codes, axis=0) / num_bins
    bins = np.minimum((codes - low) // width, num_bins - 1)
    factors, bins = ([tuple(column) for column in table.T] for table in (factors, bins))
    shared = [[entropy(z) + entropy(v) - entropy(z, v) for v in factors] for z in bins]
    return factors, bins, shared


def on_samples_and_on_arrays(compute, metric):
    """Scores of a gin configurable, and of the function on the same samples."""
    gin.bind_parameter("discretizer.discretizer_fn", utils.histogram_discretize)
    gin.bind_parameter("discretizer.num_bins", 12)
    dataset = recipes.Grid([3, 4, 5], sigma=0.3)
    codes, factors = utils.generate_batch_factor_code(
        dataset, lambda x: x, 300, np.random.RandomState(0), 16
    )
    scores = compute(dataset, lambda x: x, np.random.RandomState(0), num_train=300)
    return scores, metric(factors.T, codes.T, num_bins=12)


def check_on_samples(compute, metric):
    """The gin configurable gives plain values, those of the function of arrays."""
    scores, of_arrays = on_samples_and_on_arrays(compute, metric)
    assert of_arrays == scores
    assert json.loads(json.dumps(scores)) == scores
    assert scores["num_train"] == 300 and scores["num_bins"] == 12
    assert np.shape(scores["mutual_information"]) == (3, 3)


def check_continuous_factors(metric):
    """Continuous factors are put into bins if the metric is told of them."""
    factors, codes = continuous()
    found = metric(factors, codes, num_bins=6, continuous_factors=True)
    assert found == metric(in_bins(factors, 6), codes, num_bins=6)
    with pytest.raises(ValueError, match="continuous_factors"):
        metric(factors, codes)
