"""The state of a training run on disk: checkpoint, configuration, learning curve."""

import csv
import io
import logging
import os
import time
import zipfile

import gin
import keras
import numpy as np

from dmt.utils import configuration, files, history
from dmt.utils.event_file import EventFile

logger = logging.getLogger(__name__)

CHECKPOINT_DIR = "tf_checkpoint"
HISTORY_FILE = "history.csv"


class InfiniteLoss(ValueError):
    """The loss is not a finite number."""


class RunState(keras.callbacks.Callback):
    """Keeps the state of a run on disk: configuration, checkpoint, learning curve.

    Args:
        model: the compiled model; if there is a checkpoint, its state is set from it.
        model_dir: directory of the run.
        checkpoint_seconds: least number of seconds between two checkpoints.

    Raises:
        ValueError: if the run was started with another configuration, or its checkpoint
            cannot be read.
    """

    # Logs may be handled while the device computes the next step.
    async_safe = True

    def __init__(self, model, model_dir, checkpoint_seconds):
        super().__init__()
        self._model = model
        self.model_dir = model_dir
        self._directory = os.path.join(model_dir, CHECKPOINT_DIR)
        self._checkpoint = os.path.join(self._directory, "checkpoint.npz")
        self._history_path = os.path.join(model_dir, HISTORY_FILE)
        self._checkpoint_seconds = checkpoint_seconds
        self._start = self._last_checkpoint = time.time()
        self._history = []
        configuration.check_same(
            os.path.join(self._directory, "config.gin"),
            gin.config_str(),
            f"The run in {model_dir} was started with another configuration; give the "
            "same one to resume it.",
        )
        if os.path.exists(self._checkpoint):
            self.restore(self._checkpoint)
            logger.info("Resumed at step %d.", self.step())
        self._curves = EventFile(self._directory)

    def _variables(self):
        """Everything that an update changes: weights, counters, noise, optimiser."""
        variables = self._model.variables + self._model.optimizer.variables
        return {str(i): variable for i, variable in enumerate(variables)}

    def save(self):
        """Writes a checkpoint."""
        content = io.BytesIO()
        np.savez(content, **{name: v.numpy() for name, v in self._variables().items()})
        with files.replacing(self._checkpoint) as path:
            with open(path, "wb") as file:
                file.write(content.getbuffer())
        self._last_checkpoint = time.time()

    def restore(self, path):
        """Sets the state of the model and of its optimiser from a checkpoint.

        Args:
            path: `tf_checkpoint/checkpoint.npz` of a run with the same architecture.

        Raises:
            ValueError: if it cannot be read or belongs to another model.
        """
        rows = []
        if os.path.exists(self._history_path):
            rows = history.read(self._history_path)
        variables = self._variables()
        try:
            shapes = {n: (tuple(v.shape), _dtype(v)) for n, v in variables.items()}
            values = _arrays(path, shapes)
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"The checkpoint {path} cannot be read; delete it to train from the "
                f"start: {error}"
            ) from error
        for name, variable in variables.items():
            variable.assign(values[name])
        self._history = [row for row in rows if int(row["step"]) <= self.step()]
        if self._history:
            self._start -= float(self._history[-1]["elapsed_time"])

    def step(self) -> int:
        """Number of steps made."""
        return int(self._model.step.numpy())

    def updates(self) -> int:
        """Number of updates made, each of which may count as several steps."""
        return self.step() // self._model.steps_per_update

    def elapsed(self) -> float:
        """Seconds of training so far, those before a resume included."""
        return time.time() - self._start

    def on_epoch_begin(self, epoch, logs=None):
        """Restarts the clock of the speed shown."""
        del epoch, logs
        self._epoch_start = time.time()
        self._steps_before = self.step()

    def on_train_batch_end(self, batch, logs=None):
        """Adds the speed to the progress bar."""
        steps = (batch + 1) * self._model.steps_per_update
        logs["steps_per_second"] = steps / (time.time() - self._epoch_start)

    def on_epoch_end(self, epoch, logs=None):
        """Adds a line to the learning curve and, now and then, checkpoints."""
        del epoch
        self.add_line(logs)
        if self.is_due():
            self.save()

    def is_due(self):
        """Whether the last checkpoint is old enough for another."""
        return time.time() - self._last_checkpoint >= self._checkpoint_seconds

    def add_line(self, logs):
        """Adds a line to the learning curve.

        Args:
            logs: {name: value} of the last epoch.

        Raises:
            InfiniteLoss: if the loss is not finite.
        """
        if not np.isfinite(logs["loss"]):
            raise InfiniteLoss(
                f"The loss is {logs['loss']} after {self.step()} steps: lower the "
                "learning rate or the weight of the regulariser."
            )
        steps = self.step() - self._steps_before
        logs["steps_per_second"] = steps / (time.time() - self._epoch_start)
        row = {"step": self.step(), "elapsed_time": self.elapsed(), **logs}
        self._history.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(row))
        writer.writeheader()
        writer.writerows(self._history)
        files.write_text(self._history_path, text.getvalue())
        self._curves.add(row["step"], logs)

    def on_train_end(self, logs=None):
        """Checkpoints the last step."""
        del logs
        self.save()


def _dtype(variable):
    return np.dtype(keras.ops.convert_to_numpy(variable).dtype)


def _arrays(path, shapes):
    """Reads arrays of an .npz file, if they have the shapes and types {name: both}."""
    values = {}
    with zipfile.ZipFile(path) as archive:
        for name, expected in shapes.items():
            with archive.open(f"{name}.npy") as file:
                version = np.lib.format.read_magic(file)
                if version != (1, 0):
                    raise ValueError(f"variable {name} is no plain array")
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            if (shape, dtype) != expected:
                raise ValueError(
                    f"variable {name} is {dtype} {shape}, that of the model is "
                    f"{expected[1]} {expected[0]}"
                )
            with archive.open(f"{name}.npy") as file:
                values[name] = np.lib.format.read_array(file, allow_pickle=False)
    return values
