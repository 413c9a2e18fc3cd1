"""From a representation to scores."""

import functools
import logging
import os
import time

import gin

from dmt.data.ground_truth import named_data
from dmt.evaluation.codes import codes_of
from dmt.evaluation.metrics import task_heads  # noqa: F401 (registers it)
from dmt.evaluation.score import run_metric, versions
from dmt.postprocessing.representation import load_representation
from dmt.utils import configuration, files, results, stages

logger = logging.getLogger(__name__)


def evaluate_with_gin(
    model_dir,
    output_dir,
    overwrite=False,
    gin_config_files=(),
    gin_bindings=(),
    **flags,
):
    """Runs `evaluate` under a gin configuration; see there."""
    with configuration.gin_configuration(gin_config_files, gin_bindings):
        evaluate(model_dir, output_dir, overwrite, **flags)


@stages.configurable(
    "evaluation",
    "evaluation",
    denylist=[
        "model_dir",
        "output_dir",
        "overwrite",
        "resume",
        "shared_codes",
        "moments_dir",
    ],
)
def evaluate(
    model_dir,
    output_dir,
    overwrite=False,
    evaluation_fn=gin.REQUIRED,
    random_seed=gin.REQUIRED,
    name="",
    resume=False,
    shared_codes=None,
    moments_dir=None,
    dtype_policy=None,
):
    """Scores a representation with one metric.

    Writes `results/` to `output_dir`, whole or not at all.

    Args:
        model_dir: directory that `postprocess` wrote. A list of directories that
            `train` wrote is left to `dmt.evaluation.udr.evaluate`.
        output_dir: directory to write.
        overwrite: whether to replace `output_dir` if it exists.
        evaluation_fn: the metric, a function `(ground_truth_data,
            representation_function, random_state, artifact_dir) -> dict`; it may leave
            out the last argument.
        random_seed: integer, seed of the metric.
        name: label, recorded in the results.
        resume: whether to do nothing if the step is complete.
        shared_codes: dictionary, empty at first, in which evaluations of one process
            keep the codes that the next one needs too. The results are the same
            without.
        moments_dir: folder in which `representation.write_moments` kept what the
            encoder makes of all images.
        dtype_policy: Keras dtype policy of the encoder, for example "mixed_bfloat16",
            where speed matters more than the last digits; as saved if None.

    Raises:
        FileNotFoundError: if `model_dir` holds no representation.
        ValueError: if `output_dir` exists and may not be replaced.
    """
    if isinstance(model_dir, list):
        from dmt.evaluation.udr.evaluate import evaluate_models

        if dtype_policy is not None:
            raise ValueError(
                "Several models are encoded as they were saved. Received: "
                f"evaluation.dtype_policy={dtype_policy!r}"
            )
        evaluate_models(
            model_dir, output_dir, overwrite, evaluation_fn, random_seed, name, resume
        )
        return
    if configuration.is_done(
        output_dir, "evaluation", overwrite, resume, inputs=[model_dir]
    ):
        return
    start = time.time()
    dataset, data, codes = encoded_data(
        model_dir, shared_codes, moments_dir, dtype_policy
    )
    run = functools.partial(run_metric, evaluation_fn, data, codes, random_seed)
    write_evaluation(run, model_dir, output_dir, name, dataset, start)


def encoded_data(model_dir, shared_codes=None, moments_dir=None, dtype_policy=None):
    """The dataset of the gin configuration, and the codes of a representation.

    Args:
        model_dir: see `evaluate`.
        shared_codes: see `evaluate`.
        moments_dir: see `evaluate`.
        dtype_policy: see `evaluate`.

    Returns:
        The `GroundTruthData`; and the two of `representation.codes_of` it.
    """
    configuration.resolve_auto_dataset(
        os.path.join(model_dir, "results", "gin", "postprocess.gin")
    )
    dataset = named_data.get_named_ground_truth_data()
    shared_codes = {} if shared_codes is None else shared_codes
    key = (os.path.realpath(model_dir), dtype_policy, _data_bindings())
    if key not in shared_codes:
        representation = load_representation(model_dir, dtype_policy)
        shared_codes.clear()
        folder = moments_dir if dtype_policy is None else None
        shared_codes[key] = codes_of(dataset, representation, folder)
    data, codes = shared_codes[key]
    codes.restart()
    return dataset, data, codes


def write_evaluation(
    run, input_dir, output_dir, name, dataset, start, step="evaluation", **facts
):
    """Runs a metric and writes its results, whole or not at all.

    Args:
        run: function from the directory for what the metric draws to its scores.
        input_dir: directory of the step before, whose results are carried forward.
        output_dir: directory to write or to replace.
        name: label of the evaluation.
        dataset: the `GroundTruthData`.
        start: `time.time()` when the evaluation began.
        step: of the names of the result files.
        **facts: more to record.
    """
    with files.replacing(output_dir) as directory:
        os.makedirs(directory)
        scores = run(os.path.join(directory, "artifacts", name))
        results.update_result_directory(
            os.path.join(directory, "results"),
            step,
            {
                **scores,
                **facts,
                "elapsed_time": time.time() - start,
                "origin": dataset.origin,
                "renderer_version": dataset.renderer_version,
                "versions": versions(),
            },
            os.path.join(input_dir, "results"),
        )
    logger.info("%s took %.1f s.", output_dir, time.time() - start)


def _data_bindings():
    """The bindings that data may depend on: all but those of evaluation's functions."""
    return tuple(
        (name, value)
        for name, value in sorted(results.parse_bindings(gin.config_str()).items())
        if stages.stage_of(name) != "evaluation"
    )
