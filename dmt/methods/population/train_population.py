"""Runs that differ in numbers only, trained as one program; see `population`.

Each run's directory is what `dmt.methods.train` writes: a run that was begun in a
population can be resumed alone, and the other way round.
"""

import keras

from dmt.methods import train
from dmt.methods.population.population import Population, make_optimizer
from dmt.utils import configuration


def train_population_with_gin(runs, form="stacked", share_batches=False, resume=False):
    """Trains models together.

    Args:
        runs: list of (model_dir, gin files, gin bindings), see `train.train_with_gin`.
            Their configurations may differ in seeds, learning rates and hyperparameters
            of the model.
        form: see `Population`.
        share_batches: whether all see the batches of the first; otherwise each sees
            those that it would see alone.
        resume: whether to finish runs that were begun. Runs that stopped at different
            steps are trained in groups.

    Raises:
        ValueError: if runs differ in more, or one was completed with another
            configuration.
    """
    prepared = []
    for model_dir, gin_files, gin_bindings in runs:
        with configuration.gin_configuration(gin_files, gin_bindings):
            train.train(model_dir, resume=resume, population=prepared)
    _check_alike(prepared)
    groups = {}
    for run in prepared:
        groups.setdefault(run.state.step(), []).append(run)
    # Losses read their configuration, which all runs share, when they are compiled.
    _, gin_files, gin_bindings = runs[0]
    with configuration.gin_configuration(gin_files, gin_bindings):
        for group in groups.values():
            _fit(group, form, share_batches)
            for run in group:
                train.finish(run)


def _fit(group, form, share_batches):
    first = group[0]
    population = Population([run.model for run in group], form, share_batches)
    population.compile(
        optimizer=make_optimizer([run.model.optimizer for run in group]),
        jit_compile=first.jit_compile,
        steps_per_execution=first.steps_per_execution,
    )
    population.optimizer.build(population.trainable_variables)
    population.read_members()
    seeds = [int(run.data_seed) for run in group]
    callback = _States(population, [run.state for run in group])
    train.fit(first, population, callback, seeds[0] if share_batches else seeds)


class _States(keras.callbacks.Callback):
    """Keeps the state of every run on disk, by the run's own callback."""

    async_safe = True

    def __init__(self, population, states):
        super().__init__()
        self._population = population
        self._states = states

    def on_epoch_begin(self, epoch, logs=None):
        """See `RunState`."""
        for state in self._states:
            state.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch, logs=None):
        """See `RunState`; members' logs are those that they would have alone."""
        for k, state in enumerate(self._states):
            self._population.member(k)
            own = {
                name.removesuffix(".members"): float(values[k])
                for name, values in logs.items()
                if name.endswith(".members")
            }
            state.on_epoch_end(epoch, own)

    def on_train_end(self, logs=None):
        """See `RunState`."""
        for k, state in enumerate(self._states):
            self._population.member(k)
            state.on_train_end(logs)


def _check_alike(prepared):
    names = (
        "training_steps",
        "batch_size",
        "log_steps",
        "resident",
        "jit_compile",
        "steps_per_execution",
    )
    for name in names:
        values = {getattr(run, name) for run in prepared}
        if len(values) > 1:
            raise ValueError(
                f"Runs of a population must agree in model.{name}. "
                f"Received: {sorted(map(str, values))}"
            )
