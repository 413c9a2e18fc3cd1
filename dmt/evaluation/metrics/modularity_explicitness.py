"""Modularity: does a code know one factor? Explicitness: is each value told linearly?

Ridgeway, Mozer: Learning Deep Disentangled Embeddings with the F-Statistic Loss, 2018,
section 3 (https://arxiv.org/abs/1802.05312).
"""

import functools

import gin
import numpy as np

from dmt.evaluation.metrics import utils
from dmt.utils import stages


def modularity_explicitness(
    factors,
    codes,
    factors_test=None,
    codes_test=None,
    *,
    num_bins=20,
    continuous_factors=False,
):
    """Modularity and explicitness of codes, with histogram bins for the former.

    Modularity = mean_d (1 - sum_{k != best} I(z_d; v_k)^2 / (I(z_d; v_best)^2 (K - 1)))
    for K factors, where v_best is the factor that shares most information with code
    z_d. Explicitness of a factor = mean over its values of the area under the ROC curve
    of a logistic regression on standardised codes, this value against the others.

    Args:
        factors: array-like of shape (n_train, num_factors), discrete values.
        codes: array-like of shape (n_train, num_codes).
        factors_test: array-like of shape (n_test, num_factors), discrete values.
        codes_test: array-like of shape (n_test, num_codes). Without test samples, a
            random third of the others is held out, see `utils.train_and_test`.
        num_bins: number of bins of equal width per code, over the range of the training
            sample.
        continuous_factors: whether factors are numbers. Their values are then bins of
            equal width over the range of the training sample.

    Returns:
        Dictionary:
            modularity_score: mean over codes, in [0, 1], 1 is best.
            explicitness_score_train, explicitness_score_test: mean over factors, in [0,
                1], 1 is best, 0.5 is chance. Where disentanglement_lib fails: a
                constant code is ignored, values that only training or only test samples
                have are left out, and so is a factor with one value in the training
                sample.
            modularity_per_code: list (num_codes,).
            explicitness_train_per_factor, explicitness_test_per_factor: lists
                (num_factors,); nan for a factor that is left out.
            mutual_information: nested list (num_codes, num_factors), in nats.
            num_train, num_test, num_bins, scikit_learn: the settings, and the version
                of the classifier's library.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([2, 2]).reshape(2, -1).T
        >>> samples = (factors, -2.0 * factors, factors, -2.0 * factors)
        >>> scores = modularity_explicitness(*samples)
        >>> scores["modularity_score"], scores["explicitness_score_test"]
        (1.0, 1.0)
    """
    samples = utils.train_and_test(
        factors, codes, factors_test, codes_test, continuous_factors
    )
    if continuous_factors:
        samples = _with_factors_in_bins(*samples, num_bins)
    discretized = utils.histogram_discretize(samples[1].T, num_bins)
    return _scores(*samples[:2], discretized.T, *samples[2:], num_bins)


def _with_factors_in_bins(factors_train, codes_train, factors_test, codes_test, num):
    train, test = [], []
    for column, test_column in zip(factors_train.T, factors_test.T, strict=True):
        edges = np.histogram_bin_edges(column, num)[1:-1]
        train.append(np.digitize(column, edges))
        test.append(np.digitize(test_column, edges))
    return np.stack(train, axis=1), codes_train, np.stack(test, axis=1), codes_test


@stages.configurable(
    "modularity_explicitness", "evaluation", denylist=utils.SAMPLING_ARGUMENTS
)
def compute_modularity_explicitness(
    ground_truth_data,
    representation_function,
    random_state,
    artifact_dir=None,
    num_train=gin.REQUIRED,
    num_test=gin.REQUIRED,
    batch_size=16,
):
    """Modularity and explicitness on samples of a dataset.

    Codes are discretised by the gin configurable `discretizer`.

    Args:
        ground_truth_data: GroundTruthData to sample from.
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        random_state: numpy RandomState, source of all draws.
        artifact_dir: not used.
        num_train: number of training samples.
        num_test: number of test samples.
        batch_size: samples per draw, see `utils.generate_batch_factor_code`.

    Returns:
        Dictionary, see `modularity_explicitness`.
    """
    del artifact_dir
    samples = utils.sample_train_test(
        ground_truth_data,
        representation_function,
        random_state,
        num_train,
        num_test,
        batch_size,
    )
    discretized, num_bins = utils.discretize(samples[1].T)
    return utils.bootstrap(
        functools.partial(_scores, num_bins=num_bins),
        [(*samples[:2], discretized.T), samples[2:]],
    )


