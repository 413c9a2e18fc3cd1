"""A model that is no auto-encoder, on trials that are no dataset of this package."""

import json
import os
import signal

import numpy as np
import pytest

from dmt.methods import gaussian_encoder_model, model_file
from dmt.methods.population.train_population import train_population_with_gin
from dmt.methods.train import train_with_gin
from tests.helpers.forks import Forks
from tests.helpers.killed import IN_A_STEP
from tests.helpers.runs import (
    ROOT,
    bindings,
    call,
    check_mistake,
    history,
    printed,
    results,
)

MODULE = '''
import gin
import keras
import numpy as np
from keras import ops

from dmt.data import pipeline
from dmt.data.ground_truth import ground_truth_data, named_data, state_space
from dmt.methods import gaussian_encoder_model
from dmt.methods.shared.training import TrainableModel

LENGTH = 6


def waves(frequencies, phases):
    times = np.arange(LENGTH)[:, None] * np.array([1.0, 2.0])
    angles = frequencies[:, None, None] * times + phases[:, None, None]
    return np.sin(angles).astype("float32")


class Trials(pipeline.Examples):
    """Two waves in noise; the target is their frequency, at late times only."""

    def __init__(self, noise):
        self.noise = noise

    def load_batch(self, seed, step, batch_size):
        random_state = np.random.RandomState(np.random.SFC64([seed, step]))
        frequencies, phases = random_state.uniform(size=(2, batch_size))
        inputs = waves(frequencies, phases)
        inputs = inputs + self.noise * random_state.normal(size=inputs.shape)
        targets = np.repeat(frequencies[:, None, None], LENGTH, axis=1)
        masks = np.tile(np.arange(LENGTH) >= 2, (batch_size, 1))
        return tuple(array.astype("float32") for array in (inputs, targets, masks))


class StoredTrials(pipeline.IndexedExamples):
    """A list of trials, from which batches are drawn."""

    def __init__(self, noise):
        self.size = 50
        self._trials = Trials(noise).load_batch(0, 0, self.size)

    def at(self, indices):
        return tuple(array[indices] for array in self._trials)


@gin.register("trial_regressor")
class TrialRegressor(TrainableModel):
    """A recurrent network that reads the frequency of trials."""

    result_keys = ("squared_error", "size")

    def __init__(self, decay, noise=0.1, units=5, stored=False):
        super().__init__()
        self.decay = decay
        self.noise = noise
        self.units = units
        self.stored = stored

    def open_data(self):
        return (StoredTrials if self.stored else Trials)(self.noise)

    def make_networks(self, data):
        inputs = keras.Input((LENGTH, 2))
        states = keras.layers.SimpleRNN(self.units, return_sequences=True)(inputs)
        self.network = keras.Model(inputs, keras.layers.Dense(1)(states))

    def make_optimizer(self):
        return keras.optimizers.Adam(0.01, epsilon=1e-3)

    def call(self, inputs):
        return self.network(inputs)

    def batch_loss(self, x, y, y_pred, sample_weight, training):
        errors = ops.square(y - y_pred)[:, :, 0] * sample_weight
        squared_error = ops.sum(errors) / ops.sum(sample_weight)
        size = ops.mean(ops.square(y_pred))
        self.record(ops.shape(x)[0], squared_error=squared_error, size=size)
        return squared_error + self.decay * size

    def results(self, data):
        inputs, targets, _ = Trials(0.0).load_batch(0, 0, 20)
        predictions = ops.convert_to_numpy(self(inputs))
        return {"noiseless_error": np.square(targets - predictions)[:, -1].mean()}


@gin.register("trial_encoder")
class TrialEncoder(TrialRegressor):
    """The same; its last hidden state is a representation that is exported."""

    def export(self, model_dir, training_data):
        codes = self.network.layers[-2].output[:, -1]
        encoder = keras.Model(
            self.network.inputs[0], [codes, ops.full_like(codes, -30.0)]
        )
        networks = gaussian_encoder_model.GaussianEncoderModel(encoder)
        gaussian_encoder_model.save_model(networks, model_dir)


@gin.register("counting_regressor")
class CountingRegressor(TrialRegressor):
    """Uses `rounds` as a Python number, which no tensor can replace."""

    def __init__(self, decay, rounds):
        super().__init__(decay)
        self.rounds = rounds

    def batch_loss(self, *batch):
        loss = super().batch_loss
        return sum(loss(*batch) for _ in range(self.rounds))


@gin.register("renaming_regressor")
class RenamingRegressor(TrialRegressor):
    """Keeps its number under another name."""

    def __init__(self, strength):
        super().__init__(decay=0.0)
        self._strength = strength

    def batch_loss(self, *batch):
        return self._strength * super().batch_loss(*batch)


@gin.register("closing_regressor")
class ClosingRegressor(TrialRegressor):
    """Keeps its number, but uses it from elsewhere."""

    def __init__(self, decay):
        super().__init__(decay)
        self.scaled = lambda loss: decay * loss

    def batch_loss(self, *batch):
        return self.scaled(super().batch_loss(*batch))


class TrialData(ground_truth_data.GroundTruthData):
    """Trials with known frequency and phase, to evaluate codes on."""

    factors_num_values = [4, 3]
    observation_shape = [LENGTH, 2]

    def sample_factors(self, num, random_state):
        sizes = self.factors_num_values
        return np.stack([random_state.randint(n, size=num) for n in sizes], axis=1)

    def sample_observations_from_factors(self, factors, random_state):
        return waves(*(factors.T / np.array([[4.0], [3.0]])))


named_data.register("trials", TrialData)
'''
TRIALS = {
    "model.model": "@trial_regressor()",
    "trial_regressor.decay": "0.1",
    "model.training_steps": "6",
    "model.log_steps": "2",
    "model.checkpoint_seconds": "0.0",
    "model.eval_steps": "2",
    "model.batch_size": "8",
    "model.random_seed": "0",
}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A folder with the module, which this process and others import."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_trials.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", f"{folder}:{ROOT}")
        yield folder


