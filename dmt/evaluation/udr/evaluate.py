"""From several trained models to their Unsupervised Disentanglement Ranking."""

import functools
import inspect
import os
import time

import numpy as np
from keras import ops

from dmt.data.ground_truth import named_data
from dmt.evaluation import evaluate as evaluation
from dmt.evaluation.codes import IndexedData, MomentTable, kl_per_code
from dmt.evaluation.score import run_metric
from dmt.evaluation.udr.metrics import udr  # noqa: F401 (registers it)
from dmt.methods.gaussian_encoder_model import load_model
from dmt.utils import configuration, results
from dmt.utils.compilation import compiled


def evaluate_with_gin(
    model_dirs,
    output_dir,
    overwrite=False,
    gin_config_files=(),
    gin_bindings=(),
    **flags,
):
    """Runs `evaluate` under a gin configuration; see there."""
    with configuration.gin_configuration(gin_config_files, gin_bindings):
        evaluate(model_dirs, output_dir, overwrite, **flags)


def evaluate(model_dirs, output_dir, overwrite=False, **parameters):
    """Compares trained models by a metric of several models, that is, `udr_sklearn`.

    Writes `results/` to `output_dir`, whole or not at all: the configuration and
    results of the first model's training, and as step "evaluation" the scores, in the
    order of `model_dirs`, which are recorded too.

    Args:
        model_dirs: directories that `train` wrote, two at least.
        output_dir: directory to write.
        overwrite: whether to replace `output_dir` if it exists.
        **parameters: those of the gin configurable `evaluation`, which gin supplies if
            they are not given: evaluation_fn, a function `(ground_truth_data,
            representation_functions, random_state) -> dict`, see `udr_sklearn`;
            random_seed; name; and resume, whether to do nothing if the step is
            complete.

    Raises:
        FileNotFoundError: if a directory holds no trained model.
        ValueError: if there are fewer than two, one is given twice, or `output_dir`
            exists and may not be replaced.
    """
    # Through the one configurable of that name: with another, gin could not tell which
    # one a file means.
    evaluation.evaluate(list(model_dirs), output_dir, overwrite, **parameters)


def evaluate_models(
    model_dirs, output_dir, overwrite, evaluation_fn, random_seed, name, resume
):
    """`evaluate` with all parameters given."""
    if len({os.path.realpath(path) for path in model_dirs}) < max(2, len(model_dirs)):
        raise ValueError(
            "Give the directories of at least 2 models, each once. Received: "
            f"model_dirs={model_dirs}"
        )
    if "representation_function" in inspect.signature(evaluation_fn).parameters:
        raise ValueError(
            f"{evaluation_fn.__name__} scores one representation, give it to "
            "dmt_evaluate; several models are compared by udr_sklearn."
        )
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
    functions = [mean_and_kl_of(path, dataset) for path in model_dirs]
    data = dataset if dataset.size is None else IndexedData(dataset)
    run = functools.partial(run_metric, evaluation_fn, data, functions, random_seed)
    evaluation.write_evaluation(
        run, model_dirs[0], output_dir, name, dataset, start, model_dirs=model_dirs
    )


def score_table(output_dir):
    """The models' scores as lines of text, best first.

    Args:
        output_dir: directory that `evaluate` wrote.
    """
    scores = results.load_json(
        os.path.join(output_dir, "results", "json", "evaluation_results.json")
    )
    ranking = sorted(
        zip(scores.get("model_scores", []), scores["model_dirs"], strict=False),
        reverse=True,
    )
    return "\n".join(f"{score:8.4f}  {path}" for score, path in ranking)


def _check_same_models(model_dirs, output_dir):
    then = results.load_json(
        os.path.join(output_dir, "results", "json", "evaluation_results.json")
    )["model_dirs"]
    if [os.path.realpath(p) for p in then] != [os.path.realpath(p) for p in model_dirs]:
        raise ValueError(
            f"{output_dir} was made from other models; give the same ones, or "
            f"--overwrite. They were: {', '.join(then)}"
        )


def mean_and_kl_of(model_dir, dataset):
    """What UDR needs of a model: observations -> means, mean KL of each code.

    Args:
        model_dir: see `moments_of`.
        dataset: see `moments_of`.
    """
    moments = moments_of(model_dir, dataset)

    def mean_and_kl(observations):
        mean, logvar = np.split(moments(observations), 2, axis=1)
        mean, logvar = mean.astype("float64"), logvar.astype("float64")
        return mean, kl_per_code(mean, logvar)

    return mean_and_kl


def moments_of(model_dir, dataset):
    """Loads a model as a function to means and log-variances (n, 2 * num_latent).

    Args:
        model_dir: directory that `train` wrote.
        dataset: the `GroundTruthData` of the observations: images (n, ...), or their
            indices (n,) if it is indexable, see `IndexedData`.

    Raises:
        FileNotFoundError: if the directory holds no trained model.
        ValueError: if the model encodes images of another shape.
    """
    model = load_model(model_dir)
    if model.observation_shape != tuple(dataset.observation_shape):
        raise ValueError(
            f"The model {model_dir} encodes images of shape {model.observation_shape}, "
            f"those of the dataset have {tuple(dataset.observation_shape)}."
        )
    if dataset.size is None:
        return compiled(lambda images: ops.concatenate(model.encode(images), axis=1))
    # Observations come all at once, so that the table need not be kept.
    return lambda indices: MomentTable(dataset, model.encoder)(indices)
