"""OMES: which codes change when one factor changes?

Dapueto, Noceti, Odone: Transferring Disentangled Representations: Bridging the Gap
between Synthetic and Real Images, 2024 (https://arxiv.org/abs/2409.18017).
"""

import functools
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import registry, z_max_variance
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.evaluation.metrics.samples import on_samples
from dmt.utils import checks


@registry.metric(
    "omes",
    scores=["omes"],
    intervals={},
    without_intervals={"omes": "it is a score of the given rows, from which it draws"},
    axes={"association_matrix": (1,)},
)
def omes(
    factors: np.ndarray,
    codes: np.ndarray,
    *,
    alpha: float = 0.5,
    pooling: str = "avg",
    num_train: int = 10000,
    prune_threshold: float = 0.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Overlap and Multiple Encoding Scores of a table of samples.

    From pairs (x, y) of samples that differ in factor k only, the association of code d
    with the factor is A[d, k] = 1 - |corr(z_d(x), z_d(y))|. It is 0 if the code does
    not change. The overlap score OS and the multiple encoding score MES are

      OS(d, k) = 1 - mean_j |A[d, j] - [j = k]|, lower if d also encodes other factors;
      MES(d, k) = 1 - mean_i |A[i, k] - [i = d]|, lower if other codes also encode k.

    The scores S(d, k) of all codes, weighted by association, are pooled to S(k) =
    sum_d A[d, k] (A[d, k] S(d, k)) / sum_d A[d, k] ("avg"), or max_d A[d, k] S(d, k)
    ("max"). OMES = mean_k (alpha OS(k) + (1 - alpha) MES(k)).

    The members of a pair have different values of the factor. So a code that equals a
    factor with n values has correlation -1 / (n - 1) over the pairs, and association
    (n - 2) / (n - 1) at most: a factor with two values counts as not encoded.

    The pairs are drawn with replacement from the given samples, so the table must hold
    samples that differ in one factor only: all of a dataset, or nearly all.

    Args:
        factors: array-like of shape (n, num_factors), discrete values.
        codes: array-like of shape (n, num_codes).
        alpha: weight of OS in the mean with MES, in [0, 1].
        pooling: "avg" or "max", how the scores of codes make the score of a factor.
        num_train: number of pairs for each factor.
        prune_threshold: a code is active if it is not constant and its standard
            deviation is at least this. Codes that are not active are left out.
        seed: integer seed of all draws.

    Returns:
        Dictionary:
            omes: in [0, 1], higher is better; 0 if no code is active.
            overlap_score, multiple_encoding_score: means over factors of OS and MES, in
                [0, 1].
            omes_per_factor, overlap_score_per_factor,
                multiple_encoding_score_per_factor: lists (num_factors,).
            association_matrix: A, nested list (num_codes, num_factors), in [0, 1]; 0
                for a code that is not active.
            num_active_codes: number of active codes.
            num_train, alpha, pooling, prune_threshold: the settings.

    Raises:
        ValueError: if the shapes do not fit, pooling is neither "avg" nor "max", or for
            some factor no two samples differ in it and agree in all others.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([9, 9]).reshape(2, -1).T
        >>> scores = omes(factors, -2.0 * factors)
        >>> [[round(a, 1) for a in row] for row in scores["association_matrix"]]
        [[0.9, 0.0], [0.0, 0.9]]
        >>> round(scores["omes"], 1)
        0.8
    """
    random_state = np.random.RandomState(seed)
    pairs = []
    for factor, column in enumerate(factors.T):
        groups, group_of_row = z_max_variance.rows_that_vary(factors, factor)
        rows = np.concatenate(groups)
        sizes = np.array([len(group) for group in groups])
        starts = np.cumsum(sizes) - sizes
        chosen = random_state.randint(len(rows), size=num_train)
        first, group = rows[chosen], group_of_row[chosen]
        second = first.copy()
        same = np.arange(num_train)
        while same.size:
            offsets = random_state.randint(sizes[group[same]])
            second[same] = rows[starts[group[same]] + offsets]
            same = same[column[second[same]] == column[first[same]]]
        pairs.append((codes[first], codes[second]))
    settings = {"alpha": alpha, "pooling": pooling, "prune_threshold": prune_threshold}
    return _omes(*(array for pair in pairs for array in pair), **settings) | settings


@on_samples("omes")
def compute_omes(
    sampler,
    num_train=gin.REQUIRED,
    batch_size=16,
    alpha=0.5,
    pooling="avg",
    prune_threshold=0.0,
):
    """The scores of `num_train` pairs of samples for each factor, see `omes`."""
    pairs = []
    for factor in range(sampler.data.num_factors):
        ends = _draw_pairs(sampler.data, factor, num_train, sampler.random_state)
        observations = (
            sampler.data.sample_observations_from_factors(
                ends[start : start + batch_size], sampler.random_state
            )
            for start in range(0, len(ends), batch_size)
        )
        pairs.append(tuple(np.split(sampler.encode(observations, batch_size), 2)))
    settings = {"alpha": alpha, "pooling": pooling, "prune_threshold": prune_threshold}
    unit = ["omes", "overlap_score", "multiple_encoding_score"]
    ranges = dict.fromkeys(unit, (0.0, 1.0))
    return (
        bootstrap(functools.partial(_omes, **settings), pairs, ranges=ranges) | settings
    )


def _draw_pairs(ground_truth_data, factor, num_pairs, random_state):
    """Factors of the first members and then of the second members of the pairs."""
    first = ground_truth_data.sample_factors(num_pairs, random_state)
    second = first.copy()
    same = np.arange(num_pairs)
    # Many fewer draws are enough for a factor that varies.
    for _ in range(1000):
        values = ground_truth_data.sample_factors(len(same), random_state)[:, factor]
        second[same, factor] = values
        same = same[values == first[same, factor]]
        if not same.size:
            return np.concatenate([first, second])
    raise ValueError(
        "OMES needs factors that vary. Received: a dataset where factor "
        f"{factor} hardly ever varies"
    )


def _omes(*ends, alpha, pooling, prune_threshold):
    """Scores of pairs.

    `ends` holds two arrays (num_train, num_codes) for each factor: the codes of the
    first members and of the second members of its pairs.
    """
    checks.one_of("pooling", pooling, ("avg", "max"))
    firsts, seconds = ends[::2], ends[1::2]
    # All first members together are a random sample of the data.
    sample = np.concatenate(firsts)
    varies = sample.max(axis=0) > sample.min(axis=0)
    active = varies & (sample.std(axis=0, ddof=1) >= prune_threshold)
    association = np.stack(
        [_association(x, y) for x, y in zip(firsts, seconds, strict=True)], axis=1
    )
    association[~active] = 0.0
    overlap, multiple = np.zeros((2, len(firsts)))
    if active.any():
        overlap = _pool(association[active], pooling)
        multiple = _pool(association[active], pooling, axis=0)
    scores = alpha * overlap + (1 - alpha) * multiple
    return {
        "omes": float(scores.mean()),
        "overlap_score": float(overlap.mean()),
        "multiple_encoding_score": float(multiple.mean()),
        "omes_per_factor": scores.tolist(),
        "overlap_score_per_factor": overlap.tolist(),
        "multiple_encoding_score_per_factor": multiple.tolist(),
        "association_matrix": association.tolist(),
        "num_active_codes": int(active.sum()),
        "num_train": len(firsts[0]),
    }


def _association(first, second):
    """1 - |correlation| of each column of one array with that of the other."""
    first = first - first.mean(axis=0)
    second = second - second.mean(axis=0)
    scale = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    # The association of a code that is constant over the pairs is 0.
    correlation = np.divide(
        (first * second).sum(axis=0), scale, out=np.ones(len(scale)), where=scale > 0
    )
    return np.clip(1.0 - np.abs(correlation), 0.0, 1.0)


def _pool(association, pooling, axis=1):
    """Scores of the factors, from OS if axis is 1 and from MES if it is 0."""
    # |A - [entry]| is A everywhere else and 1 - A at the entry.
    others = association.sum(axis=axis, keepdims=True) - association
    scores = 1.0 - (others + 1.0 - association) / association.shape[axis]
    weighted = association * scores
    if pooling == "max":
        return weighted.max(axis=0)
    pooled, total = (association * weighted).sum(axis=0), association.sum(axis=0)
    return np.divide(pooled, total, out=np.zeros(len(total)), where=total > 0)
