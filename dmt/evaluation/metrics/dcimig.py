"""DCIMIG, also called 3CharM: does each factor have a code of its own?

Sepliarskaia, Kiseleva, de Rijke: How to Not Measure Disentanglement, 2019
(https://arxiv.org/abs/1910.05587).
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
from dmt.evaluation.metrics.samples import on_samples


@registry.metric(
    "dcimig",
    scores=["dcimig"],
    intervals={},
    without_intervals={"dcimig": "its bias in a few hundred samples is not known"},
    axes={"mutual_information": (1,)},
)
def dcimig(
    factors: np.ndarray,
    codes: np.ndarray,
    *,
    num_bins: int = 20,
    continuous_factors: bool | Sequence[bool] = False,
) -> dict[str, Any]:
    """DCIMIG of codes, with histogram bins.

    DCIMIG = sum_k S_k / sum_k H(v_k). The gap of code z_d is
    R_d = I(z_d; v_first) - I(z_d; v_second), where first and second are the two factors
    that share most information with it. S_k is the largest gap of the codes whose first
    factor is v_k, and 0 if there are none. This form is from Carbonneau, Zaidi,
    Boilard, Gagnon: Measuring Disentanglement: A Review of Metrics, 2020
    (https://arxiv.org/abs/2012.09276).

    Args:
        factors: array-like of shape (n, num_factors), discrete, at least two factors.
        codes: array-like of shape (n, num_codes).
        num_bins: number of bins of equal width per code, over the range of the sample.
        continuous_factors: whether factors are numbers, to be put into bins as well: a
            bool, or one for each factor.

    Returns:
        Dictionary:
            dcimig: in [0, 1], 1 is best.
            gap_per_factor: S_k, from 0 to H(v_k), in nats, list (num_factors,).
            gap_per_code: R_d, at least 0, in nats, list (num_codes,).
            mutual_information: nested list (num_codes, num_factors), in nats.
            num_train, num_bins: numbers of samples and of bins.

    Raises:
        ValueError: if the shapes do not fit, or fewer than two factors vary.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> round(dcimig(factors, -2.0 * factors)["dcimig"], 6)
        1.0
        >>> round(dcimig(factors, -2.0 * factors[:, [0, 0]])["dcimig"], 2)
        0.44
    """
    return _dcimig(*samples_in_bins(factors, codes, num_bins, continuous_factors))


@on_samples("dcimig")
def compute_dcimig(sampler, num_train=gin.REQUIRED, batch_size=16):
    """DCIMIG on samples of a dataset, in the bins of `discretizer`."""
    return score_in_bins(_dcimig, *sampler.sample(num_train, batch_size))


@registry.formula_of("dcimig")
def _dcimig(factors, bins, num_bins):
    information = mutual_information(bins, factors)
    gaps = top_two_gap(information.T, rows="factors")
    best = np.zeros(factors.shape[1])
    np.maximum.at(best, information.argmax(axis=1), gaps)
    return {
        "dcimig": float(best.sum() / entropy(factors).sum()),
        "gap_per_factor": best.tolist(),
        "gap_per_code": gaps.tolist(),
        "mutual_information": information.tolist(),
        "num_train": len(factors),
        "num_bins": num_bins,
    }
