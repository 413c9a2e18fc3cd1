"""Datasets for tests: random pixels, and observations that are the factors."""

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import ground_truth_data


class IdentityObservationsData(ground_truth_data.GroundTruthData):
    """Observations that equal the ten factors, a perfect code for tests of metrics.

    As in disentanglement_lib, factors run from 1 to 10, while `factors_num_values`
    says 1 for each.
    """

    name = "identity_observations"
    origin = "synthetic"
    factors_num_values = [1] * 10
    observation_shape = [10]

    def sample_factors(self, num, random_state):
        """Draws factors from 1 to 10: int64, shape (num, 10)."""
        return random_state.randint(1, 11, size=(num, 10))

    def sample_observations_from_factors(self, factors, random_state):
        """Returns the factors."""
        return factors


@registry.dataset("dummy_data")
class DummyData(ground_truth_data.GroundTruthData):
    """Random pixels with random factors, for dry runs."""

    name = "dummy_data"
    origin = "synthetic"
    factors_num_values = [5] * 10
    observation_shape = [64, 64, 1]

    def sample_factors(self, num, random_state):
        """Draws ten factors of five values: int64, shape (num, 10)."""
        return random_state.randint(5, size=(num, self.num_factors))

    def sample_observations_from_factors(self, factors, random_state):
        """Draws uniform pixels: float32, shape (n, 64, 64, 1)."""
        pixels = random_state.random_sample((len(factors), *self.observation_shape))
        return pixels.astype(np.float32)
