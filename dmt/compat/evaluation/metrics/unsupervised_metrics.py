"""Names of disentanglement_lib for `dmt.evaluation.metrics.unsupervised_metrics`."""

import numpy as np

__all__ = ["kl_gaussians_numerically_unstable"]


def kl_gaussians_numerically_unstable(mean_0, cov_0, mean_1, cov_1, k):
    """KL divergence of one Gaussian from another, for comparisons in tests.

    Args:
        mean_0: array of shape (k,).
        cov_0: array of shape (k, k).
        mean_1: array of shape (k,).
        cov_1: array of shape (k, k), not singular.
        k: number of variables.

    Returns:
        Float in nats, at least 0.
    """
    inverse = np.linalg.inv(cov_1)
    difference = np.subtract(mean_1, mean_0)
    determinants = np.linalg.det(cov_1) / np.linalg.det(cov_0)
    distance = np.trace(inverse @ cov_0) + difference @ inverse @ difference
    return 0.5 * (distance - k + np.log(determinants))
