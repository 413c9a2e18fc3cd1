"""Task heads: how well do codes that were learned without tasks serve many tasks?

Maziarka et al.: On the relationship between disentanglement and multi-task learning,
2021 (https://arxiv.org/abs/2110.03498), Table 1.
"""

from typing import Any

import gin
import numpy as np
from numpy.typing import ArrayLike

from dmt.data import tasks as task_data
from dmt.evaluation.metrics.samples import on_samples
from dmt.utils import checks


def task_heads(
    targets: ArrayLike,
    codes: ArrayLike,
    targets_test: ArrayLike,
    codes_test: ArrayLike,
    *,
    num_classes: list[int] | None = None,
    training_steps: int = 10000,
    batch_size: int = 64,
    learning_rate: float = 1e-4,
    seed: int = 0,
) -> dict[str, Any]:
    """Trains a head for each task on frozen codes.

    Args:
        targets: array of shape (n, num_tasks): numbers, or classes from 0 on.
        codes: array of shape (n, num_codes).
        targets_test: array of shape (n_test, num_tasks).
        codes_test: array of shape (n_test, num_codes).
        num_classes: number of classes of each task, 0 for a regression; None for
            regressions only.
        training_steps: updates of all heads, by Adam.
        batch_size: samples of an update, the same for all heads.
        learning_rate: learning rate of Adam.
        seed: integer seed of the initial weights and of the batches.

    Returns:
        Dictionary:
            mean_test_loss: mean over tasks of the test losses.
            test_losses: list (num_tasks,): mean squared errors, or cross-entropies in
                nats.
            train_losses: the same for the training samples.
            num_train, num_test: numbers of samples.
    """
    # Keras is not needed for the other metrics.
    from dmt.evaluation import frozen_heads

    checks.integer("task_heads.training_steps", training_steps, low=1)
    targets, codes, targets_test, codes_test = (
        np.asarray(array, np.float32)
        for array in (targets, codes, targets_test, codes_test)
    )
    losses = frozen_heads.fit(
        codes,
        targets,
        num_classes or [0] * targets.shape[1],
        training_steps=training_steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
    )
    test_losses = losses(targets_test, codes_test)
    return {
        "mean_test_loss": float(test_losses.mean()),
        "test_losses": test_losses.tolist(),
        "train_losses": losses(targets, codes).tolist(),
        "num_train": len(codes),
        "num_test": len(codes_test),
    }


@on_samples("task_heads")
def compute_task_heads(
    sampler,
    tasks=gin.REQUIRED,
    training_steps=gin.REQUIRED,
    num_train=None,
    num_test=None,
    test_share=0.2,
    split_seed=0,
    on_factors=False,
    batch_size=64,
    learning_rate=1e-4,
):
    """Trains a head for each task on the codes of a dataset.

    Args:
        sampler: see `on_samples`, of an indexable dataset; the first draw of its random
            state is the seed of the heads.
        tasks: tasks of `dmt.data.tasks`, for example `random_tasks()`.
        training_steps: see `task_heads`.
        num_train: number of training images, None for all of the training part.
        num_test: number of test images, None for all of the test part.
        test_share: share of the images in the test part.
        split_seed: integer seed of the split. With the defaults, the parts are those of
            `multi_task`.
        on_factors: whether the heads get the factors, scaled to [0, 1], in place of
            codes, to score a perfectly disentangled representation.
        batch_size: see `task_heads`.
        learning_rate: see `task_heads`.

    Returns:
        Dictionary, see `task_heads`; also task_names.

    Raises:
        ValueError: if the dataset has no indices.
    """
    data = sampler.data
    targets = tasks.targets(data)

    def codes_of(rows):
        if on_factors:
            factors = data.factors_at(rows)
            return task_data.unit_factors(factors, data.factors_num_values)
        return sampler.encode(_observations(data, rows, batch_size), batch_size)

    parts = task_data.train_and_test_rows(data.size, test_share, split_seed)
    rows, rows_test = parts[0][:num_train], parts[1][:num_test]
    scores = task_heads(
        targets[rows],
        codes_of(rows),
        targets[rows_test],
        codes_of(rows_test),
        num_classes=tasks.num_classes(data),
        training_steps=training_steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=int(sampler.random_state.randint(2**31)),
    )
    return {**scores, "task_names": tasks.names(data)}


def _observations(data, rows, batch_size):
    """Yields the observations of rows in batches."""
    from dmt.data.pipeline import IndexedData

    for start in range(0, len(rows), batch_size):
        some = rows[start : start + batch_size]
        if isinstance(data, IndexedData):
            yield some
        else:
            yield data.images_at(some).astype(np.float32) / 255
