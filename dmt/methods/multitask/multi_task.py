"""An encoder whose codes serve many tasks, and a decoder on a frozen encoder.

Maziarka et al. (2021), "On the relationship between disentanglement and multi-task
learning", https://arxiv.org/abs/2110.03498. The encoder is deterministic: the mean is
the code. Networks and training are configured as for other models (`encoder.*`,
`vae_optimizer.*`, `model.*`). The models learn the tasks of `dmt.data.tasks`.
"""

import gin
import keras
import numpy as np
from keras import ops

from dmt.data import tasks as task_data
from dmt.data.pipeline import LabelledData
from dmt.methods import gaussian_encoder_model
from dmt.methods.encoders import TrainableEncoder
from dmt.methods.multitask.heads import make_heads, task_losses
from dmt.methods.shared import architectures, losses
from dmt.methods.shared.layers import as_images
from dmt.utils import checks
from dmt.utils.compilation import compiled

# Log-variance of a deterministic encoder: a sample equals the mean to six digits.
LOG_VARIANCE = -30.0
# Images encoded at once when tasks are tested.
_BLOCK = 4096


@gin.register("multi_task")
class MultiTask(TrainableEncoder):
    """An encoder with heads on its codes; the loss is the sum over tasks.

    Args:
        tasks: the tasks, for example `random_tasks()`.
        heads: "multi", a head for each task, or "one", one head with an output for
            each.
        only_task: number of the only task to learn, from 0 on; None for all. A model
            that learns one regression is also tested on all other regressions.
        test_share: share of the images that is kept for testing.
        split_seed: integer, chooses these images.
        max_test_images: number of test images in the results; None for all.

    Raises:
        ValueError: if an argument is out of range.
    """

    result_keys = ("task_loss",)
    choices = ("only_task",)

    def __init__(
        self,
        tasks,
        heads="multi",
        only_task=None,
        test_share=0.2,
        split_seed=0,
        max_test_images=None,
    ):
        if not isinstance(tasks, task_data.Tasks):
            raise ValueError(
                "multi_task.tasks must be tasks, written with parentheses as in "
                f"@random_tasks(). Received: tasks={tasks!r}"
            )
        checks.one_of("multi_task.heads", heads, ("multi", "one"))
        if max_test_images is not None:
            checks.integer("multi_task.max_test_images", max_test_images, low=1)
        super().__init__()
        self.tasks = tasks
        self.kind_of_heads = heads
        self.only_task = only_task
        self.split = (test_share, split_seed)
        self.max_test_images = max_test_images

    @property
    def learned(self):
        """Numbers of the tasks that are learned, an int array."""
        if self.only_task is None:
            return np.arange(self.num_tasks)
        return np.array([self.only_task])

    def make_networks(self, data):
        """Makes encoder and heads from the gin configuration."""
        names = self.tasks.names(data)
        if self.only_task is not None:
            last = len(names) - 1
            checks.integer("multi_task.only_task", self.only_task, low=0, high=last)
        self.num_tasks = len(names)
        classes = self.tasks.num_classes(data)
        self.num_classes = [classes[task] for task in self.learned]
        encoder = architectures.make_gaussian_encoder(tuple(data.observation_shape))
        means = encoder.outputs[0]
        codes = [means, ops.full_like(means, LOG_VARIANCE)]
        self.encoder = keras.Model(encoder.inputs[0], codes, name="encoder")
        num_outputs = max([1, *self.num_classes])
        num_tasks = len(self.learned)
        if self.kind_of_heads == "multi":
            self.heads = make_heads(self.num_latent, num_tasks, num_outputs)
        else:
            head = make_heads(self.num_latent, 1, num_tasks * num_outputs)
            predictions = ops.reshape(head.outputs[0], (-1, num_tasks, num_outputs))
            self.heads = keras.Model(head.inputs[0], predictions, name="heads")

    def examples(self, data):
        """See `TrainableModel.examples`: training and test images with targets."""
        targets = self.tasks.targets(data)[:, self.learned]
        rows = task_data.train_and_test_rows(data.size, *self.split)
        return tuple(LabelledData(data, part, targets) for part in rows)

    def call(self, images):
        """Predictions (batch, num_tasks, num_outputs) of images."""
        return self.predict_tasks(self.encode(images)[0])

    def batch_loss(self, x, y, y_pred, sample_weight, training):
        """Sum of the mean losses of the tasks; see `TrainableModel.batch_loss`.

        `x` are images (batch, height, width, channels), `y` targets (batch, num_tasks).
        """
        del sample_weight, training
        loss = ops.sum(task_losses(y, y_pred, self.num_classes))
        self.record(ops.shape(x)[0], task_loss=loss)
        return loss

    def results(self, data):
        """Test losses, in addition to `TrainableModel.results`.

        Returns:
            `task_names`; `task_test_losses`, the mean loss of each learned task on the
            test images (squared error, or cross-entropy in nats);
            `task_test_accuracies` (None for regressions); `cross_task_mse`, the mean
            squared error of each regression head (rows) against the targets of each
            regression task of the family (columns), and `task_variances` of these
            targets.
        """
        names = self.tasks.names(data)
        classes = np.array(self.tasks.num_classes(data))
        targets = self.tasks.targets(data)
        rows = task_data.train_and_test_rows(data.size, *self.split)[1]
        rows = np.sort(rows[: self.max_test_images])
        predict = compiled(lambda images: self(as_images(images)))
        starts = range(0, len(rows), _BLOCK)
        blocks = (rows[start : start + _BLOCK] for start in starts)
        predictions = np.concatenate([predict(data.images_at(b)) for b in blocks])
        targets = np.asarray(targets[rows])
        own = ops.convert_to_numpy(
            task_losses(targets[:, self.learned], predictions, self.num_classes)
        )
        accuracies = [None] * len(self.learned)
        for i in np.flatnonzero(self.num_classes):
            guesses = predictions[:, i, : self.num_classes[i]].argmax(1)
            accuracies[i] = float((guesses == targets[:, self.learned[i]]).mean())
        regressions = np.flatnonzero(classes == 0)
        outputs = predictions[:, np.isin(self.learned, regressions), 0]
        # One head at a time: all errors of fifty tasks take gigabytes.
        cross_task_mse = [
            np.square(output[:, None] - targets[:, regressions]).mean(0, np.float64)
            for output in outputs.T
        ]
        return {
            **super().results(data),
            "task_names": [names[task] for task in self.learned],
            "task_test_losses": own,
            "task_test_accuracies": accuracies,
            "cross_task_mse": cross_task_mse,
            "task_variances": targets[:, regressions].var(axis=0),
            "num_test_images": len(rows),
        }


