"""The metrics as functions of arrays, without models, datasets and gin.

    scores = dmt.metrics.mig(factors, codes)

Factors have shape (n, num_factors), codes (n, num_codes). Metrics that train a
classifier take test samples as third and fourth argument, or hold some out. `METRICS`
has the properties of each metric.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dmt.evaluation.metrics.registry import EVERYTHING, Metric, all_metrics
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.evaluation.metrics.utils import histogram_discretize
from dmt.evaluation.tables import headline, table
from dmt.evaluation.udr.metrics.udr import udr

METRICS: dict[str, Metric] = all_metrics()
_FUNCTIONS = {name: entry.function for name, entry in METRICS.items()}
globals().update(_FUNCTIONS)

__all__ = [
    "EVERYTHING",
    "METRICS",
    "Metric",
    "bootstrap",
    "headline",
    "histogram_discretize",
    "table",
    "udr",
    *_FUNCTIONS,
]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Callable[..., dict[str, Any]]: ...
