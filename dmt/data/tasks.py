"""Tasks of multi-task models: targets for the images of a dataset.

`random_tasks` are random networks of the factors of variation (Maziarka et al., 2021,
"On the relationship between disentanglement and multi-task learning",
https://arxiv.org/abs/2110.03498, section 3). `label_tasks` are columns of labels, from
a table of your own or the factors themselves.
"""

import concurrent.futures
import hashlib
import json
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import threadpoolctl

from dmt.data.ground_truth import prepared
from dmt.data.ground_truth.ground_truth_data import GroundTruthData
from dmt.utils import arrays, checks, machine, stages

logger = logging.getLogger(__name__)

SCALINGS = ("unit", "symmetric", "index")
SUBSETS = ("all", "random", "halves")
# Number of rows whose targets are computed at once.
_BLOCK = 4096


class Tasks:
    """Base class of tasks."""

    def names(self, dataset: GroundTruthData) -> list[str]:
        """Name of each task."""
        raise NotImplementedError

    def num_classes(self, dataset: GroundTruthData) -> list[int]:
        """Number of classes of each task, 0 for a regression."""
        return [0] * len(self.names(dataset))

    def targets(self, dataset: GroundTruthData) -> np.ndarray:
        """Targets of all images.

        Returns:
            float32 array (dataset.size, num_tasks) of numbers, or of classes from 0 on.
        """
        raise NotImplementedError


