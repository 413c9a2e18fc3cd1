"""JEMMIG: is each factor known to one code only, and the code to no other factor?

Do, Tran: Theory and Evaluation Metrics for Learning Disentangled Representations, 2020
(https://arxiv.org/abs/1908.09961).
"""

import gin
import numpy as np

from dmt.evaluation.metrics import utils
from dmt.utils import stages


def jemmig(factors, codes, *, num_bins=20, continuous_factors=False):
    """Joint Entropy Minus Mutual Information Gap of codes, with histogram bins.

    JEMMIG(v_k) = H(z_first, v_k) - I(z_first; v_k) + I(z_second; v_k), where first and
    second are the two codes that share most information with factor v_k. The joint
    entropy is large if the code varies for other reasons than v_k, which MIG does not
    see. The normalised form is 1 - JEMMIG(v_k) / (H(v_k) + log num_bins).

    Do and Tran report JEMMIG(v_k) / (H(v_k) + log num_bins), 0 is best; the normalised
    form here is its difference to 1, as in Carbonneau, Zaidi, Boilard, Gagnon:
    Measuring Disentanglement: A Review of Metrics, 2020
    (https://arxiv.org/abs/2012.09276).

    Args:
        factors: array-like of shape (n, num_factors), discrete values.
        codes: array-like of shape (n, num_codes), two codes at least.
        num_bins: number of bins of equal width per code, over the range of the sample.
        continuous_factors: whether factors are numbers, which are put into bins as
            well.

    Returns:
        Dictionary:
            jemmig: mean over factors, in nats, from 0 (best) to H(v_k) + log num_bins.
            jemmig_normalized: mean of the normalised form over factors, in [0, 1], 1 is
                best.
            jemmig_per_factor, jemmig_normalized_per_factor: lists (num_factors,).
            mutual_information: nested list (num_codes, num_factors), in nats.
            num_train, num_bins: number of samples and of bins.

    Raises:
        ValueError: if the shapes do not fit, or there is only one code.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([4, 4]).reshape(2, -1).T
        >>> scores = jemmig(factors, -2.0 * factors)
        >>> round(scores["jemmig"], 6), scores["jemmig_normalized"]
        (0.0, 1.0)
    """
    factors, discretized = utils.samples_in_bins(
        factors, codes, num_bins, continuous_factors
    )
    return _jemmig(factors, discretized, num_bins)


@stages.configurable("jemmig", "evaluation", denylist=utils.SAMPLING_ARGUMENTS)
def compute_jemmig(
    ground_truth_data,
    representation_function,
    random_state,
    artifact_dir=None,
    num_train=gin.REQUIRED,
    batch_size=16,
):
    """Joint Entropy Minus Mutual Information Gap on samples of a dataset.

    Codes are discretised by the gin configurable `discretizer`.

    Args:
        ground_truth_data: GroundTruthData to sample from.
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        random_state: numpy RandomState, source of all draws.
        artifact_dir: not used.
        num_train: number of samples.
        batch_size: samples per draw, see `utils.generate_batch_factor_code`.

    Returns:
        Dictionary, see `jemmig`.
    """
    del artifact_dir
    codes, factors = utils.generate_batch_factor_code(
        ground_truth_data, representation_function, num_train, random_state, batch_size
    )
    return utils.score_in_bins(_jemmig, factors.T, codes)


def _jemmig(factors, discretized, num_bins):
    information = utils.discrete_mutual_info(discretized, factors.T)
    gaps = utils.top_two_gap(information)
    entropies = utils.discrete_entropy(factors.T)
    first = information.argmax(axis=0)
    # Not below 0, which it may be by rounding.
    joint = np.maximum(
        0.0,
        utils.discrete_entropy(discretized)[first]
        + entropies
        - information.max(axis=0),
    )
    jemmigs = np.maximum(0.0, joint - gaps)
    normalized = 1.0 - jemmigs / (entropies + np.log(num_bins))
    return {
        "jemmig": float(jemmigs.mean()),
        "jemmig_normalized": float(normalized.mean()),
        "jemmig_per_factor": jemmigs.tolist(),
        "jemmig_normalized_per_factor": normalized.tolist(),
        "mutual_information": information.tolist(),
        "num_train": len(factors),
        "num_bins": num_bins,
    }
