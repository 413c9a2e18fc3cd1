"""How dependent the codes are on each other, without looking at factors.

Locatello et al.: Challenging Common Assumptions in the Unsupervised Learning of
Disentangled Representations, 2019, section 5.2 (https://arxiv.org/abs/1811.12359).
"""

from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import registry
from dmt.evaluation.metrics.information import (
    in_bins,
    mutual_information,
    score_in_bins,
)
from dmt.evaluation.metrics.samples import on_samples


@registry.metric(
    "unsupervised_metrics",
    scores=[
        "gaussian_total_correlation",
        "gaussian_wasserstein_correlation_norm",
        "mutual_info_score",
    ],
    intervals={
        "gaussian_total_correlation": (0, float("inf")),
        "gaussian_wasserstein_correlation_norm": (0, 2),
    },
    without_intervals={
        "mutual_info_score": "its bias is many times its standard error"
    },
    invariances=registry.EVERYTHING - {"scale codes", "add dead code"},
)
def unsupervised_scores(codes: np.ndarray, *, num_bins: int = 20) -> dict[str, Any]:
    """Dependence of codes, from a fitted Gaussian and from pairs of codes in bins.

    Args:
        codes: array-like of shape (n, num_codes). Factors may be given first, as to the
            other metrics; they are not looked at.
        num_bins: number of bins of equal width per code, over the range of the sample.

    Returns:
        Dictionary:
            gaussian_total_correlation: see the function of this name, in nats. It has
                no meaning, and may be infinite, if the covariance is singular. This
                happens, for example, if there are more codes than factors and the codes
                are linear in the factors.
            gaussian_wasserstein_correlation: see the function of this name.
            gaussian_wasserstein_correlation_norm: the same divided by the total
                variance; nan if all codes are constant.
            mutual_info_score: mean mutual information of two codes, in nats, at least
                0; 0 if there is one code.
            covariance: nested list (num_codes, num_codes).
            mutual_information: between codes, nested list (num_codes, num_codes), in
                nats.
            num_train, num_bins: numbers of samples and of bins.

    Raises:
        ValueError: if codes are not two-dimensional, or there are fewer than 2 samples.

    Example:
        >>> import numpy as np
        >>> codes = np.indices([3, 4]).reshape(2, -1).T
        >>> round(unsupervised_scores(codes)["gaussian_total_correlation"], 9)
        0.0
    """
    if len(codes) < 2:
        raise ValueError(
            f"Give at least 2 samples. Received: codes.shape={codes.shape}"
        )
    return _scores(codes, in_bins(codes, num_bins), num_bins)


@on_samples("unsupervised_metrics")
def unsupervised_metrics(sampler, num_train=gin.REQUIRED, batch_size=16):
    """Dependence of the codes of a dataset's samples, in the bins of `discretizer`."""
    _, codes = sampler.sample(num_train, batch_size)
    return score_in_bins(_scores, codes, codes)


def _scores(codes, bins, num_bins):
    covariance = np.atleast_2d(np.cov(codes.T))
    wasserstein = gaussian_wasserstein_correlation(covariance)
    information = mutual_information(bins, bins)
    pairs = information[~np.eye(len(information), dtype=bool)]
    with np.errstate(invalid="ignore"):
        normalized = np.float64(wasserstein) / np.trace(covariance)
    return {
        "gaussian_total_correlation": gaussian_total_correlation(covariance),
        "gaussian_wasserstein_correlation": wasserstein,
        "gaussian_wasserstein_correlation_norm": float(normalized),
        "mutual_info_score": float(pairs.mean()) if pairs.size else 0.0,
        "covariance": covariance.tolist(),
        "mutual_information": information.tolist(),
        "num_train": len(codes),
        "num_bins": num_bins,
    }


def gaussian_total_correlation(cov):
    """Total correlation of a Gaussian: its divergence from independent marginals.

    TC = 1/2 (sum_d log cov_dd - log det cov).

    Args:
        cov: covariance matrix of shape (num_codes, num_codes).

    Returns:
        Float in nats, at least 0, 0 if the codes are uncorrelated; nan if a code is
        constant.
    """
    cov = np.asarray(cov)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.diag(cov)).sum()
        return float(0.5 * (logs - np.linalg.slogdet(cov)[1]))


def gaussian_wasserstein_correlation(cov):
    """Squared 2-Wasserstein distance of a Gaussian from independent marginals.

    W = 2 tr(cov) - 2 tr((D^1/2 cov D^1/2)^1/2), with D the diagonal of cov.

    Args:
        cov: covariance matrix of shape (num_codes, num_codes).

    Returns:
        Float in squared units of the codes, at least 0, 0 if they are uncorrelated.
    """
    cov = np.asarray(cov)
    scales = np.sqrt(np.diag(cov))
    eigenvalues = np.linalg.eigvalsh(cov * np.outer(scales, scales))
    # Rounding turns zeros into small numbers, but their roots are not small.
    rounding = eigenvalues.max() * len(cov) * np.finfo(np.float64).eps
    roots = np.sqrt(eigenvalues[eigenvalues > rounding])
    return float(2 * np.trace(cov) - 2 * roots.sum())
