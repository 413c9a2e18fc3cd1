"""DCIMIG, also called 3CharM: does each factor have a code of its own?

Sepliarskaia, Kiseleva, de Rijke: How to Not Measure Disentanglement, 2019
(https://arxiv.org/abs/1910.05587).
"""

import gin
import numpy as np

from dmt.evaluation.metrics import utils
from dmt.utils import stages


def dcimig(factors, codes, *, num_bins=20, continuous_factors=False):
    """DCIMIG of codes, with histogram bins.

    DCIMIG = sum_k S_k / sum_k H(v_k). Each code z_d votes for the factor of which it
    knows most, with the gap R_d = I(z_d; v_first) - I(z_d; v_second) to the factor of
    which it knows second most; S_k is the largest gap among the votes for factor v_k,
    and 0 without votes. In this form: Carbonneau, Zaidi, Boilard, Gagnon: Measuring
    Disentanglement: A Review of Metrics, 2020 (https://arxiv.org/abs/2012.09276).

    Args:
        factors: array-like of shape (n, num_factors), discrete values, two factors at
            least.
        codes: array-like of shape (n, num_codes).
        num_bins: number of bins of equal width per code, over the range of the sample.
        continuous_factors: whether factors are numbers, which are put into bins as
            well.

    Returns:
        Dictionary:
            dcimig: in [0, 1], 1 is best; nan if no factor varies in the sample.
            gap_per_factor: S_k, from 0 to H(v_k), in nats, list (num_factors,).
            gap_per_code: R_d, at least 0, in nats, list (num_codes,).
            mutual_information: nested list (num_codes, num_factors), in nats.
            num_train, num_bins: number of samples and of bins.

    Raises:
        ValueError: if the shapes do not fit, or there is only one factor.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> dcimig(factors, -2.0 * factors)["dcimig"]
        1.0
        >>> round(dcimig(factors, -2.0 * factors[:, [0, 0]])["dcimig"], 2)
        0.44
    """
    factors, discretized = utils.samples_in_bins(
        factors, codes, num_bins, continuous_factors
    )
    return _dcimig(factors, discretized, num_bins)


@stages.configurable("dcimig", "evaluation", denylist=utils.SAMPLING_ARGUMENTS)
def compute_dcimig(
    ground_truth_data,
    representation_function,
    random_state,
    artifact_dir=None,
    num_train=gin.REQUIRED,
    batch_size=16,
):
    """DCIMIG on samples of a dataset.

    Codes are discretised by the gin configurable `discretizer`.

    Args:
        ground_truth_data: GroundTruthData to sample from.
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        random_state: numpy RandomState, source of all draws.
        artifact_dir: not used.
        num_train: number of samples.
        batch_size: samples per draw, see `utils.generate_batch_factor_code`.

    Returns:
        Dictionary, see `dcimig`.
    """
    del artifact_dir
    codes, factors = utils.generate_batch_factor_code(
        ground_truth_data, representation_function, num_train, random_state, batch_size
    )
    return utils.score_in_bins(_dcimig, factors.T, codes)


def _dcimig(factors, discretized, num_bins):
    information = utils.discrete_mutual_info(discretized, factors.T)
    gaps = utils.top_two_gap(information.T, rows="factors")
    best = np.zeros(factors.shape[1])
    np.maximum.at(best, information.argmax(axis=1), gaps)
    entropy = utils.discrete_entropy(factors.T).sum()
    return {
        "dcimig": float(best.sum() / entropy) if entropy else float("nan"),
        "gap_per_factor": best.tolist(),
        "gap_per_code": gaps.tolist(),
        "mutual_information": information.tolist(),
        "num_train": len(factors),
        "num_bins": num_bins,
    }
