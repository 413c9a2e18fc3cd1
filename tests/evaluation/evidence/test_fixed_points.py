"""Maps against the layers, and fixed points that are known."""

import math

import keras
import numpy as np
import pytest

from dmt.evaluation.evidence import recurrent_map
from dmt.evaluation.evidence.fixed_points import fixed_points, starting_states
from dmt.evaluation.evidence.recurrent_map import RecurrentMap
from dmt.methods.evidence.recurrent import LSTM, LeakyRNN
from dmt.methods.evidence.transformer import CausalTransformer
from tests.helpers import evidence_agents

LAYERS = {
    "elman": lambda: LeakyRNN(5),
    "leaky": lambda: LeakyRNN(5, alpha=0.3),
    "integrating": lambda: LeakyRNN(5, alpha=0.3, leaky=False),
    "tanh": lambda: LeakyRNN(5, alpha=0.3, activation="tanh"),
    "lstm": lambda: LSTM(5),
}


@pytest.fixture(params=LAYERS, scope="module")
def layer(request):
    keras.utils.set_random_seed(1)
    layer = LAYERS[request.param]()
    layer.build((None, None, 3))
    return layer


def draw(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape)


def test_trajectories_are_those_of_the_layer(layer):
    features = draw(4, 6, 3)
    expected = keras.ops.convert_to_numpy(layer(features.astype("float32")))
    states = RecurrentMap(layer, np.zeros(3)).trajectories(features)
    np.testing.assert_allclose(states[..., :5], expected, atol=1e-5)


def test_map_is_a_step_at_constant_inputs(layer):
    features = draw(3)
    function = RecurrentMap(layer, features)
    states = function.trajectories(np.broadcast_to(features, (1, 6, 3)))[0]
    np.testing.assert_allclose(function(states[:-1]), states[1:])


def test_jacobians_are_finite_differences(layer):
    function = RecurrentMap(layer, draw(3))
    states = draw(4, function.size, seed=2)
    jacobians = function.jacobian(states)
    for j, shift in enumerate(1e-6 * np.eye(function.size)):
        found = (function(states + shift) - function(states - shift)) / 2e-6
        np.testing.assert_allclose(jacobians[:, :, j], found, atol=1e-8)
    vectors = draw(*states.shape, seed=3)
    np.testing.assert_allclose(
        function.pull_back(states, vectors),
        np.einsum("nij,ni->nj", jacobians, vectors),
        atol=1e-12,
    )


def rnn(matrix, bias, **settings):
    """The map of an RNN whose recurrent inputs are matrix @ state + bias."""
    layer = LeakyRNN(len(matrix), **settings)
    layer.build((None, None, 1))
    weights = np.zeros((1, len(matrix))), bias, np.transpose(matrix), 0 * bias
    layer.set_weights(weights)
    return RecurrentMap(layer, np.zeros(1))


@pytest.mark.parametrize("alpha", [1.0, 0.25])
def test_linear_network(alpha):
    matrix, bias = np.array([[0.5, -0.25], [0.25, 0.25]]), np.array([2.0, 1.0])
    function = rnn(matrix, bias, alpha=alpha)
    starts = np.random.RandomState(0).uniform(0, 6, size=(8, 2))
    found = fixed_points(function, starts, num_iterations=3000)
    assert found["num_points"] == 1
    point = np.linalg.solve(np.eye(2) - matrix, bias)
    np.testing.assert_allclose(found["points"], [point], atol=1e-3)
    assert found["speeds"][0] < 1e-6
    expected = alpha * (np.linalg.eigvals(matrix) - 1)
    order = np.argsort(-expected.real)
    for name in ("real", "imag"):
        long_name = {"real": "real", "imag": "imaginary"}[name]
        np.testing.assert_allclose(
            np.sort(found[f"eigenvalues_{long_name}"][0]),
            np.sort(getattr(expected[order], name)),
            atol=1e-6,
        )
    rates = np.abs(np.log(np.abs(1 + expected)))
    np.testing.assert_allclose(
        np.sort(found["amplifications"][0]), np.sort(alpha / rates), rtol=1e-4
    )


def test_line_attractor():
    function = rnn(np.full((2, 2), 0.5), np.zeros(2))
    starts = np.array([[0.0, 2.0], [3.0, 3.2], [6.0, 4.0], [5.0, 4.9]])
    found = fixed_points(function, starts, num_iterations=3000)
    # Two of the starts lead to nearly the same point.
    assert found["num_points"] == 3
    points = np.array(found["points"])
    np.testing.assert_allclose(points[:, 0], points[:, 1], atol=1e-3)
    np.testing.assert_allclose(found["median_eigenvalues"], [0, -1], atol=1e-6)
    np.testing.assert_allclose(found["eigenvalues_real"], [[0, -1]] * 3, atol=1e-6)
    for slow, fast in found["amplifications"]:
        assert slow > 1e6 and fast == pytest.approx(0, abs=0.1)


