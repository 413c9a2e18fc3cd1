"""Mutual Information Gap: is each factor encoded by one code only?

Chen, Li, Grosse, Duvenaud: Isolating Sources of Disentanglement in Variational
Autoencoders, 2018, section 4 (https://arxiv.org/abs/1802.04942).
"""

from collections.abc import Sequence
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import registry
from dmt.evaluation.metrics.information import (
    entropy,
    mutual_information,
    samples_in_bins,
    score_in_bins,
    top_two_gap,
)
from dmt.evaluation.metrics.samples import on_labels, on_samples


@registry.metric(
    "mig",
    scores=["discrete_mig"],
    intervals={"discrete_mig": (0, 1)},
    axes={"mutual_information": (1,)},
)
def mig(
    factors: np.ndarray,
    codes: np.ndarray,
    *,
    num_bins: int = 20,
    continuous_factors: bool | Sequence[bool] = False,
) -> dict[str, Any]:
    """Mutual Information Gap of codes, with histogram bins.

    MIG = mean_k (I(z_first; v_k) - I(z_second; v_k)) / H(v_k), where first and second
    are the two codes that share most information with factor v_k.

    Args:
        factors: array-like of shape (n, num_factors), discrete values.
        codes: array-like of shape (n, num_codes), at least two codes.
        num_bins: number of bins of equal width per code, over the range of the sample.
        continuous_factors: whether factors are numbers, to be put into bins as well: a
            bool, or one for each factor.

    Returns:
        Dictionary:
            discrete_mig: mean over factors, in [0, 1], 1 is best.
            mig_per_factor: gap of each factor, in [0, 1], list (num_factors,).
            mutual_information: nested list (num_codes, num_factors), in nats.
            num_train, num_bins: numbers of samples and of bins.

    Raises:
        ValueError: if the shapes do not fit, or there is only one code.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> mig(factors, -2.0 * factors)["discrete_mig"]
        1.0
        >>> mig(factors, factors @ [[1, 1], [1, 1]])["discrete_mig"]
        0.0
    """
    return _mig(*samples_in_bins(factors, codes, num_bins, continuous_factors))


@on_samples("mig")
def compute_mig(sampler, num_train=gin.REQUIRED, batch_size=16):
    """Mutual Information Gap on samples of a dataset, in the bins of `discretizer`."""
    return score_in_bins(_mig, *sampler.sample(num_train, batch_size))


@on_labels("mig_validation")
def compute_mig_on_fixed_data(factors, codes, batch_size=100):
    """Mutual Information Gap of labelled observations, in the bins of `discretizer`."""
    del batch_size
    return score_in_bins(_mig, factors, codes)


@registry.formula_of("mig")
def _mig(factors, bins, num_bins):
    information = mutual_information(bins, factors)
    gaps = top_two_gap(information) / entropy(factors)
    return {
        "discrete_mig": float(gaps.mean()),
        "mig_per_factor": gaps.tolist(),
        "mutual_information": information.tolist(),
        "num_train": len(factors),
        "num_bins": num_bins,
    }
