"""The metrics as functions of arrays, without models, datasets and gin.

    scores = dmt.metrics.mig(factors, codes)

Factors have shape (n, num_factors), codes (n, num_codes). They may be nested lists,
arrays, data frames (pandas, polars, pyarrow) or tensors (TensorFlow, JAX, PyTorch).
Factors may be words. Metrics that train a classifier take test samples as third and
fourth argument, or hold some out. `METRICS` has the properties of each metric. All have
the signature

    function(factors, codes, *, continuous_factors=False, seed=0)

and more settings. `continuous_factors` is a bool, or one for each factor; metrics that
need discrete values refuse True. The same `seed` gives the same results, and NumPy's
global generator is left as it was.

Factors that have one value in the (training) sample are left out. The results then have
`constant_factors`, a list of their indices, and nan where other lists and matrices are
about them. A warning names them. Another warning says what the score of fewer than 100
samples is worth: what the same codes score in random order.

A ValueError is raised if a table has missing values, complex numbers or times, if the
numbers of rows differ, or if no factor varies.
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
