"""Decoders of latents, the regions that they do not see, and angles."""

import json

import gin
import numpy as np
import pytest

from dmt.data.evidence.latents import EvidenceData
from dmt.data.evidence.trials import EvidenceTrials
from dmt.evaluation import evaluate  # noqa: F401 (registers the analyses)
from dmt.evaluation.evidence import decoding, theory
from dmt.evaluation.evidence.agents import AgentCodes
from dmt.methods.evidence.trained import TrainedAgent


class IdealAgent(TrainedAgent):
    """Answers as well as is possible; its states are a map of the evidence's mean."""

    def __init__(self, trials, state_map=lambda means: means, units=8):
        self._trials = trials
        self._map = state_map
        matrix = np.random.RandomState(0).normal(size=(units, trials.dim))
        self._directions = np.linalg.qr(matrix)[0].T

    def last_states(self, inputs):
        means = self._trials.evidence(inputs).mean(axis=1)
        return self._map(means) @ self._directions

    def last_outputs(self, inputs):
        trials = self._trials
        boundary = (trials.normals, trials.offset_values, trials.sigma)
        return theory.ideal_logits(trials.evidence(inputs), *boundary)[:, -1]


def score(name, trials, agent, bindings=(), **settings):
    with gin.unlock_config():
        gin.parse_config(bindings)
    function = gin.get_configurable(name)
    codes = AgentCodes(agent)
    found = function(EvidenceData(trials), codes, np.random.RandomState(0), **settings)
    return json.loads(json.dumps(found))


@pytest.fixture(autouse=True)
def cleared():
    yield
    gin.clear_config()


def test_regions():
    random_state = np.random.RandomState(0)
    everywhere = decoding.regions(2, "orthant", 4, random_state)
    assert sorted(map(tuple, everywhere)) == [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    halves = decoding.regions(3, "half", 6, random_state)
    assert np.abs(halves).sum(axis=1).tolist() == [1] * 6
    assert len({tuple(half) for half in halves}) == 6
    quarters = decoding.regions(5, "quarter", 30, random_state)
    assert quarters.shape == (30, 5)
    assert (np.abs(quarters).sum(axis=1) == 2).all()
    inside = decoding.in_region(np.array([[0.1, -0.2], [0.1, 0.2]]), [1, -1])
    assert inside.tolist() == [True, False]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((1, "half", 1), "no other half"),
        ((2, "third", 1), "'half'|half"),
        ((2, "half", 0), "number"),
    ],
)
def test_mistakes_in_regions(arguments, message):
    with pytest.raises(ValueError, match=message):
        decoding.regions(*arguments, np.random.RandomState(0))


def test_r2_is_relative_to_the_whole_cube():
    x = np.random.RandomState(0).uniform(-0.5, 0.5, size=(200_000, 2))
    for region in decoding.regions(2, "orthant", 4, np.random.RandomState(0)):
        inside = x[decoding.in_region(x, region)]
        zeros = np.zeros_like(inside)
        assert decoding.r2(zeros, inside) == pytest.approx(0, abs=0.01)
        assert decoding.r2(zeros + region / 4, inside) == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize("decoder", decoding.DECODERS)
def test_decoders_of_linear_states(decoder):
    random_state = np.random.RandomState(0)
    latents = random_state.uniform(-0.5, 0.5, size=(4000, 2))
    directions = random_state.normal(size=(2, 8))
    states = latents @ directions + 0.3
    rows = np.stack([random_state.permutation(4000) for _ in range(3)])
    weights, offsets = decoding.fit_decoders(
        states, latents, rows, decoder, np.random.RandomState(1)
    )
    estimates = states @ weights + offsets[:, None]
    assert (decoding.r2(estimates, latents) > 0.98).all()


def test_decoders_are_those_of_the_paper():
    """All at once, they are what one after the other would be, in Keras's Adam."""
    import keras

    random_state = np.random.RandomState(0)
    states = random_state.normal(size=(64, 3)).astype("float32")
    latents = random_state.uniform(-0.5, 0.5, size=(64, 2)).astype("float32")
    rows = np.stack([random_state.permutation(64) for _ in range(2)])
    weights, offsets = decoding.fit_decoders(
        states, latents, rows, "adam", np.random.RandomState(1)
    )
    start = np.random.RandomState(1).uniform(-(3**-0.5), 3**-0.5, size=(2, 4, 2))
    for k in range(2):
        layer = keras.layers.Dense(2)
        model = keras.Sequential([keras.Input((3,)), layer])
        layer.set_weights([start[k, :3], start[k, 3]])
        model.compile(keras.optimizers.Adam(3e-3, epsilon=1e-8), "mse")
        model.fit(
            states[rows[k]], latents[rows[k]], batch_size=16, shuffle=False, verbose=0
        )
        np.testing.assert_allclose(weights[k], layer.kernel, atol=2e-5)
        np.testing.assert_allclose(offsets[k], layer.bias, atol=2e-5)


