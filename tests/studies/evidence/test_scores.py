"""The ceiling of each kind of noise."""

import numpy as np
import pytest

from dmt.data.evidence.trials import EvidenceTrials
from dmt.evaluation.evidence import decoding
from dmt.studies.evidence.scores import ceiling


@pytest.mark.parametrize("noise", ["gaussian", "anisotropic", "ar1", "gumbel"])
def test_ceiling_is_the_score_of_the_mean_of_drawn_evidence(noise):
    trials = EvidenceTrials(num_tasks=2, sigma=0.4, num_steps=8, noise=noise)
    latents = np.random.RandomState(0).uniform(-0.5, 0.5, (20000, 2)).astype("float32")
    inputs, _ = trials.of_latents(latents, 0, 0)
    means = np.asarray(inputs)[:, 1:9, 1:].mean(axis=1)
    means -= (means - latents).mean(axis=0)
    assert abs(decoding.r2(means, latents) - ceiling(trials)) < 0.01


def test_ceiling_of_noise_at_the_features_is_not_known():
    assert ceiling(EvidenceTrials(num_tasks=2, noise_site="features")) is None
