"""Component retrieval: how many factors are monotone functions of single codes?

Maziarka et al.: On the relationship between disentanglement and multi-task learning,
2021 (https://arxiv.org/abs/2110.03498), Table 7.
"""

import functools
from collections.abc import Sequence
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import registry
from dmt.evaluation.metrics.information import unit_ranks
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.evaluation.metrics.samples import on_samples
from dmt.utils import checks


@registry.metric(
    "component_retrieval",
    scores=["retrieved_share", "mean_correlation"],
    intervals={},
    without_intervals={
        "retrieved_share": "codes without information match by chance at any size",
        "mean_correlation": "codes without information match by chance at any size",
    },
    # Correlations need the order of values.
    invariances=registry.EVERYTHING - {"relabel factors"},
    axes={"spearman": (1,)},
    indices=("factor_of_code",),
)
def component_retrieval(
    factors: np.ndarray,
    codes: np.ndarray,
    *,
    significance: float = 0.05,
    continuous_factors: bool | Sequence[bool] = False,
) -> dict[str, Any]:
    """Matches each code with the factor that it is most correlated with.

    Each code is given the factor with the largest absolute Spearman correlation among
    those that differ significantly from 0. A factor is retrieved if it is given to a
    code. Codes that do not vary have correlation 0.

    Chance level is not 0. Among K factors, a code of noise finds one with probability
    q = 1 - (1 - significance)^K, so D codes of noise retrieve the share
    1 - (1 - q / K)^D of the factors on average: 0.37 for K = 5, D = 10. The results
    have this number, for the D codes that vary, as `chance_level`. The correlations
    that noise finds are about 2 / sqrt(n) or larger.

    Args:
        factors: array-like of shape (n, num_factors), numbers or discrete values in a
            meaningful order.
        codes: array-like of shape (n, num_codes).
        continuous_factors: whether factors are continuous, not discrete: a bool, or one
            for each factor.
        significance: largest p-value of a significant correlation, in (0, 1). The test
            is two-sided, by Student's t distribution.

    Returns:
        Dictionary:
            retrieved_share: share of the factors that are retrieved, in [0, 1].
            chance_level: mean retrieved_share of codes of noise.
            num_retrieved: number of factors that are retrieved.
            mean_correlation, std_correlation, min_correlation, max_correlation: of the
                absolute correlations of the matched codes; 0 if there are none.
            factor_of_code: list (num_codes,), number of the factor, -1 for none.
            spearman: nested list (num_codes, num_factors), correlations in [-1, 1].
            num_train: number of samples.

    Raises:
        ValueError: if the shapes do not fit, there are fewer than 3 samples, or the
            significance is out of range.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([4, 4]).reshape(2, -1).T
        >>> component_retrieval(factors, np.exp(factors[:, [1, 1]]))["num_retrieved"]
        1
    """
    from scipy import stats

    del continuous_factors  # Ranks are all that is used.
    num_samples, num_codes = codes.shape
    checks.number("significance", significance, above=0, below=1)
    checks.integer("num_samples", num_samples, low=3)
    ranks = np.nan_to_num(unit_ranks(np.concatenate([codes, factors], axis=1)))
    spearman = np.clip(ranks[:, :num_codes].T @ ranks[:, num_codes:], -1, 1)
    strength = np.abs(spearman)
    with np.errstate(divide="ignore"):
        t = strength * np.sqrt((num_samples - 2) / (1 - strength**2))
    p_values = 2 * stats.t.sf(t, num_samples - 2)
    strength = np.where(p_values <= significance, strength, 0)
    best = strength.max(axis=1)
    matched = best > 0
    factor_of_code = np.where(matched, strength.argmax(axis=1), -1)
    num_retrieved = len(np.unique(factor_of_code[matched]))
    found = best[matched] if matched.any() else np.zeros(1)
    num_factors, num_active = factors.shape[1], int((np.ptp(codes, axis=0) > 0).sum())
    chance = (1 - (1 - significance) ** num_factors) / num_factors
    return {
        "retrieved_share": num_retrieved / num_factors,
        "chance_level": float(1 - (1 - chance) ** num_active),
        "num_retrieved": num_retrieved,
        "mean_correlation": float(found.mean()),
        "std_correlation": float(found.std()),
        "min_correlation": float(found.min()),
        "max_correlation": float(found.max()),
        "factor_of_code": factor_of_code.tolist(),
        "spearman": spearman.tolist(),
        "num_train": num_samples,
    }


@on_samples("component_retrieval")
def compute_component_retrieval(
    sampler, num_train=gin.REQUIRED, batch_size=16, significance=0.05
):
    """Component retrieval on samples of a dataset."""
    score = functools.partial(component_retrieval, significance=significance, seed=None)
    return bootstrap(score, [sampler.sample(num_train, batch_size)])
