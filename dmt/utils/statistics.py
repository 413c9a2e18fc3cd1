"""Intervals of means and rank correlations."""

import math

import numpy as np


def student_interval(values, confidence=0.95):
    """Student's confidence interval of a mean.

    Args:
        values: sample, array of shape (n,).
        confidence: probability that the interval contains the mean, in (0, 1).

    Returns:
        Lower and upper end of the interval, (None, None) if n is 1.
    """
    from scipy import stats

    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return None, None
    quantile = stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    half = quantile * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def rank_correlation(pairs):
    """Spearman's correlation of pairs (n, 2); None if n < 3 or a column is constant."""
    from scipy import stats

    if len(pairs) < 3 or not np.ptp(pairs, axis=0).all():
        return None
    return stats.spearmanr(*zip(*pairs, strict=True)).statistic
