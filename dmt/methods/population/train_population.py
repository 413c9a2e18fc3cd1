"""Runs that differ in numbers only, trained as one program; see `population`.

Each run's directory is what `dmt.methods.train` writes: a run that was begun in a
population can be resumed alone, and the other way round.
"""

import inspect

import gin
import keras

from dmt.methods import train
from dmt.methods.population.population import Population, make_optimizer
from dmt.utils import configuration, results


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
    prepared, configs = [], []
    for _, gin_files, gin_bindings in runs:
        with configuration.gin_configuration(gin_files, gin_bindings):
            configs.append(results.parse_bindings(gin.config_str()))
    _check_alike(configs)
    for model_dir, gin_files, gin_bindings in runs:
        with configuration.gin_configuration(gin_files, gin_bindings):
            train.train(model_dir, resume=resume, population=prepared)
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
    population.read_optimizers()
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
        failures = []
        for k, state in enumerate(self._states):
            self._population.member(k)
            own = {
                name.removesuffix(".members"): float(values[k])
                for name, values in logs.items()
                if name.endswith(".members")
            }
            try:
                state.on_epoch_end(epoch, own)
            except ValueError as error:
                failures.append(f"{state.model_dir}: {error}")
        if failures:
            # The others have kept their states.
            raise ValueError(
                f"{len(failures)} of {len(self._states)} models failed, leave them out "
                f"to go on with the others. {'; '.join(failures)}"
            )

    def on_train_end(self, logs=None):
        """See `RunState`."""
        for k, state in enumerate(self._states):
            self._population.member(k)
            state.on_train_end(logs)


def _check_alike(configs):
    """Refuses configurations that differ in more than a population allows.

    Args:
        configs: list of {binding: value}.
    """
    for other in configs[1:]:
        different = sorted(
            name
            for name in configs[0].keys() | other.keys()
            if configs[0].get(name) != other.get(name) and not _may_differ(name)
        )
        if different:
            raise ValueError(
                "The runs of a population may differ in seeds, names, learning rates "
                f"and hyperparameters of the model. Received: other {different}"
            )


def _may_differ(binding):
    selector, _, parameter = binding.rpartition(".")
    if binding in ("model.random_seed", "model.name", "model.model_num"):
        return True
    if parameter == "learning_rate":
        return True
    try:
        kind = gin.get_configurable(selector.rpartition("/")[2])
    except ValueError:
        return False
    return parameter in getattr(inspect.unwrap(kind), "hyperparameters", ())
