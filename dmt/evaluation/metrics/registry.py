"""The properties of each metric, declared next to the metric's function.

A metric is a function of factors (n, num_factors) and codes (n, num_codes) in a module
of this package, marked by `@registry.metric(...)`. There is no list of metrics to edit:
`all_metrics` imports every module of the package.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

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
        function: takes `factors, codes` and perhaps `factors_test, codes_test`, and
            returns a dictionary of results.
        gin_name: name of its gin configurable.
        scores: the keys of the results that tables show.
        invariances: changes of the samples that do not change these scores, up to
            chance: "permute codes", "flip codes" (signs), "scale codes" (each by its
            own positive number), "relabel factors" (their values), "duplicate samples",
            "add dead code" (a constant one).
        resampling: whether rows may be resampled for confidence intervals. This is
            False if the function draws samples itself, or takes repeated rows for near
            neighbours.
    """

    function: Callable[..., dict[str, Any]]
    gin_name: str
    scores: tuple[str, ...]
    invariances: frozenset[str]
    resampling: bool


METRICS: dict[str, Metric] = {}


def metric(
    gin_name: str,
    scores: Iterable[str],
    invariances: frozenset[str] = EVERYTHING,
    resampling: bool = True,
) -> Callable[[Callable], Callable]:
    """Decorator that registers a metric under its function's name; see `Metric`."""

    def register(function):
        METRICS[function.__name__] = Metric(
            function, gin_name, tuple(scores), invariances, resampling
        )
        return function

    return register


@functools.cache
def all_metrics() -> dict[str, Metric]:
    """Imports all modules of metrics, which registers them, and returns `METRICS`."""
    for package in ("dmt.evaluation.metrics", "dmt.evaluation.udr.metrics"):
        modules.import_all(package)
    return METRICS
