"""Functions of tensors as fast functions of arrays."""

import keras
import numpy as np

# Images per call of the encoder: past this a CPU gains nothing.
BATCH_SIZE = 256


def compiled(function, batch_size=BATCH_SIZE):
    """`function` of one array, compiled and applied in batches.

    Args:
        function: takes a tensor (batch, ...), returns a tensor or a list or tuple of
            tensors whose first axis is the batch; without randomness or other state.
        batch_size: rows in a batch.

    Returns:
        Function from a NumPy array (n, ...) to arrays of n rows, nested as the
        function's own results.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        run = tf.function(function)
    elif keras.backend.backend() == "jax":
        import jax

        run = jax.jit(function)
    else:
        run = function

    def run_in_batches(array):
        results = []
        for start in range(0, len(array), batch_size):
            batch = array[start : start + batch_size]
            rows = len(batch)
            # One shape, one compilation.
            padding = [(0, batch_size - rows)] + [(0, 0)] * (batch.ndim - 1)
            result = run(np.pad(batch, padding))
            results.append(
                keras.tree.map_structure(
                    lambda t, rows=rows: keras.ops.convert_to_numpy(t)[:rows], result
                )
            )
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *results)

    return run_in_batches
