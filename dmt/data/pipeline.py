"""Batches by step number: batch t of a run is a function of its seed and t alone.

Therefore a run can be resumed at any step.
"""

import collections
import concurrent.futures
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from dmt.data.ground_truth.ground_truth_data import GroundTruthData
from dmt.utils import machine

PREFETCH = 2
# Batches of this size are not checked for memory.
_SMALL_BATCH = 4096

# Constants of the 32-bit finaliser of MurmurHash3.
_MULTIPLIERS = (0x85EBCA6B, 0xC2B2AE35)


def batch_indices(seed, step, batch_size, size):
    """The examples of batch `step`, drawn uniformly with replacement.

    Each index is a hash of the seed, the step and the position in the batch. It is the
    same in NumPy and on every Keras backend, on the host and on the device.

    Args:
        seed: integer in [0, 2**32), or a list of them.
        step: integer, or integer scalar tensor.
        batch_size: number of indices.
        size: number of examples, < 2**31.

    Returns:
        int32 indices in [0, size) of shape (batch_size,), or (number of seeds,
        batch_size) for a list of seeds. They are an array if `step` is a Python or
        NumPy integer, and a tensor otherwise.
    """
    if isinstance(seed, list):
        seed = np.array(seed, dtype="uint32")[:, None]
    if isinstance(step, (int, np.integer)):
        with np.errstate(over="ignore"):
            return _indices(_NumPy, seed, np.uint32(step), batch_size, size)
    return _indices(_Tensors, seed, ops.cast(step, "uint32"), batch_size, size)


def _indices(xp, seed, step, batch_size, size):
    word = xp.uint32(0)
    for value in (xp.uint32(seed), step, xp.arange(batch_size)):
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
    shift = staticmethod(lambda x, n: ops.right_shift(x, _Tensors.uint32(n)))
    arange = staticmethod(lambda n: ops.cast(ops.arange(n), "uint32"))
    int32 = staticmethod(lambda x: ops.cast(x, "int32"))


class Examples:
    """Base class of what a model is trained or evaluated on: batches by step number.

    A subclass defines `load_batch`. If every example has an index, derive the class
    from `IndexedExamples`. Such examples can stay on the device during training.
    """

    def load_batch(self, seed: int, step: int, batch_size: int) -> tuple:
        """Batch `step`, a function of the arguments alone.

        Args:
            seed: integer in [0, 2**32).
            step: number of the batch, from 0 on.
            batch_size: number of examples in the batch.

        Returns:
            (inputs,), (inputs, targets) or (inputs, targets, masks), as
            `keras.Model.fit` takes them. Each is an array (batch_size, ...), or a
            dictionary or tuple of such arrays. All batches have the same shapes.
        """
        raise NotImplementedError(f"{type(self).__name__} must define load_batch.")


class IndexedExamples(Examples):
    """`size` examples, from which batches are drawn with replacement.

    A subclass defines `size` and `at`.
    """

    size: int

    def at(self, indices: np.ndarray) -> tuple:
        """The examples at some indices, as `load_batch` returns them.

        Args:
            indices: int array (n,), values in [0, size).
        """
        raise NotImplementedError(f"{type(self).__name__} must define at.")

    def load_batch(self, seed: int, step: int, batch_size: int) -> tuple:
        """See `Examples.load_batch`."""
        return self.at(batch_indices(seed, step, batch_size, self.size))


class DrawnExamples(Examples):
    """Examples that are random numbers, which can be drawn on the device too.

    A subclass defines `draw` by `dmt.data.counters`, and is comparable, so that equal
    examples of several runs are drawn in one call.

    Attributes:
        choices: names of arguments that change no shape. Runs that differ in them can
            be trained as one population.
    """

    choices: ClassVar[tuple[str, ...]] = ()

    def draw(self, seed: int | list[int], step: Any, batch_size: int) -> tuple:
        """Batch `step`, as `load_batch` returns it.

        Args:
            seed: integer in [0, 2**32); or a list of them, which gives the batch a
                first axis for the seeds.
            step: integer, for arrays; or integer scalar tensor, for tensors, whose
                function can be compiled.
            batch_size: number of examples in the batch.
        """
        raise NotImplementedError(f"{type(self).__name__} must define draw.")

    def load_batch(self, seed: int, step: int, batch_size: int) -> tuple:
        """See `Examples.load_batch`."""
        return self.draw(int(seed), int(step), batch_size)


class LabelledData(IndexedExamples):
    """Images of a dataset with the targets that a model learns to predict.

    Args:
        dataset: an indexable `GroundTruthData`.
        rows: int array (n,), indices of images.
        targets: float32 array (dataset.size, num_targets), targets of every image.
    """

    def __init__(self, dataset, rows, targets):
        self.size = len(rows)
        self.num_targets = targets.shape[1]
        self._dataset = dataset
        self._rows = rows
        self._targets = targets

    def at(self, indices: np.ndarray) -> tuple:
        """uint8 images (n, height, width, channels) and targets (n, num_targets)."""
        rows = self._rows[indices]
        return self._dataset.images_at(rows), self._targets[rows]


class _Images(IndexedExamples):
    """The images of an indexable dataset."""

    def __init__(self, dataset):
        self.size = dataset.size
        self._dataset = dataset

    def at(self, indices):
        return (self._dataset.images_at(indices),)


class _DrawnImages(Examples):
    """Images of a dataset whose observations contain random pixels, float32 in [0, 1].

    They cannot be indexed.
    """

    def __init__(self, dataset):
        self._dataset = dataset

    def load_batch(self, seed, step, batch_size):
        # Draws pixels more than twice as fast as the default generator.
        random_state = np.random.RandomState(np.random.SFC64([seed, step]))
        observations = self._dataset.sample_observations(batch_size, random_state)
        return (np.asarray(observations, dtype="float32"),)


