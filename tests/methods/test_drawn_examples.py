"""Training on examples that are random numbers, drawn on the host or on the device."""

import gin
import keras
import numpy as np
import pytest
from keras import ops

from dmt.data.evidence.trials import EvidenceTrials
from dmt.methods.population.train_population import train_population_with_gin
from dmt.methods.shared.training import TrainableModel
from dmt.methods.train import train_with_gin
from tests.helpers.runs import bindings, history

RUN = {
    "model.model": "@evidence_reader()",
    "model.training_steps": "6",
    "model.log_steps": "3",
    "model.eval_steps": "1",
    "model.batch_size": "8",
    "model.random_seed": "0",
    "evidence_trials.num_tasks": "3",
    "evidence_trials.num_steps": "4",
}


@gin.register("evidence_reader")
class EvidenceReader(TrainableModel):
    """A recurrent network on trials of evidence."""

    def __init__(self, sigma=0.2):
        self.sigma = sigma

    def open_data(self):
        return EvidenceTrials(sigma=self.sigma)

    def make_networks(self, data):
        inputs = keras.Input((data.length, data.num_inputs))
        states = keras.layers.SimpleRNN(5, return_sequences=True)(inputs)
        self.network = keras.Model(inputs, keras.layers.Dense(data.num_tasks)(states))

    def make_optimizer(self):
        return keras.optimizers.Adam(0.01, epsilon=1e-3)

    def call(self, inputs):
        return self.network(inputs)

    def batch_loss(self, x, y, y_pred, sample_weight, training):
        return ops.mean(ops.binary_crossentropy(y, y_pred, from_logits=True))


def weights(model_dir):
    with np.load(model_dir / "tf_checkpoint" / "checkpoint.npz") as values:
        return [values[name] for name in sorted(values.files)]


def check_same(found_dir, expected_dir):
    for found, expected in zip(weights(found_dir), weights(expected_dir), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-6)


def test_batches_of_the_device_are_those_of_the_host(tmp_path):
    for resident in ("True", "False"):
        lines = bindings(RUN, model__resident=resident)
        train_with_gin(tmp_path / resident, gin_bindings=lines)
    check_same(tmp_path / "True", tmp_path / "False")
    found, expected = (history(tmp_path / name) for name in ("True", "False"))
    for row, other in zip(found, expected, strict=True):
        assert float(row["loss"]) == pytest.approx(float(other["loss"]), rel=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        ({}, {}),
        ({"evidence_reader__sigma": "0.2"}, {"evidence_reader__sigma": "0.4"}),
        (
            {"evidence_trials__noise": "'gumbel'"},
            {"evidence_trials__latent_correlation": "0.5"},
        ),
    ],
)
def test_population_draws_the_batches_of_each_member(changes, tmp_path):
    own = [
        bindings(
            RUN,
            model__resident="True",
            model__random_seed=str(k),
            model__steps_per_execution="3",
            **change,
        )
        for k, change in enumerate(changes)
    ]
    members = [str(tmp_path / f"member_{k}") for k in range(2)]
    train_population_with_gin([(members[k], [], own[k]) for k in range(2)])
    for k in range(2):
        train_with_gin(tmp_path / f"alone_{k}", gin_bindings=own[k])
        check_same(tmp_path / f"member_{k}", tmp_path / f"alone_{k}")


def test_several_updates_of_a_call_are_those_in_turn(tmp_path):
    for number in ("1", "3"):
        changes = {
            "model__resident": "True",
            "model__steps_per_execution": number,
        }
        train_with_gin(tmp_path / number, gin_bindings=bindings(RUN, **changes))
    check_same(tmp_path / "3", tmp_path / "1")
    # Where the run is extended, it goes on bit by bit.
    begun = {**changes, "model__training_steps": "3"}
    for wanted in (begun, changes):
        gin_bindings = bindings(RUN, **wanted)
        train_with_gin(tmp_path / "extended", gin_bindings=gin_bindings, resume=True)
    for found, expected in zip(
        weights(tmp_path / "extended"), weights(tmp_path / "3"), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
