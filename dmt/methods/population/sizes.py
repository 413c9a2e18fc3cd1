"""How many models to train as one program, given the device and its memory."""

import math
import os
import subprocess
import tempfile

import keras

from dmt.methods import train
from dmt.methods.shared.layers import has_convolutions
from dmt.utils import configuration, machine, processes
from dmt.utils.processor import on_cpu

# Larger populations gain little, and the codes of all images for so many models would
# fill a disk.
MOST = 128
# On a CPU, above this many multiplications per step, one process per model is faster
# than stacking.
SMALL = 1.5e7
# Upper bounds on live copies in a step: of an activation (the value, its gradient, the
# buffer of a convolution); of a weight (in the members and in the population: the
# weight, its gradient, the optimiser's moments).
_ACTIVATION_COPIES = 8
_WEIGHT_COPIES = 8
_SHARE_OF_MEMORY = 0.8


def size_of(number, population, num_workers, limit):
    """Number of models to train as one program.

    Args:
        number: number of models that can be trained together.
        population: number that the user chose, or "auto".
        num_workers: number of processes that train.
        limit: function without arguments that returns `most_at_once` of one of the
            models; called with "auto" only.
    """
    if population != "auto":
        return min(number, population)
    return 1 if number == 1 else min(-(-number // num_workers), limit())


def limit_of(future):
    """The result of `most_at_once` that `processes.submit` started.

    1 if it failed: the run itself will then fail with the same message, under its name.
    """
    most, error = processes.outcome(future)
    return 1 if error else most


def most_at_once(gin_files, gin_bindings):
    """Number of models of a configuration to train as one program in this process.

    Args:
        gin_files: paths of gin files of the training.
        gin_bindings: lines of gin that override them.

    Returns:
        Number of models that fit into the memory; 1 if one model at a time is faster,
        as with convolutions on a CPU.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        configuration.gin_configuration(gin_files, gin_bindings),
    ):
        training = train.prepare(os.path.join(folder, "model"))
    size = training.model, training.settings.batch_size
    if on_cpu() and not _is_small(*size):
        return 1
    # Of the device's memory, or of the host's.
    available = _SHARE_OF_MEMORY * (_device_memory() or machine.available_memory())
    return max(1, min(int(available // _bytes_of_member(*size)), MOST))


def _is_small(model, batch_size):
    """Whether most of a step on a CPU is overhead rather than arithmetic."""
    if has_convolutions(model):
        return False
    weights = sum(math.prod(v.shape) for v in model.trainable_variables)
    return batch_size * weights <= SMALL


def _bytes_of_member(model, batch_size):
    """Upper bound on the bytes that a member takes in training."""
    outputs = [
        getattr(layer, "output", ())
        for layer in model._flatten_layers(include_self=False)
    ]
    # The axis of the batch is None, wherever it is.
    sizes = [
        math.prod(axis for axis in tensor.shape if axis is not None)
        for tensor in keras.tree.flatten(outputs)
    ]
    activations = batch_size * sum(sizes)
    weights = sum(math.prod(variable.shape) for variable in model.variables)
    return 4 * (_ACTIVATION_COPIES * activations + _WEIGHT_COPIES * weights)


def _device_memory():
    """Bytes of an accelerator's memory; 0 if there is none."""
    if on_cpu():
        return 0
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].memory_stats()["bytes_limit"]
    device = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    query = ["--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    command = ["nvidia-smi", f"--id={device}", *query]
    total = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return 2**20 * int(total) // int(os.environ.get(machine.NUM_WORKERS, 1))
