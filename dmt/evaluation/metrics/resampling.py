"""Confidence intervals of scores, by the bootstrap."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dmt.evaluation.metrics import inputs, scoring
from dmt.utils import checks, stages


@stages.configurable("bootstrap", "evaluation", denylist=["metric", "tables"])
def bootstrap(
    metric: Callable[..., dict[str, Any]],
    tables: Sequence[Any],
    num_resamples: int = 0,
    confidence_level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """Scores of a metric, optionally with bootstrap confidence intervals.

    Every table of samples is resampled separately, so training and test samples do not
    mix. Intervals are percentile intervals. Scores that are biased in small samples,
    such as those from mutual information, have a larger bias in a resample.

    Args:
        metric: function of the arrays of all tables that returns a dictionary.
        tables: list of tuples of arrays-like; those of a tuple have the same samples as
            rows. A list of arrays-like is one such tuple.
        num_resamples: number of resamples; 0 for no intervals. There are also none if a
            table has fewer than 2 samples.
        confidence_level: share of the resamples in the interval, in (0, 1).
        seed: integer seed of the resampling.

    Returns:
        The metric's dictionary. If intervals are computed, it also has:
            confidence_intervals: dictionary of [low, high] for every score that is a
                float.
            confidence_level, num_resamples: as given.

    Example:
        >>> import numpy as np
        >>> from dmt.metrics import mig
        >>> factors = np.random.RandomState(0).randint(4, size=(500, 2))
        >>> codes = factors + np.random.RandomState(1).standard_normal((500, 2))
        >>> scores = bootstrap(mig, [(factors, codes)], num_resamples=20)
        >>> low, high = scores["confidence_intervals"]["discrete_mig"]
        >>> bool(0 < low < high < 0.5)
        True
    """
    checks.integer("bootstrap.num_resamples", num_resamples, low=0)
    checks.number("bootstrap.confidence_level", confidence_level, above=0, below=1)
    if num_resamples == 1:
        raise ValueError(
            "bootstrap.num_resamples must be 0 or at least 2. Received: num_resamples=1"
        )
    tables = inputs.as_tables(tables)
    results = metric(*(array for table in tables for array in table))
    if not num_resamples or any(len(table[0]) < 2 for table in tables):
        return results
    from scipy import stats

    names = [name for name, value in results.items() if isinstance(value, float)]

    def statistic(*rows, axis):
        del axis  # `rows` are indices of samples, for one resample at a time.
        arrays = [
            array[index.ravel().astype(int)]
            for table, index in zip(tables, rows, strict=True)
            for array in table
        ]
        with scoring.quietly():
            resampled = metric(*arrays)
        values = np.array([resampled[name] for name in names])
        return values if rows[0].ndim == 1 else values[:, None]

    interval = stats.bootstrap(
        [np.arange(len(table[0])) for table in tables],
        statistic,
        n_resamples=num_resamples,
        batch=1,
        vectorized=True,
        confidence_level=confidence_level,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return results | {
        "confidence_intervals": {
            name: [float(low), float(high)]
            for name, low, high in zip(names, *interval, strict=True)
        },
        "confidence_level": confidence_level,
        "num_resamples": num_resamples,
    }
