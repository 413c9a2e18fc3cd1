"""Trains a model: the one training function of the package.

It trains all kinds of models. Hooks of `TrainableModel` define what a model is trained
on, what it exports and what it reports. `model.model` binds the model.
"""

import contextlib
import dataclasses
import math
import os
import sys
from collections.abc import Sequence
from typing import Any

import gin
import keras

from dmt.data import pipeline
from dmt.methods.run_state import STEPS, RunState, checkpoint_path, config_path
from dmt.methods.settings import TrainingSettings
from dmt.methods.shared import own_code
from dmt.methods.shared.training import TrainableModel, on_device
from dmt.methods.warm_start import WarmStart
from dmt.utils import (
    configuration,
    files,
    locks,
    machine,
    modules,
    processor,
    results,
)


@dataclasses.dataclass
class Training:
    """A model that is ready to be trained; see `prepare`.

    Attributes:
        model_dir: directory of the run.
        settings: how to train.
        model: the compiled model, at the step of its last checkpoint.
        data: what the model's `open_data` returned.
        training_data: `Examples` or `GroundTruthData` to train on.
        evaluation_data: the same, to evaluate on after training.
        data_seed: seed of the batches to train on.
        evaluation_seed: seed of the batches to evaluate on.
        state: the callback that keeps the state of the run on disk.
        operative_config: what gin configured, for the results.
    """

    model_dir: str
    settings: TrainingSettings
    model: TrainableModel
    data: Any
    training_data: Any
    evaluation_data: Any
    data_seed: int
    evaluation_seed: int
    state: RunState
    operative_config: str


@locks.holding("model_dir")
def train(
    model_dir: str, overwrite: bool = False, resume: bool = False, **settings: Any
) -> None:
    """Trains a model and writes it, with its results, to `model_dir`.

    Writes `tf_checkpoint/` (state to resume from, TensorBoard events), `history.csv`
    (the learning curve), what the model exports (`model.keras`, and with an encoder
    `tfhub/`) and, last, `results/`, which marks the run as complete.

    Args:
        model_dir: directory to write.
        overwrite: whether to delete `model_dir` if it exists.
        resume: whether to continue a run that was killed, from its last checkpoint, or
            a complete run, if `training_steps` is greater than it was. The resumed run
            ends where an uninterrupted one would have ended, bit by bit, on the same
            machine. The results of a complete run stay until the new ones are there.
        **settings: see `TrainingSettings`; gin binds those that are not given.

    Raises:
        ValueError: if `model_dir` exists and neither `overwrite` nor `resume` is given,
            if its run had another configuration or has made more steps, or if a setting
            is out of range.
    """
    _fit_and_finish(prepare(model_dir, overwrite, resume, **settings))


@locks.holding("model_dir")
def train_with_gin(
    model_dir: str,
    overwrite: bool = False,
    gin_config_files: Sequence[str] = (),
    gin_bindings: Sequence[str] = (),
    resume: bool = False,
) -> None:
    """`train` with a gin configuration, which is cleared before the first update.

    Args:
        model_dir: see `train`.
        overwrite: see `train`.
        gin_config_files: paths of gin files.
        gin_bindings: lines of gin, which override the files.
        resume: see `train`.

    Raises:
        ValueError: see `train`; or if gin refuses a line.
    """
    lists = (gin_config_files, gin_bindings)
    _fit_and_finish(prepare_with_gin(model_dir, overwrite, *lists, resume=resume))


def _fit_and_finish(run):
    if run is None:
        return
    try:
        fit(run, run.model, run.state, run.training_data, run.data_seed)
    except Exception:
        run.state.forget_unless_saved()
        raise
    finish(run)


@own_code.located()
def prepare(
    model_dir: str, overwrite: bool = False, resume: bool = False, **settings: Any
) -> Training | None:
    """Makes a model ready for `fit` and `finish`, which do not read gin any more.

    Arguments and errors are those of `train`. Returns None if the run is complete.
    """
    _check_eager()
    is_extended = resume and _is_extended(model_dir, settings)
    if configuration.is_done(
        model_dir,
        "train",
        overwrite,
        resume,
        may_change=[STEPS] if is_extended else [],
        begun_with=config_path(model_dir),
    ):
        return None
    has_checkpoint = os.path.exists(checkpoint_path(model_dir)) and not overwrite
    if is_extended and not has_checkpoint:
        raise ValueError(
            f"{model_dir} cannot be continued without {checkpoint_path(model_dir)}. "
            "Give --overwrite to train from the start."
        )
    chosen = TrainingSettings(**settings)
    processor.warn_of_emulation("model.dtype_policy", chosen.dtype_policy)
    model_seed, data_seed, evaluation_seed = chosen.seeds()
    model = chosen.make_model()
    data = model.open_data()
    _check_batch_size(chosen.batch_size, data)
    numbers = {name: getattr(model, name) for name in model.hyperparameters}
    with _dtype_policy(chosen.dtype_policy):
        model.initialize(data, model_seed)
    own_code.check_attributes(model, numbers)
    model.compile(
        optimizer=model.make_optimizer(),
        jit_compile=chosen.jit_compile,
        steps_per_execution=chosen.steps_per_execution,
    )
    model.optimizer.build(model.trainable_variables)
    # What is not bound is not recorded either.
    if gin.get_bindings("warm_start") and not has_checkpoint:
        WarmStart().apply(model, model_dir)
    training_data, evaluation_data = model.examples(data)
    examples = pipeline.examples_of(training_data)
    is_drawn = isinstance(examples, pipeline.DrawnExamples)
    if chosen.resident and not is_drawn and not hasattr(examples, "at"):
        raise ValueError(
            "model.resident = True needs examples that can be indexed, or drawn on the "
            "device; these are drawn on the host. Bind model.resident = False."
        )
    if overwrite:
        files.discard(model_dir)
    return Training(
        model_dir=model_dir,
        settings=chosen,
        model=model,
        data=data,
        training_data=training_data,
        evaluation_data=evaluation_data,
        data_seed=data_seed,
        evaluation_seed=evaluation_seed,
        state=RunState(model, model_dir, chosen),
        operative_config=gin.operative_config_str(),
    )


