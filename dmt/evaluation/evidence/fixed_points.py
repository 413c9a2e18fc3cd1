"""Fixed points of agents that hold evidence in memory.

Vafidis, Bhargava and Rangel, "Disentangling Representations through Multi-task
Learning" (ICLR 2025), found that recurrent agents learn a continuous attractor with one
dimension for each latent: while there is no stimulus, states at any of its points stay
there. The search for points where states are slow is that of Sussillo and Barak,
"Opening the black box" (Neural Computation, 2013).
"""

from typing import Any

import numpy as np

from dmt.data.evidence.trials import EvidenceTrials
from dmt.evaluation.evidence import agents, trial_states
from dmt.evaluation.evidence.adam import Adam
from dmt.evaluation.evidence.recurrent_map import RecurrentMap, recurrent_layer
from dmt.utils import checks, stages

# Points that are closer to each other are not distinct.
_DISTANCE = 0.5
# Of the noise that is added to states with ReLUs.
_LARGEST_NOISE = 6.0
_NUM_SLOW = 2


def fixed_points(
    function: RecurrentMap,
    starts: np.ndarray,
    learning_rate: float = 0.01,
    num_iterations: int = 10000,
) -> dict[str, Any]:
    """Points h where ||F(h) - h||^2 is smallest, and the dynamics of F near them.

    Adam descends the mean of ||F(h) - h||^2 over all starts. Points that a chain of
    points with steps of at most 0.5 connects count as one (DBSCAN), and are represented
    by the one with the lowest speed.

    Eigenvalues are those of the Jacobian of F(h) - h. An eigenvalue of 0 belongs to a
    direction in which states stay, and one of -1 to a direction in which they are at
    the point after a step. In a continuous attractor with k dimensions, k eigenvalues
    are about 0 at every point, and the others are inside the unit circle around -1.

    Args:
        function: F, for example a `RecurrentMap`.
        starts: (n, size), where searches begin.
        learning_rate: step size of Adam, above 0.
        num_iterations: number of steps of Adam, at least 1.

    Returns:
        Dictionary:
            num_points: number of distinct points.
            points: list (num_points, size), in the order of the starts.
            speeds: ||F(h) - h||^2 of each point, list (num_points,). A point is fixed
                if it is 0; a larger one says that the search found a slow point only.
            eigenvalues_real, eigenvalues_imaginary: lists (num_points, size), in
                descending order of the real parts.
            median_eigenvalues: medians over points of the real parts, list (size,).
            amplifications: A = alpha / |ln|1 + z|| of the first two eigenvalues z,
                list (num_points, 2): the time constant of the network in these
                directions, divided by that of a unit. It is infinite where states stay.
            median_amplification: their median.

    Raises:
        ValueError: if the shape of the starts does not fit, if they are not finite, or
            if a setting is out of range.
    """
    checks.number("fixed_points.learning_rate", learning_rate, above=0)
    checks.integer("fixed_points.num_iterations", num_iterations, 1)
    starts = trial_states.check_table("starts", starts, rows=1)
    if starts.shape[1] != function.size:
        raise ValueError(
            f"starts must have shape (n, {function.size}), as states have "
            f"{function.size} components. Received: {starts.shape}"
        )
    points = _slow_points(function, starts, learning_rate, num_iterations)
    points = points[_distinct(points, _speeds(function, points))]
    jacobians = function.jacobian(points) - np.eye(function.size)
    unsorted = np.linalg.eigvals(jacobians).astype(np.complex128)
    order = np.argsort(-unsorted.real, axis=1, kind="stable")
    values = np.take_along_axis(unsorted, order, axis=1)
    with np.errstate(divide="ignore"):
        rates = np.abs(np.log(np.abs(1 + values[:, :_NUM_SLOW])))
        amplifications = function.alpha / rates
    return {
        "num_points": len(points),
        "points": points.tolist(),
        "speeds": _speeds(function, points).tolist(),
        "eigenvalues_real": values.real.tolist(),
        "eigenvalues_imaginary": values.imag.tolist(),
        "median_eigenvalues": np.median(values.real, axis=0).tolist(),
        "amplifications": amplifications.tolist(),
        "median_amplification": float(np.median(amplifications)),
    }


