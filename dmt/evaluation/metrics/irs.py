"""Interventional Robustness Score: do other factors leave a code alone?

Suter, Miladinovic, Schoelkopf, Bauer: Robustly Disentangled Causal Mechanisms, 2019,
section 4 (https://arxiv.org/abs/1811.00007).
"""

import gin
import numpy as np

from dmt.evaluation.metrics import utils
from dmt.utils import stages


def irs(factors, codes, *, diff_quantile=0.99, num_bins=20, continuous_factors=False):
    """Interventional Robustness Score, with histogram bins for the factors.

    While factor k keeps one value, code d moves from its mean by at most q(d, k): the
    `diff_quantile` of the distances in the samples of this value, averaged over
    values. With m(d) the largest distance of code d from its mean over all samples,
    robustness = max_k 1 - q(d, k) / m(d), averaged over codes with weights m(d).

    Args:
        factors: array-like of shape (n, num_factors).
        codes: array-like of shape (n, num_codes).
        diff_quantile: quantile of the distances, in [0, 1]; 1 is the maximum.
        num_bins: number of bins of equal width per factor, of which discrete values
            give their ranks.
        continuous_factors: whether factors are numbers that need not repeat.

    Returns:
        Dictionary:
            IRS: in [0, 1], 1 is best; 0 if no code varies.
            num_active_dims: number of codes that vary. (disentanglement_lib reports the
                sum of their values.)
            active_codes: indices of the codes that vary, to which the next four belong.
            disentanglement_scores: robustness of each code, in [0, 1].
            parents: index of the factor that gives each code its robustness.
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
    factors, codes = utils.check_samples(factors, codes, continuous_factors)
    if not continuous_factors:
        factors = np.stack(utils.class_indices(factors.T), axis=1)
    discretized = utils.histogram_discretize(factors.T, num_bins)
    return _irs(discretized.T, codes, diff_quantile) | {
        "num_bins": num_bins,
        "diff_quantile": diff_quantile,
    }


@stages.configurable("irs", "evaluation", denylist=utils.SAMPLING_ARGUMENTS)
def compute_irs(
    ground_truth_data,
    representation_function,
    random_state,
    artifact_dir=None,
    diff_quantile=0.99,
    num_train=gin.REQUIRED,
    batch_size=gin.REQUIRED,
):
    """Interventional Robustness Score on samples of a dataset.

    Factors are discretised by the gin configurable `discretizer`.

    Args:
        ground_truth_data: GroundTruthData to sample from.
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        random_state: numpy RandomState, source of all draws.
        artifact_dir: not used.
        diff_quantile: quantile of the distances, in [0, 1]; 1 is the maximum.
        num_train: number of samples.
        batch_size: samples per draw, see `utils.generate_batch_factor_code`.

    Returns:
        Dictionary, see `irs`.
    """
    del artifact_dir
    codes, factors = utils.generate_batch_factor_code(
        ground_truth_data, representation_function, num_train, random_state, batch_size
    )
    discretized, num_bins = utils.discretize(factors)
    return utils.bootstrap(
        lambda factors, codes: _irs(factors, codes, diff_quantile),
        [(discretized.T, codes.T)],
    ) | {"num_bins": num_bins, "diff_quantile": diff_quantile}


def _irs(discretized_factors, codes, diff_quantile):
    active = _active(codes.T)
    scores = scalable_disentanglement_score(
        discretized_factors, codes[:, active], diff_quantile
    )
    return {
        "IRS": scores.pop("avg_score"),
        "num_active_dims": int(active.sum()),
        "active_codes": np.flatnonzero(active).tolist(),
        **{key: values.tolist() for key, values in scores.items()},
        "num_train": len(codes),
    }


def _active(ys):
    """Mask of the rows that vary."""
    return ys.max(axis=1) > ys.min(axis=1)


# Not used here: a name that users of disentanglement_lib import.
def _drop_constant_dims(ys):
    """Returns the rows of ys (num_variables, n) that vary."""
    ys = np.asarray(ys)
    return ys[_active(ys)]


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
    effects = [
        np.mean(
            [
                _distance_from_mean(latents[column == value], diff_quantile)
                for value in range(column.max() + 1)
            ],
            axis=0,
        )
        for column in utils.class_indices(gen_factors.T)
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


def _distance_from_mean(codes, quantile):
    return np.quantile(np.abs(codes - codes.mean(axis=0)), quantile, axis=0)
