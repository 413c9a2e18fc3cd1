"""The properties of each metric, declared next to the metric's function.

A metric is a function of factors (n, num_factors) and codes (n, num_codes) in a module
of this package, marked by `@registry.metric(...)`. The decorated function gets checked
arrays; users may call it with tables of any type, and all metrics take
`factors, codes, *, continuous_factors=False, seed=0` (see `scoring.of_tables`). There
is no list of metrics to edit: `all_metrics` imports every module of the package.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dmt.evaluation.metrics import scoring
from dmt.utils import modules

EVERYTHING = frozenset(
    {
        "permute codes",
        "flip codes",
        "scale codes",
        "relabel factors",
        "duplicate samples",
        "add dead code",
    }
)


@dataclasses.dataclass(frozen=True)
class Metric:
    """A registered metric.

    Attributes:
        function: takes `factors, codes` and perhaps `factors_test, codes_test`, the
            settings of the metric, `continuous_factors` and `seed`, and returns a
            dictionary of results.
        gin_name: name of its gin configurable.
        scores: the keys of the results that tables show.
        invariances: changes of the samples that do not change these scores, up to
            chance: "permute codes", "flip codes" (signs), "scale codes" (each by its
            own positive number), "relabel factors" (their values), "duplicate samples",
            "add dead code" (a constant one).
        intervals: the scores that have confidence intervals, with their smallest and
            largest possible values; None for all results that are floats, without
            limits. See `resampling.bootstrap`.
        of_same_size: the scores whose intervals are about the mean score of samples of
            the same size, and not about the score of infinitely many samples.
        accuracies: those of them that are shares of right predictions. Their intervals
            leave out the chance of the fits that more samples do not reduce.
        without_intervals: why the other scores have none.
        layout: where the results speak of factors.
    """

    function: Callable[..., dict[str, Any]]
    gin_name: str
    scores: tuple[str, ...]
    invariances: frozenset[str]
    intervals: Mapping[str, tuple[float, float]] | None
    of_same_size: frozenset[str]
    accuracies: frozenset[str]
    without_intervals: Mapping[str, str]
    layout: scoring.Layout

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Parameters of the decorated function, without those that all metrics have."""
        return inspect.signature(inspect.unwrap(self.function)).parameters


METRICS: dict[str, Metric] = {}


def metric(
    gin_name: str,
    scores: Iterable[str],
    invariances: frozenset[str] = EVERYTHING,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    of_same_size: Iterable[str] = (),
    accuracies: Iterable[str] = (),
    without_intervals: Mapping[str, str] | None = None,
    **layout: Any,
) -> Callable[[Callable], Callable]:
    """Decorator that registers a metric under its function's name.

    Args:
        gin_name: see `Metric`.
        scores: see `Metric`.
        invariances: see `Metric`.
        intervals: see `Metric`.
        of_same_size: see `Metric`.
        accuracies: see `Metric`.
        without_intervals: see `Metric`.
        **layout: `axes`, `indices` and `keys` of `scoring.Layout`.
    """

    def register(function):
        name, shown = function.__name__, tuple(scores)
        places = scoring.Layout(name, shown, **layout)
        entry = Metric(
            scoring.of_tables(function, places),
            gin_name,
            shown,
            invariances,
            intervals,
            frozenset(of_same_size),
            frozenset(accuracies),
            without_intervals or {},
            places,
        )
        METRICS[name] = entry
        entry.function.metric_name = name  # type: ignore[attr-defined]
        return entry.function

    return register


def formula_of(name: str) -> Callable[[Callable], Callable]:
    """Decorator of a function of arrays that computes the results of a metric.

    The gin configurable of the metric then leaves out constant factors, and warns of
    few samples, as the metric does; see `scoring.leaving_out_constants`.
    """

    def decorate(function):
        score = scoring.leaving_out_constants(METRICS[name].layout)(function)
        score.metric_name = name  # type: ignore[attr-defined]
        return score

    return decorate


def entry_of(function: Callable) -> Metric | None:
    """The metric that a function computes, None if it is not registered.

    Args:
        function: a registered function, its `formula_of`, or a `functools.partial` or
            a function with `functools.wraps` of one of them.
    """
    while isinstance(function, functools.partial):
        function = function.func
    return METRICS.get(getattr(function, "metric_name", ""))


@functools.cache
def all_metrics() -> dict[str, Metric]:
    """Imports all modules of metrics, which registers them, and returns `METRICS`."""
    for package in ("dmt.evaluation.metrics", "dmt.evaluation.udr.metrics"):
        modules.import_all(package)
    return METRICS
