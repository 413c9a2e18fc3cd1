"""Functions under the names and with the shapes of disentanglement_lib's `utils`.

Nothing in this package uses them: they are for code that was written for
disentanglement_lib. Here codes have shape (num_codes, n) and factors (num_factors, n);
everywhere else rows are samples.
"""

import gin
import numpy as np

from dmt.evaluation.metrics import information
from dmt.evaluation.metrics.encoding import encode_all
from dmt.evaluation.metrics.predictors import (  # noqa: F401
    gradient_boosting_classifier,
    logistic_regression_cv,
    make_predictor_fn,
)
from dmt.evaluation.metrics.samples import Sampler
from dmt.utils import stages

# The sampler of the running metric: it knows which images it has drawn.
_latest: list[Sampler] = []


def generate_batch_factor_code(
    ground_truth_data, representation_function, num_points, random_state, batch_size
):
    """Codes (num_codes, n) and factors (num_factors, n), see `Sampler.sample`."""
    is_running = (
        _latest
        and _latest[0].data is ground_truth_data
        and _latest[0].random_state is random_state
    )
    if not is_running:
        _latest[:] = [Sampler(ground_truth_data, representation_function, random_state)]
    _latest[0].representation = representation_function
    factors, codes = _latest[0].sample(num_points, batch_size)
    return codes.T, factors.T


def obtain_representation(observations, representation_function, batch_size):
    """Codes (num_codes, n) of observations, see `encode_all`."""
    return encode_all(observations, representation_function, batch_size).T


def split_train_test(observations, train_percentage):
    """The first ceil(train_percentage * n) columns, and the others."""
    num_train = int(np.ceil(observations.shape[1] * train_percentage))
    return observations[:, :num_train], observations[:, num_train:]


def normalize_data(data, mean=None, stddev=None):
    """Standardises each row.

    Args:
        data: array of shape (num_variables, n).
        mean: array of shape (num_variables,) to subtract; the rows' means if None.
        stddev: array of shape (num_variables,) to divide by; the rows' population
            standard deviations if None. A constant row then becomes nan.

    Returns:
        The standardised data, mean and stddev.
    """
    if mean is None:
        mean = data.mean(axis=1)
    if stddev is None:
        stddev = data.std(axis=1)
    return (data - mean[:, None]) / stddev[:, None], mean, stddev


def make_discretizer(target, num_bins=gin.REQUIRED, discretizer_fn=gin.REQUIRED):
    """Bins of values (num_codes, n), chosen by the gin configurable `discretizer`."""
    return information.Discretizer(num_bins, discretizer_fn)(np.transpose(target)).T


@stages.configurable("histogram_discretizer", "evaluation", denylist=["target"])
def histogram_discretize(target, num_bins=gin.REQUIRED):
    """Puts each row into bins of equal width, see `information.in_bins`.

    Args:
        target: array of shape (num_codes, n).
        num_bins: number of bins per row.

    Returns:
        Array of the shape of target, with bins from 1 to num_bins.
    """
    return information.in_bins(np.transpose(target), num_bins).T


_histogram_discretize = histogram_discretize


def discrete_mutual_info(mus, ys):
    """Mutual information (num_codes, num_factors) of mus (num_codes, n) with ys."""
    return information.mutual_information(np.transpose(mus), np.transpose(ys))


def discrete_entropy(ys):
    """Entropy (num_factors,) of each row of ys (num_factors, n)."""
    return information.entropy(np.transpose(ys))
