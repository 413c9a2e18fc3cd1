"""What the metrics share: sampling codes, discretising, information, predictors.

Arrays here hold one variable per row: codes of shape (num_codes, n) and factors of
shape (num_factors, n). The array functions of the metrics take the transposes.
"""

import gin
import numpy as np

# Size at which a chunk of observations is encoded. Joining the batches of a chunk
# holds them twice, so sampling needs about twice this much memory.
CHUNK_BYTES = 128 * 2**20


def check_samples(factors, codes):
    """Returns factors and codes as arrays that hold the same n samples.

    Args:
      factors: Array-like of shape (n, num_factors).
      codes: Array-like of shape (n, num_codes).

    Returns:
      The two as numpy arrays.

    Raises:
      ValueError: If either is not two-dimensional, or the lengths differ or are 0.
    """
    factors, codes = np.asarray(factors), np.asarray(codes)
    if factors.ndim != 2 or codes.ndim != 2 or not 0 < len(factors) == len(codes):
        raise ValueError(
            "Give factors (n, num_factors) and codes (n, num_codes) of the same n "
            f"samples. Received: factors.shape={factors.shape}, "
            f"codes.shape={codes.shape}"
        )
    return factors, codes


def encode(batches, representation_function):
    """Encodes small batches of observations in large chunks.

    Metrics draw observations a few at a time, because the order of the draws is part
    of their definition; encoders are fast on many observations. A chunk is bounded
    by its memory: thousands of images, or millions of integer indices.

    Args:
      batches: Iterable of observations, arrays of shape (batch, ...).
      representation_function: Maps observations (n, ...) to codes (n, num_codes).

    Returns:
      Codes of all observations in order, array of shape (n, num_codes).
    """
    codes, pending, pending_bytes = [], [], 0

    def encode_pending():
        codes.append(np.asarray(representation_function(np.concatenate(pending))))

    for batch in batches:
        batch = np.asarray(batch)
        pending.append(batch)
        pending_bytes += batch.nbytes
        if pending_bytes >= CHUNK_BYTES:
            encode_pending()
            pending, pending_bytes = [], 0
    if pending:
        encode_pending()
    return np.concatenate(codes)


def generate_batch_factor_code(
    ground_truth_data, representation_function, num_points, random_state, batch_size
):
    """Samples factors of variation and the codes of their observations.

    Args:
      ground_truth_data: GroundTruthData to sample from.
      representation_function: Maps observations (n, ...) to codes (n, num_codes).
      num_points: Number of samples n, at least 1.
      random_state: numpy RandomState, source of all draws.
      batch_size: Samples per draw. It decides which samples are drawn, as factors and
        observations of a batch are drawn in turn; it does not limit the encoder.

    Returns:
      Codes of shape (num_codes, n) and factors of shape (num_factors, n).

    Raises:
      ValueError: If num_points is less than 1.
    """
    if num_points < 1:
        raise ValueError(f"Sample at least 1 point. Received: num_points={num_points}")
    factors = []

    def draw_batches():
        for start in range(0, num_points, batch_size):
            batch_factors, observations = ground_truth_data.sample(
                min(batch_size, num_points - start), random_state
            )
            factors.append(batch_factors)
            yield observations

    codes = encode(draw_batches(), representation_function)
    return codes.T, np.concatenate(factors).T


