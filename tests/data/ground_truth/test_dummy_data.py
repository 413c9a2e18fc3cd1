import numpy as np

from dmt.data.ground_truth import dummy_data


def test_dummy_data_draws_factors_then_pixels():
    data = dummy_data.DummyData()
    factors, observations = data.sample(3, np.random.RandomState(0))
    expected = np.random.RandomState(0)
    np.testing.assert_array_equal(factors, expected.randint(5, size=(3, 10)))
    np.testing.assert_array_equal(
        observations, expected.random_sample((3, 64, 64, 1)).astype(np.float32)
    )
    assert factors.dtype == np.int64 and observations.dtype == np.float32
    assert data.num_factors == len(data.factor_names) == 10
    assert data.size is None and not data.is_grid


def test_identity_observations_are_the_factors():
    data = dummy_data.IdentityObservationsData()
    factors, observations = data.sample(500, np.random.RandomState(0))
    np.testing.assert_array_equal(observations, factors)
    assert factors.shape == (500, 10) and factors.dtype == np.int64
    assert factors.min() == 1 and factors.max() == 10
