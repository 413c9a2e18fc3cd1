"""Runs that begin with the weights of other runs."""

import logging
import shutil

import keras
import numpy as np
import pytest

from dmt.methods.population.train_population import train_population_with_gin
from dmt.methods.train import train_with_gin
from tests.helpers.runs import TINY, bindings, results

FACTOR = {**TINY, "model.model": "@factor_vae()", "factor_vae.gamma": "5.0"}
MULTI_TASK = {
    **TINY,
    "model.model": "@multi_task()",
    "multi_task.tasks": "@random_tasks()",
    "random_tasks.num_tasks": "2",
    "random_tasks.depth": "1",
    "random_tasks.width": "5",
    "heads.hidden_units": "(8,)",
}
OWN = """
import gin, keras, numpy as np
from keras import ops
from dmt.data import pipeline
from dmt.methods.shared.training import TrainableModel


class Numbers(pipeline.Examples):
    def load_batch(self, seed, step, batch_size):
        x = np.random.RandomState([seed, step]).normal(size=(batch_size, 3))
        return (x.astype("float32"),)


@gin.register
class UnnamedLayers(TrainableModel):
    def open_data(self):
        return Numbers()

    def make_networks(self, data):
        inputs = keras.Input((3,))
        x = keras.layers.Dense(4)(inputs)
        x = keras.layers.BatchNormalization()(x)
        self.network = keras.Model(inputs, keras.layers.Dense(3)(x))
        self.scale = self.add_weight(name="scale", shape=())

    def call(self, inputs):
        return self.scale * self.network(inputs)

    def batch_loss(self, x, y, y_pred, sample_weight, training):
        return ops.mean(ops.square(x - y_pred))
"""


def train(model_dir, base=TINY, source=None, resume=False, **changes):
    if source is not None:
        changes["warm_start__model_dir"] = f"'{source}'"
    train_with_gin(
        str(model_dir), gin_bindings=bindings(base, **changes), resume=resume
    )


def saved(model_dir, prefix=""):
    """Variables of a checkpoint by name."""
    with np.load(model_dir / "tf_checkpoint/checkpoint.npz") as checkpoint:
        return {n: checkpoint[n] for n in checkpoint.files if n.startswith(prefix)}


