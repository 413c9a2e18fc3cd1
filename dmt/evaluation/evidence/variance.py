"""How many dimensions the states of an agent have, and how much of them latents are.

Vafidis, Bhargava and Rangel, "Disentangling Representations through Multi-task
Learning" (ICLR 2025), https://arxiv.org/abs/2407.11249. States of agents that solve
enough tasks are expected to have one principal component for each latent.
"""

from typing import Any

import numpy as np
from scipy import linalg

from dmt.evaluation.evidence import agents, trial_states
from dmt.utils import checks, stages


def state_variance(states: np.ndarray, directions: np.ndarray) -> dict[str, Any]:
    """Variance of states along principal components and along latents.

    Args:
        states: (n, units), n at least 2, of noise-free trials.
        directions: (units, dim), for example those in which latents move states.

    Returns:
        Dictionary:
            explained_variance_ratio: share of the variance of each principal component,
                in descending order; a list of min(n, units) numbers with the sum 1.
            latent_variance: share of the variance in the span of the directions, in
                [0, 1]. The directions are orthogonalised for it.
            participation_ratio: (sum of variances)^2 / (sum of squared variances) of
                the principal components, from 1 to units: the number of dimensions
                if all have the same variance.

    Raises:
        ValueError: if shapes do not fit, if numbers are not finite, or if all states
            are the same.
    """
    from sklearn.decomposition import PCA

    states = trial_states.check_table("states", states, rows=2)
    directions = trial_states.check_table("directions", directions, rows=1)
    if len(directions) != states.shape[1]:
        raise ValueError(
            f"directions must have shape ({states.shape[1]}, dim), as states have "
            f"{states.shape[1]} units. Received: {directions.shape}"
        )
    centred = states - states.mean(axis=0)
    if not np.ptp(states, axis=0).any():
        raise ValueError(
            "The states of different trials must differ. Received: "
            f"{len(states)} times the same state"
        )
    ratios = PCA(svd_solver="full").fit(centred).explained_variance_ratio_
    projected = centred @ linalg.orth(directions)
    share = np.square(projected).sum() / np.square(centred).sum()
    return {
        "explained_variance_ratio": ratios.tolist(),
        # Rounding may take it above 1.
        "latent_variance": min(float(share), 1.0),
        "participation_ratio": float(ratios.sum() ** 2 / np.square(ratios).sum()),
    }


@stages.configurable("state_variance", "evaluation", denylist=trial_states.CALLER)
def compute_state_variance(
    ground_truth_data,
    representation_function,
    random_state,
    artifact_dir=None,
    num_trials=1000,
):
    """`state_variance` of the states of an agent after the last step of random trials.

    The directions are those in which latents move states: the coefficients of a
    least-squares fit of the states on the latents. (The weights of decoders would be
    another choice. They may read latents from small differences between units, and
    the share of the variance along them is then low, however well they do.)

    Args:
        ground_truth_data: the trials, an `EvidenceData`.
        representation_function: the agent, an `AgentCodes`.
        random_state: a `numpy.random.RandomState`.
        artifact_dir: not used.
        num_trials: number of noise-free trials, at least 2.

    Raises:
        ValueError: if there is another kind of model, or the setting is out of range.
    """
    del artifact_dir
    trials, agent = agents.trials_and_agent(
        "state_variance", ground_truth_data, representation_function
    )
    checks.integer("state_variance.num_trials", num_trials, 2)
    latents, inputs = trial_states.noise_free_trials(trials, num_trials, random_state)
    states = agent.last_states(inputs)
    return state_variance(states, trial_states.linear_fit(latents, states)[0].T)
