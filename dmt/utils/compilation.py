"""Compiles functions of tensors, to be applied to arrays."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

# On a CPU, larger batches of images are not encoded faster.
BATCH_SIZE = 256


def compiled(function: Callable, batch_size: int = BATCH_SIZE) -> Callable:
    """Compiles a function of tensors, to be applied to arrays in batches.

    Args:
        function: function without state or randomness of a tensor of shape
            (batch_size, ...), which returns one or several such tensors.
        batch_size: number of rows of a batch.

    Returns:
        Function of an array of shape (n, ...), which returns arrays of n rows in the
        structure that `function` returns.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        run: Any = tf.function(function, autograph=False)
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
            # A new shape would be compiled again, so the last batch is padded.
            padding = [(0, batch_size - rows)] + [(0, 0)] * (batch.ndim - 1)
            result = run(np.pad(batch, padding))
            results.append(
                keras.tree.map_structure(
                    lambda t, rows=rows: keras.ops.convert_to_numpy(t)[:rows], result
                )
            )
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *results)

    return run_in_batches
