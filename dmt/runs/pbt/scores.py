"""Scores that select the members of a population.

A score is a function (dataset, tables, random_state) of models with the same
hyperparameters. Images of the indexable dataset are drawn with the numpy RandomState.
`tables` has a `MomentTable` for each model, which maps indices of images to moments.
A score returns the value of the member (larger is better) and the number of its best
model. Gin binds a score to `pbt.score_fn`.
"""

import gin
import numpy as np

from dmt.evaluation.codes import kl_per_code
from dmt.evaluation.metrics.mig import mig
from dmt.evaluation.udr.metrics.udr import udr

_CALLER = ["dataset", "tables", "random_state"]


@gin.configurable("pbt_mig", denylist=_CALLER)
def mig_score(dataset, tables, random_state, num_samples=50_000, num_bins=20):
    """Mutual Information Gap of the means on labelled images.

    Args:
        dataset: an indexable `GroundTruthData`.
        tables: list of `MomentTable`.
        random_state: numpy RandomState.
        num_samples: number of images, drawn without replacement. 1000 is the few-label
            setting of Estermann et al. (2020).
        num_bins: number of bins of each code.

    Returns:
        Mean score of the models, in [0, 1], and the number of the best model.
    """
    rows = _draw(dataset, num_samples, random_state)
    factors = dataset.factors_at(rows)
    scores = [
        mig(factors, _moments(table, rows)[0], num_bins=num_bins)["discrete_mig"]
        for table in tables
    ]
    return float(np.mean(scores)), int(np.argmax(scores))


@gin.configurable("pbt_udr", denylist=_CALLER)
def udr_score(
    dataset, tables, random_state, num_samples=1000, correlation_matrix="lasso"
):
    """Unsupervised Disentanglement Ranking among the models; needs no labels.

    Args:
        dataset: an indexable `GroundTruthData`.
        tables: list of at least two `MomentTable`.
        random_state: numpy RandomState.
        num_samples: number of images, drawn without replacement.
        correlation_matrix: "lasso" or "spearman"; see `udr`.

    Returns:
        Mean score of the models, in [0, 1], and the number of the best model.

    Raises:
        ValueError: if there is only one model.
    """
    if len(tables) < 2:
        raise ValueError(
            "pbt_udr compares models: bind pbt.models_per_member to at least 2. "
            f"Received: {len(tables)} model"
        )
    rows = _draw(dataset, num_samples, random_state)
    codes, kl = [], []
    for table in tables:
        mean, logvar = (m.astype(np.float64) for m in _moments(table, rows))
        codes.append(mean)
        kl.append(kl_per_code(mean, logvar))
    scores = udr(
        codes,
        kl,
        correlation_matrix=correlation_matrix,
        include_raw_correlations=False,
    )["model_scores"]
    return float(np.mean(scores)), int(np.argmax(scores))


def _draw(dataset, num_samples, random_state):
    number = min(num_samples, dataset.size)
    return random_state.choice(dataset.size, number, replace=False)


def _moments(table, rows):
    """Means and log-variances of images, each of shape (n, num_latent)."""
    return np.split(table(rows), 2, axis=1)
