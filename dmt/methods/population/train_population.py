"""Runs that differ in numbers only, trained as one program; see `population`.

Each run's directory is what `dmt.methods.train` writes. A run that was begun in a
population can be resumed alone, and the other way round.
"""

import contextlib
import dataclasses
import inspect
import math
from collections.abc import Sequence

import gin
import keras

from dmt.data.pipeline import DrawnExamples
from dmt.methods import train
from dmt.methods.population.population import (
    Population,
    PopulationSettings,
    architecture,
    make_optimizer,
    unequal,
)
from dmt.methods.run_state import InfiniteLoss
from dmt.methods.settings import LABELLED_SEEDS
from dmt.methods.shared import optimizers
from dmt.methods.shared.training import TrainableModel, constructor_arguments
from dmt.utils import configuration, locks, results

# Settings of training that do not change the compiled program.
_MAY_DIFFER = {
    *(
        f"model.{name}"
        for name in ("random_seed", *LABELLED_SEEDS, "name", "model_num")
    ),
    "warm_start.model_dir",
}


def train_population_with_gin(runs: Sequence[tuple], resume: bool = False) -> None:
    """Trains models together.

    Args:
        runs: list of (model_dir, gin files, gin bindings), see `train.train_with_gin`,
            whose `shared_configuration` is the same. Lines `population.*` configure
            `PopulationSettings`. With `share_batches` all runs see the batches of the
            first, otherwise each sees those that it would see alone.
        resume: whether to finish runs that were begun. Runs that stopped at different
            steps are trained in groups.

    Raises:
        ValueError: if runs differ in other settings, or if one was completed with
            another configuration.
        MembersFailed: if the loss of members became infinite; all others are complete.
    """
    first, *others = (_shared_bindings(*run[1:]) for run in runs)
    for other in others:
        different = unequal(first, other)
        if different:
            raise ValueError(
                "The runs of a population may differ in seeds, names, learning rates "
                f"and hyperparameters of the model. Received: other {different}"
            )
    with contextlib.ExitStack() as stack:
        for model_dir, *_ in runs:
            stack.enter_context(locks.only_in(model_dir))
        failures = _train(runs, resume)
    if failures:
        raise MembersFailed(failures, len(runs))


def _train(runs, resume):
    """Trains all runs that are not complete; returns the errors of those that fail."""
    prepared = []
    for model_dir, gin_files, gin_bindings in runs:
        with configuration.gin_configuration(gin_files, gin_bindings):
            training = train.prepare(model_dir, resume=resume)
            settings = PopulationSettings()  # The same for all.
        if training is not None:
            prepared.append(training)
    failures = train_prepared(prepared, settings) if prepared else {}
    for training in prepared:
        if training.model_dir not in failures:
            train.finish(training)
    return failures


class MembersFailed(ValueError):
    """The loss of members became infinite.

    Attributes:
        failures: {model_dir: what is wrong}.
    """

    def __init__(self, failures, number):
        listed = "; ".join(f"{name}: {text}" for name, text in failures.items())
        super().__init__(f"{len(failures)} of {number} models failed. {listed}")
        self.failures = failures


def shared_configuration(
    gin_files: Sequence[str], gin_bindings: Sequence[str]
) -> tuple:
    """What runs must have in common to be trained together, in hashable form.

    They may differ in seeds, names, learning rates, in numbers and `choices` of the
    model, and in `choices` of `DrawnExamples`. (Models that differ in numbers that are
    not `hyperparameters` are trained separately, see `train_prepared`.)

    Args:
        gin_files: paths of gin files of the training.
        gin_bindings: lines of gin that override them.
    """
    return tuple(sorted(_shared_bindings(gin_files, gin_bindings).items()))


def train_prepared(
    trainings: Sequence[train.Training],
    settings: PopulationSettings,
    seeds: Sequence[int] | None = None,
) -> dict[str, str]:
    """Trains runs to their last step, those with one architecture together.

    Does not read gin.

    Args:
        trainings: results of `train.prepare` for runs of one `shared_configuration`.
        settings: settings of the population.
        seeds: seed of the batches of each run; the run's own seeds if None.

    Returns:
        {model_dir: what is wrong} of those whose loss became infinite.
    """
    own = [int(training.data_seed) for training in trainings]
    kinds = [_kind(training.model) for training in trainings]
    waiting = list(zip(trainings, seeds or own, kinds, strict=True))
    failures: dict[str, str] = {}
    while waiting:
        first, _, kind = waiting[0]
        group = [
            (training, seed)
            for training, seed, other in waiting
            if training.state.step() == first.state.step() and other == kind
        ]
        members, member_seeds = map(list, zip(*group, strict=True))
        failed = _fit(members, member_seeds, settings)
        failures |= failed
        # If members failed, the others of the group continue in a smaller one.
        ended = failed or {training.model_dir for training, _ in group}
        waiting = [entry for entry in waiting if entry[0].model_dir not in ended]
    return failures


