"""States of agents in noise-free trials, and linear decoders of states."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from dmt.data.evidence.trials import EvidenceTrials
from dmt.methods.evidence.trained import TrainedAgent
from dmt.utils.compilation import compiled

# What the analyses get from their caller, and gin cannot bind.
CALLER = [
    "ground_truth_data",
    "representation_function",
    "random_state",
    "artifact_dir",
]


def random_trials(
    trials: EvidenceTrials, num: int, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draws trials with noise.

    Args:
        trials: the trials.
        num: number of trials, n.
        random_state: source of the seed.

    Returns:
        Latents, float32 (n, dim), and inputs, float32 (n, length, num_inputs).
    """
    seed = int(random_state.randint(2**32, dtype=np.uint64))
    latents = trials.latents(seed, 0, num)
    return latents, trials.of_latents(latents, seed, 0)[0]


def noise_free_inputs(trials: EvidenceTrials, latents: np.ndarray) -> np.ndarray:
    """Inputs of trials without noise, float32 (n, length, num_inputs).

    Args:
        trials: the trials.
        latents: (n, dim) in [-0.5, 0.5].
    """
    quiet = dataclasses.replace(trials, sigma=0.0)
    return quiet.of_latents(latents.astype(np.float32), 0, 0)[0]


def last_stimulus_step(trials: EvidenceTrials) -> int:
    """Index of the last step of the stimulus."""
    return trials.fixation_steps + trials.num_steps - 1


def step_before_decision(trials: EvidenceTrials) -> int:
    """Index of the step before the decision; of the last step if there is none.

    Trials with free reaction times have no step of decision.
    """
    return trials.length - (2 if trials.mode == "fixed" else 1)


def input_function(
    agent: TrainedAgent, layer: keras.layers.Layer
) -> Callable[[np.ndarray], np.ndarray]:
    """Function from trials to what a layer of an agent's network gets of them.

    Args:
        agent: the agent.
        layer: a layer of `agent.network`.

    Returns:
        Function of an array (n, steps, channels), as in batches of the trials, to an
        array (n, steps, features).
    """
    model = keras.Model(agent.network.input, layer.input)
    return compiled(lambda trials: model(trials, training=False))


def least_squares_decoder(
    states: np.ndarray, latents: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The linear decoder of latents with the smallest mean squared error.

    Args:
        states: (n, units).
        latents: (n, dim).

    Returns:
        Directions W, float64 (units, dim), and intercepts w, float64 (dim,), of the
        decoder states @ W + w. Of several solutions it is the one with the smallest
        directions, so that silent units have none.
    """
    states = np.asarray(states, dtype=np.float64)
    latents = np.asarray(latents, dtype=np.float64)
    means, mean_latents = states.mean(axis=0), latents.mean(axis=0)
    directions, *_ = np.linalg.lstsq(states - means, latents - mean_latents)
    return directions, mean_latents - means @ directions


def check_table(name: str, array: np.ndarray, rows: int) -> np.ndarray:
    """Returns an array (n, units) in float64, if it is one.

    Args:
        name: name of the argument.
        array: the argument.
        rows: smallest n.

    Raises:
        ValueError: if it has another shape, or holds numbers that are not finite.
    """
    array = np.asarray(array, dtype=np.float64)
    if array.ndim != 2 or len(array) < rows or not array.shape[1]:
        raise ValueError(
            f"{name} must have shape (n, units) with at least {rows} rows and 1 unit. "
            f"Received: {array.shape}"
        )
    check_finite(name, array)
    return array


def check_finite(name: str, array: np.ndarray) -> None:
    """Raises ValueError if an array holds numbers that are not finite."""
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite numbers. Received: {array[~np.isfinite(array)][0]}"
        )
