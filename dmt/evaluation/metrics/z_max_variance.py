"""Z-max variance: does the code that varies most tell which factor was varied?

Kim, Wang, Sahu, Pavlovic: Relevance Factor VAE: Learning and Identifying Disentangled
Factors, 2019 (https://arxiv.org/abs/1902.01568). Named as in Carbonneau, Zaidi,
Boilard, Gagnon: Measuring Disentanglement: A Review of Metrics, 2020
(https://arxiv.org/abs/2012.09276). The Z-min variance of the review is the FactorVAE
score, `factor_vae`.
"""

from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import registry, votes
from dmt.evaluation.metrics.samples import on_samples


@registry.metric(
    "z_max_variance",
    scores=["eval_accuracy"],
    intervals={},
    without_intervals={
        "eval_accuracy": "it is a score of the given rows, from which it draws"
    },
    axes={"votes_train": (1,), "votes_eval": (1,)},
)
def z_max_variance(
    factors: np.ndarray,
    codes: np.ndarray,
    *,
    batch_size: int = 200,
    num_train: int = 800,
    num_eval: int = 800,
    prune_threshold: float = 0.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Z-max variance score of a table of samples.

    For one vote, choose a factor k, draw a batch of samples that share the values of
    all other factors, and take the code d with the largest Var_batch(z_d) /
    Var_all(z_d). The classifier is the majority vote, d -> argmax_k votes[d, k].

    The batches are drawn with replacement from the given samples, so the table must
    hold samples that differ in one factor only: all of a dataset, or nearly all.

    Args:
        factors: array-like of shape (n, num_factors), discrete values.
        codes: array-like of shape (n, num_codes).
        batch_size: samples per vote, at least 2.
        num_train: votes that make the classifier.
        num_eval: votes that test it.
        prune_threshold: a code is active, and can win votes, if it is not constant and
            its standard deviation over all samples is at least this.
        seed: integer seed of all draws.

    Returns:
        Dictionary:
            train_accuracy: share of the training votes that are classified correctly,
                in [0, 1], 1 is best; 0 if no code is active.
            eval_accuracy: the same for the evaluation votes. (The review reports
                (eval_accuracy - c) / (1 - c) with chance c = 1 / num_factors.)
            votes_train, votes_eval: nested lists (num_codes, num_factors), how often a
                code won when a factor was varied.
            global_variances: variance of each code over all samples, list (num_codes,).
            num_active_codes, num_train, num_eval, batch_size, num_variance_estimate,
                prune_threshold: number of active codes, and the settings;
                the global variances are those of num_variance_estimate samples.

    Raises:
        ValueError: if the shapes do not fit, or for some factor no two samples differ
            in it and agree in all others.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> z_max_variance(factors, -2.0 * factors)["eval_accuracy"]
        1.0
    """
    random_state = np.random.RandomState(seed)
    num_factors = factors.shape[1]
    varying = [rows_that_vary(factors, factor) for factor in range(num_factors)]

    def draw_variances(num_votes):
        varied = random_state.randint(num_factors, size=num_votes)
        rows = np.empty((num_votes, batch_size), dtype=np.int64)
        for vote, factor in enumerate(varied):
            groups, group_of_row = varying[factor]
            group = groups[group_of_row[random_state.randint(len(group_of_row))]]
            rows[vote] = random_state.choice(group, batch_size)
        return varied, codes[rows].var(axis=1, ddof=1)

    return _score(
        draw_variances, num_train, num_eval, codes, prune_threshold, num_factors
    ) | {"batch_size": batch_size}


@on_samples("z_max_variance")
def compute_z_max_variance(
    sampler,
    batch_size=gin.REQUIRED,
    num_train=gin.REQUIRED,
    num_eval=gin.REQUIRED,
    num_variance_estimate=gin.REQUIRED,
    prune_threshold=0.0,
):
    """Z-max variance score on samples of a dataset; see `z_max_variance`.

    `num_variance_estimate` samples give the global variance of each code.

    Raises:
        ValueError: if a number is too small.
    """
    votes.check_sizes(batch_size, num_variance_estimate, num_train, num_eval)
    data, random_state = sampler.data, sampler.random_state

    def draw_variances(num_votes):
        varied = random_state.randint(data.num_factors, size=num_votes)

        def draw_observations():
            for factor in varied:
                sample = data.sample_factors(batch_size, random_state)
                factors = np.repeat(sample[:1], batch_size, axis=0)
                factors[:, factor] = sample[:, factor]
                yield data.sample_observations_from_factors(factors, random_state)

        batches = sampler.encode(draw_observations(), batch_size)
        batches = batches.reshape(num_votes, batch_size, -1)
        return varied, batches.var(axis=1, ddof=1)

    codes = sampler.codes(num_variance_estimate, batch_size)
    return _score(
        draw_variances,
        num_train,
        num_eval,
        codes,
        prune_threshold,
        data.num_factors,
        with_intervals=True,
    ) | {"batch_size": batch_size}


def rows_that_vary(factors, factor):
    """Groups of rows that agree in all factors but one, which varies in the group.

    Takes factors (n, num_factors) and the index of the one that varies. Returns the
    groups, a list of arrays of row numbers, and the group's index of each row of the
    concatenated groups.

    Raises:
        ValueError: if there is no group.
    """
    _, labels = np.unique(
        np.delete(factors, factor, axis=1), axis=0, return_inverse=True
    )
    order = np.argsort(labels, kind="stable")
    groups = [
        rows
        for rows in np.split(order, np.cumsum(np.bincount(labels))[:-1])
        if np.any(factors[rows, factor] != factors[rows[0], factor])
    ]
    if not groups:
        raise ValueError(
            "Give samples that differ in one factor and agree in all others: all of a "
            "dataset, or nearly all. The gin configurable draws such samples itself. "
            f"Received: none in {len(factors)} samples for factors[:, {factor}]"
        )
    return groups, np.repeat(np.arange(len(groups)), [len(rows) for rows in groups])


def _score(
    draw_variances,
    num_train,
    num_eval,
    codes,
    prune_threshold,
    num_factors,
    with_intervals=False,
):
    """Scores of votes; `codes` are the samples that give the global variances."""
    # Exactly 0 for a constant code.
    varies = codes.max(axis=0) > codes.min(axis=0)
    variances = np.where(varies, codes.var(axis=0, ddof=1), 0.0)
    active = (variances > 0) & (np.sqrt(variances) >= prune_threshold)
    return votes.classify_by_variance(
        draw_variances,
        num_train,
        num_eval,
        variances,
        active,
        num_factors,
        np.argmax,
        with_intervals,
    ) | {
        "num_active_codes": int(active.sum()),
        "num_variance_estimate": len(codes),
        "prune_threshold": prune_threshold,
    }
