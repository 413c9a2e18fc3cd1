"""The metrics as functions of arrays, without models, datasets and gin.

    scores = dmt.metrics.mig(factors, codes)

Factors have shape (n, num_factors), codes (n, num_codes). Metrics that train a
classifier take test samples as third and fourth argument, or hold some out.
"""

import dataclasses
import re
from collections.abc import Callable

from tabulate import tabulate

from dmt.evaluation.metrics.beta_vae import beta_vae
from dmt.evaluation.metrics.component_retrieval import component_retrieval
from dmt.evaluation.metrics.dci import dci
from dmt.evaluation.metrics.dci_es import dci_es
from dmt.evaluation.metrics.dcimig import dcimig
from dmt.evaluation.metrics.downstream_task import downstream_task
from dmt.evaluation.metrics.edi import edi
from dmt.evaluation.metrics.factor_vae import factor_vae
from dmt.evaluation.metrics.fairness import fairness
from dmt.evaluation.metrics.infomec import infomec
from dmt.evaluation.metrics.irs import irs
from dmt.evaluation.metrics.jemmig import jemmig
from dmt.evaluation.metrics.mig import mig
from dmt.evaluation.metrics.mig_sup import mig_sup
from dmt.evaluation.metrics.modularity_explicitness import modularity_explicitness
from dmt.evaluation.metrics.omes import omes
from dmt.evaluation.metrics.reduced_downstream_task import reduced_downstream_task
from dmt.evaluation.metrics.sap_score import sap_score
from dmt.evaluation.metrics.strong_downstream_task import strong_downstream_task
from dmt.evaluation.metrics.unified_scores import unified_scores
from dmt.evaluation.metrics.unsupervised_metrics import unsupervised_scores
from dmt.evaluation.metrics.utils import bootstrap, histogram_discretize
from dmt.evaluation.metrics.z_max_variance import z_max_variance
from dmt.evaluation.udr.metrics.udr import udr

__all__ = [
    "METRICS",
    "beta_vae",
    "bootstrap",
    "component_retrieval",
    "dci",
    "dci_es",
    "dcimig",
    "downstream_task",
    "edi",
    "factor_vae",
    "fairness",
    "headline",
    "histogram_discretize",
    "infomec",
    "irs",
    "jemmig",
    "mig",
    "mig_sup",
    "modularity_explicitness",
    "omes",
    "reduced_downstream_task",
    "sap_score",
    "strong_downstream_task",
    "table",
    "udr",
    "unified_scores",
    "unsupervised_scores",
    "z_max_variance",
]


@dataclasses.dataclass(frozen=True)
class Metric:
    """What is known about a metric.

    Attributes:
        function: of `factors, codes` and perhaps `factors_test, codes_test`.
        gin_name: name of its gin configurable.
        scores: the keys that tables show.
        resampling: whether rows may be resampled for confidence intervals: not if the
            function draws samples of its own, or repeated rows are near neighbours.
        invariances: what leaves these scores as they are, up to chance: "permute
            codes", "flip codes" (signs), "scale codes" (each by its own positive
            number), "relabel factors" (their values), "duplicate samples", "add dead
            code" (a constant one).
    """

    function: Callable
    gin_name: str
    scores: tuple
    invariances: frozenset
    resampling: bool


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


def headline(scores, metric=None):
    """The scores that tables show.

    Args:
        scores: results of a metric, a dictionary.
        metric: its name in `METRICS` or its gin name. For any other, all floats count.

    Returns:
        Dictionary of floats; the prefix of a key, as in "100:mean_test_accuracy", is
        the number of training samples.
    """
    floats = {key: value for key, value in scores.items() if isinstance(value, float)}
    for name, entry in METRICS.items():
        if metric in (name, entry.gin_name):
            return {
                key: value
                for shown in entry.scores
                for key, value in floats.items()
                if re.sub(r"^\d+:", "", key) == shown
            }
    return floats


def table(rows):
    """Scores as lines of text.

    Args:
        rows: list of label, name of the metric (see `headline`), results of the metric.
    """
    cells = []
    for label, metric, scores in rows:
        intervals = scores.get("confidence_intervals", {})
        for key, value in headline(scores, metric).items():
            low, high = intervals.get(key, (None, None))
            interval = "" if low is None else f"  [{low:.4f}, {high:.4f}]"
            cells.append((label, key, f"{value:8.4f}{interval}"))
    return tabulate(cells, tablefmt="plain", disable_numparse=True)


def _metric(function, gin_name, scores, invariances, resampling=True):
    return Metric(function, gin_name, tuple(scores), frozenset(invariances), resampling)


