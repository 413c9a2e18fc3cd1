"""Starts a run with the weights of another run, by the names of their layers."""

import contextlib
import dataclasses
import logging
import os
import zipfile

import gin
import numpy as np

from dmt.methods import gaussian_encoder_model, model_file
from dmt.methods.run_state import checkpoint_path
from dmt.methods.shared import variable_names
from dmt.methods.shared.training import TrainableModel
from dmt.utils import checks, files

logger = logging.getLogger(__name__)

# Names of layers in a message.
_MOST = 8


@gin.configurable("warm_start")
@dataclasses.dataclass(frozen=True)
class WarmStart:
    """The run whose weights a model starts with.

    Weights are taken by the paths of their layers, for example "encoder/e1/kernel".
    Weights that the other run lacks are initialised as always, and layers that do not
    train, such as a frozen encoder, stay as they are. Steps are counted from 0.

    Attributes:
        model_dir: directory of the other run, complete or not; None for no warm start.
            Its checkpoint has the weights of all networks. Without a checkpoint, those
            of `model.keras` are taken.
        optimizer: "fresh", or "kept" to go on with the moments and the number of
            updates of the other run's optimiser, which schedules of the learning rate
            depend on. The learning rate is that of this run.

    Raises:
        ValueError: if a setting is unknown.
    """

    model_dir: str | None = None
    optimizer: str = "fresh"

    def __post_init__(self):
        if not isinstance(self.model_dir, str | None):
            raise ValueError(
                "warm_start.model_dir must be the directory of a run. "
                f"Received: model_dir={self.model_dir!r}"
            )
        checks.one_of("warm_start.optimizer", self.optimizer, ("fresh", "kept"))
        if self.model_dir is None and self.optimizer == "kept":
            raise ValueError(
                "warm_start.optimizer = 'kept' needs warm_start.model_dir, the "
                "directory of the run whose optimiser is kept."
            )

    def apply(self, model: TrainableModel, model_dir: str) -> None:
        """Sets the weights of a model, and says in one line which.

        Args:
            model: a compiled model, whose optimiser is built.
            model_dir: the directory that the run of this model writes.

        Raises:
            FileNotFoundError: if there is no trained model.
            ValueError: if a file is damaged, no layer has a name of the other run, a
                layer has another shape, or the optimiser cannot be kept.
        """
        if self.model_dir is None:
            return
        if os.path.realpath(self.model_dir) == os.path.realpath(model_dir):
            raise ValueError(
                f"warm_start.model_dir is {model_dir}, the directory to write. Name "
                "the directory of another run."
            )
        path = checkpoint_path(self.model_dir)
        keeps = self.optimizer == "kept"
        if keeps and not os.path.exists(path):
            raise FileNotFoundError(
                f"There is no {path}, so the optimiser cannot be kept. Bind "
                "warm_start.optimizer = 'fresh'."
            )
        own = _trained_weights(model)
        if os.path.exists(path):
            shapes, read = _checkpoint(path)
        else:
            shapes, read = _exported(self.model_dir)
        there = [n for n in shapes if _is_weight(n)]
        taken = {name: v for name, v in own.items() if name in shapes}
        missing = [name for name in own if name not in shapes]
        if not taken:
            raise ValueError(
                f"No layer of the run in {self.model_dir} has the name of a layer of "
                f"this model. It has {_layers(there) or 'none'}; this model has "
                f"{_layers(own)}."
            )
        for name, variable in taken.items():
            self._check_shape(name, variable, shapes[name])
        if keeps:
            taken |= self._optimizer_state(model, shapes, missing)
        for name, value in read(taken).items():
            taken[name].assign(value)
        unused = [name for name in there if name not in own]
        logger.info(
            "Warm start from %s: %d of %d weights are taken.%s%s",
            self.model_dir,
            len(own) - len(missing),
            len(own),
            f" New in this model: {_layers(missing)}." if missing else "",
            f" Not in this model: {_layers(unused)}." if unused else "",
        )

    def _check_shape(self, name, variable, shape):
        if tuple(variable.shape) != shape:
            raise ValueError(
                f"The layer {_layers([name])} has another shape than in "
                f"{self.model_dir}: its {name.rpartition('/')[2]} is "
                f"{tuple(variable.shape)} here and {shape} there. Configure the same "
                "architecture."
            )

    def _optimizer_state(self, model, shapes, missing):
        """Variables of the optimiser that are kept, by name."""
        if missing:
            raise ValueError(
                "warm_start.optimizer = 'kept' needs all weights of this model, but "
                f"the run in {self.model_dir} lacks {_layers(missing)}. Bind 'fresh'."
            )
        kept = {
            name: variable
            for name, variable in variable_names.state(model).items()
            if name.startswith(variable_names.OPTIMIZER)
            and not name.rpartition("/")[2].startswith("learning_rate")
        }
        for name, variable in kept.items():
            if shapes.get(name) != tuple(variable.shape):
                raise ValueError(
                    f"The run in {self.model_dir} has another optimiser, without "
                    f"{name}. Bind warm_start.optimizer = 'fresh'."
                )
        return kept


def _trained_weights(model):
    """Weights by name, without the step and without those of frozen layers."""
    layers = model._flatten_layers(include_self=False)
    frozen = {id(v) for layer in layers if not layer.trainable for v in layer.weights}
    named = variable_names.weights(model).items()
    return {n: v for n, v in named if _is_weight(n) and id(v) not in frozen}


def _is_weight(name):
    """Whether a variable of a checkpoint is a weight, and no counter or noise."""
    return name.startswith(variable_names.MODEL) and not name.endswith(
        ("/step", "/seed_generator_state")
    )


def _layers(names):
    """Names of the layers of some weights, the first of them, as text."""
    paths = (name.removeprefix(variable_names.MODEL) for name in names)
    layers = list(dict.fromkeys(path.rpartition("/")[0] or path for path in paths))
    more = f" and {len(layers) - _MOST} more" if len(layers) > _MOST else ""
    return ", ".join(layers[:_MOST]) + more


def _checkpoint(path):
    """Shapes of the variables in a checkpoint, and a function that reads some of them.

    Nothing but numbers is read, and only of shapes that have been checked.
    """
    shapes = {}
    with _archive(path) as archive:
        for entry in archive.namelist():
            with archive.open(entry) as file:
                np.lib.format.read_magic(file)
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            if dtype.kind in "fiu":
                shapes[entry.removesuffix(".npy")] = shape

    def read(names):
        with _archive(path) as archive:
            values = {}
            for name in names:
                with archive.open(f"{name}.npy") as file:
                    values[name] = np.lib.format.read_array(file, allow_pickle=False)
            return values

    return shapes, read


@contextlib.contextmanager
def _archive(path):
    try:
        files.check_plain(path)
        with zipfile.ZipFile(path) as archive:
            yield archive
    except files.DAMAGED_ZIP as error:
        raise ValueError(f"The checkpoint {path} cannot be read: {error}") from error


def _exported(model_dir):
    """As `_checkpoint`, of the networks in `model.keras`."""
    network = model_file.load(model_dir)
    if isinstance(network, gaussian_encoder_model.GaussianEncoderModel):
        # The file names the layers of encoder, decoder and heads without these names.
        variables = {
            name.replace("/", f"/{part.name}/", 1): variable
            for part in network.layers
            for name, variable in variable_names.weights(part).items()
        }
    else:
        variables = variable_names.weights(network)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}

    def read(names):
        return {name: variables[name] for name in names if name in variables}

    return shapes, read
