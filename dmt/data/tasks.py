"""Tasks on the images of a dataset: what a multi-task model learns to predict.

`random_tasks` are random networks of the factors of variation (Maziarka et al., 2021,
"On the relationship between disentanglement and multi-task learning",
https://arxiv.org/abs/2110.03498, section 3); `label_tasks` are columns of labels, a
table of your own or the factors themselves.
"""

import concurrent.futures
import hashlib
import json
import logging
import math

import numpy as np
import threadpoolctl

from dmt.data.ground_truth import prepared
from dmt.utils import arrays, machine, stages

logger = logging.getLogger(__name__)

SCALINGS = ("unit", "symmetric", "index")
SUBSETS = ("all", "random", "halves")
# Rows whose targets are computed at once.
_BLOCK = 4096


class Tasks:
    """What every kind of tasks has.

    `names(dataset)` are the tasks, `num_classes(dataset)` the number of classes of each
    (0: a number is to be predicted), `targets(dataset)` a float32 array
    (dataset.size, num_tasks) of numbers, or of classes from 0 on.
    """

    def names(self, dataset):
        """Name of each task."""
        raise NotImplementedError

    def num_classes(self, dataset):
        """Number of classes of each task, 0 for a regression."""
        return [0] * len(self.names(dataset))

    def targets(self, dataset):
        """Targets of all images, float32 (dataset.size, num_tasks)."""
        raise NotImplementedError


def unit_factors(factors, factor_sizes):
    """Value numbers scaled to [0, 1], 0 for a factor with one value.

    Args:
        factors: int array (n, num_factors).
        factor_sizes: number of values of each factor.

    Returns:
        float32 array (n, num_factors).
    """
    last = np.maximum(np.asarray(factor_sizes) - 1, 1).astype(np.float32)
    return np.asarray(factors, dtype=np.float32) / last


