"""Confidence intervals of scores, from the scores of three quarters of the samples."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dmt.evaluation.metrics import inputs, registry, scoring
from dmt.utils import checks, stages

logger = logging.getLogger(__name__)

# Metrics need some samples, and a resample has only three quarters of them.
FEWEST_SAMPLES = 20

# A smaller standard error counts as 0.
ROUNDING = 1e-9


@stages.configurable("bootstrap", "evaluation", denylist=["metric", "tables", "ranges"])
def bootstrap(
    metric: Callable[..., dict[str, Any]],
    tables: Sequence[Any],
    num_resamples: int = 0,
    confidence_level: float = 0.95,
    seed: int = 0,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, Any]:
    """Scores of a metric, optionally with confidence intervals.

    The metric is also computed on random three quarters of the samples, drawn without
    replacement. With v the variance of their scores, and d their mean minus the score,
    the score of n samples has the standard error s = sqrt(3 v) and the bias b = 3 d.
    (Three quarters have 4 / 3 of the variance of all samples, of which their distance
    from all samples is a quarter. A bias that falls as 1 / n grows by a third.) The
    interval is

      score - b +- t sqrt(s^2 + (b / 2)^2),

    with t the quantile of Student's t distribution. Not all biases fall as 1 / n, so
    half of b counts as an error. A root of 0 is replaced by 2 / n of the distance of
    the score's limits, because n samples without an error do not show that there are
    none. The interval is cut at the limits, and extended to the score if it does not
    contain it. This is the m out of n bootstrap without replacement, for m = 3 n / 4
    also called the delete-d jackknife. Resamples with replacement would repeat rows,
    which raises estimates of mutual information.

    The interval is about the score of infinitely many samples from the same source.
    For scores of predictors that need more samples to learn, `registry.Metric` names
    them, b is 0, and the interval is about the mean score of other samples of the same
    size. Their accuracies also differ by the chance of the fits, of which three
    quarters of the samples have no less than all samples: with e its variance, s^2 is
    3 v - 2 e. Four resamples that leave out different quarters differ from another four
    by chance alone, so that e is 4 times the variance of the means of four.
    `docs/intervals.md` shows how often intervals contain these scores.

    Shao, Wu: A General Theory for Jackknife Variance Estimation, 1989
    (https://doi.org/10.1214/aos/1176347263).

    Args:
        metric: function of the arrays of all tables that returns a dictionary.
        tables: list of tuples of arrays-like with the same samples as rows, or the
            arrays-like of one such tuple, for example `[factors, codes]`. If a
            registered metric takes test samples and gets none, they are held out first.
        num_resamples: number of three quarters, at least 2; 0 for no intervals. Each
            four of them leave out four different quarters, so the number should be a
            multiple of 4. 20 are enough, and 100 make intervals of other seeds nearly
            equal.
        confidence_level: probability that the interval contains the true score, in
            (0, 1).
        seed: integer seed of the resamples.
        ranges: dictionary from the scores that get intervals to their smallest and
            largest possible values. If None, the scores that a registered metric
            declares, see `registry.Metric`, and all floats of any other function.

    Returns:
        The metric's dictionary. If there are intervals, it also has:
            confidence_intervals: dictionary of [low, high] for each of the scores.
            confidence_level, num_resamples: as given.
            without_intervals: why other scores have none, for the scores of a
                registered metric that tables show, if there are any.

        A value that a factor has in all samples is also in every resample. There are
        no intervals if a table has fewer than 20 samples.

    Raises:
        ValueError: if an argument is out of range, or the tables do not fit.

    Example:
        >>> import numpy as np
        >>> from dmt.metrics import mig
        >>> factors = np.random.RandomState(0).randint(4, size=(500, 2))
        >>> codes = factors + np.random.RandomState(1).standard_normal((500, 2))
        >>> scores = bootstrap(mig, [factors, codes], num_resamples=20)
        >>> low, high = scores["confidence_intervals"]["discrete_mig"]
        >>> 0 < low < scores["discrete_mig"] < high < 0.5
        True
    """
    checks.integer("bootstrap.num_resamples", num_resamples, low=0)
    checks.number("bootstrap.confidence_level", confidence_level, above=0, below=1)
    checks.seed("bootstrap.seed", seed)
    if num_resamples == 1:
        raise ValueError(
            "bootstrap.num_resamples must be 0 or at least 2. Received: num_resamples=1"
        )
    tables = _as_tables(metric, tables)
    results = metric(*(array for table in tables for array in table))
    if not num_resamples:
        return results
    entry = registry.entry_of(metric)
    excluded = {}
    if ranges is None:
        ranges, excluded = _declared(entry, results)
    fewest = min(len(table[0]) for table in tables)
    if fewest < FEWEST_SAMPLES:
        reason = f"an interval needs {FEWEST_SAMPLES} samples, not {fewest}"
        ranges, excluded = {}, excluded | dict.fromkeys(ranges, reason)
    resampled: dict[str, list[float]] = {name: [] for name in ranges}
    with scoring.quietly():
        for arrays in _three_quarters(tables, num_resamples if ranges else 0, seed):
            scores = metric(*arrays)
            for name in ranges:
                resampled[name].append(scores.get(name, np.nan))
    intervals = {}
    for name, limits in ranges.items():
        values = np.array([results[name], *resampled[name]])
        if np.isfinite(values).all():
            intervals[name] = interval(
                values,
                confidence_level,
                limits,
                fewest,
                is_biased=not entry or name not in entry.of_same_size,
                has_chance=entry is not None and name in entry.accuracies,
            )
        else:
            excluded[name] = "it is not defined for all resamples"
    for name, reason in excluded.items():
        logger.warning("There is no confidence interval of %s: %s.", name, reason)
    found: dict[str, Any] = {"without_intervals": excluded} if excluded else {}
    if intervals:
        found |= {
            "confidence_intervals": intervals,
            "confidence_level": confidence_level,
            "num_resamples": num_resamples,
        }
    return results | found


def _as_tables(metric, tables):
    """Tables as arrays; those of registered metrics as these would convert them."""
    settings = getattr(metric, "keywords", {})
    entry = registry.entry_of(metric)
    is_registered = entry and getattr(metric, "func", metric) is entry.function
    if not is_registered or "factors" not in entry.parameters:
        return inputs.as_tables(tables)
    if not all(isinstance(table, tuple) for table in tables):
        tables = [tuple(tables)]
    arrays = [array for table in tables for array in table]
    kinds = settings.get("continuous_factors", False)
    if "factors_test" not in entry.parameters:
        return [inputs.check_samples(*arrays, continuous_factors=kinds)]
    arrays = inputs.train_and_test(
        *arrays, continuous_factors=kinds, seed=settings.get("seed") or 0
    )
    return [arrays[:2], arrays[2:]]


def _declared(entry, results):
    """The ranges of the scores that get intervals, and why other scores get none."""
    if entry is None or entry.intervals is None:
        floats = [name for name, value in results.items() if isinstance(value, float)]
        return dict.fromkeys(floats, (-np.inf, np.inf)), {}
    ranges = {k: limits for k, limits in entry.intervals.items() if k in results}
    return ranges, dict(entry.without_intervals)


def _three_quarters(tables, number, seed):
    """Yields arrays without a random quarter; each four leave out all four quarters."""
    generator = np.random.default_rng(seed)
    labels = [_labels(table) for table in tables]
    for index in range(number):
        if index % 4 == 0:
            orders = [generator.permutation(len(table[0])) for table in tables]
        else:
            orders = [np.roll(order, len(order) // 4) for order in orders]
        yield [
            array[_most(order, columns)]
            for table, order, columns in zip(tables, orders, labels, strict=True)
            for array in table
        ]


def _labels(table):
    """Class indices of the discrete columns of the first of several arrays."""
    if len(table) == 1 or table[0].ndim == 1:
        return []
    columns = (np.unique(column, return_inverse=True)[1] for column in table[0].T)
    return [column for column in columns if column.max() < len(column) / 4]


def _most(order, columns):
    """Three quarters of the rows in `order`, and one more row for each lost value."""
    rows = order[: len(order) - len(order) // 4]
    lost = [
        order[np.argmax(column[order] == value)]
        for column in columns
        for value in np.flatnonzero(
            np.bincount(column[rows], None, column.max() + 1) == 0
        )
    ]
    return np.concatenate([rows, np.array(lost, dtype=rows.dtype)])


def interval(
    values, confidence_level, limits, num_samples, is_biased=True, has_chance=False
):
    """[low, high] from a score and the scores of three quarters of its samples.

    Args:
        values: array (1 + num_resamples,), the score first.
        confidence_level: see `bootstrap`.
        limits: smallest and largest possible score.
        num_samples: number of samples of the smallest table.
        is_biased: whether to remove the bias, see `bootstrap`.
        has_chance: whether to remove the chance of the fits, see `bootstrap`.
    """
    # Not needed to import the package.
    from scipy import stats

    score, resampled = values[0], values[1:]
    bias = 3 * (resampled.mean() - score) if is_biased else 0.0
    variance, chance = resampled.var(ddof=1), 0.0
    if has_chance and len(resampled) >= 8:
        fours = resampled[: len(resampled) // 4 * 4].reshape(-1, 4).mean(axis=1)
        chance = min(4 * fours.var(ddof=1), variance)
    error = np.hypot(np.sqrt(3 * variance - 2 * chance), bias / 2)
    if error < ROUNDING and np.isfinite(np.subtract(*limits)):
        error = 2 * (limits[1] - limits[0]) / num_samples
    reach = error * stats.t.ppf((1 + confidence_level) / 2, len(resampled) - 1)
    low = max(limits[0], score - bias - reach)
    high = min(limits[1], score - bias + reach)
    return [float(min(score, low)), float(max(score, high))]
