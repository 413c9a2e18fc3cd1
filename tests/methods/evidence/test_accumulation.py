"""The model, trained on a stub of trials."""

import keras
import numpy as np
import pytest

from dmt.methods.evidence import trained
from dmt.methods.evidence.accumulation import EvidenceAccumulation
from dmt.methods.evidence.encoder import RandomEncoder
from dmt.methods.evidence.recurrent import LeakyRNN
from dmt.methods.population.train_population import train_population_with_gin
from dmt.methods.train import train_with_gin
from tests.helpers.runs import ROOT, bindings, history, results

MODULE = '''
import gin
import keras
import numpy as np
from keras import ops

from dmt.data import pipeline

gin.external_configurable(keras.layers.GRU, "GRU")
BOUNDARIES = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])


@gin.register("stub_trials")
class Trials(pipeline.Examples):
    """A fixation step, three steps of evidence, and a decision."""

    bound = 5.0

    def __init__(self, sigma=0.2, mode="fixed", num_features=0):
        self.sigma = sigma
        self.mode = mode
        self.num_features = num_features
        self.noise_site = "features" if num_features else "input"

    def load_batch(self, seed, step, batch_size):
        random_state = np.random.RandomState(np.random.SFC64([seed, step]))
        points = random_state.uniform(-0.5, 0.5, size=(batch_size, 1, 2))
        noise = random_state.normal(size=(batch_size, 5, 2))
        evidence = points + self.sigma * noise
        targets = np.cumsum(evidence @ BOUNDARIES.T, axis=1)
        if self.mode == "fixed":
            evidence[:, [0, -1]] = 0
            fixation = np.ones((batch_size, 5, 1))
            fixation[:, -1] = 0
            evidence = np.concatenate([fixation, evidence], axis=2)
            targets = np.full_like(targets, 0.5)
            targets[:, -1] = points[:, 0] @ BOUNDARIES.T > 0
        more = random_state.normal(size=(batch_size, 5, self.num_features))
        inputs = np.concatenate([evidence, more], axis=2)
        return inputs.astype("float32"), targets.astype("float32")


@keras.saving.register_keras_serializable("stub")
class Cell(keras.layers.Layer):
    """A cell of a user."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1] + self.units, self.units))

    def call(self, inputs, states):
        both = ops.concatenate([inputs, states[0]], axis=-1)
        state = ops.tanh(ops.matmul(both, self.kernel))
        return state, [state]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@gin.register("own_network")
def own_network(units):
    return keras.layers.RNN(Cell(units), return_sequences=True)
'''
SETTINGS = {
    "model.model": "@evidence_accumulation()",
    "evidence_accumulation.trials": "@stub_trials()",
    "evidence_accumulation.network_fn": "@leaky_rnn",
    "evidence_accumulation.encoder_fn": "@random_encoder",
    "random_encoder.sizes": "[10, 8]",
    "leaky_rnn.units": "6",
    "model.training_steps": "4",
    "model.log_steps": "2",
    "model.checkpoint_seconds": "0.0",
    "model.eval_steps": "2",
    "model.batch_size": "8",
    "model.random_seed": "0",
}
OWN = {"evidence_accumulation__network_fn": "@own_network", "own_network__units": "6"}
GRU = {
    "evidence_accumulation__network_fn": "@GRU",
    "GRU__units": "6",
    "GRU__return_sequences": "True",
}


