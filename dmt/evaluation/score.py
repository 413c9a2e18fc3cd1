"""Scores of codes and factors that are in arrays, however they were made."""

import functools
import inspect
import math
import os
from importlib import metadata

import gin
import numpy as np

import dmt
from dmt import metrics
from dmt.data.ground_truth.table_data import TableData
from dmt.evaluation.metrics import utils
from dmt.utils import configuration, results


def score_arrays(
    name,
    factors,
    codes,
    factors_test=None,
    codes_test=None,
    continuous_factors=False,
    seed=0,
):
    """Scores of a metric's function of arrays.

    Args:
        name: name in `metrics.METRICS`.
        factors: array (n, num_factors).
        codes: array (n, num_codes).
        factors_test: array (n_test, num_factors), or None.
        codes_test: array (n_test, num_codes), or None.
        continuous_factors: whether factors are numbers that need not repeat.
        seed: integer, of all draws: held-out samples, metrics that sample, ties.

    Returns:
        Results of the metric, with confidence intervals if gin asks for them.

    Raises:
        ValueError: if the name is unknown, or the metric refuses the arrays, or
            continuous factors at all.
    """
    if name not in metrics.METRICS:
        raise ValueError(
            f"The metrics are {', '.join(metrics.METRICS)}. Received: {name}"
        )
    np.random.seed(seed)
    entry = metrics.METRICS[name]
    function, parameters = entry.function, inspect.signature(entry.function).parameters
    if continuous_factors and "factors" in parameters:
        if "continuous_factors" not in parameters:
            raise ValueError(f"{name} needs factors with discrete values.")
        function = functools.partial(function, continuous_factors=True)
    if "seed" in parameters:
        function = functools.partial(function, seed=seed)
    if "factors_test" in parameters:
        samples = utils.train_and_test(
            factors, codes, factors_test, codes_test, continuous_factors, seed
        )
        tables = [samples[:2], samples[2:]]
    else:
        tables = [(factors, codes) if "factors" in parameters else (codes,)]
    if entry.resampling:
        return utils.bootstrap(function, tables)
    return function(*(array for table in tables for array in table))


def check_bindings():
    """Refuses bindings that `score_arrays` would ignore.

    Raises:
        ValueError: if there is one.
    """
    known = ("bootstrap.", "gradient_boosting_classifier.")
    for name in results.parse_bindings(gin.config_str()):
        if not name.startswith(known):
            raise ValueError(
                f"The binding {name} needs a gin file that chooses the metric "
                "(--gin_config). Without one, bootstrap.* and "
                "gradient_boosting_classifier.engine can be bound."
            )


def score_with_gin(gin_config_files, gin_bindings, factors, codes, name=""):
    """Scores of an evaluation's gin configuration, with the arrays as dataset.

    If the arrays hold every combination of factor values once, samples are the same as
    from a dataset of these factors, and the scores those of `dmt_evaluate`.

    Args:
        gin_config_files: paths of gin files, as for `dmt_evaluate`.
        gin_bindings: lines of gin that override the files.
        factors: array (n, num_factors).
        codes: array (n, num_codes).
        name: label of the row.

    Returns:
        (name, gin name of the metric, results).

    Raises:
        ValueError: if the metric asks for a combination that the arrays do not have.
    """
    import dmt.evaluation.evaluate  # noqa: F401 (registers what the files bind)

    factors, codes = utils.check_samples(factors, codes)
    with configuration.gin_configuration(gin_config_files, gin_bindings):
        settings = gin.get_bindings("evaluation")
        for setting in ("evaluation_fn", "random_seed"):
            if setting not in settings:
                raise ValueError(
                    f"Required gin bindings are missing: evaluation.{setting}."
                )
        metric = settings["evaluation_fn"]
        if not callable(metric):
            raise ValueError(
                "evaluation.evaluation_fn is a metric, for example @mig. Received: "
                f"{metric!r}"
            )
        gin_name = next(
            (m.gin_name for m in metrics.METRICS.values() if _is_bound_to(metric, m)),
            metric.__name__,
        )
        scores = run_metric(
            metric,
            TableData(factors),
            lambda rows: codes[rows],
            settings["random_seed"],
        )
    return name or gin_name, gin_name, scores


def _is_bound_to(function, metric):
    bound = gin.get_configurable(metric.gin_name)
    return inspect.unwrap(function) is inspect.unwrap(bound)


def run_metric(evaluation_fn, data, codes, random_seed, artifact_dir=None):
    """Scores of a metric with this seed.

    Args:
        evaluation_fn: see `evaluate`.
        data: a `GroundTruthData`.
        codes: function from its observations to codes (n, num_codes).
        random_seed: integer.
        artifact_dir: directory for what the metric draws, None for nothing.
    """
    # scikit-learn breaks ties between splits with NumPy's global generator.
    np.random.seed(random_seed)
    arguments = {}
    parameters = inspect.signature(evaluation_fn).parameters.values()
    if any(p.name == "artifact_dir" or p.kind == p.VAR_KEYWORD for p in parameters):
        arguments["artifact_dir"] = artifact_dir
    return evaluation_fn(
        data, codes, random_state=np.random.RandomState(random_seed), **arguments
    )


def versions():
    """What computed the scores, as {"package": "version"}."""
    packages = ("keras", "numba", "numpy", "scikit-learn", "scipy")
    return {
        "dmt": dmt.__version__,
        **{package: metadata.version(package) for package in packages},
    }


def write_scores(scores, path, seed):
    """Writes the results of several metrics as one JSON file.

    Args:
        scores: dictionary from labels to results.
        path: the file to write or to replace.
        seed: the seed of `score_arrays`, for the record.
    """
    results.save_dict({**scores, "seed": seed, "versions": versions()}, path)


def scores_in(aggregate, step="evaluation"):
    """The metric and the results in `aggregate/<step>.json`.

    Args:
        aggregate: the file's dictionary.
        step: "evaluation" or "validation".

    Returns:
        Gin name of the metric, "" if unknown, and its results; nan where JSON has null.
    """
    config = f"{step}_config."
    name = aggregate.get(f"{config}{step}.{step}_fn", "")
    if name.startswith("%"):
        name = aggregate.get(f"{config}{name[1:]}", name)
    prefix = f"{step}_results."
    return name.lstrip("@").rpartition("/")[2], {
        key.removeprefix(prefix): math.nan if value is None else value
        for key, value in aggregate.items()
        if key.startswith(prefix)
    }


def score_table(output_dirs, step="evaluation"):
    """The scores of several evaluations as lines of text.

    Args:
        output_dirs: directories that `evaluate` or `validate` wrote, by their labels.
        step: "evaluation" or "validation".
    """
    rows = []
    for label, output_dir in output_dirs.items():
        path = os.path.join(output_dir, "results", "aggregate", f"{step}.json")
        rows.append((label, *scores_in(results.load_json(path), step)))
    return metrics.table(rows)
