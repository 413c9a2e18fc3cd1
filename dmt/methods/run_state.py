"""The state of a training run on disk: checkpoint, configuration, learning curve."""

import contextlib
import csv
import io
import logging
import math
import os
import time
import zipfile

import gin
import keras
import numpy as np

from dmt.methods.shared import variable_names
from dmt.utils import configuration, files, history, processor, results
from dmt.utils.event_file import EventFile

logger = logging.getLogger(__name__)

CHECKPOINT_DIR = "tf_checkpoint"
HISTORY_FILE = "history.csv"
STEPS = "model.training_steps"
# In a checkpoint, what the last line of the learning curve has summed up so far.
_LINE = "line/"
_MAX_LINE = 10_000  # numbers


def checkpoint_path(model_dir: str) -> str:
    """The file with the state of a run."""
    return os.path.join(model_dir, CHECKPOINT_DIR, "checkpoint.npz")


class InfiniteLoss(ValueError):
    """The loss is not a finite number."""


def config_path(model_dir: str) -> str:
    """The file with all bindings that a run began with."""
    return os.path.join(model_dir, CHECKPOINT_DIR, "config.gin")


class RunState(keras.callbacks.Callback):
    """Keeps the state of a run on disk: configuration, checkpoint, learning curve.

    A run may be continued with more steps than it was started with. Everything is then
    as if it had been started with them.

    Args:
        model: the compiled model; if there is a checkpoint, its state is set from it.
        model_dir: directory of the run.
        settings: `TrainingSettings` of the run.

    Raises:
        ValueError: if the run was started with another configuration, has made more
            steps, or its checkpoint cannot be read.
    """

    # Logs may be handled while the device computes the next step.
    async_safe = True

    def __init__(self, model, model_dir, settings):
        super().__init__()
        self._model = model
        self.model_dir = model_dir
        self._directory = os.path.join(model_dir, CHECKPOINT_DIR)
        self._checkpoint = checkpoint_path(model_dir)
        self._machine_path = os.path.join(self._directory, "machine.json")
        self._history_path = os.path.join(model_dir, HISTORY_FILE)
        self._checkpoint_seconds = settings.checkpoint_seconds
        self._log_updates = settings.updates(settings.log_steps, model)
        self._start = self._last_checkpoint = time.time()
        self._history = []
        self._open_line = []
        configuration.check_same(
            config_path(model_dir),
            gin.config_str(),
            f"The run in {model_dir} was started with another configuration; give the "
            f"same one to resume it. Only {STEPS} may be greater.",
            may_change=[STEPS],
        )
        if os.path.exists(self._checkpoint):
            self.restore(self._checkpoint)
            if self.updates() > settings.updates(settings.training_steps, model):
                raise ValueError(
                    f"The run in {model_dir} has made {self.step()} steps. Give at "
                    "least as many, or --overwrite to start again. "
                    f"Received: training_steps={settings.training_steps}"
                )
            logger.info("Resumed at step %d.", self.step())
            self._compare_machines()
        files.write_text(config_path(model_dir), gin.config_str())
        results.save_dict(self._machine_path, processor.describe())
        logger.info("Computing with %s.", processor.summary())
        self._curves = EventFile(self._directory)

    def _compare_machines(self):
        """Warns if the last bits of results may differ from an uninterrupted run's."""
        if not os.path.exists(self._machine_path):
            return
        before, now = results.load_json(self._machine_path), processor.describe()
        different = [
            f"{key} was {before.get(key)} and is {value}"
            for key, value in now.items()
            if key != "processor" and before.get(key) != value
        ]
        if different:
            logger.warning(
                "This run was begun on another kind of machine, so the last bits of "
                "its numbers may differ from those of a run without interruption: %s.",
                "; ".join(different),
            )

    def save(self):
        """Writes a checkpoint."""
        values = {n: v.numpy() for n, v in variable_names.state(self._model).items()}
        if self.updates() % self._log_updates:
            # The last line of the learning curve would go on if there were more steps.
            for i, variable in enumerate(self._model.metrics_variables):
                values[f"{_LINE}{i}"] = variable.numpy()
        content = io.BytesIO()
        np.savez(content, **values)
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
        variables = variable_names.state(self._model)
        shapes = {n: (tuple(v.shape), _dtype(v)) for n, v in variables.items()}
        try:
            files.check_plain(path)
            values = _arrays(path, shapes)
            line = _line(path)
        # Arrays may be missing, and their headers may be no Python.
        except (*files.DAMAGED_ZIP, LookupError, SyntaxError) as error:
            raise ValueError(
                f"The checkpoint {path} cannot be read; delete it to train from the "
                f"start: {error}"
            ) from error
        for name, variable in variables.items():
            variable.assign(values[name])
        if rows:
            self._history = [row for row in rows if int(row["step"]) <= self.step()]
            self._open_line = line
        if self._history:
            self._start -= float(self._history[-1]["elapsed_time"])

    def forget_unless_saved(self):
        """Deletes configuration and curves, if no checkpoint goes with them."""
        if not os.path.exists(self._checkpoint):
            files.remove(self._directory)
            files.remove(self._history_path)
            with contextlib.suppress(OSError):  # There may be files of others.
                os.rmdir(self.model_dir)

    def step(self) -> int:
        """Number of steps made."""
        return int(self._model.step.numpy())

    def updates(self) -> int:
        """Number of updates made, each of which may count as several steps."""
        return self.step() // self._model.steps_per_update

    def elapsed(self) -> float:
        """Seconds of training so far, those before a resume included."""
        return time.time() - self._start

    def has_open_line(self) -> bool:
        """Whether the run was complete before its last line of the learning curve was.

        If more steps are made now, they count for this line, as if there had been no
        end.
        """
        return len(self._open_line) == len(self._model.metrics_variables)

    def on_epoch_begin(self, epoch, logs=None):
        """Restarts the clock of the speed shown."""
        del epoch, logs
        self._epoch_start = time.time()
        self._steps_before = self.step()
        if self.has_open_line():
            self._history = self._history[:-1]
            variables = self._model.metrics_variables
            for variable, value in zip(variables, self._open_line, strict=True):
                variable.assign(value)
        self._open_line = []

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
            shape, dtype = _header(archive, name)
            if (shape, dtype) != expected:
                raise ValueError(
                    f"variable {name} is {dtype} {shape}, that of the model is "
                    f"{expected[1]} {expected[0]}"
                )
            values[name] = _array(archive, name)
    return values


def _line(path):
    """Reads what the last line of the learning curve had summed up, [] if complete."""
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        names = [name for name in names if name.startswith(_LINE)]
        for name in names:
            shape, _ = _header(archive, name)
            if math.prod(shape) > _MAX_LINE:
                raise ValueError(f"{name} is too large for a learning curve")
        return [_array(archive, name) for name in names]


def _header(archive, name):
    """Shape and type of an array."""
    with archive.open(f"{name}.npy") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"variable {name} is no plain array")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return shape, dtype


def _array(archive, name):
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)
