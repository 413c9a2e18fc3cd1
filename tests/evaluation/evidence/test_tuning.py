"""Tuning of hand-made units, and the picture of it."""

import keras
import numpy as np
import pytest
from PIL import Image

from dmt.evaluation.evidence import tuning
from dmt.methods.evidence.recurrent import LeakyRNN
from dmt.methods.evidence.transformer import CausalTransformer
from tests.helpers import evidence_agents

VALUES = np.linspace(-0.5, 0.5, 5)
X1, X2 = np.meshgrid(VALUES, VALUES, indexing="ij")


def test_known_units():
    units = [X1, -3 * X2 + 7, X1 - X2, np.square(X1), 0 * X1, 0 * X1 + 0.1, X1 * X2]
    scores = tuning.unit_tuning(np.stack(units, axis=-1))
    np.testing.assert_allclose(
        scores["x1_correlation"], [1, 0, 1, 0, 0, 0, 0], atol=1e-12
    )
    np.testing.assert_allclose(
        scores["x2_correlation"], [0, -1, -1, 0, 0, 0, 0], atol=1e-12
    )


def test_correlations_are_those_of_averages():
    responses = np.random.RandomState(0).normal(size=(5, 5, 3))
    scores = tuning.unit_tuning(responses)
    for k in range(3):
        first = np.corrcoef(VALUES, responses[..., k].mean(axis=1))[0, 1]
        second = np.corrcoef(VALUES, responses[..., k].mean(axis=0))[0, 1]
        assert scores["x1_correlation"][k] == pytest.approx(first)
        assert scores["x2_correlation"][k] == pytest.approx(second)
    swapped = tuning.unit_tuning(1e-200 * responses.transpose(1, 0, 2))
    np.testing.assert_allclose(swapped["x1_correlation"], scores["x2_correlation"])


def test_rounding_of_constant_responses_is_no_tuning():
    responses = np.random.RandomState(0).choice(
        [np.float32(0.3), np.nextafter(np.float32(0.3), np.float32(1))], size=(5, 5, 1)
    )
    scores = tuning.unit_tuning(responses)
    assert scores == {"x1_correlation": [0.0], "x2_correlation": [0.0]}


@pytest.mark.parametrize(
    ("responses", "message"),
    [
        (np.ones((3, 4, 2)), r"responses must have shape.*\(3, 4, 2\)"),
        (np.ones((1, 1, 2)), r"at least 2.*\(1, 1, 2\)"),
        (np.ones((3, 3)), r"responses must have shape.*\(3, 3\)"),
        (np.full((3, 3, 1), np.nan), "responses must be finite.*nan"),
    ],
)
def test_wrong_arrays_are_refused(responses, message):
    with pytest.raises(ValueError, match=message):
        tuning.unit_tuning(responses)


def test_picture_has_x2_upwards(tmp_path):
    path = tmp_path / "maps.png"
    tuning.save_maps(X2[..., None], str(path))
    image = np.asarray(Image.open(path)).astype(int)
    column = image[:100, image.shape[1] // 2]
    # Viridis is yellow at its upper end, and has little blue there.
    colours = column[column.sum(axis=1) < 3 * 255]
    assert colours[0, 2] < 50 < colours[-1, 2]
    tuning.save_maps((X1 + X2)[..., None] * np.ones(30), str(path))
    assert Image.open(path).width > image.shape[1]


def test_agent_before_a_delay(tmp_path):
    data, codes = evidence_agents.agent(LeakyRNN(6), delay=2)
    scores = evidence_agents.score(
        "unit_tuning", data, codes, str(tmp_path / "artifacts"), grid_size=5
    )
    inputs = np.zeros((25, 5, 3), "float32")
    inputs[..., 0] = 1
    inputs[:, 1:, 1:] = np.stack([X1, X2], axis=-1).reshape(25, 1, 2)
    responses = codes.agent.states(inputs)[:, -1].reshape(5, 5, 6)
    expected = tuning.unit_tuning(responses)
    for name in ("x1_correlation", "x2_correlation"):
        np.testing.assert_allclose(scores[name], expected[name], atol=1e-4)
    assert (tmp_path / "artifacts" / "tuning_maps.png").stat().st_size


def test_units_of_transformers_are_values():
    layer = CausalTransformer(8, 2)
    data, codes = evidence_agents.agent(layer)
    # Values that are the first features: other parts of the layer do not matter.
    kernel = np.zeros((8, 24), "float32")
    kernel[:, 16:] = np.eye(8)
    layer.queries_keys_values.kernel.assign(kernel)
    scores = evidence_agents.score("unit_tuning", data, codes, grid_size=5)
    encoded = evidence_agents.encoded(codes, np.stack([X1, X2], axis=-1))
    features = np.insert(encoded, 0, 1, axis=-1)
    values = keras.ops.convert_to_numpy(layer.attention_norm(layer.embedding(features)))
    expected = tuning.unit_tuning(values)
    np.testing.assert_allclose(
        scores["x1_correlation"], expected["x1_correlation"], atol=1e-3
    )


def test_other_models_and_settings_are_refused():
    layer = LeakyRNN(6)
    agent = evidence_agents.agent(layer, dim=3, boundaries="random")
    with pytest.raises(ValueError, match="two latents.*Received: dim=3"):
        evidence_agents.score("unit_tuning", *agent)
    with pytest.raises(ValueError, match="unit_tuning.grid_size must be"):
        evidence_agents.score("unit_tuning", *agent, grid_size=1)
    with pytest.raises(ValueError, match="unit_tuning analyses agents"):
        evidence_agents.score("unit_tuning", None, None)