def _scores(
    factors_train, codes_train, discretized, factors_test, codes_test, num_bins
):
    import sklearn

    information = utils.discrete_mutual_info(discretized.T, factors_train.T)
    # A constant code becomes 0 in training, which teaches nothing.
    stddev = codes_train.std(axis=0)
    stddev[codes_train.max(axis=0) == codes_train.min(axis=0)] = 1
    train, mean, stddev = utils.normalize_data(codes_train.T, stddev=stddev)
    test, _, _ = utils.normalize_data(codes_test.T, mean, stddev)
    explicitness = np.array(
        [
            explicitness_per_factor(train, y_train, test, y_test)
            for y_train, y_test in zip(factors_train.T, factors_test.T, strict=True)
        ]
    )
    train_score, test_score = (_mean_of_defined(scores) for scores in explicitness.T)
    return {
        "modularity_score": modularity(information),
        "explicitness_score_train": train_score,
        "explicitness_score_test": test_score,
        "modularity_per_code": modularity_per_code(information).tolist(),
        "explicitness_train_per_factor": explicitness[:, 0].tolist(),
        "explicitness_test_per_factor": explicitness[:, 1].tolist(),
        "mutual_information": information.tolist(),
        "num_train": len(factors_train),
        "num_test": len(factors_test),
        "num_bins": num_bins,
        "scikit_learn": sklearn.__version__,
    }


def explicitness_per_factor(mus_train, y_train, mus_test, y_test):
    """How well a logistic regression tells the values of one factor apart.

    Args:
        mus_train: standardised training codes, array of shape (num_codes, n_train).
        y_train: training values of the factor, array of shape (n_train,).
        mus_test: standardised test codes, array of shape (num_codes, n_test).
        y_test: test values of the factor, array of shape (n_test,).

    Returns:
        Mean areas under the ROC curves in the training and in the test sample, in [0,
        1]. A value counts if some but not all samples have it; nan if none does, or if
        the training sample has one value.
    """
    from sklearn import linear_model

    y_train, y_test = np.asarray(y_train), np.asarray(y_test)
    if np.all(y_train == y_train[0]):
        return np.nan, np.nan
    mus_train, mus_test = np.transpose(mus_train), np.transpose(mus_test)
    (model,) = utils.fit(linear_model.LogisticRegression, mus_train, y_train[:, None])
    return tuple(
        _mean_of_defined(
            _areas_under_roc(y[:, None] == model.classes_, model.predict_proba(codes))
        )
        for y, codes in ((y_train, mus_train), (y_test, mus_test))
    )


def _areas_under_roc(is_class, scores):
    """Chance that a member of a class scores higher than a non-member, ties half.

    Args:
        is_class: array of bool of shape (n, num_classes).
        scores: array of shape (n, num_classes).

    Returns:
        Array of shape (num_classes,); nan for a class with all samples or none.
    """
    from scipy import stats

    members = is_class.sum(axis=0)
    # The Mann-Whitney U statistic.
    wins = (stats.rankdata(scores, axis=0) * is_class).sum(axis=0)
    wins = wins - members * (members + 1) / 2
    with np.errstate(invalid="ignore"):
        return wins / (members * (len(scores) - members))


def _mean_of_defined(scores):
    scores = np.asarray(scores)
    defined = scores[~np.isnan(scores)]
    return float(defined.mean()) if defined.size else np.nan


def modularity_per_code(mutual_information):
    """How much each code's information is about one factor.

    Args:
        mutual_information: array of shape (num_codes, num_factors), at least 0.

    Returns:
        Array of shape (num_codes,), in [0, 1]: 1 for a code that knows one factor, 0
        for one that knows all equally, or nothing.
    """
    squared = np.square(mutual_information)
    best, total = squared.max(axis=1), squared.sum(axis=1)
    others = np.maximum(1, squared.shape[1] - 1)
    ratio = np.divide(
        total - best, best * others, out=np.ones(len(best)), where=best > 0
    )
    return 1.0 - ratio


def modularity(mutual_information):
    """Mean of `modularity_per_code`.

    Args:
        mutual_information: array of shape (num_codes, num_factors), at least 0.

    Returns:
        Float in [0, 1], 1 is best.
    """
    return float(modularity_per_code(mutual_information).mean())
