"""From a representation to scores."""

import inspect
import logging
import os
import time

import gin
import numpy as np

from dmt.data.ground_truth import named_data
from dmt.evaluation.metrics import (  # noqa: F401 (registers them)
    beta_vae,
    dci,
    downstream_task,
    factor_vae,
    fairness,
    irs,
    mig,
    modularity_explicitness,
    reduced_downstream_task,
    sap_score,
    strong_downstream_task,
    unified_scores,
    unsupervised_metrics,
)
from dmt.evaluation.representation import codes_of
from dmt.postprocessing.representation import load_representation
from dmt.utils import configuration, files, results

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


@gin.configurable(
    "evaluation", denylist=["model_dir", "output_dir", "overwrite", "resume"]
)
def evaluate(
    model_dir,
    output_dir,
    overwrite=False,
    evaluation_fn=gin.REQUIRED,
    random_seed=gin.REQUIRED,
    name="",
    resume=False,
):
    """Scores a representation with one metric.

    Writes `results/` to `output_dir`, whole or not at all.

    Args:
        model_dir: directory that `postprocess` wrote.
        output_dir: directory to write.
        overwrite: whether to replace `output_dir` if it exists.
        evaluation_fn: the metric, a function `(ground_truth_data,
            representation_function, random_state, artifact_dir) -> dict`; it may leave
            out the last argument.
        random_seed: integer, seed of the metric.
        name: label, recorded in the results.
        resume: whether to do nothing if the step is complete.

    Raises:
        FileNotFoundError: if `model_dir` holds no representation.
        ValueError: if `output_dir` exists and may not be replaced.
    """
    if configuration.is_done(
        output_dir, "evaluation", overwrite, resume, inputs=[model_dir]
    ):
        return
    start = time.time()
    configuration.resolve_auto_dataset(
        os.path.join(model_dir, "results", "gin", "postprocess.gin")
    )
    dataset = named_data.get_named_ground_truth_data()
    data, codes = codes_of(dataset, load_representation(model_dir))
    with files.replacing(output_dir) as directory:
        os.makedirs(directory)
        # scikit-learn breaks ties between splits with NumPy's global generator.
        np.random.seed(random_seed)
        arguments = {}
        parameters = inspect.signature(evaluation_fn).parameters.values()
        if any(p.name == "artifact_dir" or p.kind == p.VAR_KEYWORD for p in parameters):
            arguments["artifact_dir"] = os.path.join(directory, "artifacts", name)
        scores = evaluation_fn(
            data, codes, random_state=np.random.RandomState(random_seed), **arguments
        )
        results.update_result_directory(
            os.path.join(directory, "results"),
            "evaluation",
            {**scores, "elapsed_time": time.time() - start, "origin": dataset.origin},
            os.path.join(model_dir, "results"),
        )
    numbers = [f"{k} = {v:.4f}" for k, v in scores.items() if isinstance(v, float)]
    logger.info("%s: %s", name or output_dir, ", ".join(numbers))
