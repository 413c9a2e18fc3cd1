"""Scores of codes and factors that are in arrays, however they were made."""

import functools
import inspect
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
        seed: integer, for metrics that break ties at random.

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
    function = metrics.METRICS[name].function
    parameters = inspect.signature(function).parameters
    if continuous_factors and "factors" in parameters:
        if "continuous_factors" not in parameters:
            raise ValueError(f"{name} needs factors with discrete values.")
        function = functools.partial(function, continuous_factors=True)
    if "factors_test" in parameters:
        samples = utils.train_and_test(
            factors, codes, factors_test, codes_test, continuous_factors
        )
        tables = [samples[:2], samples[2:]]
    else:
        tables = [(factors, codes) if "factors" in parameters else (codes,)]
    return utils.bootstrap(function, tables)


def score_with_gin(gin_config_files, gin_bindings, factors, codes, name=""):
    """Scores of an evaluation's gin configuration, with the arrays as data set.

    If the arrays hold every combination of factor values once, samples are the same as
    from a data set of these factors, and the scores those of `dmt_evaluate`.

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
        settings = results.parse_bindings(gin.config_str())
        for setting in ("evaluation_fn", "random_seed"):
            if f"evaluation.{setting}" not in settings:
                raise ValueError(
                    f"Required gin bindings are missing: evaluation.{setting}."
                )
        metric = gin.query_parameter("evaluation.evaluation_fn")
        scores = run_metric(
            metric.scoped_configurable_fn,
            TableData(factors),
            lambda rows: codes[rows],
            gin.query_parameter("evaluation.random_seed"),
        )
    metric = settings["evaluation.evaluation_fn"].lstrip("@").rpartition("/")[2]
    return name or metric, metric, scores


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


def write_scores(scores, path):
    """Writes the results of several metrics as one JSON file.

    Args:
        scores: dictionary from labels to results.
        path: the file to write or to replace.
    """
    results.save_dict({**scores, "versions": versions()}, path)