@pytest.fixture(scope="module", autouse=True)
def trials(tmp_path_factory):
    """The stub's module, which this process and others import."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "stub_evidence.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", f"{folder}:{ROOT}")
        import stub_evidence

        yield stub_evidence.Trials


def lines(**changes):
    return ["import stub_evidence", *bindings(SETTINGS, **changes)]


def checkpoint(model_dir):
    with np.load(model_dir / "tf_checkpoint" / "checkpoint.npz") as values:
        return {name: values[name] for name in values.files}


def initialized(trials, network_fn=LeakyRNN, seed=0, **arguments):
    model = EvidenceAccumulation(
        trials, network_fn, lambda: RandomEncoder((10, 8)), **arguments
    )
    model.initialize(model.open_data(), seed)
    return model


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.fixture(scope="module")
def trained_dir(tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("trained") / "model"
    train_with_gin(model_dir, gin_bindings=lines())
    return model_dir


def test_model_trains_and_reports(trained_dir):
    found = results(trained_dir)
    assert set(found) == {"loss", "decision_loss", "task_accuracy", "global_step"}
    assert 0 <= found["task_accuracy"] <= 1
    assert [int(row["step"]) for row in history(trained_dir)] == [2, 4]


def test_encoder_is_frozen_and_drawn_from_the_seed(trained_dir, tmp_path):
    changes = {"model__training_steps": "0"}
    train_with_gin(tmp_path / "start", gin_bindings=lines(**changes))
    train_with_gin(
        tmp_path / "other", gin_bindings=lines(**changes, model__random_seed="1")
    )
    start, end, other = map(
        checkpoint, (tmp_path / "start", trained_dir, tmp_path / "other")
    )
    frozen = [n for n in start if n.startswith("model/") and "random_encoder" in n]
    assert len(frozen) == 4
    for name in frozen:
        np.testing.assert_array_equal(start[name], end[name])
        assert np.abs(start[name] - other[name]).max() > 0.01
    learned = [n for n in start if n.startswith("model/") and "leaky_rnn" in n]
    assert len(learned) == 4
    for name in learned:
        assert np.abs(start[name] - end[name]).max() > 1e-4
    assert not [n for n in end if n.startswith("optimizer") and "random_encoder" in n]


def test_model_learns(tmp_path):
    changes = {"model__training_steps": "300", "model__log_steps": "300"}
    changes |= {"evidence_optimizer__learning_rate": "0.01", "leaky_rnn__units": "16"}
    changes |= {"stub_trials__sigma": "0.05", "model__batch_size": "32"}
    train_with_gin(tmp_path / "run", gin_bindings=lines(**changes))
    assert results(tmp_path / "run")["task_accuracy"] > 0.85


@pytest.mark.parametrize("changes", [{}, OWN, GRU], ids=["rnn", "own cell", "gru"])
def test_agent_has_states_and_outputs(changes, trials, tmp_path):
    train_with_gin(tmp_path / "run", gin_bindings=lines(**changes))
    agent = trained.load(tmp_path / "run")
    inputs, _ = trials().load_batch(3, 0, 20)
    states, logits = agent.states(inputs), agent.outputs(inputs)
    assert states.shape == (20, 5, 6)
    kernel, bias = map(numpy_of, agent.network.get_layer("head").weights)
    np.testing.assert_allclose(logits, states @ kernel + bias, rtol=1e-4, atol=1e-5)
    longer = np.concatenate([inputs, inputs], axis=1)
    np.testing.assert_allclose(
        agent.states(longer)[:, :5], states, rtol=1e-4, atol=1e-6
    )
    saved = checkpoint(tmp_path / "run")
    np.testing.assert_array_equal(saved["model/head/kernel"], kernel)


@pytest.mark.parametrize(
    "changes",
    [
        {"leaky_rnn__alpha": "0.5", "leaky_rnn__noise": "0.1"},
        {"evidence_accumulation__network_fn": "@lstm", "lstm__units": "6"},
        {
            "evidence_accumulation__network_fn": "@causal_transformer",
            "causal_transformer__units": "8",
            "causal_transformer__heads": "2",
        },
        OWN,
    ],
    ids=["rnn", "lstm", "transformer", "own cell"],
)
def test_population_is_the_single_models(changes, tmp_path, monkeypatch):
    from dmt.methods.population import train_population

    sizes, original = [], train_population.Population

    def spy(members, **settings):
        sizes.append(len(members))
        return original(members, **settings)

    monkeypatch.setattr(train_population, "Population", spy)
    own = [lines(model__random_seed=str(k), **changes) for k in range(2)]
    members = [tmp_path / f"member_{k}" for k in range(2)]
    train_population_with_gin(
        [(str(directory), [], own[k]) for k, directory in enumerate(members)]
    )
    assert sizes == [2]
    for k in range(2):
        train_with_gin(tmp_path / f"alone_{k}", gin_bindings=own[k])
        found, expected = map(checkpoint, (members[k], tmp_path / f"alone_{k}"))
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-5)
        for key, value in results(tmp_path / f"alone_{k}").items():
            assert results(members[k])[key] == pytest.approx(value, rel=1e-3), key


def losses_of(model, batch):
    outputs = model(batch[0])
    loss = model.compute_loss(*batch, y_pred=outputs, training=False)
    return float(loss), numpy_of(outputs).astype("float64")


@pytest.mark.parametrize("loss_steps", ["all", "last"])
def test_loss_is_the_cross_entropy(loss_steps, trials):
    model = initialized(trials(), loss_steps=loss_steps)
    batch = trials().load_batch(1, 0, 8)
    loss, logits = losses_of(model, batch)
    yes = 1 / (1 + np.exp(-logits))
    terms = -batch[1] * np.log(yes) - (1 - batch[1]) * np.log(1 - yes)
    expected = terms.mean() if loss_steps == "all" else terms[:, -1].mean()
    assert loss == pytest.approx(expected, rel=1e-5)
    found = {name: float(t.result()) for name, t in model.trackers.items()}
    is_correct = (logits[:, -1] > 0) == (batch[1][:, -1] == 1)
    assert found["decision_loss"] == pytest.approx(terms[:, -1].mean(), rel=1e-5)
    assert found["task_accuracy"] == pytest.approx(is_correct.mean())


def test_free_reaction_times(trials):
    model = initialized(trials(mode="free"))
    batch = trials(mode="free").load_batch(1, 0, 8)
    loss, outputs = losses_of(model, batch)
    assert loss == pytest.approx(np.square(outputs - batch[1]).mean(), rel=1e-5)
    head = model.network.get_layer("head")
    head.bias.assign(100 * keras.ops.ones(3))
    np.testing.assert_allclose(numpy_of(model(batch[0])), 5.0)
    (kernel, *_) = model.network.layers[1].weights
    assert kernel.shape == (2, 10)


def test_noise_is_added_to_features(trials):
    model = initialized(trials(num_features=8))
    inputs, _ = trials(num_features=8).load_batch(1, 0, 4)
    layers = {type(layer).__name__: layer for layer in model.network.layers}
    features = numpy_of(layers["RandomEncoder"](inputs[:, :, 1:3])) + inputs[:, :, 3:]
    features = np.concatenate([inputs[:, :, :1], features], axis=2)
    states = numpy_of(layers["LeakyRNN"](features))
    found = numpy_of(model.network(inputs)["states"])
    np.testing.assert_allclose(found, states, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network_fn": LeakyRNN(6)}, "network_fn .*without parentheses"),
        ({"network_fn": "rnn"}, "network_fn .*Received: network_fn='rnn'"),
        ({"network_fn": lambda: 3}, "network_fn must make a Keras layer.*3"),
        (
            {"network_fn": lambda: keras.layers.GRU(6)},
            "network_fn .*return_sequences=True. Received: GRU",
        ),
        ({"loss_steps": "first"}, "'all', 'last'"),
    ],
)
def test_mistakes_are_reported(arguments, message, trials):
    with pytest.raises(ValueError, match=message) as error:
        initialized(trials(), **arguments)
    assert "\n" not in str(error.value)


def test_noise_must_have_as_many_channels_as_there_are_features(trials):
    with pytest.raises(ValueError, match="has 8 features.*Received: num_features=3"):
        initialized(trials(num_features=3))


@pytest.mark.parametrize(
    ("name", "value", "example"),
    [
        ("network_fn", "@random_encoder", "@leaky_rnn"),
        ("encoder_fn", "@lstm", "@random_encoder"),
        ("encoder_fn", "@conv_encoder", "@random_encoder"),
    ],
)
def test_gin_file_with_another_kind_of_layer(name, value, example, tmp_path):
    changes = {f"evidence_accumulation__{name}": value}
    with pytest.raises(ValueError, match=f"{name} must be .*{example}") as error:
        train_with_gin(tmp_path / "run", gin_bindings=lines(**changes))
    assert "\n" not in str(error.value)


def test_trials_must_be_sequences(trials):
    class Points(trials):
        def load_batch(self, *arguments):
            return tuple(array[:, 0] for array in super().load_batch(*arguments))

    with pytest.raises(ValueError, match="more than 1 channels.*shape .1, 3."):
        initialized(Points())


def test_trials_must_be_made():
    with pytest.raises(ValueError, match="written with parentheses"):
        EvidenceAccumulation(RandomEncoder, LeakyRNN, RandomEncoder)


def test_another_network_is_no_agent():
    inputs = keras.Input((None, 2))
    with pytest.raises(ValueError, match="evidence_accumulation"):
        trained.TrainedAgent(keras.Model(inputs, inputs * 2))
