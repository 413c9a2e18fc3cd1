"""What every trained model has in common: counters, seeds, and steps by their number.

Batch t of a run is a function of (seed, t) alone, so a run can start at any step. The
images come from the host (`dmt.data.pipeline.host_batches`) or stay on the device
(`Resident`); both give the same batches for the same seed.
"""

import functools
import random
from contextlib import contextmanager

import keras
import numpy as np
from keras import ops

from dmt.data.pipeline import batch_indices
from dmt.methods.gaussian_encoder_model import GaussianEncoderModel
from dmt.methods.shared import optimizers


class Resident:
    """Examples that stay on the device; batches are drawn and gathered there.

    Args:
        images: array (n, height, width, channels).
        targets: array (n, num_targets), (number of seeds, n, num_targets) if those of
            each seed are others, or None.
        seed: integer in [0, 2**32), or a list of them: batches then have a first axis
            for the seeds.
        batch_size: examples in a batch.
    """

    def __init__(self, images, targets, seed, batch_size):
        arrays = (images,) if targets is None else (images, targets)
        self.examples = tuple(map(ops.convert_to_tensor, arrays))
        self.seed = seed
        self.batch_size = batch_size

    def batch(self, step, examples):
        """Batch `step`, gathered from the tuple of tensors `examples`."""
        images, *targets = examples
        size = images.shape[0]
        indices = batch_indices(self.seed, step, self.batch_size, size)
        batch = [ops.take(images, indices, axis=0)]
        for tensor in targets:
            if len(tensor.shape) == 3:
                seeds, _, num_targets = tensor.shape
                tensor = ops.reshape(tensor, (seeds * size, num_targets))
                indices = indices + size * ops.arange(seeds, dtype="int32")[:, None]
            batch.append(ops.take(tensor, indices, axis=0))
        return tuple(batch)


class StepAddressedTraining:
    """Mixin for `keras.Model`: `fit` on step numbers when images are resident.

    With `self.resident` set, `fit` takes a stream of step numbers instead of images.
    On JAX and an accelerator, `steps_per_execution` steps run as one `lax.scan`, where
    Keras would dispatch each one; XLA's CPU code for convolutions inside a loop is
    slow, so there they are dispatched.
    """

    resident = None

    def train_step(self, *args):
        """One update; see `keras.Model.train_step`."""
        if self.resident is not None and keras.backend.backend() == "tensorflow":
            (step,) = args
            args = (self.resident.batch(step, self.resident.examples),)
        return super().train_step(*args)

    def make_train_function(self, force=False):
        """Compiles the update; see `keras.Model.make_train_function`."""
        if keras.backend.backend() != "jax" or self.resident is None:
            return super().make_train_function(force)
        if self.train_function is None or force:
            self.train_function = self._make_jax_train_function()
        return self.train_function

    def _make_jax_train_function(self):
        import jax

        resident = self.resident
        # The examples are an argument: as a constant they would be compiled in.
        examples = resident.examples

        def one_step(examples, state, step):
            logs, state = self.train_step(state, resident.batch(step, examples))
            return state, logs

        if self.steps_per_execution == 1 or jax.default_backend() == "cpu":
            run = jax.jit(one_step, donate_argnums=1)

            def train_function(state, iterator):
                for _ in range(self.steps_per_execution):
                    state, logs = run(examples, state, next(iterator))
                return logs, state

        else:

            @functools.partial(jax.jit, donate_argnums=1)
            def run(examples, state, data):
                state, logs = jax.lax.scan(
                    functools.partial(one_step, examples), state, data
                )
                return state, jax.tree.map(lambda values: values[-1], logs)

            def train_function(state, iterator):
                steps = [next(iterator) for _ in range(self.steps_per_execution)]
                data = jax.tree.map(lambda *leaves: np.stack(leaves), *steps)
                state, logs = run(examples, state, data)
                return logs, state

        return train_function


class TrainableModel(StepAddressedTraining, GaussianEncoderModel):
    """A model that `dmt.methods.train` trains.

    Before training, `initialize` makes the networks that the gin configuration binds.
    Everything that changes in training is a Keras variable: the weights, the counter
    `step` of updates, and the states of random generators. Subclasses define
    `make_networks`, `call` and `compute_loss`, which `record`s the parts of the loss
    under their `result_keys` and raises `step` in updates.
    """

    # Names of the losses in the logs, and of numbers that a sweep may vary: kept under
    # the names of the arguments, they are read anew in every `compute_loss`.
    result_keys = ()
    hyperparameters = ()
    # Names of arguments that choose targets or first weights, nothing else.
    choices = ()

    def __init__(self):
        super().__init__()
        self.step = self.add_weight(
            name="step", shape=(), dtype="int32", initializer="zeros", trainable=False
        )
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in self.result_keys
        }

    def initialize(self, dataset, seed):
        """Makes the networks.

        Args:
            dataset: the `GroundTruthData` to train on.
            seed: integer; the same seed gives the same weights.
        """
        with _initializers_seeded_by(seed):
            self.make_networks(dataset)
        self.built = True

    def make_networks(self, dataset):
        """Makes the networks from the gin configuration; see `initialize`."""
        raise NotImplementedError(f"{type(self).__name__} must define make_networks.")

    def make_optimizer(self):
        """The optimiser of all trainable weights, from the gin configuration."""
        return optimizers.make_vae_optimizer()

    def examples(self, dataset):
        """What to train on, and what to evaluate on after training.

        Args:
            dataset: a `GroundTruthData`.

        Returns:
            Two of `GroundTruthData` or `dmt.data.pipeline.LabelledData`.
        """
        return dataset, dataset

    def results(self, dataset):
        """More to write to the results of training, a dictionary.

        Args:
            dataset: the `GroundTruthData` that the model was trained on.
        """
        del dataset
        return {}

    def record(self, batch_size, **values):
        """Adds batch means to the running means of the logs."""
        for name, value in values.items():
            if name in self.trackers:
                self.trackers[name].update_state(value, sample_weight=batch_size)


def seed_generator(seed, purpose):
    """A generator of random numbers of its own for each purpose of a seed."""
    (state,) = np.random.SeedSequence([seed, *purpose.encode()]).generate_state(1)
    return keras.random.SeedGenerator(int(state >> 1))


@contextmanager
def _initializers_seeded_by(seed):
    # Keras draws the seeds of unseeded initialisers from Python's generator.
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
