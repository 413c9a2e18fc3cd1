"""MIG-sup: does each code encode one factor only?

Li, Murkute, Gyawali, Wang: Progressive Learning and Disentanglement of Hierarchical
Representations, 2020 (https://arxiv.org/abs/2002.10549).
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
    "mig_sup",
    scores=["mig_sup"],
    intervals={"mig_sup": (0, 1)},
    axes={"mutual_information": (1,)},
)
def mig_sup(
    factors: np.ndarray,
    codes: np.ndarray,
    *,
    num_bins: int = 20,
    continuous_factors: bool | Sequence[bool] = False,
) -> dict[str, Any]:
    """MIG-sup of codes, with histogram bins.

    MIG-sup = mean_d (I(z_d; v_first) / H(v_first) - I(z_d; v_second) / H(v_second)),
    where first and second are the two factors with the largest I(z_d; v) / H(v).
    MIG-sup supplements MIG: a factor that two codes encode lowers MIG, a code that
    encodes two factors lowers MIG-sup.

    The mean is over active codes, whose values are in more than one bin.

    Args:
        factors: array-like of shape (n, num_factors), discrete, at least two factors.
        codes: array-like of shape (n, num_codes).
        num_bins: number of bins of equal width per code, over the range of the sample.
        continuous_factors: whether factors are numbers, to be put into bins as well: a
            bool, or one for each factor.

    Returns:
        Dictionary:
            mig_sup: mean over active codes, in [0, 1], 1 is best; 0 if no code is
                active.
            mig_sup_per_code: gap of each code, in [0, 1], list (num_codes,).
            num_active_codes: number of codes that are not constant.
            mutual_information: nested list (num_codes, num_factors), in nats.
            num_train, num_bins: numbers of samples and of bins.

    Raises:
        ValueError: if the shapes do not fit, or fewer than two factors vary.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> mig_sup(factors, -2.0 * factors)["mig_sup"]
        1.0
        >>> round(mig_sup(factors, factors @ [[1], [3]])["mig_sup"], 6)
        0.0
    """
    return _mig_sup(*samples_in_bins(factors, codes, num_bins, continuous_factors))


@on_samples("mig_sup")
def compute_mig_sup(sampler, num_train=gin.REQUIRED, batch_size=16):
    """MIG-sup on samples of a dataset, in the bins of `discretizer`."""
    return score_in_bins(_mig_sup, *sampler.sample(num_train, batch_size))


@registry.formula_of("mig_sup")
def _mig_sup(factors, bins, num_bins):
    information = mutual_information(bins, factors)
    shares = information / entropy(factors)
    gaps = top_two_gap(shares.T, rows="factors")
    active = np.any(bins != bins[:1], axis=0)
    return {
        "mig_sup": float(gaps[active].mean()) if active.any() else 0.0,
        "mig_sup_per_code": gaps.tolist(),
        "num_active_codes": int(active.sum()),
        "mutual_information": information.tolist(),
        "num_train": len(factors),
        "num_bins": num_bins,
    }