prepare_with_gin = configuration.with_gin(prepare)


def _is_extended(model_dir, settings):
    """Whether a run is complete, but with other steps than are wanted now."""
    if results.fault(model_dir, "train"):
        return False
    folder = os.path.join(model_dir, "results", "json")
    then, made = (
        results.load_json(os.path.join(folder, f"train_{name}.json"))
        for name in ("config", "results")
    )
    now = results.parse_bindings(gin.config_str())
    wanted = settings.get("training_steps", configuration.bound_value(STEPS, now))
    # Only gin's bindings are recorded.
    before = configuration.bound_value(STEPS, then) or made.get("global_step")
    return wanted is not None and str(wanted) != str(before)


@own_code.located()
def fit(
    training: Training,
    model: Any,
    callback: keras.callbacks.Callback,
    training_data: Any,
    data_seed: int | list[int],
) -> None:
    """Trains up to the last step.

    Args:
        training: how to train.
        model: what to train: the model of `training`, or a population with it.
        callback: keeps the state on disk.
        training_data: to draw batches from, see `pipeline.host_batches`.
        data_seed: seed of the batches; a list of seeds if `training_data` is a list.
    """
    settings = training.settings
    if settings.resident:
        model.resident = on_device(training_data, data_seed, settings.batch_size)

    def fit_until(stop, updates_per_epoch):
        start = training.state.updates()
        if start == stop:
            return
        if settings.resident:
            batches = pipeline.step_numbers(start, stop)
        else:
            size = settings.batch_size
            batches = pipeline.host_batches(training_data, data_seed, size, start, stop)
        divides = updates_per_epoch % settings.steps_per_execution == 0
        at_once = settings.steps_per_execution if divides else 1
        if model.steps_per_execution != at_once:
            model.compile(
                optimizer=model.optimizer,
                jit_compile=settings.jit_compile,
                steps_per_execution=at_once,
            )
        epoch = start // log_updates
        model.fit(
            batches,
            steps_per_epoch=updates_per_epoch,
            initial_epoch=epoch,
            epochs=epoch + (stop - start) // updates_per_epoch,
            callbacks=[callback],
            shuffle=False,
            verbose=1 if sys.stdout.isatty() else 2,
        )

    # Each epoch gives a line of the learning curve. There are shorter epochs for the
    # updates that are left over after a resume and at the end.
    num_updates, log_updates = (
        settings.updates(steps, training.model)
        for steps in (settings.training_steps, settings.log_steps)
    )
    start = training.state.updates()
    stop = min(start + -start % log_updates, num_updates)
    fit_until(stop, stop - start)
    remainder = num_updates % log_updates
    fit_until(max(stop, num_updates - remainder), log_updates)
    fit_until(num_updates, remainder)
    model.resident = None


@own_code.located()
def finish(training: Training) -> None:
    """Exports a trained model, evaluates it and, last, writes the results."""
    settings, model = training.settings, training.model
    if not training.state.step():
        training.state.save()  # No update was made, after which it would be saved.
    exported = os.path.join(training.model_dir, ".export")
    with files.replacing(exported) as folder:
        os.makedirs(folder)
        model.export(folder, training.training_data)
    data, seed = training.evaluation_data, training.evaluation_seed
    steps = settings.eval_steps
    batches = pipeline.host_batches(data, seed, settings.batch_size, 0, steps)
    evaluation = model.evaluate(batches, steps=steps, return_dict=True, verbose=0)
    result_dir = os.path.join(training.model_dir, "results")
    # If there are results, they are of the same run with fewer steps.
    files.discard(result_dir)
    files.move_contents(exported, training.model_dir)
    results.update_result_directory(
        result_dir,
        "train",
        {
            **evaluation,
            **{k: _to_numpy(v) for k, v in model.results(training.data).items()},
            "global_step": training.state.step(),
            "elapsed_time": training.state.elapsed(),
            "machine": processor.summary(),
        },
        operative_config=training.operative_config,
    )


def _check_eager():
    tensorflow = sys.modules.get("tensorflow")
    if keras.backend.backend() == "tensorflow" and not tensorflow.executing_eagerly():
        raise ValueError(
            "Models are trained with TensorFlow's eager execution, which is disabled. "
            "Remove tf.disable_v2_behavior(), tf.disable_eager_execution() or the "
            "tf.Graph around this call."
        )


def _check_batch_size(batch_size, data):
    """Checks that the images of a batch fit into memory as float32."""
    needed = 4 * batch_size * math.prod(getattr(data, "observation_shape", [1]))
    available = machine.available_memory()
    if available and needed > available:
        raise ValueError(
            f"The images of a batch take {needed:,} bytes, and {available:,} bytes of "
            f"memory are free. Received: model.batch_size={batch_size}"
        )


def _to_numpy(value):
    return keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value


@contextlib.contextmanager
def _dtype_policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


# Registers every model, so that gin files can bind it.
modules.import_all("dmt.methods")
