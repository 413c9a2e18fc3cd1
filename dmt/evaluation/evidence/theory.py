"""What an ideal observer of noisy evidence knows, in closed form.

Evidence X(1), ..., X(t) is normal, with mean x and standard deviation sigma in each
coordinate. Task i asks whether c_i . x > b_i. With a flat prior of x, the probability
that the answer is yes is

    Phi((c_i . mu - b_i) sqrt(t) / (sigma |c_i|)),    mu = (X(1) + ... + X(t)) / t

Outputs of enough tasks therefore determine mu (Vafidis, Bhargava and Rangel, ICLR 2025,
"Disentangling representations through multi-task learning"). All functions take and
return NumPy arrays. Outputs are logits, because most probabilities are so close to 0 or
1 that mu would be lost in their rounding.
"""

import math
from typing import Any

import numpy as np
from scipy import special

from dmt.utils import checks

LINKS = ("probit", "linear")
# The number a for which the logistic function of z is closest to Phi(a z), in mean
# square, where |z| is at most 10.
PROBIT_SLOPE = 0.5886
_SMALLEST_WEIGHT = 1e-4
# Beyond so many standard deviations, normal densities are negligible.
_TAIL = 10.0


def ideal_logits(
    evidence: np.ndarray, normals: np.ndarray, offsets: Any, sigma: float
) -> np.ndarray:
    """Logits of the ideal observer's answers after each step.

    Args:
        evidence: (..., num_steps, dim).
        normals: (num_tasks, dim), normals of the boundaries, of any lengths above 0.
        offsets: (num_tasks,), or one number for all tasks.
        sigma: standard deviation of the noise, above 0.

    Returns:
        float64 array (..., num_steps, num_tasks). They are finite: logits of
        probabilities that round to 0 or 1 too.

    Raises:
        ValueError: if sigma is not above 0, or if shapes do not fit.
    """
    _check_sigma(sigma)
    normals, offsets = _unit_boundaries(normals, offsets)
    evidence = np.asarray(evidence, dtype=np.float64)
    if evidence.ndim < 2 or evidence.shape[-1] != normals.shape[1]:
        raise ValueError(
            f"evidence must have shape (..., num_steps, {normals.shape[1]}), as the "
            f"normals have {normals.shape[1]} columns. Received: {evidence.shape}"
        )
    numbers = np.arange(1, evidence.shape[-2] + 1)[:, None]
    means = np.cumsum(evidence, axis=-2) / numbers
    z = (means @ normals.T - offsets) * np.sqrt(numbers) / sigma
    return special.log_ndtr(z) - special.log_ndtr(-z)


def latent_from_outputs(
    logits: np.ndarray,
    normals: np.ndarray,
    offsets: Any,
    sigma: float,
    num_steps: int,
    link: str = "probit",
    weighted: bool | None = None,
) -> np.ndarray:
    """The mean of the evidence that answers after `num_steps` steps imply.

    It is the least-squares solution mu of

        c_i . mu = b_i + sigma / sqrt(num_steps) z_i    (unit normals c_i)

    where z_i is what the logit of task i says of its standardised distance to the
    boundary.

    Args:
        logits: (n, num_tasks), of the answers after the last step.
        normals: (num_tasks, dim) of rank dim, of any lengths above 0.
        offsets: (num_tasks,), or one number for all tasks.
        sigma: standard deviation of the noise, above 0.
        num_steps: number of steps of evidence, at least 1.
        link: "probit" (z is the quantile of the probability, exact for ideal
            observers) or "linear" (z is 0.5886 times the logit, better for trained
            networks, whose logits are about linear in z).
        weighted: whether the weight of a task is phi(z)^2 / (Phi(z) Phi(-z)) + 1e-4,
            the inverse variance of z for a given error of the probability, and not 1.
            None for weights with the linear link only.

    Returns:
        float64 array (n, dim).

    Raises:
        ValueError: if there are fewer tasks than dimensions, if the normals have a
            lower rank than dim, if sigma is not above 0 (answers without noise tell
            the side of a boundary but no distance), if logits are not finite, if an
            argument is out of range, or if shapes do not fit.
    """
    _check_sigma(sigma)
    checks.integer("num_steps", num_steps, 1)
    checks.one_of("link", link, LINKS)
    normals, offsets = _unit_boundaries(normals, offsets)
    _check_rank(normals)
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 2 or logits.shape[1] != len(normals):
        raise ValueError(
            f"logits must have shape (n, {len(normals)}), as there are {len(normals)} "
            f"normals. Received: {logits.shape}"
        )
    if not np.isfinite(logits).all():
        raise ValueError(
            "logits must be finite numbers, and not those of probabilities that are "
            f"rounded to 0 or 1. Received: {logits[~np.isfinite(logits)][0]}"
        )
    z = _quantiles(logits) if link == "probit" else PROBIT_SLOPE * logits
    distances = sigma / math.sqrt(num_steps) * z + offsets
    if weighted is None:
        weighted = link == "linear"
    if not checks.boolean("weighted", weighted):
        return distances @ np.linalg.pinv(normals).T
    weights = _weights(z)
    products = np.einsum("ni,ij,ik->njk", weights, normals, normals)
    targets = (weights * distances) @ normals
    return np.linalg.solve(products, targets[..., None])[..., 0]


