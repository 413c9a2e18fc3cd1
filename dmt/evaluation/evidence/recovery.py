"""How well the answers of an agent tell its latent, by the formula of ideal answers."""

from typing import Any

import numpy as np

from dmt.evaluation.evidence import agents, decoding, theory, trial_states
from dmt.utils import checks, stages


def recovery_scores(estimates: np.ndarray, latents: np.ndarray) -> dict[str, float]:
    """R^2 of estimates of latents, as they are and scaled by one number.

    Args:
        estimates: (n, dim).
        latents: (n, dim).

    Returns:
        Dictionary:
            r2: see `dmt.evaluation.evidence.decoding.r2`.
            scale: the number by which estimates are multiplied for the least squared
                error. It is above 1 for agents that are less certain than ideal ones.
            rescaled_r2: R^2 of estimates that are multiplied by it.
    """
    estimates = np.asarray(estimates, dtype=np.float64)
    square = float(np.sum(np.square(estimates)))
    scale = float(np.sum(estimates * latents)) / square if square else 0.0
    return {
        "r2": float(decoding.r2(estimates, latents)),
        "scale": scale,
        "rescaled_r2": float(decoding.r2(scale * estimates, latents)),
    }


@stages.configurable("closed_form_recovery", "evaluation", denylist=trial_states.CALLER)
def compute_closed_form_recovery(
    ground_truth_data: Any,
    representation_function: Any,
    random_state: np.random.RandomState,
    artifact_dir: str | None = None,
    link: str = "linear",
    weighted: bool | None = None,
    num_trials: int = 4096,
) -> dict[str, Any]:
    """R^2 of the latents that the answers of an agent imply, without any fit.

    Args:
        ground_truth_data: `EvidenceData` of trials with linear boundaries.
        representation_function: `AgentCodes` of the agent.
        random_state: numpy RandomState, source of all draws.
        artifact_dir: not used.
        link: see `theory.latent_from_outputs`.
        weighted: see `theory.latent_from_outputs`.
        num_trials: number of trials, with latents that are uniform on the cube.

    Returns:
        The dictionary of `recovery_scores`, and
            ceiling: the R^2 of the mean of the evidence, which ideal answers imply.
            condition_number: that of the normals of the boundaries.

    Raises:
        ValueError: if the model is no agent; if boundaries are hyperbolas, reaction
            times are free, there are fewer tasks than dimensions, no noise or noise of
            another kind; or if an argument is out of range.
    """
    del artifact_dir
    trials, agent = agents.trials_and_agent(
        "closed_form_recovery", ground_truth_data, representation_function
    )
    checks.integer("closed_form_recovery.num_trials", num_trials, 1)
    for name, found, wanted in (
        ("boundaries", trials.boundaries != "hyperbolas", '"lines" or "random"'),
        ("mode", trials.mode == "fixed", '"fixed"'),
        ("noise_site", trials.noise_site == "input", '"input"'),
        ("noise", trials.noise == "gaussian", '"gaussian"'),
    ):
        if not found:
            raise ValueError(
                f"closed_form_recovery needs evidence_trials.{name} = {wanted}. "
                f"Received: {name}={getattr(trials, name)!r}"
            )
    latents = random_state.uniform(-0.5, 0.5, size=(num_trials, trials.dim))
    inputs = trial_states.noisy_inputs(trials, latents, random_state)
    estimates = theory.latent_from_outputs(
        agent.last_outputs(inputs),
        trials.normals,
        trials.offset_values,
        trials.sigma,
        trials.num_steps,
        link,
        weighted,
    )
    return {
        **recovery_scores(estimates, latents),
        "ceiling": theory.r2_ceiling(trials.sigma, trials.num_steps),
        "condition_number": theory.condition_number(trials.normals),
    }