def lines(**changes):
    return ["import my_trials", *bindings(TRIALS, **changes)]


def dmt(command, *flags, gin_lines=()):
    flags = [*flags, *(f"--gin_bindings={line}" for line in gin_lines)]
    return call(command, *flags, PYTHONPATH=os.environ["PYTHONPATH"])


def checkpoint(model_dir):
    with np.load(model_dir / "tf_checkpoint" / "checkpoint.npz") as values:
        return [values[name] for name in values.files]


def check_same(found_dir, expected_dir, **tolerances):
    for found, expected in zip(
        checkpoint(found_dir), checkpoint(expected_dir), strict=True
    ):
        np.testing.assert_allclose(found, expected, **tolerances)


@pytest.fixture(scope="module")
def trained_dir(tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("trained") / "model"
    printed(dmt("dmt_train", f"--model_dir={model_dir}", gin_lines=lines()))
    return model_dir


def test_regressor_trains_and_reports(trained_dir):
    found = results(trained_dir)
    assert set(found) == {
        "loss",
        "squared_error",
        "size",
        "noiseless_error",
        "global_step",
    }
    assert found["loss"] == pytest.approx(
        found["squared_error"] + 0.1 * found["size"], rel=1e-4
    )
    assert [int(row["step"]) for row in history(trained_dir)] == [2, 4, 6]
    config = (trained_dir / "results/json/train_config.json").read_text()
    assert json.loads(config)["trial_regressor.noise"] == "0.1"
    network = model_file.load(trained_dir)
    assert network(np.zeros((3, 6, 2), "float32")).shape == (3, 6, 1)


def test_regressor_learns(tmp_path):
    changes = {"model__training_steps": "200", "model__log_steps": "100"}
    train_with_gin(tmp_path / "run", gin_bindings=lines(**changes))
    assert results(tmp_path / "run")["noiseless_error"] < 0.5 / 12


def test_killed_regressor_resumes_bit_by_bit(trained_dir, folder, tmp_path):
    model_dir = tmp_path / "run"
    flags = [f"--model_dir={model_dir}", "--resume"]
    own = f"import sys; sys.path.append({str(folder)!r})\n"
    gin_flags = (f"--gin_bindings={line}" for line in lines())
    with Forks() as forks:
        killed = forks("dmt_train", *flags, *gin_flags, code=own + IN_A_STEP)
    assert killed.returncode == -signal.SIGKILL
    assert not (model_dir / "results").exists()
    assert [int(row["step"]) for row in history(model_dir)] == [2, 4]
    printed(dmt("dmt_train", *flags, gin_lines=lines()))
    check_same(model_dir, trained_dir, rtol=0, atol=0)
    assert results(model_dir) == results(trained_dir)


@pytest.mark.parametrize(
    ("stored", "resident"), [("False", "False"), ("True", "False"), ("True", "True")]
)
def test_population_of_regressors_is_the_single_ones(stored, resident, tmp_path):
    # They differ in a weight of the loss, and in the noise of their trials.
    own = [
        lines(
            model__random_seed=str(k),
            model__resident=resident,
            trial_regressor__decay=f"{k}.5",
            trial_regressor__noise=f"0.{k}",
            trial_regressor__stored=stored,
        )
        for k in range(2)
    ]
    train_population_with_gin(
        [(str(tmp_path / f"member_{k}"), [], own[k]) for k in range(2)]
    )
    for k in range(2):
        train_with_gin(tmp_path / f"alone_{k}", gin_bindings=own[k])
        member_dir, alone_dir = tmp_path / f"member_{k}", tmp_path / f"alone_{k}"
        check_same(member_dir, alone_dir, rtol=1e-4, atol=2e-6)
        found, expected = results(member_dir), results(alone_dir)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert found[key] == pytest.approx(value, rel=1e-3), key
    assert (
        results(tmp_path / "alone_0")["loss"] != results(tmp_path / "alone_1")["loss"]
    )


def spy_on_groups(monkeypatch):
    from dmt.methods.population import train_population

    sizes, original = [], train_population.Population

    def spy(members, **settings):
        sizes.append(len(members))
        return original(members, **settings)

    monkeypatch.setattr(train_population, "Population", spy)
    return sizes


def train_two(tmp_path, name, **values):
    """Trains two models together, and each alone; returns their directories."""
    own = [
        lines(
            model__model=f"@{name}()",
            **{f"{name}__{key}": pair[k] for key, pair in values.items()},
        )
        for k in range(2)
    ]
    directories = [str(tmp_path / f"member_{k}") for k in range(2)]
    train_population_with_gin([(directories[k], [], own[k]) for k in range(2)])
    for k in range(2):
        train_with_gin(tmp_path / f"alone_{k}", gin_bindings=own[k])
        check_same(
            tmp_path / f"member_{k}", tmp_path / f"alone_{k}", rtol=1e-4, atol=2e-6
        )


def test_sweep_of_a_number_that_nobody_listed_is_one_program(tmp_path, monkeypatch):
    sizes = spy_on_groups(monkeypatch)
    train_two(tmp_path, "trial_regressor", decay=("1", "2.5"))
    assert sizes == [2]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("trial_regressor", {"units": ("3", "4")}),
        ("renaming_regressor", {"strength": ("1.0", "2.0")}),
        ("closing_regressor", {"decay": ("1.0", "2.0")}),
    ],
)
def test_numbers_that_cannot_be_stacked_are_trained_apart(
    name, values, tmp_path, monkeypatch
):
    sizes = spy_on_groups(monkeypatch)
    train_two(tmp_path, name, **values)
    assert sizes == [1, 1]


