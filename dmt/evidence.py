"""Theory and analyses of evidence accumulation as functions of arrays.

    estimates = dmt.evidence.latent_from_outputs(logits, normals, 0.0, sigma=0.2,
                                                 num_steps=20)
    dmt.evidence.r2(estimates, latents)

States have shape (n, units), latents (n, dim), normals of boundaries (num_tasks, dim)
and evidence (..., num_steps, dim), all NumPy arrays. `EvidenceTrials` draws trials with
a seed. The analyses of trained agents with `dmt_evaluate` use these functions.
"""

from dmt.data.evidence.boundaries import (
    hyperbola_thresholds,
    line_normals,
    random_normals,
)
from dmt.data.evidence.trials import EvidenceTrials
from dmt.evaluation.evidence.decoding import (
    decoder_angles,
    fit_decoders,
    in_region,
    r2,
    regions,
)
from dmt.evaluation.evidence.fixed_points import fixed_points
from dmt.evaluation.evidence.recovery import recovery_scores
from dmt.evaluation.evidence.recurrent_map import RecurrentMap
from dmt.evaluation.evidence.sparseness import lifetime_sparseness
from dmt.evaluation.evidence.theory import (
    condition_number,
    expected_condition_number,
    ideal_logits,
    latent_from_outputs,
    posterior_mean_r2_ceiling,
    r2_ceiling,
)
from dmt.evaluation.evidence.tuning import unit_tuning
from dmt.evaluation.evidence.variance import state_variance

__all__ = [
    "EvidenceTrials",
    "RecurrentMap",
    "condition_number",
    "decoder_angles",
    "expected_condition_number",
    "fit_decoders",
    "fixed_points",
    "hyperbola_thresholds",
    "ideal_logits",
    "in_region",
    "latent_from_outputs",
    "lifetime_sparseness",
    "line_normals",
    "posterior_mean_r2_ceiling",
    "r2",
    "r2_ceiling",
    "random_normals",
    "recovery_scores",
    "regions",
    "state_variance",
    "unit_tuning",
]
