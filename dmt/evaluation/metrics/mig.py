"""Mutual Information Gap: is each factor known to one code only?

Chen, Li, Grosse, Duvenaud: Isolating Sources of Disentanglement in Variational
Autoencoders, 2018, section 4 (https://arxiv.org/abs/1802.04942).
"""

import gin
import numpy as np

from dmt.evaluation.metrics import utils
from dmt.utils import stages


def mig(factors, codes, *, num_bins=20, continuous_factors=False):
    """Mutual Information Gap of codes, with histogram bins.

    MIG = mean_k (I(z_first; v_k) - I(z_second; v_k)) / H(v_k), where first and second
    are the two codes that share most information with factor v_k.

    Args:
        factors: array-like of shape (n, num_factors), discrete values.
        codes: array-like of shape (n, num_codes), two codes at least.
        num_bins: number of bins of equal width per code, over the range of the sample.
        continuous_factors: whether factors are numbers, which are put into bins as
            well.

    Returns:
        Dictionary:
            discrete_mig: mean over factors, in [0, 1], 1 is best.
            mig_per_factor: gap of each factor, in [0, 1]; nan for a factor with one
                value in the sample, whose entropy is 0.
            mutual_information: nested list (num_codes, num_factors), in nats.
            num_train, num_bins: number of samples and of bins.

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
    factors, discretized = utils.samples_in_bins(
        factors, codes, num_bins, continuous_factors
    )
    return _mig(factors, discretized, num_bins)


@stages.configurable("mig", "evaluation", denylist=utils.SAMPLING_ARGUMENTS)
def compute_mig(
    ground_truth_data,
    representation_function,
    random_state,
    artifact_dir=None,
    num_train=gin.REQUIRED,
    batch_size=16,
):
    """Mutual Information Gap on samples of a dataset.

    Codes are discretised by the gin configurable `discretizer`.

    Args:
        ground_truth_data: GroundTruthData to sample from.
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        random_state: numpy RandomState, source of all draws.
        artifact_dir: not used.
        num_train: number of samples.
        batch_size: samples per draw, see `utils.generate_batch_factor_code`.

    Returns:
        Dictionary, see `mig`.
    """
    del artifact_dir
    codes, factors = utils.generate_batch_factor_code(
        ground_truth_data, representation_function, num_train, random_state, batch_size
    )
    return utils.score_in_bins(_mig, factors.T, codes)


@stages.configurable(
    "mig_validation", "evaluation", denylist=utils.FIXED_DATA_ARGUMENTS
)
def compute_mig_on_fixed_data(
    observations, labels, representation_function, batch_size=100
):
    """Mutual Information Gap of labelled observations.

    Codes are discretised by the gin configurable `discretizer`.

    Args:
        observations: array of shape (n, ...).
        labels: factors of the observations, array of shape (num_factors, n).
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        batch_size: see `utils.obtain_representation`.

    Returns:
        Dictionary, see `mig`.
    """
    codes = utils.obtain_representation(
        observations, representation_function, batch_size
    )
    return utils.score_in_bins(_mig, np.transpose(labels), codes)


def _mig(factors, discretized, num_bins):
    information = utils.discrete_mutual_info(discretized, factors.T)
    gaps = utils.top_two_gap(information) / utils.discrete_entropy(factors.T)
    return {
        "discrete_mig": float(gaps.mean()),
        "mig_per_factor": gaps.tolist(),
        "mutual_information": information.tolist(),
        "num_train": len(factors),
        "num_bins": num_bins,
    }
