"""Task heads: how well do codes that were learned without tasks serve many tasks?

Maziarka et al.: On the relationship between disentanglement and multi-task learning,
2021 (https://arxiv.org/abs/2110.03498), Table 1.
"""

import gin
import keras
import numpy as np
from keras import ops

from dmt.data import tasks as task_data
from dmt.data.pipeline import batch_indices
from dmt.evaluation.metrics import utils
from dmt.methods.multitask.heads import make_heads, task_losses
from dmt.utils import stages
from dmt.utils.compilation import compiled


def task_heads(
    targets,
    codes,
    targets_test,
    codes_test,
    *,
    num_classes=None,
    training_steps=10000,
    batch_size=64,
    learning_rate=1e-4,
    seed=0,
):
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
        learning_rate: of Adam.
        seed: integer, of initial weights and of batches.

    Returns:
        Dictionary:
            mean_test_loss: mean over tasks of the test losses.
            test_losses: list (num_tasks,): mean squared errors, or cross-entropies in
                nats.
            train_losses: the same of the training samples.
            num_train, num_test: numbers of samples.
    """
    targets, targets_test = np.float32(targets), np.float32(targets_test)
    codes, codes_test = np.float32(codes), np.float32(codes_test)
    num_classes = num_classes or [0] * targets.shape[1]
    if training_steps < 1:
        raise ValueError(
            "task_heads.training_steps must be at least 1. "
            f"Received: training_steps={training_steps}"
        )
    keras.utils.set_random_seed(seed)
    model = TaskHeads(codes.shape[1], num_classes)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), jit_compile="auto")

    def batches():
        for step in range(training_steps):
            rows = batch_indices(seed, step, batch_size, len(codes))
            yield codes[rows], targets[rows]

    model.fit(batches(), steps_per_epoch=training_steps, shuffle=False, verbose=0)
    predict = compiled(model.heads, 4096)

    def losses(targets, codes):
        return ops.convert_to_numpy(task_losses(targets, predict(codes), num_classes))

    test_losses = losses(targets_test, codes_test)
    return {
        "mean_test_loss": float(test_losses.mean()),
        "test_losses": test_losses.tolist(),
        "train_losses": losses(targets, codes).tolist(),
        "num_train": len(codes),
        "num_test": len(codes_test),
    }


class TaskHeads(keras.Model):
    """Heads on codes, trained on the sum of the losses of all tasks."""

    def __init__(self, num_codes, num_classes):
        super().__init__()
        self.heads = make_heads(num_codes, len(num_classes), max([1, *num_classes]))
        self.num_classes = num_classes

    def call(self, codes):
        """Predictions (batch, num_tasks, num_outputs) of codes (batch, num_codes)."""
        return self.heads(codes)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Sum of the mean losses of the tasks."""
        del x, sample_weight, training
        return ops.sum(task_losses(y, y_pred, self.num_classes))


@stages.configurable("task_heads", "evaluation", denylist=utils.SAMPLING_ARGUMENTS)
def compute_task_heads(
    ground_truth_data,
    representation_function,
    random_state,
    artifact_dir=None,
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
        ground_truth_data: indexable GroundTruthData.
        representation_function: maps indices of images (n,) to codes (n, num_codes).
        random_state: numpy RandomState, its first draw is the seed of the heads.
        artifact_dir: not used.
        tasks: tasks of `dmt.data.tasks`, for example `random_tasks()`.
        training_steps: see `task_heads`.
        num_train: number of training images, None for all of the training part.
        num_test: number of test images, None for all of the test part.
        test_share: share of the images in the test part.
        split_seed: integer, chooses the parts; with the defaults, they are those of
            `multi_task`.
        on_factors: whether the heads get the factors, scaled to [0, 1], in place of
            codes: what a perfectly disentangled representation would reach.
        batch_size: see `task_heads`.
        learning_rate: see `task_heads`.

    Returns:
        Dictionary, see `task_heads`; also task_names.

    Raises:
        ValueError: if the dataset has no indices.
    """
    del artifact_dir
    targets = tasks.targets(ground_truth_data)

    def codes_of(rows):
        if on_factors:
            factors = ground_truth_data.factors_at(rows)
            return task_data.unit_factors(factors, ground_truth_data.factors_num_values)
        return representation_function(rows)

    parts = task_data.train_and_test_rows(
        ground_truth_data.size, test_share, split_seed
    )
    rows, rows_test = parts[0][:num_train], parts[1][:num_test]
    scores = task_heads(
        targets[rows],
        codes_of(rows),
        targets[rows_test],
        codes_of(rows_test),
        num_classes=tasks.num_classes(ground_truth_data),
        training_steps=training_steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=int(random_state.randint(2**31)),
    )
    return {**scores, "task_names": tasks.names(ground_truth_data)}
