"""From several trained models to their Unsupervised Disentanglement Ranking."""

import functools
import inspect
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import gin
import numpy as np
from keras import ops
from tabulate import tabulate

from dmt.data.ground_truth import named_data
from dmt.evaluation.codes import IndexedData, MomentTable, kl_per_code
from dmt.evaluation.evaluate import (
    data_bindings,
    make_settings,
    run_metric,
    write_evaluation,
)
from dmt.evaluation.metrics.encoding import any_number
from dmt.methods.gaussian_encoder_model import load_model
from dmt.utils import configuration, locks, results
from dmt.utils.compilation import compiled


@locks.holding("output_dir")
def evaluate(
    model_dirs: Sequence[str],
    output_dir: str,
    evaluation_fn: Callable[..., dict[str, Any]] = gin.REQUIRED,
    random_seed: int = gin.REQUIRED,
    name: str = "",
    overwrite: bool = False,
    *,
    resume: bool = False,
    shared_models: dict | None = None,
    moments_dir: str | None = None,
    **settings: Any,
) -> None:
    """Compares trained models by a metric of several models, `udr_sklearn`.

    Writes `results/` to `output_dir`, whole or not at all. It holds the configuration
    and results of the first model's training, and, as step "evaluation", the scores in
    the order of `model_dirs`, and these directories.

    Args:
        model_dirs: directories that `train` wrote, two at least.
        output_dir: directory to write.
        evaluation_fn: a function `(ground_truth_data, representation_functions,
            random_state) -> dict`, see `udr_sklearn`; gin supplies it if it is not
            given.
        random_seed: see `dmt.evaluation.evaluate.Settings`; gin supplies it if it is
            not given.
        name: see `Settings`; gin supplies it if it is "".
        overwrite: whether to replace `output_dir` if it exists.
        resume: whether to do nothing if the step is complete.
        shared_models: dictionary, empty at first, through which the evaluations of one
            process share the models. It does not change the results.
        moments_dir: folder in which the encoders' outputs are kept, see `moments_of`.
        **settings: the others of `Settings`. Here dtype_policy must be None.

    Raises:
        FileNotFoundError: if a directory holds no trained model.
        ValueError: if there are fewer than two, one is given twice, or `output_dir`
            exists and may not be replaced.
    """
    chosen = make_settings(evaluation_fn, random_seed, name, **settings)
    model_dirs = list(model_dirs)
    _check(chosen, model_dirs)
    if configuration.is_done(
        output_dir, "evaluation", overwrite, resume, inputs=model_dirs
    ):
        _check_same_models(model_dirs, output_dir)
        return
    start = time.time()
    configuration.resolve_auto_dataset(
        os.path.join(model_dirs[0], "results", "gin", "train.gin")
    )
    dataset = named_data.get_named_ground_truth_data()
    shared_models = {} if shared_models is None else shared_models
    key = (*map(os.path.realpath, model_dirs), data_bindings())
    if key not in shared_models:
        shared_models.clear()
        shared_models[key] = [
            mean_and_kl_of(path, dataset, moments_dir) for path in model_dirs
        ]
    functions = shared_models[key]
    data = dataset if dataset.size is None else IndexedData(dataset)
    run = functools.partial(
        run_metric, chosen.evaluation_fn, data, functions, chosen.random_seed
    )
    facts = {"model_dirs": model_dirs}
    write_evaluation(
        run, model_dirs[0], output_dir, chosen.name, dataset, start, **facts
    )


evaluate_with_gin = configuration.with_gin(evaluate)


def _check(chosen, model_dirs):
    """Checks that settings and directories fit a comparison of several models."""
    if chosen.dtype_policy is not None:
        raise ValueError(
            "Several models are encoded as they were saved. Received: "
            f"evaluation.dtype_policy={chosen.dtype_policy!r}"
        )
    if len({os.path.realpath(path) for path in model_dirs}) < max(2, len(model_dirs)):
        raise ValueError(
            "Give the directories of at least 2 models, each once. Received: "
            f"model_dirs={model_dirs}"
        )
    metric = chosen.evaluation_fn
    if "representation_function" in inspect.signature(metric).parameters:
        raise ValueError(
            f"{metric.__name__} scores one representation, give it to dmt_evaluate; "
            "several models are compared by udr_sklearn."
        )


def score_table(output_dir):
    """The models' scores as lines of text, best first.

    Args:
        output_dir: directory that `evaluate` wrote.
    """
    scores = _results(output_dir)
    ranking = sorted(
        zip(scores.get("model_scores", []), scores["model_dirs"], strict=False),
        reverse=True,
    )
    cells = [(f"{score:8.4f}", path) for score, path in ranking]
    return tabulate(cells, tablefmt="plain", disable_numparse=True)


def _results(output_dir):
    path = os.path.join(output_dir, "results", "json", "evaluation_results.json")
    return results.load_json(path)


def _check_same_models(model_dirs, output_dir):
    then = _results(output_dir)["model_dirs"]
    if [os.path.realpath(p) for p in then] != [os.path.realpath(p) for p in model_dirs]:
        raise ValueError(
            f"{output_dir} was made from other models; give the same ones, or "
            f"--overwrite. They were: {', '.join(then)}"
        )


def mean_and_kl_of(model_dir, dataset, moments_dir=None):
    """Function from observations to means and mean KLs, for UDR; see `moments_of`."""
    moments = moments_of(model_dir, dataset, moments_dir)

    @any_number
    def mean_and_kl(observations):
        mean, logvar = np.split(moments(observations), 2, axis=1)
        mean, logvar = mean.astype("float64"), logvar.astype("float64")
        return mean, kl_per_code(mean, logvar)

    return mean_and_kl


def moments_of(model_dir, dataset, moments_dir=None):
    """Loads a model as a function to means and log-variances (n, 2 * num_latent).

    Args:
        model_dir: directory that `train` wrote.
        dataset: the `GroundTruthData` of the observations: images (n, ...), or their
            indices (n,) if it is indexable, see `IndexedData`.
        moments_dir: folder that keeps what was encoded, see `MomentTable`.

    Raises:
        FileNotFoundError: if the directory holds no trained model.
        ValueError: if the model encodes images of another shape.
    """
    model = load_model(model_dir, dataset.observation_shape)
    if dataset.size is None:
        return compiled(lambda images: ops.concatenate(model.encode(images), axis=1))
    # All observations come in one call, so the table need not be kept.
    return lambda indices: MomentTable(dataset, model.encoder, moments_dir)(indices)