@stages.configurable("random_tasks", "supervision")
class RandomTasks(Tasks):
    """Regression to random networks of the factors.

    Task i is a network with tanh units and one linear output whose weights and biases
    are drawn from N(0, scale^2). It depends on the seed and on i alone, so that the
    first five of ten tasks are those of a run with five.

    Args:
        num_tasks: number of tasks.
        depth: number of hidden layers.
        width: units in each.
        scale: standard deviation of all weights and biases.
        seed: integer, at least 0.
        factor_scaling: what the networks see of a factor with n values: "unit" (value
            number / (n - 1), in [0, 1]), "symmetric" (the same in [-1, 1]) or "index"
            (the value number). A factor with one value is 0.
        factor_subset: the factors that a task sees: "all", "random" (a non-empty subset
            of its own) or "halves" (the first half of the factors for the first, third,
            ... task, the others for the second, fourth, ...).

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        num_tasks=10,
        depth=4,
        width=300,
        scale=1.0,
        seed=0,
        factor_scaling="unit",
        factor_subset="all",
    ):
        for name, value, least in (
            ("num_tasks", num_tasks, 1),
            ("depth", depth, 1),
            ("width", width, 1),
            ("seed", seed, 0),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(
                    f"random_tasks.{name} must be an integer, at least {least}. "
                    f"Received: {name}={value!r}"
                )
        if not isinstance(scale, (int, float)) or not 0 < scale < math.inf:
            raise ValueError(
                f"random_tasks.scale must be > 0. Received: scale={scale!r}"
            )
        for name, value, known in (
            ("factor_scaling", factor_scaling, SCALINGS),
            ("factor_subset", factor_subset, SUBSETS),
        ):
            if value not in known:
                raise ValueError(
                    f"random_tasks.{name} must be one of {', '.join(known)}. "
                    f"Received: {name}={value!r}"
                )
        self._num_tasks = num_tasks
        self._scaling = factor_scaling
        self._subset = factor_subset
        self._network = {"depth": depth, "width": width, "scale": scale, "seed": seed}

    def names(self, dataset):
        """See `Tasks.names`."""
        del dataset
        return [f"task {i}" for i in range(self._num_tasks)]

    def targets(self, dataset):
        """See `Tasks.targets`; computed once, later read from a file for each task.

        Raises:
            ValueError: if the dataset has no indices.
        """
        _check_indexed(dataset)
        factors = dataset.factors_at(np.arange(dataset.size))
        facts = {
            **self._network,
            "factor_scaling": self._scaling,
            "factor_subset": self._subset,
            "factor_sizes": [int(size) for size in dataset.factors_num_values],
            "factors": hashlib.sha256(factors.tobytes()).hexdigest(),
        }
        inputs = self.inputs(factors, dataset.factors_num_values)
        columns = []
        for task in range(self._num_tasks):
            known = {**facts, "task": task}
            digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
            name = f"tasks/{digest.hexdigest()[:16]}"
            shape = (dataset.size,)
            column = prepared.open_computed(name, known, shape, "float32")
            if column is None:
                logger.info("Computing targets of task %d, this happens once.", task)
                column = _outputs(self.weights(task, factors.shape[1]), inputs)
                prepared.write_computed(name, known, [column], shape, "float32")
                # Read back like every later time, unless another process writes now.
                opened = prepared.open_computed(name, known, shape, "float32")
                column = column if opened is None else opened
            columns.append(column)
        return np.stack(columns, axis=1)

    def inputs(self, factors, factor_sizes):
        """What the networks see.

        Args:
            factors: int array (n, num_factors).
            factor_sizes: number of values of each factor.

        Returns:
            float32 array (n, num_factors).
        """
        if self._scaling == "index":
            return np.asarray(factors, dtype=np.float32)
        scaled = unit_factors(factors, factor_sizes)
        if self._scaling == "unit":
            return scaled
        return np.where(np.asarray(factor_sizes) > 1, 2 * scaled - 1, 0).astype("f4")

    def weights(self, task, num_factors):
        """The network of a task.

        Args:
            task: number of the task.
            num_factors: number of factors.

        Returns:
            List of (kernel, bias), float64, in the order of the layers. Rows of the
            first kernel are 0 for the factors that the task does not see.
        """
        random_state = np.random.RandomState(
            np.random.MT19937(np.random.SeedSequence([self._network["seed"], task]))
        )
        seen = np.ones(num_factors, dtype=bool)
        if self._subset == "halves":
            first = np.arange(num_factors) < (num_factors + 1) // 2
            seen = first if task % 2 == 0 or num_factors == 1 else ~first
        elif self._subset == "random":
            bits = random_state.randint(1, 2**num_factors, dtype=np.int64)
            seen = (bits >> np.arange(num_factors)) & 1 == 1
        sizes = [num_factors, *[self._network["width"]] * self._network["depth"], 1]
        layers = [
            (
                self._network["scale"] * random_state.standard_normal((inputs, units)),
                self._network["scale"] * random_state.standard_normal(units),
            )
            for inputs, units in zip(sizes, sizes[1:], strict=False)
        ]
        layers[0] = (layers[0][0] * seen[:, None], layers[0][1])
        return layers


def _outputs(network, inputs):
    """Outputs (n,) of a network, in float32, of inputs (n, num_factors)."""
    *hidden, last = [[array.astype(np.float32) for array in layer] for layer in network]
    outputs = np.empty(len(inputs), dtype=np.float32)

    def compute(start):
        x = inputs[start : start + _BLOCK]
        for kernel, bias in hidden:
            x = x @ kernel
            x += bias
            np.tanh(x, out=x)
        outputs[start : start + _BLOCK] = (x @ last[0] + last[1])[:, 0]

    # A thread for each block keeps all cores busy in tanh too.
    starts = range(0, len(inputs), _BLOCK)
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        with concurrent.futures.ThreadPoolExecutor(machine.num_cores()) as executor:
            for _ in executor.map(compute, starts):
                pass
    return outputs


@stages.configurable("label_tasks", "supervision")
class LabelTasks(Tasks):
    """Columns of labels: regression to numbers, classification of values.

    Args:
        regression: names of columns, or their numbers from 0 on, that hold numbers.
        classification: names or numbers of columns that hold classes; the values that
            occur are numbered in ascending order.
        path: .csv, .npz, .npy or .parquet file with one row for each image of the
            dataset, in the order of its indices (.npz and .npy have no column names).
            None for the factors of variation of the dataset as labels, as value
            numbers.

    Raises:
        ValueError: if no column is named.
    """

    def __init__(self, regression=(), classification=(), path=None):
        for name, columns in (
            ("regression", regression),
            ("classification", classification),
        ):
            if not isinstance(columns, (list, tuple)):
                raise ValueError(
                    f"label_tasks.{name} must be a list of columns. "
                    f"Received: {name}={columns!r}"
                )
        if not regression and not classification:
            raise ValueError(
                "Bind label_tasks.regression or label_tasks.classification to a list "
                "of columns."
            )
        self._columns = [*regression, *classification]
        self._num_regressions = len(regression)
        self._path = path
        self._known = (None, None)

    def names(self, dataset):
        """See `Tasks.names`."""
        del dataset
        return [str(column) for column in self._columns]

    def num_classes(self, dataset):
        """See `Tasks.num_classes`."""
        classes = self.targets(dataset)[:, self._num_regressions :].max(axis=0) + 1
        return [0] * self._num_regressions + [int(number) for number in classes]

    def targets(self, dataset):
        """See `Tasks.targets`.

        Raises:
            FileNotFoundError: if there is no such table.
            ValueError: if the table does not fit the dataset, or lacks a column.
        """
        _check_indexed(dataset)
        if self._known[0] is not dataset:
            self._known = (dataset, self._read(dataset))
        return self._known[1]

    def _read(self, dataset):
        if self._path is None:
            table, words = dataset.factors_at(np.arange(dataset.size)), []
            names, source = dataset.factor_names, dataset.name
        else:
            (table,) = arrays.load_tables([self._path], "labels")
            words = arrays.columns_of_words(self._path)
            names, source = arrays.column_names(self._path), self._path
        if len(table) != dataset.size:
            raise ValueError(
                f"{self._path} must have a row for each of the {dataset.size} images "
                f"of {dataset.name}. Received: {len(table)} rows"
            )
        targets = np.empty((len(table), len(self._columns)), dtype=np.float32)
        for task, column in enumerate(self._columns):
            number = names.index(column) if column in names else column
            if isinstance(number, bool) or number not in range(table.shape[1]):
                known = ", ".join(names) or f"0 to {table.shape[1] - 1}"
                raise ValueError(
                    f"{source} has no column {column!r}. The columns are: {known}."
                )
            if task < self._num_regressions and number in words:
                raise ValueError(
                    f"Column {column!r} of {source} holds words, which have classes: "
                    "move it from label_tasks.regression to "
                    "label_tasks.classification."
                )
            targets[:, task] = values = table[:, number]
            if not np.isfinite(targets[:, task]).all():
                raise ValueError(
                    f"{source} holds labels that are not finite numbers. "
                    f"Received: column {column!r}"
                )
            if task >= self._num_regressions:
                targets[:, task] = np.unique(values, return_inverse=True)[1]
        return targets


def train_and_test_rows(size, test_share, seed):
    """Splits the images of a dataset.

    Args:
        size: number of images.
        test_share: share of the images to test on, in (0, 1).
        seed: integer in [0, 2**32).

    Returns:
        Two int64 arrays of indices, in random order.

    Raises:
        ValueError: if test_share or seed is out of range.
    """
    if not isinstance(test_share, (int, float)) or not 0 < test_share < 1:
        raise ValueError(
            f"test_share must be in (0, 1). Received: test_share={test_share!r}"
        )
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(
            "split_seed must be an integer in [0, 2**32). "
            f"Received: split_seed={seed!r}"
        )
    order = np.random.RandomState(seed).permutation(size)
    num_test = min(max(round(test_share * size), 1), size - 1)
    return order[num_test:], order[:num_test]


def _check_indexed(dataset):
    if dataset.size is None:
        raise ValueError(
            "Tasks need a dataset whose images have indices. "
            f"Received: {dataset.name}, which draws random pixels"
        )
