"""What every trained model has in common: hooks, counters, seeds, numbered batches."""

import functools
import inspect
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from dmt.data import pipeline
from dmt.data.ground_truth import named_data
from dmt.methods import model_file
from dmt.methods.shared import layers, optimizers, own_code
from dmt.utils import checks


class Resident:
    """Examples that stay on the device; batches are drawn and gathered there.

    The batches are those of `dmt.data.pipeline.host_batches`.

    Args:
        data: what `pipeline.all_examples` takes.
        seed: integer in [0, 2**32); or a list of seeds if `data` is a list. Batches
            then have a first axis for the seeds.
        batch_size: number of examples in a batch.
    """

    def __init__(self, data, seed, batch_size):
        arrays, self._are_own = pipeline.all_examples(data)
        self.examples = keras.tree.map_structure(ops.convert_to_tensor, arrays)
        first = data[0] if isinstance(data, list) else data
        self.size = first.size
        self.seed = seed
        self.batch_size = batch_size

    def batch(self, step, examples):
        """Batch `step`, in the structure of the examples.

        Args:
            step: integer scalar tensor.
            examples: `self.examples`, as an argument of a compiled function.
        """
        indices = pipeline.batch_indices(self.seed, step, self.batch_size, self.size)

        def gathered(tensor, is_own):
            if not is_own:
                return ops.take(tensor, indices, axis=0)
            seeds, size, *shape = tensor.shape
            starts = size * ops.arange(seeds, dtype="int32")[:, None]
            rows = ops.reshape(tensor, (seeds * size, *shape))
            return ops.take(rows, indices + starts, axis=0)

        return keras.tree.map_structure(gathered, examples, self._are_own)


class Drawn:
    """Random examples that are drawn on the device, with the interface of `Resident`.

    The batches are those of `dmt.data.pipeline.host_batches`, up to rounding.

    Args:
        data: `pipeline.DrawnExamples`, or a list of them.
        seed: as for `Resident`.
        batch_size: number of examples in a batch.
    """

    examples = ()

    def __init__(self, data, seed, batch_size):
        if isinstance(data, list) and all(one == data[0] for one in data):
            data = data[0]
        self._data = data
        self.seed = seed
        self.batch_size = batch_size

    def batch(self, step, examples):
        """Batch `step`; see `Resident.batch`."""
        del examples
        step = ops.reshape(ops.cast(step, "uint32"), ())
        if not isinstance(self._data, list):
            return self._data.draw(self.seed, step, self.batch_size)
        batches = [
            data.draw(seed, step, self.batch_size)
            for data, seed in zip(self._data, self.seed, strict=True)
        ]
        return keras.tree.map_structure(lambda *leaves: ops.stack(leaves), *batches)


def on_device(data, seed, batch_size) -> Resident | Drawn:
    """`Drawn` for `pipeline.DrawnExamples`, `Resident` for examples with indices."""
    first = data[0] if isinstance(data, list) else data
    kind = Drawn if isinstance(first, pipeline.DrawnExamples) else Resident
    return kind(data, seed, batch_size)


class StepAddressedTraining:
    """Mixin for `keras.Model`: `fit` on step numbers when examples are on the device.

    With `self.resident` set to a `Resident` or `Drawn`, `fit` takes a stream of step
    numbers instead of batches. On JAX, `steps_per_execution` steps run as one
    `lax.scan`, while Keras would dispatch each step. On a CPU each step of a model with
    convolutions is dispatched, because XLA's CPU code for them inside a loop is slow.
    """

    resident = None

    def has_convolutions(self):
        """Whether there are convolutions among the layers."""
        return layers.has_convolutions(self)

    def train_step(self, *args):
        """One update; see `keras.Model.train_step`."""
        if self.resident is not None and keras.backend.backend() == "tensorflow":
            (step,) = args
            args = (self.resident.batch(step, self.resident.examples),)
        return super().train_step(*args)

    def make_train_function(self, force=False):
        """Compiles the update; see `keras.Model.make_train_function`."""
        if keras.backend.backend() != "jax" or self.resident is None:
            return super().make_train_function(force)
        if self.train_function is None or force:
            self.train_function = self._make_jax_train_function()
        return self.train_function

    def _make_jax_train_function(self):
        import jax

        resident = self.resident
        # The examples are an argument: as a constant they would be compiled in.
        examples = resident.examples

        def one_step(examples, state, step):
            logs, state = self.train_step(state, resident.batch(step, examples))
            return state, logs

        is_slow = jax.default_backend() == "cpu" and self.has_convolutions()
        if self.steps_per_execution == 1 or is_slow:
            run = jax.jit(one_step, donate_argnums=1)

            def train_function(state, iterator):
                for _ in range(self.steps_per_execution):
                    state, logs = run(examples, state, next(iterator))
                return logs, state

        else:

            @functools.partial(jax.jit, donate_argnums=1)
            def run(examples, state, data):
                state, logs = jax.lax.scan(
                    functools.partial(one_step, examples), state, data
                )
                return state, jax.tree.map(lambda values: values[-1], logs)

            def train_function(state, iterator):
                steps = [next(iterator) for _ in range(self.steps_per_execution)]
                data = jax.tree.map(lambda *leaves: np.stack(leaves), *steps)
                state, logs = run(examples, state, data)
                return logs, state

        return train_function


