"""Lifetime sparseness in closed form."""

import gin
import numpy as np
import pytest

from dmt.evaluation.evidence.sparseness import lifetime_sparseness
from dmt.methods.evidence.recurrent import LeakyRNN
from tests.helpers import evidence_agents


def test_one_hot_constant_and_silent_units():
    responses = np.stack([[0, 0, 3.0, 0], [2.0] * 4, [0.0] * 4], axis=1)
    scores = lifetime_sparseness(responses)
    np.testing.assert_allclose(scores["sparseness"], [1, 0, 1], atol=1e-12)
    assert scores["mean_sparseness"] == pytest.approx(2 / 3)
    assert scores["silent_units"] == pytest.approx(1 / 3)
    assert scores["active_share"] == 5 / 12


@pytest.mark.parametrize("active", [1, 2, 5, 8])
def test_responses_to_some_of_eight_stimuli(active):
    responses = (np.arange(8) < active).astype(float)[:, None]
    scores = lifetime_sparseness(responses)
    assert scores["mean_sparseness"] == pytest.approx((1 - active / 8) / (1 - 1 / 8))
    assert scores["active_share"] == active / 8


def test_order_and_scale_change_nothing():
    responses = np.random.RandomState(0).gamma(0.3, size=(50, 3))
    scores = lifetime_sparseness(responses)
    assert all(0 < value < 1 for value in scores["sparseness"])
    other = lifetime_sparseness(responses[::-1] * [1e-200, 1.0, 1e150])
    np.testing.assert_allclose(other["sparseness"], scores["sparseness"])


def test_negative_responses_are_not_active():
    scores = lifetime_sparseness([[1.0], [-1.0]])
    assert scores["active_share"] == 0.5
    assert scores["mean_sparseness"] == pytest.approx(2)


@pytest.mark.parametrize(
    ("responses", "message"),
    [
        (np.ones((1, 3)), r"responses must have shape.*\(1, 3\)"),
        (np.ones(3), r"responses must have shape.*\(3,\)"),
        ([[1.0], [np.inf]], "responses must be finite.*inf"),
    ],
)
def test_wrong_arrays_are_refused(responses, message):
    with pytest.raises(ValueError, match=message):
        lifetime_sparseness(responses)


@pytest.mark.parametrize("values", [{"delay": 2}, {"mode": "free"}])
def test_agents_are_analysed_before_the_decision(values):
    # Bins of the latents, for metrics of discrete factors, change nothing.
    gin.bind_parameter("evidence.num_bins", 4)
    data, codes = evidence_agents.agent(LeakyRNN(6), **values)
    scores = evidence_agents.score("lifetime_sparseness", data, codes, num_trials=40)
    seed = int(np.random.RandomState(0).randint(2**32, dtype=np.uint64))
    latents = data.trials.latents(seed, 0, 40)
    inputs = np.zeros((40, data.trials.length, data.trials.num_inputs), "float32")
    data.trials.evidence(inputs)[:] = latents[:, None]
    if "delay" in values:
        inputs[:, :-1, 0] = 1
    states = codes.agent.states(inputs)[:, -2 if "delay" in values else -1]
    expected = lifetime_sparseness(states)
    np.testing.assert_allclose(scores["sparseness"], expected["sparseness"], rtol=1e-4)
    assert scores["active_share"] == expected["active_share"]


def test_wrong_settings_are_refused():
    agent = evidence_agents.agent(LeakyRNN(6))
    with pytest.raises(ValueError, match="lifetime_sparseness.num_trials must be"):
        evidence_agents.score("lifetime_sparseness", *agent, num_trials=1)
    with pytest.raises(ValueError, match="lifetime_sparseness analyses agents"):
        evidence_agents.score("lifetime_sparseness", None, None)