def starting_states(
    function: RecurrentMap, visited: np.ndarray, num: int, random_state
) -> np.ndarray:
    """Where searches for fixed points begin.

    With ReLUs, they are random visited states with noise from U[0, 6] in each unit.
    This noise would leave the range of tanh units and of LSTM units. There, they are
    the means of a random visited state and of a random point in the box of all visited
    states.

    Args:
        function: the `RecurrentMap`.
        visited: (n, size), states in trials.
        num: number of starts.
        random_state: a `numpy.random.RandomState`.

    Returns:
        float64 array (num, size).
    """
    chosen = visited[random_state.randint(len(visited), size=num)]
    if function.is_unbounded:
        return chosen + random_state.uniform(0, _LARGEST_NOISE, size=chosen.shape)
    low, high = visited.min(axis=0), visited.max(axis=0)
    return (chosen + random_state.uniform(low, high, size=chosen.shape)) / 2


def _slow_points(function, points, learning_rate, num_iterations):
    """Minimises the mean of ||F(h) - h||^2 over points (n, size) with Adam."""
    points = points.copy()
    optimizer = Adam(learning_rate, points)
    for _ in range(num_iterations):
        change = function(points) - points
        gradient = function.pull_back(points, change) - change
        optimizer.step(gradient * (2 / len(points)))
    return points


def _speeds(function, points):
    return np.square(function(points) - points).sum(axis=1)


def _distinct(points, speeds):
    """Indices of the slowest point of each cluster."""
    from sklearn.cluster import DBSCAN

    labels = DBSCAN(eps=_DISTANCE, min_samples=1).fit_predict(points)
    order = np.argsort(speeds, kind="stable")
    _, first = np.unique(labels[order], return_index=True)
    return np.sort(order[first])


@stages.configurable("fixed_points", "evaluation", denylist=trial_states.CALLER)
def compute_fixed_points(
    ground_truth_data,
    representation_function,
    random_state,
    artifact_dir=None,
    num_starts=128,
    learning_rate=0.01,
    num_iterations=10000,
    num_trials=1000,
):
    """`fixed_points` of a recurrent agent whose stimulus is 0, before the decision.

    The fixation channel is 1, if there is one. Searches begin near states that are
    visited in random trials (`starting_states`).

    Args:
        ground_truth_data: the trials, an `EvidenceData`.
        representation_function: the agent, an `AgentCodes`, with the network
            `LeakyRNN` or `LSTM`.
        random_state: a `numpy.random.RandomState`.
        artifact_dir: not used.
        num_starts: number of searches, in [1, 10000].
        learning_rate: see `fixed_points`.
        num_iterations: see `fixed_points`.
        num_trials: number of trials, at least 1.

    Raises:
        ValueError: if there is another kind of model or network, or a setting is out of
            range.
    """
    del artifact_dir
    trials, agent = agents.trials_and_agent(
        "fixed_points", ground_truth_data, representation_function
    )
    checks.integer("fixed_points.num_starts", num_starts, 1, 10000)
    checks.integer("fixed_points.num_trials", num_trials, 1)
    layer = recurrent_layer(agent.network)
    features_of = trial_states.input_function(agent, layer)
    function = RecurrentMap(layer, features_of(_clamped(trials))[0, 0])
    _, inputs = trial_states.random_trials(trials, num_trials, random_state)
    visited = function.trajectories(features_of(inputs)).reshape(-1, function.size)
    starts = starting_states(function, visited, num_starts, random_state)
    return fixed_points(function, starts, learning_rate, num_iterations)


def _clamped(trials: EvidenceTrials) -> np.ndarray:
    """Inputs (1, 1, num_inputs) of a step of fixation without a stimulus."""
    inputs = np.zeros((1, 1, trials.num_inputs), dtype=np.float32)
    if trials.mode == "fixed":
        inputs[..., 0] = 1
    return inputs