class TrainableModel(StepAddressedTraining, keras.Model):
    """A model that `dmt.methods.train` trains.

    A subclass defines `make_networks`, which makes everything that has weights; `call`,
    from the inputs of a batch to outputs; and `batch_loss`, from these outputs to the
    loss. It is registered by `@gin.register`, and overrides other hooks as it needs.

    Training calls `open_data`, `initialize` (which calls `make_networks`),
    `make_optimizer` and `examples`; after the last update `export` and `results`.
    `call` and `batch_loss` are compiled and cannot read gin: what they need from it is
    looked up in `initialize` or `make_networks`, see `dmt.utils.resolution`.

    Everything that changes in training is a Keras variable: the weights, the counter
    `step`, and the states of random generators.

    Attributes:
        result_keys: names under which `batch_loss` may `record` parts of the loss.
        choices: names of constructor arguments that choose targets or initial weights,
            nothing else. The members of a population may differ in them.
        structure: names of constructor arguments that are numbers, but that shape the
            computation. The members of a population must agree in them.
        takes_labels: whether the model is also trained on labelled images. Gin then
            binds its class, see `of_labelled_data`.
        steps_per_update: number of steps that an update counts. `step`, and with it
            `model.training_steps` and `global_step`, grow by it.
        network: the `keras.Model` that `export` writes; `make_networks` sets it.
    """

    result_keys: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    structure: tuple[str, ...] = ("steps_per_update",)
    takes_labels: bool = False
    steps_per_update: int = 1
    network: keras.Model | None = None

    def __new__(cls, *args, **kwargs):
        """Makes the model, so that constructors need not call that of a base class."""
        parameters = getattr(cls, "__dataclass_params__", None)
        if cls.__hash__ is None or (parameters and parameters.frozen):
            raise ValueError(
                "A model of Keras equals itself only, and it changes: write "
                f"@dataclasses.dataclass(eq=False) above the class {cls.__name__}, "
                "without frozen=True."
            )
        constructor = cls.__init__
        if hasattr(constructor, "__wrapped__"):
            # Keras would not look behind the decorator of gin.
            constructor.__signature__ = inspect.signature(constructor)  # type: ignore
        model = super().__new__(cls, *args, **kwargs)
        super(TrainableModel, model).__init__()
        model.step = model.add_weight(
            name="step", shape=(), dtype="int32", initializer="zeros", trainable=False
        )
        model.trackers = {
            name: keras.metrics.Mean(name=name) for name in model.result_keys
        }
        return model

    def __init__(self):
        """Does nothing; may be called first, last or not at all."""

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """Names of the numbers that the members of a population may differ in.

        These are the arguments of the constructor that are kept as numbers in
        attributes of the same names, except `choices` and `structure`. Where members
        differ in them, `call` and `batch_loss` find tensors in these attributes.
        """
        names = (*self.choices, *self.structure)
        return tuple(
            name
            for name in constructor_arguments(type(self))
            if name not in names and checks.is_number(vars(self).get(name))
        )

    @classmethod
    def of_labelled_data(
        cls, seed: int, num_labelled_samples: int, train_percentage: float
    ) -> "TrainableModel":
        """Makes the model when gin binds its class, in semi-supervised training.

        A model that takes labels draws the labelled images here, and returns them from
        `examples`. By default labels are not used.

        Args:
            seed: integer in [0, 2**32), seed of the labelled images and their labels.
            num_labelled_samples: number of labelled images.
            train_percentage: share of them for training.
        """
        del seed, num_labelled_samples, train_percentage
        return cls()

    def open_data(self) -> Any:
        """Opens what the model is trained on; by default the dataset that gin binds.

        A model that draws its examples in another way returns `Examples`, and needs no
        `dataset.name`.
        """
        return named_data.get_named_ground_truth_data()

    def initialize(self, data: Any, seed: int) -> None:
        """Makes the networks.

        Args:
            data: what `open_data` returned.
            seed: integer; the same seed gives the same weights.
        """
        with _initializers_seeded_by(seed):
            self.make_networks(data)
        self.built = True

    def make_networks(self, data: Any) -> None:
        """Makes the networks from the gin configuration; see `initialize`."""
        raise own_code.MissingHook(self, "make_networks(self, data)")

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """The optimiser of all trainable weights; by default as gin configures it."""
        return optimizers.make_vae_optimizer()

    def examples(self, data: Any) -> tuple[Any, Any]:
        """What to train on, and what to evaluate on after training; by default `data`.

        Args:
            data: what `open_data` returned.

        Returns:
            Two of `GroundTruthData` or `dmt.data.pipeline.Examples`.
        """
        return data, data

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """`batch_loss`, called by Keras; an update also increases `step`."""
        loss = self.batch_loss(x, y, y_pred, sample_weight, training)
        loss = own_code.scalar(loss, f"{type(self).__name__}.batch_loss")
        if training:
            self.step.assign_add(self.steps_per_update)
        return loss

    def batch_loss(self, x, y, y_pred, sample_weight, training: bool) -> Any:
        """The mean loss of a batch, a scalar.

        It `record`s the parts of the loss under their `result_keys`.

        Args:
            x: inputs of the batch.
            y: its targets, or None.
            y_pred: what `call` returned for the inputs.
            sample_weight: its masks, the third part of a batch, or None.
            training: whether this is an update.
        """
        raise own_code.MissingHook(
            self, "batch_loss(self, x, y, y_pred, sample_weight, training)"
        )

    def record(self, batch_size, **values) -> None:
        """Adds batch means to the running means of the logs."""
        for name, value in values.items():
            if name in self.trackers:
                self.trackers[name].update_state(value, sample_weight=batch_size)

    def export(self, model_dir: str, training_data: Any) -> None:
        """Writes the trained model; by default `network` as `model.keras`.

        Args:
            model_dir: directory of the run.
            training_data: what the model was trained on, see `examples`.
        """
        del training_data
        if self.network is None:
            raise own_code.MissingHook(self, "network in make_networks, or export")
        model_file.save(self.network, model_dir)

    def results(self, data: Any) -> dict[str, Any]:
        """Further results of training; by default the origin of a `GroundTruthData`.

        Args:
            data: what `open_data` returned.
        """
        names = ("origin", "renderer_version")
        return {name: getattr(data, name) for name in names if hasattr(data, name)}

    def __init_subclass__(cls, **arguments):
        super().__init_subclass__(**arguments)
        if "gaussian_encoder" in vars(cls):
            raise ValueError(
                f"{cls.__name__} defines gaussian_encoder, which only "
                "disentanglement_lib calls: define make_networks instead, see "
                "docs/moving_over.md."
            )


def constructor_arguments(model_class: type) -> list[str]:
    """Names of constructor arguments, with those of base classes behind **kwargs."""
    names: dict[str, None] = {}
    for base in inspect.getmro(model_class):
        if "__init__" in vars(base):
            _, *own = inspect.signature(vars(base)["__init__"]).parameters.values()
            variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
            names.update({p.name: None for p in own if p.kind not in variable})
            if all(p.kind is not p.VAR_KEYWORD for p in own):
                break
    return list(names)


def seed_generator(seed: int, purpose: str) -> keras.random.SeedGenerator:
    """A generator of random numbers, which differ between the purposes of a seed."""
    (state,) = np.random.SeedSequence([seed, *purpose.encode()]).generate_state(1)
    return keras.random.SeedGenerator(int(state >> 1))


@contextmanager
def _initializers_seeded_by(seed: int) -> Iterator[None]:
    # Keras draws the seeds of unseeded initialisers from Python's generator.
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
