"""Trials of evidence as a dataset: their factors of variation are the latents."""

import numpy as np

from dmt.data.evidence.trials import EvidenceTrials
from dmt.data.ground_truth.ground_truth_data import GroundTruthData
from dmt.utils import checks, stages


@stages.configurable("evidence", "dataset", denylist=["trials"])
class EvidenceData(GroundTruthData):
    """The dataset whose factors are the coordinates of the latent of each trial.

    An observation is the inputs of a trial, float32 of shape (length, num_inputs).

    Args:
        trials: the `EvidenceTrials`.
        num_bins: number of bins of equal width in [-0.5, 0.5]. A factor is the number
            of the bin of a coordinate, which is then uniform in the bin. If None, the
            factors are the coordinates, continuous in [-0.5, 0.5]; metrics that need
            discrete factors refuse them.

    Attributes:
        trials: the trials.

    Raises:
        ValueError: if `num_bins` is below 2.
    """

    name = "evidence"
    origin = "synthetic"

    def __init__(self, trials: EvidenceTrials, num_bins: int | None = None):
        if num_bins is not None:
            checks.integer("evidence.num_bins", num_bins, low=2)
        self.trials = trials
        self.observation_shape = [trials.length, trials.num_inputs]
        # The number of values of a continuous factor is not used.
        self.factors_num_values = [num_bins or 0] * trials.dim
        self.continuous_factors = [num_bins is None] * trials.dim
        self.factor_names = [f"x{k + 1}" for k in range(trials.dim)]
        self._num_bins = num_bins

    def sample_factors(self, num, random_state):
        """Latents or bins (num, dim); see `GroundTruthData.sample_factors`."""
        latents = self.trials.latents(_seed(random_state), 0, num).astype(np.float64)
        if self._num_bins is None:
            return latents
        # A latent of the copula may be rounded to 0.5.
        bins = np.minimum((latents + 0.5) * self._num_bins, self._num_bins - 1)
        return bins.astype(np.int64)

    def sample_observations_from_factors(self, factors, random_state):
        """Inputs of trials with these factors, float32 (n, length, num_inputs)."""
        latents = np.asarray(factors)
        if self._num_bins is not None:
            places = random_state.uniform(size=latents.shape)
            latents = (latents + places) / self._num_bins - 0.5
        return self.trials.of_latents(
            latents.astype(np.float32), _seed(random_state), 0
        )[0]

    def scaled_factors(self, factors):
        """The factors, continuous ones moved to [0, 1]."""
        return factors + 0.5 if self._num_bins is None else factors


def _seed(random_state):
    return int(random_state.randint(2**32, dtype=np.uint64))