def r2_ceiling(sigma: float, num_steps: int) -> float:
    """The R^2 of the mean of the evidence as an estimate of uniform latents.

    It is 1 - 12 sigma^2 / num_steps, relative to the variance 1/12 of latents that are
    uniform on [-0.5, 0.5].

    Args:
        sigma: standard deviation of the noise, above 0.
        num_steps: number of steps of evidence, at least 1.

    Raises:
        ValueError: if an argument is out of range.
    """
    _check_sigma(sigma)
    checks.integer("num_steps", num_steps, 1)
    return 1 - 12 * sigma**2 / num_steps


def posterior_mean_r2_ceiling(sigma: float, num_steps: int) -> float:
    """The R^2 of the posterior mean of uniform latents: no estimate has a higher one.

    The posterior of latents that are uniform on [-0.5, 0.5] is a truncated normal
    distribution. The integral over the mean of the evidence is computed by quadrature,
    with an error below 1e-8.

    Args:
        sigma: standard deviation of the noise, above 0.
        num_steps: number of steps of evidence, at least 1.

    Raises:
        ValueError: if an argument is out of range.
    """
    _check_sigma(sigma)
    checks.integer("num_steps", num_steps, 1)
    scale = sigma / math.sqrt(num_steps)
    inner, outer = max(0.5 - _TAIL * scale, 0.0), 0.5 + _TAIL * scale
    nodes, weights = np.polynomial.legendre.leggauss(200)
    variance = 0.0
    # The integrand is smooth up to the edge of the latents, and changes quickly there.
    for low, high in ((0.0, inner), (inner, outer)):
        half = (high - low) / 2
        means = low + half * (nodes + 1)
        below, above = (-0.5 - means) / scale, (0.5 - means) / scale
        density = special.ndtr(above) - special.ndtr(below)
        slope = _normal_density(below) - _normal_density(above)
        posterior_means = means + scale * slope / density
        variance += 2 * half * float(weights @ (density * posterior_means**2))
    return 12 * variance


def condition_number(normals: np.ndarray) -> float:
    """The ratio of the largest to the smallest singular value of unit normals.

    At 1, latents are decoded in orthogonal directions.

    Args:
        normals: (num_tasks, dim) of rank dim, of any lengths above 0.

    Raises:
        ValueError: if there are fewer tasks than dimensions, or if the rank of the
            normals is below dim.
    """
    normals, _ = _unit_boundaries(normals, 0.0)
    _check_rank(normals)
    return float(np.linalg.cond(normals))


def expected_condition_number(num_tasks: int, dim: int) -> float:
    """`condition_number` of many random normals, by the Marchenko-Pastur law.

    Singular values of random unit normals are then between
    sqrt(num_tasks / dim) (1 - r) and sqrt(num_tasks / dim) (1 + r), where
    r = sqrt(dim / num_tasks).

    Args:
        num_tasks: number of tasks, at least dim.
        dim: number of dimensions, at least 1.

    Returns:
        (1 + r) / (1 - r), infinity for num_tasks = dim.

    Raises:
        ValueError: if there are fewer tasks than dimensions.
    """
    checks.integer("dim", dim, 1)
    checks.integer("num_tasks", num_tasks, 1)
    _check_enough(num_tasks, dim)
    if num_tasks == dim:
        return math.inf
    ratio = math.sqrt(dim / num_tasks)
    return (1 + ratio) / (1 - ratio)


def _quantiles(logits):
    """Z with Phi(z) = expit(logits), by the smaller of both tails in logarithms."""
    tails = special.ndtri_exp(special.log_expit(-np.abs(logits)))
    return -np.sign(logits) * tails


def _weights(z):
    tails = special.log_ndtr(z) + special.log_ndtr(-z)
    return np.exp(-np.square(z) - math.log(2 * math.pi) - tails) + _SMALLEST_WEIGHT


def _normal_density(z):
    return np.exp(-np.square(z) / 2) / math.sqrt(2 * math.pi)


def _unit_boundaries(normals, offsets):
    normals = np.asarray(normals, dtype=np.float64)
    if normals.ndim != 2 or not normals.size:
        raise ValueError(
            f"normals must have shape (num_tasks, dim). Received: {normals.shape}"
        )
    lengths = np.linalg.norm(normals, axis=1)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError(
            "normals must be finite, and none may be 0. Received: a normal of length "
            f"{lengths[~(np.isfinite(lengths) & (lengths > 0))][0]}"
        )
    offsets = np.asarray(offsets, dtype=np.float64)
    if offsets.shape not in ((), (len(normals),)):
        raise ValueError(
            f"offsets must have a number for each of the {len(normals)} tasks. "
            f"Received: shape {offsets.shape}"
        )
    return normals / lengths[:, None], offsets / lengths


def _check_sigma(sigma):
    if not checks.is_number(sigma) or sigma <= 0:
        raise ValueError(
            "sigma must be a number above 0: without noise, answers tell the side of a "
            f"boundary but no distance to it. Received: sigma={sigma!r}"
        )


def _check_enough(num_tasks, dim):
    if num_tasks < dim:
        raise ValueError(
            "Latents need at least as many tasks as dimensions. Received: "
            f"{num_tasks} tasks, {dim} dimensions"
        )


def _check_rank(normals):
    num_tasks, dim = normals.shape
    _check_enough(num_tasks, dim)
    rank = int(np.linalg.matrix_rank(normals))
    if rank < dim:
        raise ValueError(
            f"normals must have rank {dim}, the number of dimensions. Received: rank "
            f"{rank}"
        )