class IndexedData:
    """A dataset whose observations are the indices of its images.

    Sampling draws the same random numbers as from the dataset itself, but loads no
    image.

    Args:
        dataset: an indexable `GroundTruthData`.
    """

    def __init__(self, dataset):
        self._dataset = dataset

    def __getattr__(self, name):
        return getattr(self._dataset, name)

    def sample_observations_from_factors(self, factors, random_state):
        """Indices (n,) of images that show the factors (n, num_factors)."""
        return self._dataset.indices_of(factors, random_state)

    def observations_at(self, indices):
        """The indices."""
        return indices

    # The methods of the dataset itself would load images.
    sample = GroundTruthData.sample
    sample_observations = GroundTruthData.sample_observations


def examples_of(data) -> Examples:
    """Returns the images of a `GroundTruthData` as `Examples`; `Examples` unchanged."""
    if hasattr(data, "load_batch"):
        return data
    return _DrawnImages(data) if data.size is None else _Images(data)


def all_examples(data) -> tuple:
    """All examples at once.

    Args:
        data: `IndexedExamples` or an indexable `GroundTruthData`; or a list of them,
            with equally many examples.

    Returns:
        (arrays, own), both in the structure of a batch. `arrays` holds all examples.
        `own` tells for each array whether it has a first axis for the items of the
        list. An array that is equal for all items has no such axis.
    """
    listed = data if isinstance(data, list) else [data]
    # What is listed more than once is read once.
    examples = {id(one): examples_of(one) for one in listed}
    several: list[Any] = [examples[id(one)] for one in listed]
    rows = np.arange(several[0].size)
    structure = several[0].at(rows)
    columns = [[array] for array in keras.tree.flatten(structure)]
    for other in several[1:]:
        if other is several[0]:
            for column in columns:
                column.append(column[0])
            continue
        for column, array in zip(columns, _leaves(other.at(rows)), strict=True):
            # Arrays that are equal for many members are kept once.
            is_same = np.array_equal(array, column[0])
            column.append(column[0] if is_same else array)
    own = [any(array is not column[0] for array in column) for column in columns]
    arrays = [
        np.stack(column) if is_own else column[0]
        for column, is_own in zip(columns, own, strict=True)
    ]
    return tuple(keras.tree.pack_sequence_as(structure, kind) for kind in (arrays, own))


def load_batch(data, seed: int, step: int, batch_size: int) -> tuple:
    """Loads a batch of `examples_of(data)`; see `Examples.load_batch`."""
    return examples_of(data).load_batch(seed, step, batch_size)


def host_batches(data, seed, batch_size: int, start: int, stop: int):
    """Batches `start` to `stop` - 1, made on the host while the device computes.

    Args:
        data: `Examples` or a `GroundTruthData`; or a list of them whose batches have
            the same shapes. Batches then have a first axis for the items of the list.
        seed: integer in [0, 2**32); or a list with a seed for each item of `data`.
        batch_size: number of examples of each seed's batch.
        start: first step.
        stop: step after the last.

    Returns:
        tf.data.Dataset on the TensorFlow backend, a generator elsewhere. Both are
        inputs of `keras.Model.fit` that can be consumed once.

    Raises:
        ValueError: if a batch does not fit in memory.
    """
    _check_memory(data, seed, batch_size)

    def load(step):
        if not isinstance(data, list):
            return load_batch(data, seed, int(step), batch_size)
        pairs = zip(data, seed, strict=True)
        batches = [load_batch(*pair, int(step), batch_size) for pair in pairs]
        return keras.tree.map_structure(lambda *arrays: np.stack(arrays), *batches)

    if keras.backend.backend() != "tensorflow":
        return _prefetched(load, start, stop)

    import tensorflow as tf

    # All batches have the structure, shapes and types of the first one.
    first = load(start)

    def load_tensors(step):
        leaves = _leaves(first)
        types = [array.dtype for array in leaves]
        tensors = tf.numpy_function(
            lambda step: _leaves(load(step)), [step], types, stateful=False
        )
        for tensor, array in zip(tensors, leaves, strict=True):
            tensor.set_shape(array.shape)
        return keras.tree.pack_sequence_as(first, tensors)

    batches = tf.data.Dataset.range(start, stop)
    batches = batches.map(load_tensors, num_parallel_calls=PREFETCH)
    batches = batches.prefetch(PREFETCH)
    options = tf.data.Options()
    # Autotuning would make every `fit` end with seconds of waiting for its thread.
    options.autotune.enabled = False
    return batches.with_options(options)


def _check_memory(data, seed, batch_size):
    """Raises an error if a batch is larger than the available memory."""
    if batch_size <= _SMALL_BATCH:
        return
    several = isinstance(data, list)
    one = load_batch(*((data[0], seed[0]) if several else (data, seed)), 0, 1)
    num_bytes = batch_size * sum(array.nbytes for array in _leaves(one))
    num_bytes *= len(data) if several else 1
    available = machine.available_memory()
    if 0 < available < num_bytes:
        raise ValueError(
            f"A batch takes {num_bytes / 1e9:,.0f} GB, and {available / 1e9:,.1f} GB "
            f"of memory are available. Received: batch_size={batch_size}"
        )


def _leaves(batch):
    return [np.asarray(array) for array in keras.tree.flatten(batch)]


def step_numbers(start, stop):
    """Step numbers, the input of `fit` if all examples are resident on the device."""
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
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
