"""Training steps that are addressed by their number.

Batch t of a run is a function of (seed, t) alone, so a run can start at any step. The
images come from the host (`dmt.data.pipeline.host_batches`) or stay on the device
(`Resident`); both give the same batches for the same seed.
"""

import functools

import keras
import numpy as np
from keras import ops

from dmt.data.pipeline import batch_indices


class Resident:
    """Images that stay on the device; batches are drawn and gathered there.

    Args:
        images: uint8 array (size, height, width, channels).
        seed: integer in [0, 2**32).
        batch_size: images in a batch.
    """

    def __init__(self, images, seed, batch_size):
        self.images = ops.convert_to_tensor(images)
        self.seed = seed
        self.batch_size = batch_size

    def batch(self, step, images):
        """Images of batch `step`, gathered from the tensor `images`."""
        indices = batch_indices(self.seed, step, self.batch_size, images.shape[0])
        return ops.take(images, indices, axis=0)


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
            args = ((self.resident.batch(step, self.resident.images),),)
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
        # The images are an argument: as a constant they would be compiled in.
        images = resident.images

        def one_step(images, state, step):
            logs, state = self.train_step(state, (resident.batch(step, images),))
            return state, logs

        if self.steps_per_execution == 1 or jax.default_backend() == "cpu":
            run = jax.jit(one_step, donate_argnums=1)

            def train_function(state, iterator):
                for _ in range(self.steps_per_execution):
                    state, logs = run(images, state, next(iterator))
                return logs, state

        else:

            @functools.partial(jax.jit, donate_argnums=1)
            def run(images, state, data):
                state, logs = jax.lax.scan(
                    functools.partial(one_step, images), state, data
                )
                return state, jax.tree.map(lambda values: values[-1], logs)

            def train_function(state, iterator):
                steps = [next(iterator) for _ in range(self.steps_per_execution)]
                data = jax.tree.map(lambda *leaves: np.stack(leaves), *steps)
                state, logs = run(images, state, data)
                return logs, state

        return train_function