def test_equal_counts_of_a_python_loop_stay_numbers(tmp_path, monkeypatch):
    sizes = spy_on_groups(monkeypatch)
    values = {"decay": ("0.5", "1.5"), "rounds": ("2", "2")}
    train_two(tmp_path, "counting_regressor", **values)
    assert sizes == [2]


def test_other_counts_of_a_python_loop_are_refused(tmp_path):
    own = [
        lines(
            model__model="@counting_regressor()",
            counting_regressor__decay="0.5",
            counting_regressor__rounds=str(k + 1),
        )
        for k in range(2)
    ]
    message = "CountingRegressor cannot be trained.*differ in rounds.*`structure`"
    with pytest.raises(ValueError, match=message):
        train_population_with_gin(
            [(str(tmp_path / f"member_{k}"), [], own[k]) for k in range(2)]
        )


def test_arguments_that_choose_structure_must_agree(tmp_path):
    own = [lines(trial_regressor__stored=value) for value in ("True", "False")]
    with pytest.raises(ValueError, match="Received: other .'trial_regressor.stored'."):
        train_population_with_gin(
            [(str(tmp_path / f"member_{k}"), [], own[k]) for k in range(2)]
        )


def test_exported_encoder_is_postprocessed_and_evaluated(tmp_path):
    directory = tmp_path / "encoder"
    changes = {"model__model": "@trial_encoder()", "trial_encoder__decay": "0.1"}
    train_with_gin(directory, gin_bindings=lines(**changes))
    codes = gaussian_encoder_model.load_model(directory)
    assert codes.num_latent == 5
    data = ["import my_trials", "dataset.name = 'trials'"]
    printed(
        dmt(
            "dmt_postprocess",
            f"--model_dir={directory}",
            f"--output_dir={tmp_path / 'mean'}",
            gin_lines=[
                *data,
                "postprocess.postprocess_fn = @mean_representation",
                "postprocess.random_seed = 0",
            ],
        )
    )
    printed(
        dmt(
            "dmt_evaluate",
            f"--input_dir={tmp_path / 'mean'}",
            f"--output_dir={tmp_path / 'mig'}",
            gin_lines=[
                *data,
                "evaluation.evaluation_fn = @mig",
                "evaluation.random_seed = 0",
                "mig.num_train = 200",
                "discretizer.discretizer_fn = @histogram_discretizer",
                "discretizer.num_bins = 10",
            ],
        )
    )
    path = tmp_path / "mig/results/aggregate/evaluation.json"
    found = json.loads(path.read_text())
    assert 0 <= found["evaluation_results.discrete_mig"] <= 1
    assert found["train_results.noiseless_error"] > 0


def test_model_without_an_encoder_has_no_codes(trained_dir, tmp_path):
    process = dmt(
        "dmt_postprocess",
        f"--model_dir={trained_dir}",
        f"--output_dir={tmp_path / 'mean'}",
        gin_lines=[
            "import my_trials",
            "dataset.name = 'trials'",
            "postprocess.postprocess_fn = @mean_representation",
            "postprocess.random_seed = 0",
        ],
    )
    check_mistake(process, str(trained_dir), "has no encoder")
    assert not (tmp_path / "mean").exists()
