"""Tuning of the units of an agent to two latents.

Vafidis, Bhargava and Rangel, "Disentangling Representations through Multi-task
Learning" (ICLR 2025), https://arxiv.org/abs/2407.11249.
"""

import os
from typing import Any

import numpy as np

from dmt.evaluation.evidence import agents, trial_states
from dmt.methods.evidence.transformer import CausalTransformer
from dmt.utils import checks, pictures, stages
from dmt.utils.compilation import compiled

# Relative to a unit's largest response, float32 does not resolve smaller differences.
_RESOLUTION = 1e-6


def unit_tuning(responses: np.ndarray) -> dict[str, Any]:
    """Correlation of the responses of each unit with each of two latents.

    Args:
        responses: (g, g, units), g at least 2. Entry [i, j] is the response to the
            i-th of g evenly spaced, ascending values of x1 and the j-th of x2.

    Returns:
        Dictionary:
            x1_correlation: list (units,) in [-1, 1], correlation of the mean over x2 of
                a unit's responses with x1. It is 0 if this mean does not depend on x1,
                as in silent units.
            x2_correlation: the same of the mean over x1 with x2.

    Raises:
        ValueError: if the shape does not fit, or if numbers are not finite.
    """
    responses = _checked(responses)
    scales = np.abs(responses).max(axis=(0, 1))
    values = np.arange(len(responses), dtype=np.float64)
    return {
        "x1_correlation": _correlations(values, responses.mean(axis=1), scales),
        "x2_correlation": _correlations(values, responses.mean(axis=0), scales),
    }


def _checked(responses):
    responses = np.asarray(responses, dtype=np.float64)
    shape = responses.shape
    if len(shape) != 3 or shape[0] != shape[1] or shape[0] < 2 or not shape[2]:
        raise ValueError(
            "responses must have shape (g, g, units) with g at least 2 and at least 1 "
            f"unit. Received: {shape}"
        )
    trial_states.check_finite("responses", responses)
    return responses


def _correlations(values, curves, scales):
    """Correlations of values (g,) with curves (g, units), 0 for flat curves."""
    values = values - values.mean()
    centred = curves - curves.mean(axis=0)
    is_flat = np.abs(centred).max(axis=0) <= _RESOLUTION * scales
    # Squares of small responses would be 0.
    centred = centred / np.where(is_flat, 1.0, scales)
    norms = np.linalg.norm(values) * np.linalg.norm(centred, axis=0)
    correlations = values @ centred / np.where(is_flat, 1.0, norms)
    return np.where(is_flat, 0.0, np.clip(correlations, -1, 1)).tolist()


def save_maps(responses: np.ndarray, path: str) -> None:
    """Writes a picture of the responses of all units to x1 and x2.

    In the map of a unit, x1 rises to the right and x2 upwards. Colours range from the
    lowest to the highest response of the unit, and silent units are dark.

    Args:
        responses: as for `unit_tuning`.
        path: PNG file.
    """
    import matplotlib

    responses = _checked(responses)
    scores = unit_tuning(responses)
    low = responses.min(axis=(0, 1))
    extent = np.ptp(responses, axis=(0, 1))
    shares = (responses - low) / np.where(extent > 0, extent, 1.0)
    # The first row of an image is the top.
    images = shares.transpose(2, 1, 0)[:, ::-1]
    correlations = zip(scores["x1_correlation"], scores["x2_correlation"], strict=True)
    labels = [
        f"unit {k}\nx1 {first:+.2f}  x2 {second:+.2f}"
        for k, (first, second) in enumerate(correlations)
    ]
    colours = matplotlib.colormaps["viridis"](images)[..., :3]
    pictures.save_image(pictures.labelled_tiles(colours, labels), path)


@stages.configurable("unit_tuning", "evaluation", denylist=trial_states.CALLER)
def compute_unit_tuning(
    ground_truth_data,
    representation_function,
    random_state,
    artifact_dir=None,
    grid_size=8,
):
    """`unit_tuning` of an agent at the last step of the stimulus of noise-free trials.

    Units are those of the states; for `CausalTransformer`, they are the values of its
    attention (heads times size of a head). With an `artifact_dir`, and if matplotlib is
    installed, `tuning_maps.png` shows the responses.

    Args:
        ground_truth_data: the trials, an `EvidenceData` with two latents.
        representation_function: the agent, an `AgentCodes`.
        random_state: not used.
        artifact_dir: directory for the picture, None for no picture.
        grid_size: number of values of each latent, in [2, 100].

    Raises:
        ValueError: if there is another kind of model or another number of latents, or
            a setting is out of range.
    """
    del random_state
    trials, agent = agents.trials_and_agent(
        "unit_tuning", ground_truth_data, representation_function
    )
    checks.integer("unit_tuning.grid_size", grid_size, 2, 100)
    if trials.dim != 2:
        raise ValueError(
            "unit_tuning analyses agents of trials with two latents, "
            f"evidence_trials.dim = 2. Received: dim={trials.dim}"
        )
    inputs = trial_states.grid_inputs(trials, grid_size)
    step = trial_states.last_stimulus_step(trials)
    units = _units_of(agent)(inputs)[:, step]
    responses = units.reshape(grid_size, grid_size, -1)
    if artifact_dir is not None and _has_matplotlib():
        os.makedirs(artifact_dir, exist_ok=True)
        save_maps(responses, os.path.join(artifact_dir, "tuning_maps.png"))
    return unit_tuning(responses)


def _units_of(agent):
    """Function from trials to the activity (n, steps, units) of the agent's units."""
    found = (x for x in agent.network.layers if isinstance(x, CausalTransformer))
    layer = next(found, None)
    if layer is None:
        return agent.states
    features_of = trial_states.input_function(agent, layer)

    def values(features):
        embedded = layer.attention_norm(layer.embedding(features))
        return layer.queries_keys_values(embedded)[..., 2 * layer.units :]

    values_of = compiled(values)
    return lambda trials: values_of(features_of(trials))


def _has_matplotlib():
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True