def unit_factors(factors: np.ndarray, factor_sizes: Sequence[int]) -> np.ndarray:
    """Scales value numbers to [0, 1]; a factor with one value becomes 0.

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

    Task i is a network with tanh units and one linear output, whose weights and biases
    are drawn from N(0, scale^2). It depends on the seed and on i only, so that a run
    with five tasks has the first five of ten tasks.

    Args:
        num_tasks: number of tasks.
        depth: number of hidden layers.
        width: number of units in each hidden layer.
        scale: standard deviation of all weights and biases.
        seed: integer, at least 0.
        factor_scaling: input of the networks for a factor with n values: "unit" (value
            number / (n - 1), in [0, 1]), "symmetric" (the same in [-1, 1]) or "index"
            (the value number). The input is 0 for a factor with one value.
        factor_subset: the factors that a task depends on: "all", "random" (a random,
            non-empty subset for each task) or "halves" (the first half of the factors
            for the first, third, ... task, the others for the second, fourth, ...).

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        num_tasks: int = 10,
        depth: int = 4,
        width: int = 300,
        scale: float = 1.0,
        seed: int = 0,
        factor_scaling: str = "unit",
        factor_subset: str = "all",
    ):
        checks.integer("random_tasks.num_tasks", num_tasks, low=1)
        checks.integer("random_tasks.depth", depth, low=1)
        checks.integer("random_tasks.width", width, low=1)
        checks.integer("random_tasks.seed", seed, low=0)
        checks.number("random_tasks.scale", scale, above=0)
        checks.one_of("random_tasks.factor_scaling", factor_scaling, SCALINGS)
        checks.one_of("random_tasks.factor_subset", factor_subset, SUBSETS)
        self._num_tasks = num_tasks
        self._facts: dict[str, Any] = {
            "depth": depth,
            "width": width,
            "scale": scale,
            "seed": seed,
            "factor_scaling": factor_scaling,
            "factor_subset": factor_subset,
        }

    def names(self, dataset: GroundTruthData) -> list[str]:
        """See `Tasks.names`."""
        del dataset
        return [f"task {i}" for i in range(self._num_tasks)]

    def targets(self, dataset: GroundTruthData) -> np.ndarray:
        """See `Tasks.targets`; they are computed once and kept in a file for each task.

        Raises:
            ValueError: if the dataset has no indices.
        """
        size = dataset.indexed_size("A task")
        dataset.check_factors("random_tasks", discrete=False)
        factors = dataset.factors_at(np.arange(size))
        if any(dataset.continuous_factors):
            # `inputs` divides by the number of values minus one.
            last = np.maximum(np.array(dataset.factors_num_values) - 1, 1)
            scaled = dataset.scaled_factors(factors)
            factors = np.where(dataset.continuous_factors, scaled * last, factors)
        facts = {
            **self._facts,
            "factor_sizes": [int(size) for size in dataset.factors_num_values],
            "factors": hashlib.sha256(factors.tobytes()).hexdigest(),
        }
        inputs = self.inputs(factors, dataset.factors_num_values)
        columns = []
        for task in range(self._num_tasks):
            known = {**facts, "task": task}
            digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
            name = f"tasks/{digest.hexdigest()[:16]}"
            shape = (size,)
            column = prepared.open_computed(name, known, shape, "float32")
            if column is None:
                logger.info("Computing targets of task %d, this happens once.", task)
                column = _outputs(self.weights(task, factors.shape[1]), inputs)
                prepared.write_computed(name, known, [column], shape, "float32")
                # Use the file as later calls do, unless another process is writing it.
                opened = prepared.open_computed(name, known, shape, "float32")
                column = column if opened is None else opened
            columns.append(column)
        return np.stack(columns, axis=1)

    def inputs(self, factors: np.ndarray, factor_sizes: Sequence[int]) -> np.ndarray:
        """Scales factors to inputs of the networks; shapes as in `unit_factors`."""
        if self._facts["factor_scaling"] == "index":
            return np.asarray(factors, dtype=np.float32)
        scaled = unit_factors(factors, factor_sizes)
        if self._facts["factor_scaling"] == "unit":
            return scaled
        return np.where(np.asarray(factor_sizes) > 1, 2 * scaled - 1, 0).astype("f4")

    def weights(
        self, task: int, num_factors: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Draws the network of a task.

        Args:
            task: number of the task.
            num_factors: number of factors.

        Returns:
            List of (kernel, bias), float64, in the order of the layers. Rows of the
            first kernel are 0 for the factors that the task does not depend on.
        """
        random_state = np.random.RandomState(
            np.random.MT19937(np.random.SeedSequence([self._facts["seed"], task]))
        )
        seen = np.ones(num_factors, dtype=bool)
        if self._facts["factor_subset"] == "halves":
            first = np.arange(num_factors) < (num_factors + 1) // 2
            seen = first if task % 2 == 0 or num_factors == 1 else ~first
        elif self._facts["factor_subset"] == "random":
            bits = random_state.randint(1, 2**num_factors, dtype=np.int64)
            seen = (bits >> np.arange(num_factors)) & 1 == 1
        sizes = [num_factors, *[self._facts["width"]] * self._facts["depth"], 1]
        layers = [
            (
                self._facts["scale"] * random_state.standard_normal((inputs, units)),
                self._facts["scale"] * random_state.standard_normal(units),
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
    """Regression to columns of labels, and classification of columns of labels.

    Args:
        regression: columns that hold numbers, by their names or numbers from 0 on.
        classification: columns that hold classes, by their names or numbers. The values
            that occur are numbered in ascending order.
        path: .csv, .npz, .npy or .parquet file with one row for each image of the
            dataset, in the order of its indices (.npz and .npy have no column names).
            None to use the value numbers of the dataset's factors as labels.

    Raises:
        ValueError: if no column is named.
    """

    def __init__(
        self,
        regression: Sequence[str | int] = (),
        classification: Sequence[str | int] = (),
        path: str | None = None,
    ):
        given = {"regression": regression, "classification": classification}
        for name, columns in given.items():
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
        self._dataset: GroundTruthData | None = None

    def names(self, dataset: GroundTruthData) -> list[str]:
        """See `Tasks.names`."""
        del dataset
        return [str(column) for column in self._columns]

    def num_classes(self, dataset: GroundTruthData) -> list[int]:
        """See `Tasks.num_classes`."""
        classes = self.targets(dataset)[:, self._num_regressions :].max(axis=0) + 1
        return [0] * self._num_regressions + [int(number) for number in classes]

    def targets(self, dataset: GroundTruthData) -> np.ndarray:
        """See `Tasks.targets`.

        Raises:
            FileNotFoundError: if there is no such table.
            ValueError: if the table does not fit the dataset, or lacks a column.
        """
        size = dataset.indexed_size("A task")
        if self._dataset is not dataset:
            self._dataset, self._targets = dataset, self._read(dataset, size)
        return self._targets

    def _read(self, dataset, size):
        if self._path is None:
            dataset.check_factors("label_tasks without a path", discrete=False)
            table, words = dataset.factors_at(np.arange(size)), []
            names, source = dataset.factor_names, dataset.name
        else:
            (table,) = arrays.load_tables([self._path], "labels")
            words = arrays.columns_of_words(self._path, "labels")
            names, source = arrays.column_names(self._path), self._path
        if len(table) != size:
            raise ValueError(
                f"{self._path} must have a row for each of the {size} images "
                f"of {dataset.name}. Received: {len(table)} rows"
            )
        targets = np.empty((len(table), len(self._columns)), dtype=np.float32)
        for task, column in enumerate(self._columns):
            number = names.index(column) if column in names else column
            if not checks.is_integer(number) or not 0 <= number < table.shape[1]:
                known = ", ".join(names) or f"0 to {table.shape[1] - 1}"
                raise ValueError(
                    f"{source} has no column {column!r}. The columns are: {known}."
                )
            if task < self._num_regressions and number in words:
                raise ValueError(
                    f"Column {column!r} of {source} holds words, which are classes: "
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
                if self._path is None and dataset.continuous_factors[number]:
                    dataset.check_factors("label_tasks.classification")
                targets[:, task] = np.unique(values, return_inverse=True)[1]
        return targets


def train_and_test_rows(
    size: int, test_share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Splits the images of a dataset into a part to train on and a part to test on.

    Args:
        size: number of images.
        test_share: share of the images to test on, in (0, 1).
        seed: integer in [0, 2**32).

    Returns:
        Two int64 arrays of indices in random order, those to train on first.

    Raises:
        ValueError: if test_share or seed is out of range.
    """
    checks.number("test_share", test_share, above=0, below=1)
    checks.seed("split_seed", seed)
    order = np.random.RandomState(seed).permutation(size)
    num_test = min(max(round(test_share * size), 1), size - 1)
    return order[num_test:], order[:num_test]
