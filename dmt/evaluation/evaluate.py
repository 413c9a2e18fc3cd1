"""From a representation to scores."""

import dataclasses
import functools
import inspect
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import gin
import numpy as np

from dmt.data.evidence.latents import EvidenceData
from dmt.data.evidence.trials import EvidenceTrials
from dmt.data.ground_truth import named_data
from dmt.evaluation import frozen_heads  # noqa: F401 (registers the heads)
from dmt.evaluation.codes import codes_of
from dmt.evaluation.evidence import agents
from dmt.evaluation.metrics import registry
from dmt.evaluation.versions import versions
from dmt.methods.evidence import trained
from dmt.postprocessing.representation import load_representation
from dmt.utils import (
    checks,
    configuration,
    files,
    locks,
    modules,
    processor,
    progress,
    results,
    stages,
)

logger = logging.getLogger(__name__)

# Registers every metric and analysis, so that gin files can bind it.
registry.all_metrics()
modules.import_all("dmt.evaluation.evidence")


@stages.configurable("evaluation", "evaluation")
@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of an evaluation, for example `evaluation.evaluation_fn = @mig`.

    Attributes:
        evaluation_fn: the metric, a function `(ground_truth_data,
            representation_function, random_state, artifact_dir) -> dict`; artifact_dir
            may be left out.
        random_seed: integer in [0, 2**32), seed of the metric.
        name: label, recorded in the results.
        dtype_policy: Keras dtype policy of the encoder, for example "mixed_bfloat16",
            which is faster but less exact; as saved if None.
    """

    evaluation_fn: Callable[..., dict[str, Any]] = gin.REQUIRED
    random_seed: int = gin.REQUIRED
    name: str = ""
    dtype_policy: str | None = None

    def __post_init__(self):
        if not callable(self.evaluation_fn):
            raise ValueError(
                "evaluation.evaluation_fn is a metric, for example @mig. Received: "
                f"{self.evaluation_fn!r}"
            )
        checks.seed("evaluation.random_seed", self.random_seed)


@locks.holding("output_dir")
def evaluate(
    model_dir: str,
    output_dir: str,
    overwrite: bool = False,
    evaluation_fn: Callable[..., dict[str, Any]] = gin.REQUIRED,
    random_seed: int = gin.REQUIRED,
    name: str = "",
    *,
    resume: bool = False,
    shared_codes: dict | None = None,
    moments_dir: str | None = None,
    **settings: Any,
) -> None:
    """Scores a representation with one metric.

    Writes `results/` to `output_dir`, whole or not at all.

    Args:
        model_dir: directory that `postprocess` wrote; or that `train` wrote, if the
            model accumulates evidence.
        output_dir: directory to write.
        overwrite: whether to replace `output_dir` if it exists.
        evaluation_fn: see `Settings`; gin supplies it if it is not given.
        random_seed: see `Settings`; gin supplies it if it is not given.
        name: see `Settings`; gin supplies it if it is "".
        resume: whether to do nothing if the step is complete.
        shared_codes: dictionary, empty at first, through which the evaluations of one
            process share codes. It does not change the results.
        moments_dir: folder in which the encoder's outputs are kept, see `codes_of`.
        **settings: the others of `Settings`, which gin supplies if they are not given.

    Raises:
        FileNotFoundError: if `model_dir` holds no representation.
        ValueError: if `output_dir` exists and may not be replaced, or another process
            writes it.
    """
    chosen = make_settings(evaluation_fn, random_seed, name, **settings)
    if configuration.is_done(
        output_dir, "evaluation", overwrite, resume, inputs=[model_dir]
    ):
        return
    start = time.time()
    dataset, data, codes = encoded_data(
        model_dir, shared_codes, moments_dir, chosen.dtype_policy
    )
    run = functools.partial(
        run_metric, chosen.evaluation_fn, data, codes, chosen.random_seed
    )
    write_evaluation(run, model_dir, output_dir, chosen.name, dataset, start)


evaluate_with_gin = configuration.with_gin(evaluate)


def make_settings(
    evaluation_fn: Any, random_seed: Any, name: str, **settings: Any
) -> Settings:
    """`Settings`, of which gin supplies those that are `gin.REQUIRED` or "" here."""
    named = {"name": name} if name else {}
    return Settings(evaluation_fn, random_seed, **named, **settings)


def run_metric(
    evaluation_fn: Callable[..., dict[str, Any]],
    data: Any,
    codes: Any,
    random_seed: int,
    artifact_dir: str | None = None,
) -> dict[str, Any]:
    """Scores of a metric with this seed.

    Args:
        evaluation_fn: see `Settings`.
        data: a `GroundTruthData`.
        codes: function from its observations to codes (n, num_codes); for a metric of
            several models a list of functions.
        random_seed: see `Settings`.
        artifact_dir: directory for pictures, None for no pictures.
    """
    # scikit-learn breaks ties between splits with NumPy's global generator.
    np.random.seed(random_seed)
    arguments = {}
    parameters = inspect.signature(evaluation_fn).parameters.values()
    if any(p.name == "artifact_dir" or p.kind == p.VAR_KEYWORD for p in parameters):
        arguments["artifact_dir"] = artifact_dir
    return plain_scores(
        evaluation_fn(
            data, codes, random_state=np.random.RandomState(random_seed), **arguments
        )
    )


def plain_scores(scores: Any) -> dict[str, Any]:
    """What a metric returned, with numbers of Python in place of all other numbers.

    Raises:
        ValueError: if it is not a dictionary.
    """
    if not isinstance(scores, Mapping):
        raise ValueError(
            "A metric must return a dictionary, from the names of scores to scores. "
            f"Received: {type(scores).__name__}"
        )
    return {str(name): _plain(score) for name, score in scores.items()}


def _plain(score):
    if not hasattr(score, "__array__"):
        return score
    array = np.asarray(score)
    return array if array.ndim else array.item()


def encoded_data(model_dir, shared_codes=None, moments_dir=None, dtype_policy=None):
    """The dataset of the gin configuration, and the codes of a representation.

    Takes the arguments of `evaluate`, and returns (dataset, data, codes): a
    `GroundTruthData`, and what `codes_of` returns for it; for an agent, its
    `EvidenceData` twice, and its `AgentCodes`.
    """
    is_agent = agents.is_agent(model_dir)
    if is_agent:
        agents.bind_trials(model_dir)
    else:
        configuration.resolve_auto_dataset(
            os.path.join(model_dir, "results", "gin", "postprocess.gin")
        )
    # Damaged results, which cannot be carried over, are found before work starts.
    results.aggregate_json_results(os.path.join(model_dir, "results", "json"))
    if is_agent:
        if dtype_policy is not None:
            raise ValueError(
                "Agents are evaluated as they were saved, without a dtype policy. "
                f"Received: evaluation.dtype_policy={dtype_policy!r}"
            )
        dataset = EvidenceData(EvidenceTrials())
    else:
        dataset = named_data.get_named_ground_truth_data()
    shared_codes = {} if shared_codes is None else shared_codes
    key = (os.path.realpath(model_dir), dtype_policy, data_bindings())
    if key not in shared_codes and is_agent:
        shared_codes.clear()
        shared_codes[key] = dataset, agents.AgentCodes(trained.load(model_dir))
    elif key not in shared_codes:
        representation = load_representation(model_dir, dtype_policy)
        shared_codes.clear()
        if moments_dir and dtype_policy:
            moments_dir = os.path.join(moments_dir, f"moments_{dtype_policy}")
        shared_codes[key] = codes_of(dataset, representation, moments_dir)
    data, codes = shared_codes[key]
    codes.restart()
    return dataset, data, codes


def write_evaluation(
    run, input_dir, output_dir, name, dataset, start, step="evaluation", **facts
):
    """Runs a metric and writes its results and `facts`, whole or not at all.

    `run` is called with the directory for the metric's pictures and returns the scores.
    The results of the previous step, in `input_dir`, are included. The names of the
    result files begin with `step`; `start` is `time.time()` at the beginning.
    """
    with files.replacing(output_dir) as directory:
        os.makedirs(directory)
        with progress.alive(output_dir):
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
                "machine": processor.summary(),
            },
            os.path.join(input_dir, "results"),
        )
    logger.info("%s took %.1f s.", output_dir, time.time() - start)


def data_bindings():
    """The bindings that data may depend on: all but those marked as evaluation."""
    return tuple(
        (name, value)
        for name, value in sorted(results.parse_bindings(gin.config_str()).items())
        if stages.stage_of(name) != "evaluation"
    )
