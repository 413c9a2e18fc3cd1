"""Training steps that are addressed by their number.

Batch t of a run is a function of (seed, t) alone, so a run can start at any step. The
images come from the host (`dmt.data.pipeline.host_batches`) or stay on the device
(`Resident`); both give the same batches for the same seed.
"""

import functools

import keras
import numpy as np
from keras import ops

# Constants of the 32-bit finaliser of MurmurHash3.
_MULTIPLIERS = (0x85EBCA6B, 0xC2B2AE35)


def batch_indices(seed, step, batch_size, size):
    """The images of batch `step`, drawn uniformly with replacement.

    A hash of (seed, step, position in the batch): the same numbers in NumPy and on
    every Keras backend, on the host and on the device.

    Args:
        seed: integer in [0, 2**32).
        step: integer, or integer scalar tensor.
        batch_size: number of indices.
        size: number of images, < 2**32.

    Returns:
        (batch_size,) int32 indices in [0, size): an array if `step` is a Python or
        NumPy integer, a tensor otherwise.
    """
    if isinstance(step, (int, np.integer)):
        with np.errstate(over="ignore"):
            return _indices(_NumPy, seed, np.uint32(step), batch_size, size)
    return _indices(_Tensors, seed, ops.cast(step, "uint32"), batch_size, size)


def _indices(xp, seed, step, batch_size, size):
    word = xp.uint32(seed)
    for value in (step, xp.arange(batch_size)):
        word = xp.xor(word, value) + xp.uint32(0x9E3779B9)
        word = xp.xor(word, xp.shift(word, 16)) * xp.uint32(_MULTIPLIERS[0])
        word = xp.xor(word, xp.shift(word, 13)) * xp.uint32(_MULTIPLIERS[1])
        word = xp.xor(word, xp.shift(word, 16))
    return xp.int32(word % xp.uint32(size))


class _NumPy:
    uint32 = np.uint32
    xor = staticmethod(np.bitwise_xor)
    shift = staticmethod(lambda x, n: x >> np.uint32(n))
    arange = staticmethod(lambda n: np.arange(n, dtype="uint32"))
    int32 = staticmethod(lambda x: x.astype("int32"))


class _Tensors:
    uint32 = staticmethod(lambda x: ops.convert_to_tensor(x, "uint32"))
    xor = staticmethod(ops.bitwise_xor)
    shift = staticmethod(
        lambda x, n: ops.right_shift(x, ops.convert_to_tensor(n, "uint32"))
    )
    arange = staticmethod(lambda n: ops.cast(ops.arange(n), "uint32"))
    int32 = staticmethod(lambda x: ops.cast(x, "int32"))


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
        if keras.backend.backend() != "jax":
            return super().make_train_function(force)
        if self.train_function is None or force:
            self.train_function = self._make_jax_train_function()
        return self.train_function

    def _make_jax_train_function(self):
        import jax

        resident = self.resident
        # The images are an argument: as a constant they would be compiled in.
        images = None if resident is None else resident.images

        def one_step(images, state, data):
            if resident is not None:
                data = (resident.batch(data, images),)
            logs, state = self.train_step(state, data)
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
