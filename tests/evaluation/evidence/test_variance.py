"""Variance of states, in closed form and under transformations."""

import numpy as np
import pytest
from scipy import stats

from dmt.evaluation.evidence import trial_states
from dmt.evaluation.evidence.variance import state_variance
from dmt.methods.evidence.recurrent import LeakyRNN
from tests.helpers import evidence_agents


def draw(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape)


def test_independent_units_of_known_variance():
    states = np.repeat(np.eye(3), 2, axis=0) * np.array([1, -1] * 3)[:, None]
    states = states @ np.diag([3.0, 2.0, 1.0])
    scores = state_variance(states, np.eye(3)[:, :2])
    np.testing.assert_allclose(
        scores["explained_variance_ratio"], [9 / 14, 4 / 14, 1 / 14]
    )
    assert scores["latent_variance"] == pytest.approx(13 / 14)
    assert scores["participation_ratio"] == pytest.approx(14**2 / (81 + 16 + 1))


def test_linear_states_have_as_many_dimensions_as_latents():
    latents = draw(200, 2)
    mixing = draw(2, 7, seed=1)
    scores = state_variance(latents @ mixing + 5, mixing.T)
    assert scores["latent_variance"] == pytest.approx(1)
    assert sum(scores["explained_variance_ratio"][:2]) == pytest.approx(1)
    assert 1 < scores["participation_ratio"] <= 2 + 1e-9
    other = state_variance(latents @ mixing, draw(7, 2, seed=2))
    assert other["latent_variance"] < 0.9


def test_shifts_rotations_and_scales_change_nothing():
    states, directions = draw(100, 5) @ draw(5, 5, seed=1), draw(5, 2, seed=2)
    rotation = stats.ortho_group.rvs(5, random_state=0)
    first = state_variance(states, directions)
    # Other directions with the same span.
    mixed = rotation.T @ directions @ [[2.0, 1.0], [0.0, 3.0]]
    second = state_variance(7 * states @ rotation + 3, mixed)
    for name, value in first.items():
        np.testing.assert_allclose(second[name], value)


def test_directions_may_be_dependent_or_zero():
    states, direction = draw(50, 4), draw(4, 1, seed=1)
    one = state_variance(states, direction)["latent_variance"]
    twice = np.concatenate([direction, 2 * direction], axis=1)
    assert state_variance(states, twice)["latent_variance"] == pytest.approx(one)
    assert state_variance(states, np.zeros((4, 2)))["latent_variance"] == 0


@pytest.mark.parametrize(
    ("states", "directions", "message"),
    [
        (np.ones((1, 3)), np.ones((3, 2)), r"states must have shape.*\(1, 3\)"),
        (np.ones((4, 3)), np.ones((3, 2)), "must differ. Received: 4 times"),
        (draw(4, 3), np.ones((2, 2)), r"shape \(3, dim\).*Received: \(2, 2\)"),
        (draw(4, 3), np.ones(3), r"directions must have shape.*\(3,\)"),
        (np.full((4, 3), np.nan), np.ones((3, 2)), "states must be finite.*nan"),
    ],
)
def test_wrong_arrays_are_refused(states, directions, message):
    with pytest.raises(ValueError, match=message):
        state_variance(states, directions)


def test_fit_is_exact_and_gives_constant_inputs_no_weight():
    states, weights = draw(50, 4), draw(4, 2, seed=1)
    states[:, 2] = 0
    found, intercepts = trial_states.linear_fit(states, states @ weights + [1, -2])
    np.testing.assert_allclose(np.delete(found, 2, 0), np.delete(weights, 2, 0))
    np.testing.assert_allclose(found[2], 0)
    np.testing.assert_allclose(intercepts, [1, -2])


@pytest.mark.parametrize("values", [{}, {"noise_site": "features"}])
def test_agents(values):
    agent = evidence_agents.agent(LeakyRNN(6), **values)
    scores = evidence_agents.score("state_variance", *agent, num_trials=30)
    assert len(scores["explained_variance_ratio"]) == 6
    assert 0 <= scores["latent_variance"] <= 1
    assert 1 <= scores["participation_ratio"] <= 6


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="state_variance analyses agents"):
        evidence_agents.score("state_variance", None, None)
