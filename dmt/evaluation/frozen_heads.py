"""Heads that are trained on frozen codes, for the metric `task_heads`."""

import keras
from keras import ops

from dmt.data.pipeline import batch_indices
from dmt.methods.multitask.heads import make_heads, task_losses
from dmt.utils.compilation import compiled


class FrozenHeads(keras.Model):
    """Heads on codes, trained on the sum of the losses of all tasks.

    Args:
        num_codes: number of codes.
        num_classes: list of numbers of classes of the tasks, 0 for a regression.
    """

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


def fit(
    codes, targets, num_classes, *, training_steps, batch_size, learning_rate, seed
):
    """Trains heads; see `task_heads` for the arguments.

    Returns:
        Function from targets (n, num_tasks) and codes (n, num_codes) to the losses of
        the tasks, an array (num_tasks,).
    """
    keras.utils.set_random_seed(seed)
    model = FrozenHeads(codes.shape[1], num_classes)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), jit_compile="auto")

    def batches():
        for step in range(training_steps):
            rows = batch_indices(seed, step, batch_size, len(codes))
            yield codes[rows], targets[rows]

    model.fit(batches(), steps_per_epoch=training_steps, shuffle=False, verbose=0)
    predict = compiled(model.heads, 4096)

    def losses(targets, codes):
        return ops.convert_to_numpy(task_losses(targets, predict(codes), num_classes))

    return losses