def test_angles():
    weights = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 2.0]])
    np.testing.assert_allclose(
        decoding.decoder_angles(np.stack([weights, -3 * weights])),
        [[45, 90, 45], [45, 90, 45]],
        atol=1e-6,
    )


@pytest.mark.parametrize("dim, split", [(2, "orthant"), (4, "quarter")])
def test_linear_states_are_decoded_everywhere(dim, split):
    trials = EvidenceTrials(dim=dim, num_tasks=24, boundaries="random")
    agent = IdealAgent(trials)
    found = score("ood_decoding", trials, agent, ["latent_decoders.num_test = 2000"])
    assert found["split"] == split
    ceiling = theory.r2_ceiling(0.2, 20)
    assert found["id_r2"] == pytest.approx(ceiling, abs=0.01)
    assert found["ood_r2"] == pytest.approx(ceiling, abs=0.03)
    low, high = found["ood_r2_quartiles"]
    assert low <= found["ood_r2"] <= high
    regions = len(found["regions"])
    assert np.shape(found["ood_r2_values"]) == (regions, {2: 5, 4: 2}[dim])
    angles = score("decoder_angles", trials, agent)
    assert angles["angle"] == pytest.approx(90, abs=3)
    assert angles["cosine"] < angles["chance_cosine"]


def test_states_that_do_not_extrapolate():
    """A state that folds the plane is decoded in the cube's half at most."""
    trials = EvidenceTrials()
    agent = IdealAgent(trials, np.abs)
    lines = ['latent_decoders.decoder = "ridge"', 'latent_decoders.split = "half"']
    found = score("ood_decoding", trials, agent, lines)
    assert found["decoder"] == "ridge" and found["split"] == "half"
    assert found["ood_r2"] < 0 < found["id_r2"] + 0.05


def test_recovery_of_ideal_answers():
    trials = EvidenceTrials(num_tasks=6)
    found = score("closed_form_recovery", trials, IdealAgent(trials), link="probit")
    assert found["r2"] == pytest.approx(0.976, abs=0.002)
    assert found["scale"] == pytest.approx(0.976, abs=0.005)
    assert found["rescaled_r2"] >= found["r2"]
    assert found["condition_number"] == pytest.approx(1)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"num_tasks": 1}, "at least as many tasks as dimensions"),
        ({"sigma": 0.0}, "sigma must be a number above 0"),
        ({"boundaries": "hyperbolas"}, "evidence_trials.boundaries"),
        ({"mode": "free"}, "evidence_trials.mode"),
        ({"noise_site": "features"}, "evidence_trials.noise_site"),
        ({"noise": "ar1"}, "evidence_trials.noise "),
    ],
)
def test_recovery_that_is_impossible(values, message):
    trials = EvidenceTrials(**values)
    agent = IdealAgent(EvidenceTrials(num_tasks=trials.num_tasks))
    with pytest.raises(ValueError, match=message):
        score("closed_form_recovery", trials, agent)


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="ood_decoding analyses agents"):
        gin.get_configurable("ood_decoding")(None, None, np.random.RandomState(0))


@pytest.mark.parametrize("num_bins, kind", [(None, "f"), (4, "i")])
def test_latents_are_factors(num_bins, kind):
    data = EvidenceData(EvidenceTrials(sigma=0.0), num_bins)
    factors, inputs = data.sample(50, np.random.RandomState(0))
    assert factors.shape == (50, 2) and factors.dtype.kind == kind
    points = data.trials.evidence(inputs)[:, 0]
    if num_bins is not None:
        points = np.floor((points + 0.5) * num_bins)
    np.testing.assert_allclose(points, factors, atol=1e-6)
    assert data.continuous_factors == [num_bins is None] * 2
    assert inputs.shape[1:] == tuple(data.observation_shape)