@gin.register("decoder_on_frozen_encoder")
class DecoderOnFrozenEncoder(TrainableEncoder):
    """A decoder that learns to reconstruct images from codes of a frozen encoder.

    Args:
        encoder_dir: directory of the trained model whose encoder is used.
    """

    result_keys = ("reconstruction_loss",)
    choices = ("encoder_dir",)

    def __init__(self, encoder_dir):
        if not isinstance(encoder_dir, str):
            raise ValueError(
                "decoder_on_frozen_encoder.encoder_dir must be the directory of a "
                f"trained model. Received: encoder_dir={encoder_dir!r}"
            )
        super().__init__()
        self.encoder_dir = encoder_dir

    def make_networks(self, data):
        """Reads the encoder and makes the decoder from the gin configuration.

        Raises:
            ValueError: if the encoder's images are of another shape.
        """
        self.encoder = gaussian_encoder_model.load_model(self.encoder_dir).encoder
        self.encoder.trainable = False
        shape = tuple(data.observation_shape)
        if self.observation_shape != shape:
            raise ValueError(
                f"The encoder in {self.encoder_dir} takes images of shape "
                f"{self.observation_shape}, those of {data.name} have {shape}."
            )
        self.decoder = architectures.make_decoder(self.num_latent, shape)
        self.reconstruction_loss = losses.reconstruction_loss()

    def call(self, images):
        """Pre-activation images of the codes of images."""
        return self.decode(self.encode(images)[0])

    def batch_loss(self, x, y, y_pred, sample_weight, training):
        """Mean reconstruction loss; see `TrainableModel.batch_loss`."""
        del y, sample_weight, training
        loss = ops.mean(self.reconstruction_loss(as_images(x), y_pred))
        self.record(ops.shape(x)[0], reconstruction_loss=loss)
        return loss