def test_three_points_of_a_tanh_unit():
    function = rnn(np.array([[2.0]]), np.zeros(1), activation="tanh")
    starts = np.array([[-0.9], [-0.05], [0.02], [0.8], [0.99]])
    found = fixed_points(function, starts, num_iterations=3000)
    points = np.ravel(found["points"])
    root = 0.9575040240772687
    np.testing.assert_allclose(points, [-root, 0, root], atol=1e-3)
    assert math.tanh(2 * root) == pytest.approx(root)
    slopes = 2 * (1 - np.square(points)) - 1
    np.testing.assert_allclose(np.ravel(found["eigenvalues_real"]), slopes, atol=1e-6)
    assert found["median_amplification"] == pytest.approx(
        1 / abs(math.log(2 * (1 - root**2))), rel=0.01
    )


def test_each_cluster_is_represented_by_its_slowest_point():
    function = rnn(np.zeros((1, 1)), np.zeros(1))
    found = fixed_points(function, [[0.4], [0.1], [0.8], [5.0]], num_iterations=1)
    np.testing.assert_allclose(found["points"], [[0.09], [4.99]], rtol=1e-6)
    np.testing.assert_allclose(found["speeds"], [0.09**2, 4.99**2], rtol=1e-5)


def test_starts():
    visited = np.abs(draw(50, 3))
    random_state = np.random.RandomState(0)
    relu = starting_states(rnn(np.eye(3), np.zeros(3)), visited, 200, random_state)
    assert relu.shape == (200, 3)
    assert relu.min() >= 0 and 6 < relu.max() < 6 + visited.max()
    tanh = rnn(np.eye(3), np.zeros(3), activation="tanh")
    within = starting_states(tanh, visited, 200, random_state)
    assert (visited.min(axis=0) <= within).all()
    assert (within <= visited.max(axis=0)).all()


@pytest.mark.parametrize(
    ("name", "values"),
    [("leaky", {}), ("lstm", {"mode": "free"}), ("lstm", {"noise_site": "features"})],
)
def test_agents(name, values):
    data, codes = evidence_agents.agent(LAYERS[name](), **values)
    settings = {"num_starts": 9, "num_iterations": 50, "num_trials": 20}
    scores = evidence_agents.score("fixed_points", data, codes, **settings)
    points = np.array(scores["points"])
    assert points.shape == (scores["num_points"], 10 if name == "lstm" else 5)
    # At a point, the network is as fast as the results say, without a stimulus.
    layer = recurrent_map.recurrent_layer(codes.agent.network)
    fixation = [] if values.get("mode") == "free" else [1.0]
    encoded = evidence_agents.encoded(codes, np.zeros((1, 2)))[0]
    function = RecurrentMap(layer, [*fixation, *encoded])
    speeds = np.square(function(points) - points).sum(axis=1)
    np.testing.assert_allclose(scores["speeds"], speeds, rtol=1e-3)


class Squared(LeakyRNN):
    """A user's network that extends one of the package."""

    def call(self, inputs):
        return keras.ops.square(super().call(inputs))


def test_other_networks_are_refused():
    with pytest.raises(ValueError, match="LeakyRNN or an LSTM. Received: Squared"):
        RecurrentMap(Squared(5), np.zeros(3))
    agent = evidence_agents.agent(CausalTransformer(8, 2))
    with pytest.raises(ValueError, match="@leaky_rnn or @lstm. Received: a network"):
        evidence_agents.score("fixed_points", *agent)
    with pytest.raises(ValueError, match="fixed_points analyses agents"):
        evidence_agents.score("fixed_points", None, None)


@pytest.mark.parametrize(
    ("starts", "settings", "message"),
    [
        (np.ones((2, 3)), {}, r"shape \(n, 2\).*Received: \(2, 3\)"),
        (np.ones(2), {}, r"starts must have shape.*\(2,\)"),
        (np.full((1, 2), np.inf), {}, "starts must be finite.*inf"),
        (np.ones((1, 2)), {"learning_rate": 0}, "fixed_points.learning_rate must be"),
        (np.ones((1, 2)), {"num_iterations": 0}, "fixed_points.num_iterations must"),
    ],
)
def test_wrong_arguments_are_refused(starts, settings, message):
    function = rnn(np.eye(2), np.zeros(2))
    with pytest.raises(ValueError, match=message):
        fixed_points(function, starts, **settings)