def obtain_representation(observations, representation_function, batch_size=None):
    """Encodes observations that are in memory, chunk by chunk.

    Args:
      observations: Array of shape (n, ...).
      representation_function: Maps observations (n, ...) to codes (n, num_codes).
      batch_size: Accepted for code written for disentanglement_lib. Codes do not
        depend on it, and chunks are bounded by their memory instead.

    Returns:
      Codes of shape (num_codes, n).
    """
    del batch_size
    observations = np.asarray(observations)
    size = max(1, CHUNK_BYTES // observations[0].nbytes)
    chunks = [
        np.asarray(representation_function(observations[start : start + size]))
        for start in range(0, len(observations), size)
    ]
    return np.concatenate(chunks).T


def split_train_test(observations, train_percentage):
    """Splits columns into the first ceil(train_percentage * n) and the rest.

    Args:
      observations: Array of shape (num_variables, n).
      train_percentage: Fraction of the columns in the first part, in [0, 1].

    Returns:
      The two parts, arrays of shape (num_variables, n_train) and
      (num_variables, n - n_train).
    """
    num_train = int(np.ceil(observations.shape[1] * train_percentage))
    return observations[:, :num_train], observations[:, num_train:]


def normalize_data(data, mean=None, stddev=None):
    """Standardises each row.

    Args:
      data: Array of shape (num_variables, n).
      mean: Array of shape (num_variables,) to subtract; the rows' means if None.
      stddev: Array of shape (num_variables,) to divide by; the rows' population
        standard deviations if None. A constant row then becomes nan.

    Returns:
      The standardised data, mean and stddev.
    """
    if mean is None:
        mean = data.mean(axis=1)
    if stddev is None:
        stddev = data.std(axis=1)
    return (data - mean[:, None]) / stddev[:, None], mean, stddev


@gin.configurable("discretizer", denylist=["target"])
def make_discretizer(target, num_bins=gin.REQUIRED, discretizer_fn=gin.REQUIRED):
    """Discretises codes with the function chosen in gin.

    Args:
      target: Array of shape (num_codes, n).
      num_bins: Number of bins per code.
      discretizer_fn: Called as `discretizer_fn(target, num_bins)`.

    Returns:
      Array of shape (num_codes, n) with the bin of each value.
    """
    return discretizer_fn(target, num_bins)


@gin.configurable("histogram_discretizer", denylist=["target"])
def histogram_discretize(target, num_bins=gin.REQUIRED):
    """Puts each row into bins of equal width between its minimum and maximum.

    Args:
      target: Array of shape (num_codes, n).
      num_bins: Number of bins per row.

    Returns:
      Array of the shape and dtype of target, with bins from 1 to num_bins.
    """
    discretized = np.zeros_like(target)
    for row, bins in zip(target, discretized, strict=True):
        edges = np.histogram_bin_edges(row, num_bins)
        # Without the last edge, so that the maximum falls into the last bin.
        bins[:] = np.digitize(row, edges[:-1])
    return discretized


# The name in disentanglement_lib.
_histogram_discretize = histogram_discretize


def discrete_mutual_info(mus, ys):
    """Mutual information of every discrete code with every discrete factor.

    I(z; v) = sum_{z, v} p(z, v) log(p(z, v) / (p(z) p(v))), with the frequencies of
    the sample as probabilities.

    Args:
      mus: Array of shape (num_codes, n), discrete values.
      ys: Array of shape (num_factors, n), discrete values.

    Returns:
      Array of shape (num_codes, num_factors), at least 0, in nats.
    """
    mus, ys = class_indices(mus), class_indices(ys)
    return np.array([[_mutual_info(mu, y) for y in ys] for mu in mus])


def discrete_entropy(ys):
    """Entropy of each discrete variable, as its mutual information with itself.

    Args:
      ys: Array of shape (num_factors, n), discrete values.

    Returns:
      Array of shape (num_factors,), at least 0, in nats.
    """
    return np.array([_mutual_info(y, y) for y in class_indices(ys)])


def class_indices(rows):
    """Replaces the values of each row by their ranks 0, 1, ... among its values."""
    return [np.unique(row, return_inverse=True)[1] for row in np.asarray(rows)]


def _mutual_info(x, y):
    """Mutual information in nats of two vectors of class indices."""
    num_x, num_y = x.max() + 1, y.max() + 1
    joint = np.bincount(x * num_y + y, minlength=num_x * num_y).reshape(num_x, num_y)
    # In counts, not frequencies: the ratio is exactly 1 if one variable is constant.
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    log_ratio = np.log(joint[seen] * len(x) / independent[seen])
    return max(0.0, joint[seen] @ log_ratio / len(x))


@gin.configurable("predictor")
def make_predictor_fn(predictor_fn=gin.REQUIRED):
    """Returns the function chosen in gin that makes an unfitted classifier."""
    return predictor_fn


@gin.configurable("logistic_regression_cv")
def logistic_regression_cv():
    """Logistic regression; 5 folds choose one of 10 regularisation strengths."""
    from sklearn import linear_model, model_selection

    return linear_model.LogisticRegressionCV(
        Cs=10, cv=model_selection.KFold(n_splits=5), scoring="accuracy"
    )


@gin.configurable("gradient_boosting_classifier")
def gradient_boosting_classifier():
    """Gradient boosted trees with the default settings of scikit-learn."""
    from sklearn import ensemble

    return ensemble.GradientBoostingClassifier()