METRICS = {
    "beta_vae": _metric(
        beta_vae,
        "beta_vae_sklearn",
        ["eval_accuracy"],
        # The regression is regularised.
        EVERYTHING - {"scale codes"},
        resampling=False,
    ),
    "factor_vae": _metric(
        factor_vae,
        "factor_vae_score",
        ["eval_accuracy"],
        # A code that never varies wins all votes, unless it is pruned.
        EVERYTHING - {"add dead code"},
        resampling=False,
    ),
    "mig": _metric(mig, "mig", ["discrete_mig"], EVERYTHING),
    "dci": _metric(
        dci,
        "dci",
        ["disentanglement", "completeness", "informativeness_test"],
        # Completeness is an entropy to the base of the number of codes.
        EVERYTHING - {"add dead code"},
    ),
    "sap_score": _metric(
        sap_score,
        "sap_score",
        ["SAP_score"],
        # The classifiers are regularised, the more, the fewer samples there are.
        EVERYTHING - {"scale codes", "duplicate samples"},
    ),
    "modularity_explicitness": _metric(
        modularity_explicitness,
        "modularity_explicitness",
        ["modularity_score", "explicitness_score_test"],
        # Modularity is a mean over codes; the regression is regularised.
        EVERYTHING - {"add dead code", "duplicate samples"},
    ),
    "irs": _metric(
        irs,
        "irs",
        ["IRS"],
        # Codes count by their range; quantiles are interpolated.
        EVERYTHING - {"scale codes", "duplicate samples"},
    ),
    "unsupervised_scores": _metric(
        unsupervised_scores,
        "unsupervised_metrics",
        [
            "gaussian_total_correlation",
            "gaussian_wasserstein_correlation_norm",
            "mutual_info_score",
        ],
        EVERYTHING - {"scale codes", "add dead code"},
    ),
    "downstream_task": _metric(
        downstream_task, "downstream_task", ["mean_test_accuracy"], EVERYTHING
    ),
    "reduced_downstream_task": _metric(
        reduced_downstream_task,
        "reduced_downstream_task",
        ["mean_test_accuracy_reduced_factor", "mean_test_accuracy_other_factors"],
        EVERYTHING,
    ),
    "strong_downstream_task": _metric(
        strong_downstream_task,
        "strong_downstream_task",
        ["mean_strong_test_accuracy", "strong_generalization_gap"],
        EVERYTHING,
        resampling=False,
    ),
    "fairness": _metric(
        fairness,
        "fairness",
        ["mean_fairness:mean_pred:mean_sens"],
        EVERYTHING,
        resampling=False,
    ),
    "unified_scores": _metric(
        unified_scores,
        "unified_scores",
        [
            "mutual_information_matrix.mig",
            "importance_gbt_matrix.dci",
            "accuracy_svm_matrix.sap",
        ],
        EVERYTHING - {"scale codes", "duplicate samples"},
    ),
    "mig_sup": _metric(mig_sup, "mig_sup", ["mig_sup"], EVERYTHING),
    "jemmig": _metric(jemmig, "jemmig", ["jemmig_normalized"], EVERYTHING),
    "dcimig": _metric(dcimig, "dcimig", ["dcimig"], EVERYTHING),
    "z_max_variance": _metric(
        z_max_variance,
        "z_max_variance",
        ["eval_accuracy"],
        EVERYTHING,
        resampling=False,
    ),
    "dci_es": _metric(
        dci_es,
        "dci_es",
        [
            "disentanglement",
            "completeness",
            "informativeness_test",
            "explicitness",
            "size",
        ],
        # Size counts codes; trees grow deeper on repeated samples.
        EVERYTHING - {"add dead code", "duplicate samples"},
    ),
    "infomec": _metric(
        infomec,
        "infomec",
        ["infom", "infoe", "infoc"],
        # Codes of a small range are left out; repeated samples are near neighbours.
        EVERYTHING - {"scale codes", "duplicate samples"},
        resampling=False,
    ),
    "edi": _metric(
        edi,
        "edi",
        ["modularity", "compactness", "explicitness"],
        # Compactness is a mean over codes; repeated samples are near neighbours.
        EVERYTHING - {"add dead code", "duplicate samples"},
        resampling=False,
    ),
    "omes": _metric(omes, "omes", ["omes"], EVERYTHING, resampling=False),
    "component_retrieval": _metric(
        component_retrieval,
        "component_retrieval",
        ["retrieved_share", "mean_correlation"],
        # Correlations need the order of values.
        EVERYTHING - {"relabel factors"},
    ),
}
