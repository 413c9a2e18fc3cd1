"""Runs for tests: a tiny configuration, the commands, and what a run leaves."""

import csv
import hashlib
import json
import os
import pathlib
import resource
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
BIN = ROOT / "bin"
# Packages that take long to import, so that no `--help` may do it.
HEAVY = ("tensorflow", "keras", "jax", "sklearn", "scipy", "matplotlib", "numpy")

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
SUPERVISED = {
    **{k: v for k, v in TINY.items() if k not in ("model.random_seed", "vae.beta")},
    "model.model": "@s2_vae",
    "model.unsupervised_data_seed": "1",
    "model.supervised_data_seed": "2",
    "model.model_seed": "3",
    "model.num_labelled_samples": "40",
    "model.train_percentage": "0.9",
    "encoder.num_latent": "6",
    "labeller.labeller_fn": "@perfect_labeller",
    "supervised_loss.loss_fn": "@xent",
    "annealer.anneal_fn": "@fixed",
    "annealer.iteration_threshold": "1",
    "s2_vae.beta": "1.0",
    "s2_vae.gamma_sup": "50.0",
}


def bindings(base, **changes):
    """Lines of gin: those of `base` with changes, named with __ for the dot."""
    merged = {**base, **{k.replace("__", "."): v for k, v in changes.items()}}
    return [f"{name} = {value}" for name, value in merged.items()]


def call(command, *arguments, folder=None, limit=None, **environment):
    """Runs a script of bin/ as a user would.

    Args:
        command: name of the script.
        *arguments: arguments of the script.
        folder: folder in which the script runs, None for the present one.
        limit: size that no file may exceed, in bytes.
        **environment: more environment variables.

    Returns:
        The `subprocess.CompletedProcess`.
    """

    def limit_file_size():
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, BIN / command, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        preexec_fn=limit_file_size,
        env={
            # The import of Keras in this process has set what users have not.
            **{k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
            "PYTHONPATH": str(ROOT),
            "CUDA_VISIBLE_DEVICES": "",
            **environment,
        },
    )


def run_binary(command, folder, *arguments):
    """`call` in a folder."""
    return call(command, *arguments, folder=folder)


def run_and_list_imports(command, *arguments):
    """Runs a script of bin/, then prints which modules of `HEAVY` it imported.

    Returns:
        The `subprocess.CompletedProcess`; the list is the last line of its output.
    """
    code = (
        "import runpy, sys\n"
        f"sys.argv = {[command, *arguments]!r}\n"
        "try:\n"
        f"    runpy.run_path({str(BIN / command)!r}, run_name='__main__')\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def printed(process):
    """What a command printed; it must have succeeded."""
    assert process.returncode == 0, process.stderr[-2000:]
    return process.stdout


def check_mistake(process, *words):
    """A command must have failed with a line that has these words, and status 2.

    Returns:
        The lines on stderr.
    """
    assert process.returncode == 2, process.stderr[-2000:]
    assert "Traceback" not in process.stderr
    lines = process.stderr.strip().splitlines()
    for word in words:
        assert word in lines[-1], lines[-1]
    return lines


def history(model_dir):
    """Lines of the learning curves."""
    with open(model_dir / "history.csv") as file:
        return list(csv.DictReader(file))


def state(model_dir):
    """Digest of all weights, counters and optimiser variables of a checkpoint."""
    digest = hashlib.sha256()
    with np.load(model_dir / "tf_checkpoint" / "checkpoint.npz") as checkpoint:
        for name, values in sorted(checkpoint.items()):
            digest.update(name.encode() + values.tobytes())
    return digest.hexdigest()


def results(folder, step="train"):
    """Results of a step, less what differs between equal runs."""
    values = json.loads((folder / f"results/json/{step}_results.json").read_text())
    differ = ("uuid", "elapsed_time", "machine")
    return {k: v for k, v in values.items() if k not in differ}
