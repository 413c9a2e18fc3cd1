"""Samples that tests of several metrics share."""

import numpy as np
import pytest

from tests.golden import recipes


@pytest.fixture(scope="module")
def samples():
    """Factors and codes that equal them but for scale, to train on and to test on."""
    dataset = recipes.Grid([3, 4, 2])
    random_state = np.random.RandomState(0)
    train = dataset.sample_factors(200, random_state)
    test = dataset.sample_factors(100, random_state)
    return train, train * 1.5, test, test * 1.5
