"""EDI: modularity, compactness and explicitness by exclusivity.

Julka, Wang, Granitzer: Towards an Improved Metric for Evaluating Disentangled
Representations, 2024 (https://arxiv.org/abs/2410.03056).
"""

from typing import Any

import numpy as np

from dmt.evaluation.metrics import registry
from dmt.evaluation.metrics.information import class_indices, entropy
from dmt.evaluation.metrics.samples import on_samples_of

# In standard deviations of a code. The noise keeps equal values apart.
TIE_BREAKING_NOISE = 1e-10


@registry.metric(
    "edi",
    scores=["modularity", "compactness", "explicitness"],
    intervals={},
    without_intervals={
        "modularity": "the bias of nearest neighbours does not fall as 1 / n",
        "compactness": "the bias of nearest neighbours does not fall as 1 / n",
        "explicitness": "the bias of nearest neighbours does not fall as 1 / n",
    },
    # Compactness is a mean over codes; repeated samples are near neighbours.
    invariances=registry.EVERYTHING - {"add dead code", "duplicate samples"},
    axes={"share_matrix": (1,)},
)
def edi(
    factors: np.ndarray, codes: np.ndarray, *, num_neighbors: int = 3
) -> dict[str, Any]:
    """EDI scores of codes.

    R[d, k] = I(z_d; v_k) / I(z; v_k) is the share of code d in the information of all
    codes z about factor k. The exclusivity of shares r_1, ..., r_n is
    E(r) = max_i r_i - (sum of the other r_i^2 / (n - 1))^(1/2). Each code is assigned
    to the factor of which it has the largest share. Then
    modularity = mean_k min(1, sum of E(R[d, :]) over the codes d assigned to k),
    compactness = mean_k E(R[:, k]),
    explicitness = mean_k min(1, I(z; v_k) / H(v_k)).

    Mutual information is estimated from the k nearest neighbours of the codes, see
    `nearest_neighbor_information`. The authors use a neural network instead to estimate
    I(z; v_k) of four or more codes. The definition of exclusivity is that of an
    implementation by one of the authors; others may give other values. If the codes
    have little information about a factor, its shares are noise, so read modularity and
    compactness together with explicitness.

    Args:
        factors: array-like of shape (n, num_factors), discrete values.
        codes: array-like of shape (n, num_codes).
        num_neighbors: number of neighbours k.

    Returns:
        Dictionary:
            modularity, compactness, explicitness: in [0, 1], 1 is best.
            modularity_per_factor, compactness_per_factor, explicitness_per_factor:
                lists (num_factors,).
            exclusivity_per_code: E(R[d, :]), list (num_codes,).
            share_matrix: R, nested list (num_codes, num_factors), in [0, 1]; 0 for a
                factor about which the codes have no information.
            num_train, num_neighbors: number of samples and of neighbours.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> factors = np.tile(np.indices([3, 4]).reshape(2, 12), 20).T
        >>> scores = edi(factors, -2.0 * factors)
        >>> [round(scores[key], 2) for key in ("modularity", "compactness")]
        [1.0, 1.0]
        >>> round(scores["explicitness"], 2)
        1.0
    """
    classes = class_indices(factors)
    # Neighbours at equal distances would depend on the rounding of float32.
    codes = codes.astype(np.float64)

    def information(z):
        return [nearest_neighbor_information(z, v, num_neighbors) for v in classes]

    pairs = np.array([information(z[:, None]) for z in codes.T])
    # All codes have at least the information of each, but estimates may be smaller.
    together = np.maximum(information(codes), pairs.max(axis=0))
    shares = np.divide(pairs, together, out=np.zeros_like(pairs), where=together > 0)
    exclusivity = _exclusivity(shares)
    modularity = np.zeros(len(classes))
    np.add.at(modularity, shares.argmax(axis=1), exclusivity)
    modularity = np.minimum(1.0, modularity)
    compactness = _exclusivity(shares.T)
    explicitness = np.minimum(1.0, together / entropy(factors))
    return {
        "modularity": float(modularity.mean()),
        "compactness": float(compactness.mean()),
        "explicitness": float(explicitness.mean()),
        "modularity_per_factor": modularity.tolist(),
        "compactness_per_factor": compactness.tolist(),
        "explicitness_per_factor": explicitness.tolist(),
        "exclusivity_per_code": exclusivity.tolist(),
        "share_matrix": shares.tolist(),
        "num_train": len(factors),
        "num_neighbors": num_neighbors,
    }


compute_edi = on_samples_of("compute_edi", edi)


def nearest_neighbor_information(codes, classes, num_neighbors):
    """Mutual information of a vector of codes with one discrete factor.

    I = psi(n) + mean psi(k) - mean psi(n_class) - mean psi(m), where m is the number of
    samples, itself included, that are nearer to a sample than its k-th neighbour of the
    same class, and n_class is the size of this class. Distances are Euclidean, between
    codes of unit variance.

    Ross: Mutual Information between Discrete and Continuous Data Sets, 2014, equation 3
    (https://doi.org/10.1371/journal.pone.0087357).

    Args:
        codes: array of shape (n, num_codes).
        classes: array of shape (n,), class of each sample. Classes with only one sample
            are left out.
        num_neighbors: number of neighbours k. A class of n <= k samples uses n - 1.

    Returns:
        Float, at least 0, in nats.
    """
    from scipy import spatial, special

    deviations = codes.std(axis=0)
    varies = deviations > 0
    class_sizes = np.bincount(classes)[classes]
    rows = class_sizes > 1
    if len(np.unique(classes[rows])) < 2 or not varies.any():
        return 0.0
    codes = codes[:, varies][rows] / deviations[varies]
    classes, class_sizes = classes[rows], class_sizes[rows]
    noise = np.random.RandomState(0).standard_normal(codes.shape)
    codes = codes - codes.mean(axis=0) + TIE_BREAKING_NOISE * noise
    num_neighbors = np.minimum(num_neighbors, class_sizes - 1)
    radii = np.empty(len(codes))
    for value in np.unique(classes):
        members = classes == value
        neighbor = 1 + num_neighbors[members][0]  # The first is the sample itself.
        tree = spatial.cKDTree(codes[members])
        radii[members] = tree.query(codes[members], [neighbor])[0][:, 0]
    # This excludes the neighbour itself, which is at this distance.
    nearer = spatial.cKDTree(codes).query_ball_point(
        codes, np.nextafter(radii, 0.0), return_length=True
    )
    information = special.psi(len(codes)) + np.mean(
        special.psi(num_neighbors) - special.psi(class_sizes) - special.psi(nearer)
    )
    return float(max(0.0, information))


def _exclusivity(shares):
    """Largest entry of each row less the root mean square of the others."""
    others = np.sort(shares, axis=1)[:, :-1]
    rest = np.sqrt((others**2).sum(axis=1) / max(1, others.shape[1]))
    return shares.max(axis=1) - rest
