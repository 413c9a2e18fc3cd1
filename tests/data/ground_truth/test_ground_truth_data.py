"""The contract of every dataset that needs neither files nor bindings."""

import numpy as np
import pytest

from dmt.data import registry
from dmt.data.official import catalog


def needs_bindings(name):
    try:
        registry.open_dataset(name)
    except RuntimeError as error:
        return "Required bindings" in str(error)
    return False


NAMES = [
    name
    for name in registry.names()
    if name not in catalog.DATASETS and not name.startswith("tfds/")
]


@pytest.fixture(params=[name for name in NAMES if not needs_bindings(name)])
def data(request):
    data = registry.open_dataset(request.param)
    assert data.name == request.param, "`name` must be the registered name"
    return data


def test_facts(data):
    assert data.num_factors == len(data.factors_num_values) == len(data.factor_names)
    assert min(data.factors_num_values) >= 1
    assert data.origin in ("official", "rendered", "synthetic", "user")
    assert (data.renderer_version is not None) == (data.origin == "rendered")


def test_draws_depend_on_the_seed_only(data):
    factors, observations = data.sample(6, np.random.RandomState(0))
    assert factors.shape == (6, data.num_factors) and factors.dtype == np.int64
    assert (factors >= 0).all() and (factors < data.factors_num_values).all()
    assert observations.shape == (6, *data.observation_shape)
    assert observations.dtype == np.float32
    assert observations.min() >= 0 and observations.max() <= 1
    again = data.sample(6, np.random.RandomState(0))
    np.testing.assert_array_equal(again[0], factors)
    np.testing.assert_array_equal(again[1], observations)


def test_indices_lead_to_factors_and_back(data):
    if data.size is None:
        with pytest.raises(NotImplementedError, match=data.name):
            data.images_at(np.arange(2))
        return
    random_state = np.random.RandomState(0)
    indices = np.append([0, data.size - 1], random_state.randint(data.size, size=6))
    factors, images = data.factors_at(indices), data.images_at(indices)
    assert images.dtype == np.uint8
    assert images.shape == (len(indices), *data.observation_shape)
    found = data.indices_of(factors, random_state)
    np.testing.assert_array_equal(data.factors_at(found), factors)
    if data.is_grid:
        np.testing.assert_array_equal(found, indices)


def test_indices_out_of_range_are_refused(data):
    for index in () if data.size is None else (-1, data.size):
        with pytest.raises(ValueError, match=f"from {index} to {index}"):
            data.images_at(np.array([index]))
