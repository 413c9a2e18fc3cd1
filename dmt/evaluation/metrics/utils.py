"""What the metrics share: sampling codes, discretising, information, predictors.

Arrays here hold one variable per row: codes of shape (num_codes, n) and factors of
shape (num_factors, n). The array functions of the metrics take the transposes.
"""

import functools
import warnings

import gin
import numpy as np

from dmt.utils import stages

# Size at which a chunk of observations is encoded. Joining the batches of a chunk
# holds them twice, so sampling needs about twice this much memory.
CHUNK_BYTES = 128 * 2**20

# Samples times classes up to which scikit-learn's own trees take about a second. With
# so few, many splits are equally good, and in scikit-learn rounding chooses.
FEW_SAMPLES_TIMES_CLASSES = 2500

# What the caller of a metric passes, so that gin cannot: when a dataset is sampled,
# and when labelled observations are given.
SAMPLING_ARGUMENTS = [
    "ground_truth_data",
    "representation_function",
    "random_state",
    "artifact_dir",
]
FIXED_DATA_ARGUMENTS = ["observations", "labels", "representation_function"]


def check_samples(factors, codes, continuous_factors=False):
    """Returns factors and codes as arrays that hold the same n samples.

    Args:
        factors: array-like of shape (n, num_factors).
        codes: array-like of shape (n, num_codes).
        continuous_factors: whether factors may be numbers that hardly ever repeat.

    Returns:
        The two as numpy arrays.

    Raises:
        ValueError: if either is not two-dimensional, the lengths differ or are 0, a
            code or a factor is not finite, or a factor that must have discrete values
            has fractions and as many values as half the samples.
    """
    factors, codes = np.asarray(factors), as_codes(codes)
    if factors.ndim != 2 or codes.ndim != 2 or not 0 < len(factors) == len(codes):
        raise ValueError(
            "Give factors (n, num_factors) and codes (n, num_codes) of the same n "
            f"samples. Received: factors.shape={factors.shape}, "
            f"codes.shape={codes.shape}"
        )
    for name, array in (("factors", factors), ("codes", codes)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(
                f"Give finite {name}. Received: {name} with "
                f"{np.sum(~np.isfinite(array))} values that are not"
            )
    if factors.dtype.kind == "f" and not continuous_factors:
        for index, column in enumerate(factors.T):
            num_values = len(np.unique(column))
            if num_values > len(column) / 2 and np.any(column % 1):
                raise ValueError(
                    "Give factors with discrete values: put continuous ones in bins "
                    "(histogram_discretize), or set continuous_factors where a metric "
                    f"has it. Received: factors[:, {index}] with {num_values} values "
                    f"in {len(column)} samples"
                )
    return factors, codes


def as_codes(codes):
    """Codes as an array of float32 if they are that, else of float64.

    Integers of few bits wrap around in differences, and half precision overflows.
    """
    codes = np.asarray(codes)
    return codes if codes.dtype == np.float32 else codes.astype(np.float64, copy=False)


def train_and_test(
    factors,
    codes,
    factors_test=None,
    codes_test=None,
    continuous_factors=False,
    seed=0,
):
    """Returns training and test samples as arrays.

    Args:
        factors: array-like of shape (n, num_factors).
        codes: array-like of shape (n, num_codes).
        factors_test: array-like of shape (n_test, num_factors). If None, n // 3 of the
            samples are test samples, chosen at random.
        codes_test: array-like of shape (n_test, num_codes).
        continuous_factors: see `check_samples`.
        seed: integer seed of the choice of test samples.

    Returns:
        factors_train (n_train, num_factors), codes_train (n_train, num_codes),
        factors_test (n_test, num_factors), codes_test (n_test, num_codes).

    Raises:
        ValueError: see `check_samples`; or if training and test samples do not have the
            same number of factors and of codes, or there are no test samples.
    """
    factors, codes = check_samples(factors, codes, continuous_factors)
    if factors_test is None and codes_test is None:
        if len(factors) < 3:
            raise ValueError(
                f"Holding out a third needs 3 samples. Received: {len(factors)}"
            )
        order = np.random.RandomState(seed).permutation(len(factors))
        test, train = np.split(order, [len(factors) // 3])
        return factors[train], codes[train], factors[test], codes[test]
    # Whether values are discrete shows in the larger sample.
    factors_test, codes_test = check_samples(factors_test, codes_test, True)
    if (
        factors.shape[1] != factors_test.shape[1]
        or codes.shape[1] != codes_test.shape[1]
    ):
        raise ValueError(
            "Give training and test samples of the same factors and codes. Received: "
            f"factors.shape={factors.shape}, codes.shape={codes.shape}, "
            f"factors_test.shape={factors_test.shape}, "
            f"codes_test.shape={codes_test.shape}"
        )
    return factors, codes, factors_test, codes_test


def chunks(batches):
    """Joins small batches of observations to large chunks.

    Metrics draw observations a few at a time, because the order of the draws is part
    of their definition; encoders are fast on many observations. A chunk is bounded
    by its memory: thousands of images, or millions of integer indices.

    Args:
        batches: iterable of observations, arrays of shape (batch, ...).

    Yields:
        Arrays of shape (n, ...), all observations in order.
    """
    pending, pending_bytes = [], 0
    for batch in batches:
        batch = np.asarray(batch)
        pending.append(batch)
        pending_bytes += batch.nbytes
        if pending_bytes >= CHUNK_BYTES:
            yield np.concatenate(pending)
            pending, pending_bytes = [], 0
    if pending:
        yield np.concatenate(pending)


def encode(batches, representation_function):
    """Encodes small batches of observations in large chunks.

    Args:
        batches: iterable of observations, arrays of shape (batch, ...).
        representation_function: maps observations (n, ...) to codes (n, num_codes).

    Returns:
        Codes of all observations in order, array of shape (n, num_codes).
    """
    return np.concatenate(
        [np.asarray(representation_function(chunk)) for chunk in chunks(batches)]
    )


def generate_batch_factor_code(
    ground_truth_data, representation_function, num_points, random_state, batch_size
):
    """Samples factors of variation and the codes of their observations.

    Args:
        ground_truth_data: GroundTruthData to sample from.
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        num_points: number of samples n, at least 1.
        random_state: numpy RandomState, source of all draws.
        batch_size: samples per draw. It decides which samples are drawn, as factors and
            observations of a batch are drawn in turn; it does not limit the encoder.

    Returns:
        Codes of shape (num_codes, n) and factors of shape (num_factors, n).

    Raises:
        ValueError: if num_points or batch_size is less than 1.
    """
    if num_points < 1 or batch_size < 1:
        raise ValueError(
            "Sample at least 1 point in batches of at least 1. Received: "
            f"num_points={num_points}, batch_size={batch_size}"
        )
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


def sample_train_test(
    ground_truth_data,
    representation_function,
    random_state,
    num_train,
    num_test,
    batch_size,
):
    """Samples training points, then test points.

    Args:
        ground_truth_data: GroundTruthData to sample from.
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        random_state: numpy RandomState, source of all draws.
        num_train: number of training samples.
        num_test: number of test samples.
        batch_size: samples per draw, see `generate_batch_factor_code`.

    Returns:
        factors_train (num_train, num_factors), codes_train (num_train, num_codes),
        factors_test (num_test, num_factors), codes_test (num_test, num_codes).
    """
    arrays = []
    for num_points in (num_train, num_test):
        codes, factors = generate_batch_factor_code(
            ground_truth_data,
            representation_function,
            num_points,
            random_state,
            batch_size,
        )
        arrays += [factors.T, codes.T]
    return arrays


def obtain_representation(observations, representation_function, batch_size=None):
    """Encodes observations that are in memory, chunk by chunk.

    Args:
        observations: array of shape (n, ...).
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        batch_size: accepted for code written for disentanglement_lib. Codes do not
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
        observations: array of shape (num_variables, n).
        train_percentage: fraction of the columns in the first part, in [0, 1].

    Returns:
        The two parts, arrays of shape (num_variables, n_train) and (num_variables, n -
        n_train).
    """
    num_train = int(np.ceil(observations.shape[1] * train_percentage))
    return observations[:, :num_train], observations[:, num_train:]


def encode_and_split(observations, labels, representation_function, train_percentage):
    """Encodes labelled observations; the first ceil(train_percentage * n) train.

    Args:
        observations: array of shape (n, ...).
        labels: factors of the observations, array of shape (num_factors, n).
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        train_percentage: fraction of the samples that train, in (0, 1).

    Returns:
        factors_train (n_train, num_factors), codes_train (n_train, num_codes),
        factors_test (n - n_train, num_factors), codes_test (n - n_train, num_codes).

    Raises:
        ValueError: if no samples are left to train or to test.
    """
    codes = obtain_representation(observations, representation_function)
    codes_train, codes_test = split_train_test(codes, train_percentage)
    factors_train, factors_test = split_train_test(np.asarray(labels), train_percentage)
    if not codes_train.size or not codes_test.size:
        raise ValueError(
            "Leave samples both to train and to test. Received: "
            f"train_percentage={train_percentage} of {codes.shape[1]} samples"
        )
    return factors_train.T, codes_train.T, factors_test.T, codes_test.T


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


@stages.configurable("discretizer", "evaluation", denylist=["target"])
def make_discretizer(target, num_bins=gin.REQUIRED, discretizer_fn=gin.REQUIRED):
    """Discretises codes with the function chosen in gin.

    Args:
        target: array of shape (num_codes, n).
        num_bins: number of bins per code.
        discretizer_fn: called as `discretizer_fn(target, num_bins)`.

    Returns:
        Array of shape (num_codes, n) with the bin of each value.
    """
    return discretizer_fn(target, num_bins)


def discretize(target):
    """Bins of the discretizer that gin chooses, and their number per row.

    Args:
        target: array of shape (num_variables, n).

    Returns:
        Array of shape (num_variables, n), and an integer.
    """
    discretized = make_discretizer(target)
    return discretized, gin.get_bindings(make_discretizer)["num_bins"]


def samples_in_bins(factors, codes, num_bins, continuous_factors):
    """Checks samples and puts codes, and continuous factors, into bins.

    Args:
        factors: array-like of shape (n, num_factors).
        codes: array-like of shape (n, num_codes).
        num_bins: number of bins of equal width, over the range of the sample.
        continuous_factors: see `check_samples`.

    Returns:
        Factors with discrete values (n, num_factors), bins of the codes (num_codes, n).

    Raises:
        ValueError: see `check_samples`.
    """
    factors, codes = check_samples(factors, codes, continuous_factors)
    if continuous_factors:
        factors = histogram_discretize(factors.T, num_bins).T
    return factors, histogram_discretize(codes.T, num_bins)


def score_in_bins(metric, samples, codes):
    """Scores codes in the bins that gin chooses, with intervals if gin asks for them.

    Args:
        metric: function of `samples`, bins (num_codes, n) and the number of bins.
        samples: array of shape (n, num_variables): factors, or the codes themselves.
        codes: array of shape (num_codes, n).

    Returns:
        The metric's dictionary, see `bootstrap`.
    """
    discretized, num_bins = discretize(codes)
    return bootstrap(
        lambda samples, discretized: metric(samples, discretized.T, num_bins),
        [(samples, discretized.T)],
    )


@stages.configurable("histogram_discretizer", "evaluation", denylist=["target"])
def histogram_discretize(target, num_bins=gin.REQUIRED):
    """Puts each row into bins of equal width between its minimum and maximum.

    A row whose values differ by rounding only, so that there are no such bins between
    them, is a constant: it falls into the first bin.

    Args:
        target: array of shape (num_codes, n).
        num_bins: number of bins per row.

    Returns:
        Array of the shape of target, with bins from 1 to num_bins.
    """
    target = np.asarray(target)
    if target.dtype.kind not in "fc":
        target = target.astype(np.int64)
    discretized = np.zeros_like(target)
    for row, bins in zip(target, discretized, strict=True):
        try:
            edges = np.histogram_bin_edges(row, num_bins)
        except ValueError as error:
            if "Too many bins" not in str(error):
                raise
            bins[:] = 1
            continue
        # Without the last edge, so that the maximum falls into the last bin.
        bins[:] = np.digitize(row, edges[:-1])
    return discretized


# The name in disentanglement_lib, which its users' code imports.
_histogram_discretize = histogram_discretize


def discrete_mutual_info(mus, ys):
    """Mutual information of every discrete code with every discrete factor.

    I(z; v) = sum_{z, v} p(z, v) log(p(z, v) / (p(z) p(v))), with the frequencies of
    the sample as probabilities.

    Args:
        mus: array of shape (num_codes, n), discrete values.
        ys: array of shape (num_factors, n), discrete values.

    Returns:
        Array of shape (num_codes, num_factors), at least 0, in nats.
    """
    mus, ys = class_indices(mus), class_indices(ys)
    return np.array([[_mutual_info(mu, y) for y in ys] for mu in mus])


def discrete_entropy(ys):
    """Entropy of each discrete variable.

    Args:
        ys: array of shape (num_factors, n), discrete values.

    Returns:
        Array of shape (num_factors,), at least 0, in nats.
    """
    shares = [np.bincount(y) / len(y) for y in class_indices(ys)]
    return np.array([max(0.0, -(p @ np.log(p))) for p in shares])


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


def unit_ranks(vectors):
    """Ranks of each column, centred and of length 1, whose products are Spearman's.

    Args:
        vectors: array of shape (n, num_vectors).

    Returns:
        Array of that shape; nan where a column is constant.
    """
    # Not needed to import the package.
    from scipy import stats

    ranks = stats.rankdata(vectors, axis=0)
    ranks -= ranks.mean(axis=0)
    with np.errstate(invalid="ignore"):
        return ranks / np.linalg.norm(ranks, axis=0)


def top_two_gap(matrix, rows="codes"):
    """Difference between the two largest values of each column.

    Args:
        matrix: array, two rows at least.
        rows: what the rows are, "codes" or "factors".

    Returns:
        Array of shape (number of columns,), at least 0.

    Raises:
        ValueError: if there is only one row.
    """
    if len(matrix) < 2:
        raise ValueError(
            f"The gap between the best two {rows} needs at least 2 {rows}. Received: "
            f"num_{rows}={len(matrix)}"
        )
    second, first = np.sort(matrix, axis=0)[-2:]
    return first - second


@stages.configurable("predictor", "evaluation")
def make_predictor_fn(predictor_fn=gin.REQUIRED):
    """Returns the function chosen in gin that makes an unfitted classifier."""
    return predictor_fn


@stages.configurable("logistic_regression_cv", "evaluation")
def logistic_regression_cv():
    """Logistic regression; 5 folds choose one of 10 regularisation strengths."""
    from sklearn import linear_model, model_selection

    return linear_model.LogisticRegressionCV(
        Cs=10,
        cv=model_selection.KFold(n_splits=5),
        scoring="accuracy",
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
    )


@stages.configurable("gradient_boosting_classifier", "evaluation")
def gradient_boosting_classifier(engine="compiled"):
    """Gradient boosted trees with the default settings of scikit-learn.

    Both engines break ties with numpy's global generator: call `numpy.random.seed`
    first for results that repeat.

    Args:
        engine: "compiled" for `boosting.GradientBoosting`, which has scikit-learn's
            scores in a small part of its time (very few samples are still left to
            scikit-learn, see `FEW_SAMPLES_TIMES_CLASSES`), or "scikit-learn".

    Raises:
        ValueError: if the engine is neither.
    """
    if engine == "compiled":
        from dmt.evaluation.metrics import boosting

        return boosting.GradientBoosting()
    if engine == "scikit-learn":
        from sklearn import ensemble

        return ensemble.GradientBoostingClassifier()
    raise ValueError(
        'The engines of gradient_boosting_classifier are "compiled" and '
        f'"scikit-learn". Received: engine={engine!r}'
    )


def fit(predictor, codes, factors):
    """Trains a classifier of each factor; trees of all factors grow in parallel.

    Args:
        predictor: function without arguments that returns an unfitted scikit-learn
            classifier or regressor.
        codes: array of shape (n, num_codes).
        factors: array of shape (n, num_factors).

    Returns:
        List of fitted classifiers, one per factor. Where a factor has one value, which
        classifiers of scikit-learn refuse and small samples can have, it is one that
        always answers this value.
    """
    from sklearn import dummy

    from dmt.evaluation.metrics import boosting

    targets = list(factors.T)
    varied = [target for target in targets if np.any(target != target[0])]
    compiled = isinstance(predictor(), boosting.GradientBoosting)
    num_classes = sum(len(np.unique(target)) for target in varied)
    if compiled and len(codes) * num_classes <= FEW_SAMPLES_TIMES_CLASSES:
        compiled = False
        predictor = functools.partial(gradient_boosting_classifier, "scikit-learn")
    if compiled and varied:
        fitted = iter(boosting.fit_all(codes, varied, predictor().random_state))
    else:
        fitted = (_fit_quietly(predictor(), codes, target) for target in varied)
    with _one_blas_thread():
        return [
            next(fitted)
            if np.any(target != target[0])
            else dummy.DummyClassifier(strategy="most_frequent").fit(codes, target)
            for target in targets
        ]


def _one_blas_thread():
    """Context in which BLAS has one thread.

    The solvers of scikit-learn multiply matrices with few columns thousands of times.
    Threads that wait for each other there cost several times what they save.
    """
    return _thread_pools().limit(limits=1, user_api="blas")


@functools.cache
def _thread_pools():
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()


def _fit_quietly(model, codes, target):
    from sklearn import exceptions

    with warnings.catch_warnings():
        # The limit of iterations is part of the metrics that have one.
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        return model.fit(codes, target)


def scores(models, codes, factors):
    """Accuracy of each classifier on its factor, R^2 of a regressor.

    Args:
        models: fitted classifiers or regressors, one per factor.
        codes: array of shape (n, num_codes).
        factors: array of shape (n, num_factors).

    Returns:
        Array of shape (num_factors,), at most 1, accuracies at least 0.
    """
    from sklearn import metrics

    return np.array(
        [
            np.mean(model.predict(codes) == target)
            if hasattr(model, "classes_")
            else metrics.r2_score(target, model.predict(codes))
            for model, target in zip(models, factors.T, strict=True)
        ]
    )


def accuracies(predictor, factors_train, codes_train, factors_test, codes_test):
    """Accuracies of classifiers that predict each factor from all codes.

    Args:
        predictor: function without arguments that returns an unfitted classifier.
        factors_train: array of shape (n_train, num_factors), discrete values.
        codes_train: array of shape (n_train, num_codes).
        factors_test: array of shape (n_test, num_factors), discrete values.
        codes_test: array of shape (n_test, num_codes).

    Returns:
        Accuracies in [0, 1] on the training samples (num_factors,) and on the test
        samples (num_factors,).
    """
    models = fit(predictor, codes_train, factors_train)
    return (
        scores(models, codes_train, factors_train),
        scores(models, codes_test, factors_test),
    )


def provenance(predictor):
    """Names the classifier and the version of its library, for the results."""
    import sklearn

    return {
        "predictor": type(predictor()).__name__,
        "scikit_learn": sklearn.__version__,
    }


@stages.configurable("bootstrap", "evaluation", denylist=["metric", "tables"])
def bootstrap(metric, tables, num_resamples=0, confidence_level=0.95, seed=0):
    """Scores of a metric, on request with bootstrap confidence intervals.

    Every table of samples is resampled on its own, so a training sample stays apart
    from a test sample. Intervals are percentiles: scores that are biased in small
    samples, as those of mutual information are, are biased more in a resample.

    Args:
        metric: function of the arrays of all tables that returns a dictionary.
        tables: list of tuples of arrays; the arrays of a tuple have the same samples as
            rows.
        num_resamples: number of resamples, each scored anew; 0 for no intervals.
            Without 2 samples in every table there are none either.
        confidence_level: share of the resamples in the interval, in (0, 1).
        seed: integer seed of the resampling.

    Returns:
        The metric's dictionary. If there are resamples, it has also:
            confidence_intervals: dictionary of [low, high] for every score that is a
                float.
            confidence_level, num_resamples: as given.

    Example:
        >>> import numpy as np
        >>> from dmt.metrics import mig
        >>> factors = np.random.RandomState(0).randint(4, size=(500, 2))
        >>> codes = factors + np.random.RandomState(1).standard_normal((500, 2))
        >>> scores = bootstrap(mig, [(factors, codes)], num_resamples=20)
        >>> low, high = scores["confidence_intervals"]["discrete_mig"]
        >>> bool(0 < low < high < 0.5)
        True
    """
    if num_resamples < 0 or num_resamples == 1 or not 0 < confidence_level < 1:
        raise ValueError(
            "A bootstrap needs 2 resamples at least and a confidence level in (0, 1). "
            f"Received: num_resamples={num_resamples}, "
            f"confidence_level={confidence_level}"
        )
    results = metric(*(array for table in tables for array in table))
    if not num_resamples or any(len(table[0]) < 2 for table in tables):
        return results
    from scipy import stats

    names = [name for name, value in results.items() if isinstance(value, float)]

    def statistic(*rows, axis):
        del axis  # Rows are numbers of samples, one resample at a time.
        arrays = [
            array[index.ravel().astype(int)]
            for table, index in zip(tables, rows, strict=True)
            for array in table
        ]
        resampled = metric(*arrays)
        values = np.array([resampled[name] for name in names])
        return values if rows[0].ndim == 1 else values[:, None]

    interval = stats.bootstrap(
        [np.arange(len(table[0])) for table in tables],
        statistic,
        n_resamples=num_resamples,
        batch=1,
        vectorized=True,
        confidence_level=confidence_level,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return results | {
        "confidence_intervals": {
            name: [float(low), float(high)]
            for name, low, high in zip(names, *interval, strict=True)
        },
        "confidence_level": confidence_level,
        "num_resamples": num_resamples,
    }
