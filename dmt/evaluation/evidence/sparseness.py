"""How selective the units of an agent are.

Lifetime sparseness is that of Vinje and Gallant, "Sparse coding and decorrelation in
primary visual cortex during natural vision" (Science, 2000). Vafidis, Bhargava and
Rangel, "Disentangling Representations through Multi-task Learning" (ICLR 2025), found
sparse states in agents that are trained without any penalty on their activity.
"""

from typing import Any

import numpy as np

from dmt.evaluation.evidence import agents, trial_states
from dmt.utils import checks, stages


def lifetime_sparseness(responses: np.ndarray) -> dict[str, Any]:
    """Lifetime sparseness S = (1 - mean(r)^2 / mean(r^2)) / (1 - 1/m) of each unit.

    The means are over m stimuli. S is 0 if a unit responds to all stimuli in the same
    way, and 1 if it responds to one only. Of responses with both signs, S can be up to
    1 / (1 - 1/m).

    Args:
        responses: (m, units), m at least 2.

    Returns:
        Dictionary:
            sparseness: S of each unit, list (units,); 1 for silent units, whose
                responses are all 0.
            mean_sparseness: its mean.
            silent_units: share of silent units, in [0, 1].
            active_share: share of responses above 0, in [0, 1].

    Raises:
        ValueError: if the shape does not fit, or if numbers are not finite.
    """
    responses = trial_states.check_table("responses", responses, rows=2)
    # S does not depend on the scale, but squares of small responses would be 0.
    scales = np.abs(responses).max(axis=0)
    is_silent = scales == 0
    scaled = responses / np.where(is_silent, 1.0, scales)
    power = np.where(is_silent, 1.0, np.square(scaled).mean(axis=0))
    # Rounding may take responses that are all the same below 0.
    spread = np.maximum(1 - np.square(scaled.mean(axis=0)) / power, 0)
    sparseness = np.where(is_silent, 1.0, spread / (1 - 1 / len(responses)))
    return {
        "sparseness": sparseness.tolist(),
        "mean_sparseness": float(sparseness.mean()),
        "silent_units": float(is_silent.mean()),
        "active_share": float((responses > 0).mean()),
    }


@stages.configurable("lifetime_sparseness", "evaluation", denylist=trial_states.CALLER)
def compute_lifetime_sparseness(
    ground_truth_data,
    representation_function,
    random_state,
    artifact_dir=None,
    num_trials=1000,
):
    """`lifetime_sparseness` of an agent's states at the step before the decision.

    Trials are random and noise-free. With free reaction times, there is no step of
    decision, and the states are those at the last step.

    Args:
        ground_truth_data: the trials, an `EvidenceData`.
        representation_function: the agent, an `AgentCodes`.
        random_state: a `numpy.random.RandomState`.
        artifact_dir: not used.
        num_trials: number of trials, at least 2.

    Raises:
        ValueError: if there is another kind of model, or a setting is out of range.
    """
    del artifact_dir
    trials, agent = agents.trials_and_agent(
        "lifetime_sparseness", ground_truth_data, representation_function
    )
    checks.integer("lifetime_sparseness.num_trials", num_trials, 2)
    _, inputs = trial_states.noise_free_trials(trials, num_trials, random_state)
    step = trial_states.step_before_decision(trials)
    return lifetime_sparseness(agent.states(inputs)[:, step])
