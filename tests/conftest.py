import os
import pathlib
import subprocess
import sys

import gin
import pytest

ROOT = pathlib.Path(__file__).parents[1]

# The smallest run there is: two linear layers on 4,608 images.
TINY = {
    "dataset.name": "'dsprites_rendered_small'",
    "model.model": "@vae()",
    "vae.beta": "1.0",
    "model.training_steps": "6",
    "model.log_steps": "2",
    "model.eval_steps": "2",
    "model.checkpoint_seconds": "0.0",
    "model.batch_size": "8",
    "model.random_seed": "0",
    "encoder.num_latent": "4",
    "encoder.encoder_fn": "@test_encoder",
    "decoder.decoder_fn": "@test_decoder",
    "discriminator.discriminator_fn": "@fc_discriminator",
    "reconstruction_loss.loss_fn": "@bernoulli_loss",
    "vae_optimizer.optimizer_fn": "@AdamOptimizer",
    "discriminator_optimizer.optimizer_fn": "@AdamOptimizer",
    "AdamOptimizer.learning_rate": "0.001",
}


def bindings(base, **changes):
    """Lines of gin: `base` with changes, names written with __ for the dot."""
    merged = {**base, **{k.replace("__", "."): v for k, v in changes.items()}}
    return [f"{name} = {value}" for name, value in merged.items()]


def run_binary(command, folder, *arguments):
    """Runs a script of bin/ in a folder, as a user would."""
    return subprocess.run(
        [sys.executable, ROOT / "bin" / command, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(autouse=True)
def clean_gin():
    gin.clear_config()
    yield
    gin.clear_config()
