"""Scores of arrays of codes and factors from any source."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import gin
import numpy as np
from numpy.typing import ArrayLike

from dmt.data.ground_truth.table_data import TableData
from dmt.evaluation.metrics import registry
from dmt.evaluation.metrics.encoding import any_number
from dmt.evaluation.metrics.inputs import as_codes, check_samples, train_and_test
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.evaluation.versions import versions
from dmt.utils import configuration, results


def score_arrays(
    name: str,
    factors: ArrayLike,
    codes: ArrayLike,
    factors_test: ArrayLike | None = None,
    codes_test: ArrayLike | None = None,
    continuous_factors: bool | Sequence[bool] = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Scores of a metric's function of arrays.

    Args:
        name: name in `registry.METRICS`.
        factors: array (n, num_factors).
        codes: array (n, num_codes).
        factors_test: array (n_test, num_factors), or None.
        codes_test: array (n_test, num_codes), or None.
        continuous_factors: whether factors are continuous, not discrete: a bool, or one
            for each factor.
        seed: integer seed of held-out samples, of metrics that sample, and of ties.

    Returns:
        Results of the metric, with confidence intervals if gin asks for them.

    Raises:
        ValueError: if the name is unknown, or the metric does not accept the arrays or
            continuous factors.
    """
    metrics = registry.all_metrics()
    if name not in metrics:
        raise ValueError(f"The metrics are {', '.join(metrics)}. Received: {name}")
    entry = metrics[name]
    function = functools.partial(
        entry.function, continuous_factors=continuous_factors, seed=seed
    )
    if "factors_test" in entry.parameters:
        samples = train_and_test(
            factors, codes, factors_test, codes_test, continuous_factors, seed
        )
        tables: list[tuple[np.ndarray, ...]] = [samples[:2], samples[2:]]
    elif "factors" in entry.parameters:
        tables = [check_samples(factors, codes, continuous_factors)]
    else:
        tables = [(as_codes(codes),)]
    return bootstrap(function, tables)


def check_bindings() -> None:
    """Raises an error for bindings that `score_arrays` would ignore.

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


def score_with_gin(
    gin_config_files: Sequence[str],
    gin_bindings: Sequence[str],
    factors: ArrayLike | None,
    codes: ArrayLike,
    name: str = "",
) -> tuple[str, str, dict[str, Any]]:
    """Scores of an evaluation's gin configuration, with the arrays as dataset.

    If the arrays hold every combination of factor values once, the samples are the same
    as from a dataset of these factors, and the scores are those of `dmt_evaluate`.

    Args:
        gin_config_files: paths of gin files, as for `dmt_evaluate`.
        gin_bindings: lines of gin that override the files.
        factors: array (n, num_factors), or None for metrics that need no factors.
        codes: array (n, num_codes).
        name: label of the row.

    Returns:
        (name, gin name of the metric, results).

    Raises:
        ValueError: if gin refuses a line, the arrays are no such tables, or the metric
            needs factors or asks for a combination that they do not have.
    """
    # Keras is not needed for `score_arrays`.
    from dmt.evaluation import evaluate

    if factors is None:
        table = as_codes(codes)
        factors = np.zeros((len(table), 0), int)
    else:
        factors, table = check_samples(factors, codes)
    with configuration.gin_configuration(gin_config_files, gin_bindings):
        settings = evaluate.Settings()
        metric = settings.evaluation_fn
        scores = evaluate.run_metric(
            metric,
            TableData(factors),
            any_number(lambda rows: table[rows]),
            settings.random_seed,
        )
    gin_name = getattr(metric, "gin_name", metric.__name__)
    return name or gin_name, gin_name, scores


def write_scores(scores: Mapping[str, Any], path: str, seed: int) -> None:
    """Writes the results of several metrics as one JSON file.

    Args:
        scores: dictionary from labels to results.
        path: the file to write or to replace.
        seed: the seed of `score_arrays`, for the record.
    """
    results.save_dict(path, {**scores, "seed": seed, "versions": versions()})
