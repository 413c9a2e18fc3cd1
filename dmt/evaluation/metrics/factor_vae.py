"""FactorVAE score: does the code that varies least tell which factor was fixed?

Kim, Mnih: Disentangling by Factorising, 2018, section 4
(https://arxiv.org/abs/1802.05983).
"""

from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import registry, votes
from dmt.evaluation.metrics.information import class_indices
from dmt.evaluation.metrics.samples import Sampler, on_samples
from dmt.utils import stages


@registry.metric(
    "factor_vae_score",
    scores=["eval_accuracy"],
    intervals={},
    without_intervals={
        "eval_accuracy": "it is a score of the given rows, from which it draws"
    },
    # A code that never varies wins all votes, unless it is pruned.
    invariances=registry.EVERYTHING - {"add dead code"},
    axes={"votes_train": (1,), "votes_eval": (1,)},
)
def factor_vae(
    factors: np.ndarray,
    codes: np.ndarray,
    *,
    batch_size: int = 64,
    num_train: int = 10000,
    num_eval: int = 5000,
    prune_threshold: float = 0.0,
    seed: int = 0,
) -> dict[str, Any]:
    """FactorVAE score of a table of samples.

    For one vote, choose a factor k and one of its values, draw a batch of samples that
    share the value, and take the code d with the smallest Var_batch(z_d) /
    Var_all(z_d). The classifier is the majority vote, d -> argmax_k votes[d, k].

    The batches are drawn with replacement from the given samples, so the table must
    hold several samples for each value: all of a dataset, or many random ones.

    Args:
        factors: array-like of shape (n, num_factors), discrete values.
        codes: array-like of shape (n, num_codes).
        batch_size: samples per vote, at least 2.
        num_train: votes that make the classifier.
        num_eval: votes that test it.
        prune_threshold: a code is active, and can win votes, if its standard deviation
            over all samples is at least this. At 0 a constant code wins every vote.
        seed: integer seed of all draws.

    Returns:
        Dictionary:
            train_accuracy: share of the training votes that are classified correctly,
                in [0, 1], 1 is best; 0 if no code is active.
            eval_accuracy: the same for the evaluation votes.
            num_active_dims: number of active codes. (disentanglement_lib reports the
                number of all codes, or 0 if none is active.)
            votes_train, votes_eval: nested lists (num_codes, num_factors), how often a
                code won when a factor was fixed.
            global_variances: variance of each code over all samples, list (num_codes,).
            num_train, num_eval, batch_size, num_variance_estimate, prune_threshold: the
                settings; the global variances are those of num_variance_estimate
                samples.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> scores = factor_vae(factors, -2.0 * factors, num_train=100, num_eval=50)
        >>> scores["votes_eval"]
        [[21, 0], [0, 29]]
    """
    random_state = np.random.RandomState(seed)
    num_samples, num_factors = factors.shape
    values = class_indices(factors)
    rows_with_value = [
        np.split(np.argsort(column, kind="stable"), np.cumsum(np.bincount(column))[:-1])
        for column in values
    ]

    def draw_variances(num_votes):
        fixed = random_state.randint(num_factors, size=num_votes)
        rows = np.empty((num_votes, batch_size), dtype=np.int64)
        for vote, factor in enumerate(fixed):
            value = values[factor][random_state.randint(num_samples)]
            rows[vote] = random_state.choice(rows_with_value[factor][value], batch_size)
        return fixed, codes[rows].var(axis=1, ddof=1)

    variances = codes.var(axis=0, ddof=1)
    return _score(
        draw_variances, num_train, num_eval, variances, prune_threshold, num_factors
    ) | {"batch_size": batch_size, "num_variance_estimate": num_samples}


@on_samples("factor_vae_score")
def compute_factor_vae(
    sampler,
    batch_size=gin.REQUIRED,
    num_train=gin.REQUIRED,
    num_eval=gin.REQUIRED,
    num_variance_estimate=gin.REQUIRED,
):
    """FactorVAE score on samples of a dataset; see `factor_vae` for the settings.

    The threshold for active codes is the gin parameter `prune_dims.threshold`;
    `num_variance_estimate` samples give the global variance of each code.

    Raises:
        ValueError: if a number is too small.
    """
    votes.check_sizes(batch_size, num_variance_estimate, num_train, num_eval)

    def share(factors, fixed):
        rows = np.arange(len(fixed))
        factors[rows, 0, :, fixed] = factors[rows, 0, :1, fixed]

    def variance(codes):
        return codes[:, 0].var(axis=1, ddof=1)

    def draw_variances(num_votes):
        return votes.sample_votes(sampler, num_votes, 1, batch_size, share, variance)

    data, threshold = sampler.data, _chosen_threshold()
    variances = _compute_variances(
        data,
        sampler.representation,
        num_variance_estimate,
        sampler.random_state,
        batch_size,
    )
    return _score(
        draw_variances,
        num_train,
        num_eval,
        variances,
        threshold,
        data.num_factors,
        with_intervals=True,
    ) | {"batch_size": batch_size, "num_variance_estimate": num_variance_estimate}


@stages.configurable("prune_dims", "evaluation")
def _chosen_threshold(threshold=0.0):
    """The smallest standard deviation of an active code, which gin can bind."""
    return threshold


def _prune_dims(variances, threshold=0.0):
    """Mask (num_codes,) of the codes whose standard deviation reaches the threshold."""
    return np.sqrt(variances) >= threshold


def _compute_variances(
    ground_truth_data,
    representation_function,
    num_points,
    random_state,
    eval_batch_size=64,
):
    """Unbiased variance of each code over a random sample, shape (num_codes,)."""
    sampler = Sampler(ground_truth_data, representation_function, random_state)
    return sampler.codes(num_points, eval_batch_size).var(axis=0, ddof=1)


def _score(
    draw_variances,
    num_train,
    num_eval,
    variances,
    threshold,
    num_factors,
    with_intervals=False,
):
    active = _prune_dims(variances, threshold)
    return votes.classify_by_variance(
        draw_variances,
        num_train,
        num_eval,
        variances,
        active,
        num_factors,
        np.argmin,
        with_intervals,
    ) | {"num_active_dims": int(active.sum()), "prune_threshold": threshold}
