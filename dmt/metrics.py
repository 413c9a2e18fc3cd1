"""The metrics as functions of arrays, without models, data sets and gin.

    scores = dmt.metrics.mig(factors, codes)

Factors have shape (n, num_factors), codes (n, num_codes). Metrics that train a
classifier take test samples as third and fourth argument, or hold some out.
"""

import dataclasses
from collections.abc import Callable

from dmt.evaluation.metrics.beta_vae import beta_vae
from dmt.evaluation.metrics.dci import dci
from dmt.evaluation.metrics.downstream_task import downstream_task
from dmt.evaluation.metrics.factor_vae import factor_vae
from dmt.evaluation.metrics.fairness import fairness
from dmt.evaluation.metrics.irs import irs
from dmt.evaluation.metrics.mig import mig
from dmt.evaluation.metrics.modularity_explicitness import modularity_explicitness
from dmt.evaluation.metrics.reduced_downstream_task import reduced_downstream_task
from dmt.evaluation.metrics.sap_score import sap_score
from dmt.evaluation.metrics.strong_downstream_task import strong_downstream_task
from dmt.evaluation.metrics.unified_scores import unified_scores
from dmt.evaluation.metrics.unsupervised_metrics import unsupervised_scores
from dmt.evaluation.metrics.utils import bootstrap, histogram_discretize

__all__ = ["METRICS", "bootstrap", "histogram_discretize"]


@dataclasses.dataclass(frozen=True)
class Metric:
    """What is known about a metric.

    Attributes:
      function: Of `factors, codes` and perhaps `factors_test, codes_test`.
      gin_name: Name of its gin configurable.
      scores: The keys that tables show.
      invariances: What leaves these scores as they are, up to chance: "permute codes",
        "flip codes" (signs), "scale codes" (each by its own positive number), "relabel
        factors" (their values), "duplicate samples", "add dead code" (a constant one).
    """

    function: Callable
    gin_name: str
    scores: tuple
    invariances: frozenset


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


def _metric(function, gin_name, scores, invariances):
    return Metric(function, gin_name, tuple(scores), frozenset(invariances))


METRICS = {
    "beta_vae": _metric(beta_vae, "beta_vae_sklearn", ["eval_accuracy"], EVERYTHING),
    "factor_vae": _metric(
        factor_vae,
        "factor_vae_score",
        ["eval_accuracy"],
        EVERYTHING - {"add dead code"},
    ),
    "mig": _metric(mig, "mig", ["discrete_mig"], EVERYTHING),
    "dci": _metric(
        dci,
        "dci",
        ["disentanglement", "completeness", "informativeness_test"],
        # Completeness is an entropy to the base of the number of codes.
        EVERYTHING - {"add dead code"},
    ),
    "sap_score": _metric(sap_score, "sap_score", ["SAP_score"], EVERYTHING),
    "modularity_explicitness": _metric(
        modularity_explicitness,
        "modularity_explicitness",
        ["modularity_score", "explicitness_score_test"],
        EVERYTHING,
    ),
    "irs": _metric(irs, "irs", ["IRS"], EVERYTHING),
    "unsupervised_metrics": _metric(
        unsupervised_scores,
        "unsupervised_metrics",
        [
            "gaussian_total_correlation",
            "gaussian_wasserstein_correlation_norm",
            "mutual_info_score",
        ],
        EVERYTHING,
    ),
    "downstream_task": _metric(
        downstream_task, "downstream_task", ["mean_test_accuracy"], EVERYTHING
    ),
    "reduced_downstream_task": _metric(
        reduced_downstream_task,
        "reduced_downstream_task",
        [
            "mean_test_accuracy_reduced_factor",
            "mean_test_accuracy_other_factors",
        ],
        EVERYTHING,
    ),
    "strong_downstream_task": _metric(
        strong_downstream_task,
        "strong_downstream_task",
        ["mean_strong_test_accuracy", "strong_generalization_gap"],
        EVERYTHING,
    ),
    "fairness": _metric(
        fairness, "fairness", ["mean_fairness:mean_pred:mean_sens"], EVERYTHING
    ),
    "unified_scores": _metric(
        unified_scores,
        "unified_scores",
        [
            "mutual_information_matrix.mig",
            "importance_gbt_matrix.dci",
            "accuracy_svm_matrix.sap",
        ],
        EVERYTHING,
    ),
}
