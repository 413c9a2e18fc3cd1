"""Trials and layers that analyses of agents look at."""

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
    seed = _seed(random_state)
    latents = trials.latents(seed, 0, num)
    return latents, trials.of_latents(latents, seed, 0)[0]


def _seed(random_state):
    return int(random_state.randint(2**32, dtype=np.uint64))


def noisy_inputs(
    trials: EvidenceTrials, latents: np.ndarray, random_state: np.random.RandomState
) -> np.ndarray:
    """Inputs of trials with noise, float32 (n, length, num_inputs).

    Args:
        trials: the trials.
        latents: (n, dim) in [-0.5, 0.5].
        random_state: source of the seed.
    """
    seed = int(random_state.randint(2**31))
    return trials.of_latents(latents.astype(np.float32), seed, 0)[0]


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


def grid_inputs(trials: EvidenceTrials, size: int) -> np.ndarray:
    """Inputs of noise-free trials whose two latents are those of a grid.

    Args:
        trials: the trials, with two latents.
        size: number of evenly spaced values of each latent.

    Returns:
        float32 array (size * size, length, num_inputs). Latent x2 changes fastest.
    """
    values = np.linspace(-0.5, 0.5, size)
    grid = np.stack(np.meshgrid(values, values, indexing="ij"), axis=-1)
    return noise_free_inputs(trials, grid.reshape(-1, 2))


def noise_free_trials(
    trials: EvidenceTrials, num: int, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draws trials without noise.

    Arguments and results are those of `random_trials`, whose latents these have.
    """
    latents = trials.latents(_seed(random_state), 0, num)
    return latents, noise_free_inputs(trials, latents)


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


def linear_fit(
    inputs: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The linear function with the smallest mean squared error.

    Args:
        inputs: (n, size).
        targets: (n, dim).

    Returns:
        Coefficients W, float64 (size, dim), and intercepts w, float64 (dim,), of the
        function inputs @ W + w. Of several solutions it is the one with the smallest
        coefficients.
    """
    inputs = np.asarray(inputs, dtype=np.float64)
    targets = np.asarray(targets, dtype=np.float64)
    mean_inputs, mean_targets = inputs.mean(axis=0), targets.mean(axis=0)
    coefficients, *_ = np.linalg.lstsq(inputs - mean_inputs, targets - mean_targets)
    return coefficients, mean_targets - mean_inputs @ coefficients


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
