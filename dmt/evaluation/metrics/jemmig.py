"""JEMMIG: is each factor encoded by one code, which encodes no other factor?

Do, Tran: Theory and Evaluation Metrics for Learning Disentangled Representations, 2020
(https://arxiv.org/abs/1908.09961).
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
    "jemmig",
    scores=["jemmig_normalized"],
    intervals={},
    without_intervals={
        "jemmig_normalized": "bins are wider in larger samples, which changes entropies"
    },
    axes={"mutual_information": (1,)},
)
def jemmig(
    factors: np.ndarray,
    codes: np.ndarray,
    *,
    num_bins: int = 20,
    continuous_factors: bool | Sequence[bool] = False,
) -> dict[str, Any]:
    """Joint Entropy Minus Mutual Information Gap of codes, with histogram bins.

    JEMMIG(v_k) = H(z_first, v_k) - I(z_first; v_k) + I(z_second; v_k), where first and
    second are the two codes that share most information with factor v_k. The joint
    entropy is large if the code also varies for other reasons than v_k, which MIG
    ignores. The normalised form is 1 - JEMMIG(v_k) / (H(v_k) + log num_bins).

    Do and Tran report JEMMIG(v_k) / (H(v_k) + log num_bins), where 0 is best. The form
    here is 1 minus this value, as in Carbonneau, Zaidi, Boilard, Gagnon:
    Measuring Disentanglement: A Review of Metrics, 2020
    (https://arxiv.org/abs/2012.09276).

    Chance level is not 0. Codes that are constant have no entropy, and the normalised
    form of a factor is then log num_bins / (H(v_k) + log num_bins): for 20 bins, 0.68
    for a factor with four equally frequent values. The results have the mean over
    factors as `chance_level`. Codes of noise score less, down to 0 if they fill all
    bins equally.

    Args:
        factors: array-like of shape (n, num_factors), discrete values.
        codes: array-like of shape (n, num_codes), at least two codes.
        num_bins: number of bins of equal width per code, over the range of the sample.
        continuous_factors: whether factors are numbers, to be put into bins as well: a
            bool, or one for each factor.

    Returns:
        Dictionary:
            jemmig: mean over factors, in nats, from 0 (best) to H(v_k) + log num_bins.
            jemmig_normalized: mean of the normalised form over factors, in [0, 1], 1 is
                best.
            chance_level: jemmig_normalized of codes that are constant.
            jemmig_per_factor, jemmig_normalized_per_factor: lists (num_factors,).
            mutual_information: nested list (num_codes, num_factors), in nats.
            num_train, num_bins: numbers of samples and of bins.

    Raises:
        ValueError: if the shapes do not fit, or there is only one code.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([4, 4]).reshape(2, -1).T
        >>> scores = jemmig(factors, -2.0 * factors)
        >>> round(scores["jemmig"], 6), scores["jemmig_normalized"]
        (0.0, 1.0)
    """
    return _jemmig(*samples_in_bins(factors, codes, num_bins, continuous_factors))


@on_samples("jemmig")
def compute_jemmig(sampler, num_train=gin.REQUIRED, batch_size=16):
    """JEMMIG on samples of a dataset, in the bins of `discretizer`."""
    return score_in_bins(_jemmig, *sampler.sample(num_train, batch_size))


@registry.formula_of("jemmig")
def _jemmig(factors, bins, num_bins):
    information = mutual_information(bins, factors)
    gaps = top_two_gap(information)
    entropies = entropy(factors)
    first = information.argmax(axis=0)
    # Rounding may make it negative.
    joint = np.maximum(0.0, entropy(bins)[first] + entropies - information.max(axis=0))
    jemmigs = np.maximum(0.0, joint - gaps)
    largest = entropies + np.log(num_bins)
    normalized = 1.0 - jemmigs / largest
    return {
        "jemmig": float(jemmigs.mean()),
        "jemmig_normalized": float(normalized.mean()),
        "chance_level": float(np.mean(np.log(num_bins) / largest)),
        "jemmig_per_factor": jemmigs.tolist(),
        "jemmig_normalized_per_factor": normalized.tolist(),
        "mutual_information": information.tolist(),
        "num_train": len(factors),
        "num_bins": num_bins,
    }
