"""Trials of evidence as a dataset: their factors of variation are the latents."""

import numpy as np

from dmt.data.evidence.trials import EvidenceTrials
from dmt.data.ground_truth.ground_truth_data import GroundTruthData


class EvidenceData(GroundTruthData):
    """The dataset whose factors are the coordinates of the latent of each trial.

    An observation is the inputs of a trial, float32 of shape (length, num_inputs). The
    factors are continuous, in [-0.5, 0.5], and there are infinitely many.

    Args:
        trials: the `EvidenceTrials`.

    Attributes:
        trials: the same.
    """

    name = "evidence"
    origin = "synthetic"

    def __init__(self, trials: EvidenceTrials):
        self.trials = trials
        self.observation_shape = [trials.length, trials.num_inputs]
        # The number of values of a continuous factor has no meaning.
        self.factors_num_values = [0] * trials.dim
        self.continuous_factors = [True] * trials.dim
        self.factor_names = [f"x{k + 1}" for k in range(trials.dim)]

    def sample_factors(self, num, random_state):
        """Latents, float64 (num, dim); see `GroundTruthData.sample_factors`."""
        return self.trials.latents(_seed(random_state), 0, num).astype(np.float64)

    def sample_observations_from_factors(self, factors, random_state):
        """Inputs of trials with these latents, float32 (n, length, num_inputs)."""
        latents = np.asarray(factors, dtype=np.float32)
        return self.trials.of_latents(latents, _seed(random_state), 0)[0]

    def scaled_factors(self, factors):
        """The factors, moved to [0, 1]."""
        return factors + 0.5


def _seed(random_state):
    return int(random_state.randint(2**32, dtype=np.uint64))