def _kind(model):
    """What the models of one program have in common."""
    parts = optimizers.parts_of(model.optimizer)
    # An optimiser that was kept from another run has made updates before.
    return architecture(model), [int(part.iterations.numpy()) for part in parts]


def _fit(group, seeds, settings):
    """Trains until the last step, or until members fail; returns their errors."""
    first = group[0]
    population = Population(
        [training.model for training in group], **dataclasses.asdict(settings)
    )
    population.compile(
        optimizer=make_optimizer([training.model.optimizer for training in group]),
        jit_compile=first.settings.jit_compile,
        steps_per_execution=first.settings.steps_per_execution,
    )
    population.optimizer.build(population.trainable_variables)
    population.read_optimizers()
    callback = _States(population, [training.state for training in group])
    data = _training_data(group)
    if population.share_batches:
        data, seeds = data[0], seeds[0]
    # When a member fails, training stops at the end of the epoch; `train_prepared`
    # continues without it.
    with contextlib.suppress(_EndOfEpoch):
        train.fit(first, population, callback, data, seeds)
    return callback.failures


def _training_data(group):
    """What each run is trained on, one object if all have opened the same dataset.

    Its images are then read once, and not once for each run.
    """
    kind = type(group[0].model)
    hooks = (kind.open_data, kind.examples)
    is_bound = hooks == (TrainableModel.open_data, TrainableModel.examples)
    return [(group[0] if is_bound else training).training_data for training in group]


class _EndOfEpoch(Exception):
    """Training cannot go on with these members."""


class _States(keras.callbacks.Callback):
    """Keeps the state of every run on disk, by the run's own callback."""

    async_safe = True

    def __init__(self, population, states):
        super().__init__()
        self._population = population
        self._states = states
        self.failures = {}

    def on_epoch_begin(self, epoch, logs=None):
        goes_on = all(state.has_open_line() for state in self._states)
        for state in self._states:
            state.on_epoch_begin(epoch, logs)
        if goes_on:
            self._population.read_means()

    def on_epoch_end(self, epoch, logs=None):
        for k, state in enumerate(self._states):
            self._population.member(k)
            # What the member would log alone.
            own = {
                name.removesuffix(".members"): float(values[k])
                for name, values in logs.items()
                if name.endswith(".members")
            }
            try:
                state.add_line(own)
            except InfiniteLoss as error:
                self.failures[state.model_dir] = str(error)
        able = [s for s in self._states if s.model_dir not in self.failures]
        # All are saved at the same step, so that they can be resumed together.
        if self.failures or any(state.is_due() for state in able):
            for state in able:
                state.save()
        if self.failures:
            raise _EndOfEpoch

    def on_train_end(self, logs=None):
        for k, state in enumerate(self._states):
            self._population.member(k)
            state.on_train_end(logs)


def _shared_bindings(gin_files, gin_bindings):
    with configuration.gin_configuration(gin_files, gin_bindings):
        bindings = results.parse_bindings(gin.config_str())
        share_batches = bindings.get("population.share_batches") == "True"
        return {
            name: value
            for name, value in bindings.items()
            if not _may_differ(name, value, share_batches)
        }


def _may_differ(binding, value, share_batches):
    selector, _, parameter = binding.rpartition(".")
    if binding in _MAY_DIFFER or parameter == "learning_rate":
        return True
    try:
        kind = inspect.unwrap(gin.get_configurable(selector.rpartition("/")[2]))
    except ValueError:
        return False
    if inspect.isclass(kind) and issubclass(kind, DrawnExamples):
        # Members with examples of their own cannot share batches.
        return parameter in kind.choices and not share_batches
    if not (inspect.isclass(kind) and issubclass(kind, TrainableModel)):
        return False
    if parameter in kind.choices:
        # Members with targets of their own cannot share batches.
        return not share_batches
    if not isinstance(kind.hyperparameters, property):  # The class lists them itself.
        return parameter in kind.hyperparameters
    is_argument = parameter in constructor_arguments(kind)
    return is_argument and parameter not in kind.structure and _is_number(value)


def _is_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