def assert_equal(found, expected):
    assert found.keys() == expected.keys() and found
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Trained models: a beta-VAE with two seeds, and a FactorVAE."""
    folder = tmp_path_factory.mktemp("sources")
    train(folder / "vae")
    train(folder / "vae_1", model__random_seed="1", model__training_steps="4")
    train(folder / "factor", FACTOR)
    return folder


def test_all_networks_are_taken_and_the_run_is_new(sources, tmp_path, caplog):
    changes = {"model__training_steps": "0", "model__random_seed": "7"}
    with caplog.at_level(logging.INFO, "dmt"):
        train(tmp_path / "run", FACTOR, sources / "factor", **changes)
    assert "20 of 20 weights are taken." in caplog.text
    found, expected = saved(tmp_path / "run"), saved(sources / "factor")
    networks = [n for n in found if n.count("/") == 3 and n.startswith("model/")]
    assert any("discriminator" in name for name in networks)
    for name in networks:
        np.testing.assert_array_equal(found[name], expected[name])
    assert found["model/step"] == 0 and expected["model/step"] == 6
    assert found["optimizer/Adam/iteration"] == 0
    noise = "model/seed_generator/seed_generator_state"
    assert (found[noise] != expected[noise]).any()
    text = (tmp_path / "run/results/gin/train.gin").read_text()
    assert "warm_start.optimizer = 'fresh'" in text


def test_kept_optimiser_goes_on(sources, tmp_path):
    changes = {
        "model__training_steps": "0",
        "warm_start__optimizer": "'kept'",
        "AdamOptimizer__learning_rate": "0.5",
    }
    train(tmp_path / "run", TINY, sources / "vae", **changes)
    found, expected = (
        saved(folder, "optimizer/") for folder in (tmp_path / "run", sources / "vae")
    )
    assert found.pop("optimizer/Adam/learning_rate") == 0.5
    assert expected.pop("optimizer/Adam/learning_rate") == np.float32(0.001)
    assert_equal(found, expected)


def test_other_models_take_what_they_share(sources, tmp_path, caplog):
    still = {"model__training_steps": "0"}
    with caplog.at_level(logging.INFO, "dmt"):
        train(tmp_path / "factor", FACTOR, sources / "vae", **still)
        train(tmp_path / "vae", TINY, sources / "factor", **still)
        train(tmp_path / "tasks", MULTI_TASK, sources / "vae", **still)
    new, unused, tasks = (r.getMessage() for r in caplog.records if "Warm" in r.msg)
    assert "6 of 20 weights" in new and "New in this model: discriminator/d1" in new
    assert "6 of 6 weights" in unused
    assert "Not in this model: discriminator/d1" in unused
    # Their encoder has means only.
    assert "2 of 6 weights" in tasks and "New in this model: heads/h1" in tasks
    for name, source in (("factor", "vae"), ("vae", "factor"), ("tasks", "vae")):
        assert_equal(
            saved(tmp_path / name, "model/encoder/e1"),
            saved(sources / source, "model/encoder/e1"),
        )


def test_model_without_a_checkpoint(sources, tmp_path):
    shutil.copytree(sources / "vae", tmp_path / "source")
    shutil.rmtree(tmp_path / "source/tf_checkpoint")
    train(tmp_path / "run", TINY, tmp_path / "source", model__training_steps="0")
    for prefix in ("model/encoder", "model/decoder"):
        assert_equal(saved(tmp_path / "run", prefix), saved(sources / "vae", prefix))
    with pytest.raises(FileNotFoundError, match="optimiser cannot be kept"):
        train(
            tmp_path / "kept",
            TINY,
            tmp_path / "source",
            warm_start__optimizer="'kept'",
        )


@pytest.mark.parametrize(
    ("source", "changes", "message"),
    [
        ("vae", {"encoder__num_latent": "5"}, "The layer encoder/e1 has another shape"),
        ("nowhere", {}, "There is no .*nowhere"),
        ("run", {}, "the directory to write"),
        ("damaged", {}, "checkpoint.npz cannot be read"),
        ("strange", {}, "No layer of the run .* has the name of a layer"),
        ("vae", {"warm_start__optimizer": "'old'"}, "one of 'fresh', 'kept'"),
        (
            "vae",
            {
                "warm_start__optimizer": "'kept'",
                "vae_optimizer__optimizer_fn": "@GradientDescentOptimizer",
                "GradientDescentOptimizer__learning_rate": "0.1",
            },
            "has another optimiser",
        ),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    source, changes, message, sources, tmp_path
):
    for name in ("damaged", "strange"):
        (tmp_path / name / "tf_checkpoint").mkdir(parents=True)
    (tmp_path / "damaged/tf_checkpoint/checkpoint.npz").write_bytes(b"PK\3\4...")
    objects = {"model/encoder/e1/kernel": np.array([print], dtype=object)}
    np.savez(tmp_path / "strange/tf_checkpoint/checkpoint.npz", **objects)
    path = sources / source if source == "vae" else tmp_path / source
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        train(tmp_path / "run", TINY, path, **changes)
    assert not (tmp_path / "run").exists()


def test_kept_optimiser_needs_all_weights(sources, tmp_path):
    with pytest.raises(ValueError, match="lacks discriminator/d1.*Bind 'fresh'"):
        train(tmp_path / "run", FACTOR, sources / "vae", warm_start__optimizer="'kept'")


def test_warm_run_is_resumed_without_its_source(sources, tmp_path):
    shutil.copytree(sources / "vae", tmp_path / "source")
    for steps in ("4", "8"):
        changes = {"model__training_steps": steps}
        train(tmp_path / "run", TINY, tmp_path / "source", resume=True, **changes)
        if steps == "4":
            (tmp_path / "source").rename(tmp_path / "moved")
    (tmp_path / "moved").rename(tmp_path / "source")
    at_once = {"model__training_steps": "8"}
    train(tmp_path / "at_once", TINY, tmp_path / "source", **at_once)
    assert_equal(saved(tmp_path / "run"), saved(tmp_path / "at_once"))
    assert results(tmp_path / "run") == results(tmp_path / "at_once")


@pytest.mark.parametrize("optimizer", ["fresh", "kept"])
def test_members_of_a_population_start_from_runs_of_their_own(
    optimizer, sources, tmp_path
):
    own = [
        bindings(
            {**TINY, "AdamOptimizer.epsilon": "1e-3"},
            warm_start__model_dir=f"'{sources / name}'",
            warm_start__optimizer=f"'{optimizer}'",
            model__random_seed=str(k),
        )
        # Optimisers that made other numbers of updates cannot share a program.
        for k, name in enumerate(("vae", "vae", "vae_1"))
    ]
    train_population_with_gin(
        [(str(tmp_path / f"member_{k}"), [], lines) for k, lines in enumerate(own)]
    )
    for k, lines in enumerate(own):
        train_with_gin(str(tmp_path / f"alone_{k}"), gin_bindings=lines)
        found, expected = (
            saved(tmp_path / f"{name}_{k}") for name in ("member", "alone")
        )
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=2e-6)


def test_layers_without_names_are_found_in_any_process(tmp_path, monkeypatch):
    (tmp_path / "unnamed.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    base = {**TINY, "model.model": "@UnnamedLayers()"}
    own = ["import unnamed", *bindings(base)]
    train_with_gin(str(tmp_path / "source"), gin_bindings=own)
    keras.layers.Dense(1)  # Takes the name that the next process would give.
    lines = [
        *own,
        "model.training_steps = 0",
        "model.random_seed = 9",
        f"warm_start.model_dir = '{tmp_path / 'source'}'",
        "warm_start.optimizer = 'kept'",
    ]
    train_with_gin(str(tmp_path / "run"), gin_bindings=lines)
    found, expected = saved(tmp_path / "run"), saved(tmp_path / "source")
    assert {"model/scale", "model/dense/kernel", "model/dense_1/kernel"} < set(found)
    assert found.pop("model/step") == 0 and expected.pop("model/step") == 6
    assert_equal(found, expected)
