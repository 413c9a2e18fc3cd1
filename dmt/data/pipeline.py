"""Batches of images by step number: same seed and step, same batch."""

import collections
import concurrent.futures

import keras
import numpy as np

from dmt.methods.shared.training import batch_indices

PREFETCH = 2


def load_batch(dataset, seed, step, batch_size):
    """Images of batch `step`.

    Args:
        dataset: a `GroundTruthData`.
        seed: integer in [0, 2**32).
        step: integer.
        batch_size: number of images.

    Returns:
        uint8 array (batch_size, height, width, channels), or float32 in [0, 1] if the
        dataset's observations contain random pixels and cannot be indexed.
    """
    if dataset.size is None:
        random_state = np.random.RandomState([seed, step])
        observations = dataset.sample_observations(batch_size, random_state)
        return np.asarray(observations, dtype="float32")
    return dataset.images_at(batch_indices(seed, step, batch_size, dataset.size))


def host_batches(dataset, seed, batch_size, start, stop):
    """Batches `start` to `stop` - 1, made on the host while the device computes.

    Returns:
        tf.data.Dataset on the TensorFlow backend, a generator elsewhere; both are
        inputs for `keras.Model.fit` that can be consumed once.
    """

    def load(step):
        return load_batch(dataset, seed, int(step), batch_size)

    if keras.backend.backend() != "tensorflow":
        return _prefetched(load, start, stop)

    import tensorflow as tf

    dtype = "float32" if dataset.size is None else "uint8"
    shape = (batch_size, *dataset.observation_shape)

    def load_tensor(step):
        images = tf.numpy_function(load, [step], dtype, stateful=False)
        return tf.ensure_shape(images, shape)

    batches = tf.data.Dataset.range(start, stop)
    batches = batches.map(load_tensor, num_parallel_calls=PREFETCH)
    batches = batches.prefetch(PREFETCH)
    options = tf.data.Options()
    # Autotuning would make every `fit` end with seconds of waiting for its thread.
    options.autotune.enabled = False
    return batches.with_options(options)


def step_numbers(start, stop):
    """The stream that `fit` takes when images are resident on the device."""
    if keras.backend.backend() != "tensorflow":
        return ((np.int32(step),) for step in range(start, stop))

    import tensorflow as tf

    return tf.data.Dataset.range(start, stop)


def _prefetched(load, start, stop):
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        pending = collections.deque()
        for step in range(start, stop):
            pending.append(executor.submit(load, step))
            if len(pending) > PREFETCH:
                yield (pending.popleft().result(),)
        while pending:
            yield (pending.popleft().result(),)
