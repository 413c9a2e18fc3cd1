"""Interventional Robustness Score: does a code stay the same when other factors change?

Suter, Miladinovic, Schoelkopf, Bauer: Robustly Disentangled Causal Mechanisms, 2019,
section 4 (https://arxiv.org/abs/1811.00007).
"""

import functools
from collections.abc import Sequence
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import registry
from dmt.evaluation.metrics.information import Discretizer, class_indices, in_bins
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.evaluation.metrics.samples import on_samples


@registry.metric(
    "irs",
    scores=["IRS"],
    intervals={},
    without_intervals={"IRS": "the largest deviations grow with the number of samples"},
    # The weights of codes are their ranges; quantiles are interpolated.
    invariances=registry.EVERYTHING - {"scale codes", "duplicate samples"},
    axes={"IRS_matrix": (1,)},
    indices=("parents",),
)
def irs(
    factors: np.ndarray,
    codes: np.ndarray,
    *,
    diff_quantile: float = 0.99,
    num_bins: int = 20,
    continuous_factors: bool | Sequence[bool] = False,
) -> dict[str, Any]:
    """Interventional Robustness Score, with histogram bins for the factors.

    q(d, k) measures how far code d varies while factor k is fixed. For each value of
    the factor, it is the `diff_quantile` of the distances of the code from its mean in
    the samples of this value; these quantiles are averaged over values. With m(d) the
    largest distance of code d from its mean over all samples, the robustness of the
    code is max_k 1 - q(d, k) / m(d). IRS is the mean over codes with weights m(d).

    Args:
        factors: array-like of shape (n, num_factors).
        codes: array-like of shape (n, num_codes).
        diff_quantile: quantile of the distances, in [0, 1]; 1 is the maximum.
        num_bins: number of bins of equal width per factor. Discrete values are first
            replaced by their ranks.
        continuous_factors: whether factors are continuous, not discrete: a bool, or one
            for each factor.

    Returns:
        Dictionary:
            IRS: in [0, 1], 1 is best; 0 if no code varies.
            num_active_dims: number of codes that vary. (disentanglement_lib reports the
                sum of their values.)
            active_codes: indices of the codes that vary; the next four results are
                about these codes.
            disentanglement_scores: robustness of each code, in [0, 1].
            parents: index of the factor k at which each code's maximum is attained.
            IRS_matrix: 1 - q(d, k) / m(d), nested list (num_active_dims, num_factors).
            max_deviations: m(d) of each code.
            num_train, num_bins, diff_quantile: the settings.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> irs(factors, -2.0 * factors)["IRS"]
        1.0
    """
    del continuous_factors  # Discrete values are ranks already.
    settings = {"num_bins": num_bins, "diff_quantile": diff_quantile}
    return _irs(in_bins(factors, num_bins), codes, diff_quantile) | settings


@on_samples("irs")
def compute_irs(
    sampler, diff_quantile=0.99, num_train=gin.REQUIRED, batch_size=gin.REQUIRED
):
    """The score on samples of a dataset, with factors in the bins of `discretizer`."""
    discretizer = Discretizer()
    factors, codes = sampler.sample(num_train, batch_size)
    score = functools.partial(_irs, diff_quantile=diff_quantile)
    settings = {"num_bins": discretizer.num_bins, "diff_quantile": diff_quantile}
    return bootstrap(score, [(discretizer(factors), codes)]) | settings


@registry.formula_of("irs")
def _irs(factors, codes, diff_quantile):
    active = _active(codes)
    scores = scalable_disentanglement_score(factors, codes[:, active], diff_quantile)
    return {
        "IRS": scores.pop("avg_score"),
        "num_active_dims": int(active.sum()),
        "active_codes": np.flatnonzero(active).tolist(),
        **{key: values.tolist() for key, values in scores.items()},
        "num_train": len(codes),
    }


def _active(codes):
    """Mask (num_codes,) of the codes that vary."""
    return codes.max(axis=0) > codes.min(axis=0)


# Only for users of disentanglement_lib, who import this name.
def _drop_constant_dims(ys):
    """Returns the rows of ys (num_variables, n) that vary."""
    ys = np.asarray(ys)
    return ys[_active(ys.T)]


def scalable_disentanglement_score(gen_factors, latents, diff_quantile=0.99):
    """Interventional robustness of codes that vary.

    Args:
        gen_factors: array of shape (n, num_factors), discrete values.
        latents: array of shape (n, num_codes), no code constant.
        diff_quantile: quantile of the distances, in [0, 1].

    Returns:
        Dictionary of avg_score, a float, and the arrays disentanglement_scores
        (num_codes,), parents (num_codes,), IRS_matrix (num_codes, num_factors) and
        max_deviations (num_codes,), see `irs`. avg_score is 0 if there is no code.
    """
    gen_factors, latents = np.asarray(gen_factors), np.asarray(latents)
    max_deviations = np.abs(latents - latents.mean(axis=0)).max(axis=0)

    def distances(column):
        groups = [latents[column == value] for value in range(column.max() + 1)]
        return [
            np.quantile(np.abs(codes - codes.mean(axis=0)), diff_quantile, axis=0)
            for codes in groups
        ]

    effects = [
        np.mean(distances(column), axis=0) for column in class_indices(gen_factors)
    ]
    matrix = 1.0 - np.transpose(effects) / max_deviations[:, None]
    scores = matrix.max(axis=1)
    average = np.average(scores, weights=max_deviations) if scores.size else 0.0
    return {
        "disentanglement_scores": scores,
        "avg_score": float(average),
        "parents": matrix.argmax(axis=1),
        "IRS_matrix": matrix,
        "max_deviations": max_deviations,
    }
