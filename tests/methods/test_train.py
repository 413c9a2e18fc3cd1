"""Training as users run it: by bindings, on either backend."""

import json

import gin
import keras
import numpy as np
import pytest

from dmt.data import pipeline
from dmt.data.ground_truth import named_data
from dmt.methods import gaussian_encoder_model
from dmt.methods import train as training
from dmt.methods.train import train_with_gin
from dmt.methods.unsupervised.vae import BetaVAE
from dmt.utils import configuration
from tests.helpers.runs import TINY, bindings, history, results, state

FAMILIES = {
    "vae": {"vae__beta": "4.0"},
    "annealed_vae": {
        "annealed_vae__gamma": "10.0",
        "annealed_vae__c_max": "5.0",
        "annealed_vae__iteration_threshold": "50",
    },
    "bottleneck_vae": {"bottleneck_vae__gamma": "1.0", "bottleneck_vae__target": "5.0"},
    "factor_vae": {"factor_vae__gamma": "5.0"},
    "dip_vae": {"dip_vae__lambda_od": "1.0", "dip_vae__lambda_d_factor": "1.0"},
    "beta_tc_vae": {"beta_tc_vae__beta": "4.0"},
    "autoencoder": {},
}


def train(model_dir, resume=False, **changes):
    train_with_gin(
        str(model_dir), gin_bindings=bindings(TINY, **changes), resume=resume
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_trains(family, tmp_path):
    train(
        tmp_path / "run",
        model__model=f"@{family}()",
        model__training_steps="60",
        model__log_steps="20",
        **FAMILIES[family],
    )
    losses = [float(row["loss"]) for row in history(tmp_path / "run")]
    assert losses[-1] < 0.9 * losses[0]
    found = results(tmp_path / "run")
    assert found["global_step"] == 60
    assert found["loss"] == pytest.approx(
        found["reconstruction_loss"] + found["regularizer"], rel=1e-4
    )


@pytest.mark.slow
def test_discriminator_learns(tmp_path):
    # Without a penalty the codes stay dependent, which a discriminator can see.
    train(
        tmp_path / "run",
        model__model="@factor_vae()",
        factor_vae__gamma="0.0",
        model__training_steps="300",
        model__log_steps="50",
        model__batch_size="64",
        encoder__num_latent="10",
    )
    rows = history(tmp_path / "run")
    assert float(rows[-1]["discriminator_loss"]) < float(rows[0]["discriminator_loss"])
    assert float(rows[-1]["discriminator_accuracy"]) > 0.6


def test_vae_of_factor_vae_follows_only_its_own_loss(tmp_path):
    # With gamma 0 the discriminator must not move the VAE: it is the beta = 1 VAE.
    train(tmp_path / "factor", model__model="@factor_vae()", factor_vae__gamma="0.0")
    train(tmp_path / "beta")
    for network in ("encoder", "decoder"):
        for a, b in zip(
            getattr(
                gaussian_encoder_model.load_model(tmp_path / "factor"), network
            ).weights,
            getattr(
                gaussian_encoder_model.load_model(tmp_path / "beta"), network
            ).weights,
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_same_seed_same_run_and_other_seed_other_run(tmp_path):
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        train(tmp_path / name, model__random_seed=seed)
    assert state(tmp_path / "a") == state(tmp_path / "b")
    assert results(tmp_path / "a") == results(tmp_path / "b")
    assert state(tmp_path / "a") != state(tmp_path / "c")


@pytest.mark.parametrize("family", ["vae", "factor_vae"])
def test_input_paths_give_the_same_run(family, tmp_path):
    changes = dict(FAMILIES[family], model__model=f"@{family}()")
    train(tmp_path / "host", **changes)
    train(tmp_path / "resident", model__resident="True", **changes)
    train(
        tmp_path / "many",
        model__resident="True",
        model__steps_per_execution="2",
        **changes,
    )
    expected = results(tmp_path / "host")
    for name in ("resident", "many"):
        found = results(tmp_path / name)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            if isinstance(value, float):
                assert found[key] == pytest.approx(value, rel=1e-4, abs=1e-4), key


def test_steps_that_do_not_divide(tmp_path):
    train(
        tmp_path / "run",
        model__training_steps="7",
        model__log_steps="4",
        model__steps_per_execution="2",
    )
    assert [int(float(row["step"])) for row in history(tmp_path / "run")] == [4, 7]
    assert results(tmp_path / "run")["global_step"] == 7


def test_random_pixels_can_be_trained_on(tmp_path):
    train(tmp_path / "run", dataset__name="'dummy_data'")
    assert results(tmp_path / "run")["origin"] == "synthetic"
    with pytest.raises(ValueError, match="resident = False"):
        train(tmp_path / "other", dataset__name="'dummy_data'", model__resident="True")
    assert not (tmp_path / "other").exists()


def test_mixed_precision_trains_and_exports_float32_codes(tmp_path):
    train(
        tmp_path / "run",
        model__dtype_policy="'mixed_bfloat16'",
        model__model="@factor_vae()",
        factor_vae__gamma="1.0",
    )
    assert keras.config.dtype_policy().name == "float32"
    model = gaussian_encoder_model.load_model(tmp_path / "run")
    mean, logvar = model.encode(np.zeros((2, 64, 64, 1), "uint8"))
    assert keras.backend.standardize_dtype(mean.dtype) == "float32"
    assert keras.backend.standardize_dtype(logvar.dtype) == "float32"
    assert keras.backend.standardize_dtype(model.decode(mean).dtype) == "float32"


def test_seeds_are_the_originals(tmp_path, monkeypatch):
    seeds = []
    original = pipeline.host_batches

    def spy(dataset, seed, *args):
        seeds.append(int(seed))
        return original(dataset, seed, *args)

    monkeypatch.setattr(pipeline, "host_batches", spy)
    train(tmp_path / "run", model__random_seed="1")
    assert seeds == [1791095845, 4282876139]


def test_batches_are_uniform_and_the_same_on_host_and_device():
    size = 1000
    host = np.stack([pipeline.batch_indices(9, step, 64, size) for step in range(500)])
    counts = np.bincount(host.ravel(), minlength=size)
    assert counts.min() > 0 and counts.max() < 80  # Mean 32.
    assert abs(np.corrcoef(host[:-1].ravel(), host[1:].ravel())[0, 1]) < 0.03
    step = keras.ops.convert_to_tensor(7)
    device = keras.ops.convert_to_numpy(pipeline.batch_indices(9, step, 64, size))
    np.testing.assert_array_equal(device, host[7])
    others = [
        pipeline.batch_indices(s, t, 64, size) for s in range(20) for t in range(20)
    ]
    assert len({tuple(batch) for batch in others}) == 400


def test_batches_restart_at_any_step():
    dataset = named_data.get_named_ground_truth_data("dsprites_rendered_small")

    def as_arrays(start, stop):
        batches = pipeline.host_batches(dataset, 5, 4, start, stop)
        return [keras.ops.convert_to_numpy(images) for (images,) in batches]

    np.testing.assert_array_equal(as_arrays(0, 7)[4:], as_arrays(4, 7))


def test_existing_directory_is_refused_and_kept(tmp_path):
    train(tmp_path / "run")
    before = results(tmp_path / "run")
    with pytest.raises(ValueError, match="--overwrite"):
        train(tmp_path / "run")
    train(tmp_path / "run", resume=True)
    assert results(tmp_path / "run") == before


def test_resume_with_another_configuration_names_the_difference(tmp_path):
    train(tmp_path / "run")
    with pytest.raises(ValueError, match="vae.beta = 2.0"):
        train(tmp_path / "run", resume=True, vae__beta="2.0")
    (tmp_path / "run/results").rename(tmp_path / "moved")
    with pytest.raises(ValueError, match="vae.beta = 2.0"):
        train(tmp_path / "run", resume=True, vae__beta="2.0")


def test_resume_in_the_same_process(tmp_path):
    train(tmp_path / "run")
    before = results(tmp_path / "run")
    (tmp_path / "run/results").rename(tmp_path / "moved")
    train(tmp_path / "run", resume=True)
    assert results(tmp_path / "run") == before


def test_a_mistake_does_not_cost_the_old_run(tmp_path):
    train(tmp_path / "run")
    before = state(tmp_path / "run")
    for change in (
        {"reconstruction_loss__activation": "'sigmoid'"},
        {"reconstruction_loss__loss_fn": "@no_such_loss"},
        {"vae__beta": "'four'"},
    ):
        with pytest.raises(ValueError):
            train_with_gin(
                str(tmp_path / "run"), True, gin_bindings=bindings(TINY, **change)
            )
    assert state(tmp_path / "run") == before
    assert (tmp_path / "run" / "results").exists()


def test_learning_rate_schedules(tmp_path):
    decay = {
        "exponential_decay__learning_rate": "0.1",
        "exponential_decay__decay_steps": "1",
        "exponential_decay__decay_rate": "0.9",
    }
    for reference in ("@exponential_decay", "@exponential_decay()"):
        train_with_gin(
            str(tmp_path / "run"),
            True,
            gin_bindings=bindings(
                TINY, vae_optimizer__learning_rate=reference, **decay
            ),
        )
    assert results(tmp_path / "run")["global_step"] == 6


def test_settings_in_python(tmp_path):
    train(tmp_path / "gin")
    networks = [b for b in bindings(TINY) if not b.startswith(("model.", "vae."))]
    with configuration.gin_configuration([], networks):
        training.train(
            str(tmp_path / "python"),
            model=BetaVAE(beta=1.0),
            training_steps=6,
            random_seed=0,
            batch_size=8,
            eval_steps=2,
            log_steps=2,
        )
    assert results(tmp_path / "python") == results(tmp_path / "gin")


def test_nothing_reads_gin_after_preparing(tmp_path):
    train(tmp_path / "expected", model__model="@factor_vae()", factor_vae__gamma="2.0")
    lines = bindings(TINY, model__model="@factor_vae()", factor_vae__gamma="2.0")
    with configuration.gin_configuration([], lines):
        run = training.prepare(str(tmp_path / "run"))
    training.fit(run, run.model, run.state, run.training_data, run.data_seed)
    training.finish(run)
    assert results(tmp_path / "run") == results(tmp_path / "expected")
    for name in ("gin/train.gin", "json/train_config.json"):
        found, expected = (
            (tmp_path / folder / "results" / name).read_text()
            for folder in ("run", "expected")
        )
        assert found == expected


def test_configuration_is_cleared_before_the_first_update(tmp_path, monkeypatch):
    seen, fit = [], training.fit

    def spy(*arguments):
        seen.append(gin.config_str())
        fit(*arguments)

    monkeypatch.setattr(training, "fit", spy)
    train(tmp_path / "run")
    assert seen == [""] and results(tmp_path / "run")["global_step"] == 6


def test_directory_names_with_wildcards(tmp_path):
    train(tmp_path / "beta[4]")
    aggregate = tmp_path / "beta[4]" / "results" / "aggregate" / "train.json"
    assert "train_results.loss" in json.loads(aggregate.read_text())


@pytest.mark.parametrize(
    ("binding", "value", "message"),
    [
        ("model__training_steps", "-1", "training_steps=-1"),
        ("model__batch_size", "'x'", "batch_size='x'"),
        ("model__steps_per_execution", "4", "multiple of"),
        ("model__dtype_policy", "'float8'", "dtype_policy='float8'"),
        ("dip_vae__dip_type", "'iii'", "dip_type='iii'"),
        ("model__model", "@vae", "parentheses"),
        ("model__random_seed", "None", "random_seed=None"),
        ("model__checkpoint_seconds", "'x'", "checkpoint_seconds='x'"),
        ("model__jit_compile", "'foo'", "jit_compile='foo'"),
    ],
)
def test_bad_values_are_named_and_nothing_is_written(binding, value, message, tmp_path):
    changes = {binding: value}
    if binding.startswith("dip"):
        changes.update(FAMILIES["dip_vae"], model__model="@dip_vae()")
    with pytest.raises(ValueError, match=message):
        train(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()
