"""Separated Attribute Predictability: is each factor predicted by one code only?

Kumar, Sattigeri, Balakrishnan: Variational Inference of Disentangled Latent Concepts
from Unlabeled Observations, 2018, section 3 (https://arxiv.org/abs/1711.00848).
"""

import functools

import gin
import numpy as np

from dmt.evaluation.metrics import utils
from dmt.utils import stages


def sap_score(
    factors, codes, factors_test=None, codes_test=None, *, continuous_factors=False
):
    """SAP score: the gap between the two codes that predict a factor best.

    How well one code alone predicts a factor is the test accuracy of a linear
    classifier, or for continuous factors the squared correlation in the training
    sample.

    Args:
        factors: array-like of shape (n_train, num_factors).
        codes: array-like of shape (n_train, num_codes), two codes at least.
        factors_test: array-like of shape (n_test, num_factors).
        codes_test: array-like of shape (n_test, num_codes). Without test samples, a
            random third of the others is held out, see `utils.train_and_test`.
        continuous_factors: whether the factors are numbers, not classes.

    Returns:
        Dictionary:
            SAP_score: mean gap over factors, in [0, 1], 1 is best.
            sap_per_factor: gap of each factor, in [0, 1], list (num_factors,).
            score_matrix: accuracies or squared correlations, nested list (num_codes,
                num_factors).
            num_train, num_test, continuous_factors, scikit_learn: the settings, and the
                version of the classifier's library.

    Raises:
        ValueError: if the shapes do not fit, or there is only one code.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> samples = (factors, -2.0 * factors, factors, -2.0 * factors)
        >>> sap_score(*samples, continuous_factors=True)["SAP_score"]
        1.0
    """
    import sklearn

    factors_train, codes_train, factors_test, codes_test = utils.train_and_test(
        factors, codes, factors_test, codes_test, continuous_factors
    )
    matrix = compute_score_matrix(
        codes_train.T, factors_train.T, codes_test.T, factors_test.T, continuous_factors
    )
    gaps = utils.top_two_gap(matrix)
    return {
        "SAP_score": float(gaps.mean()),
        "sap_per_factor": gaps.tolist(),
        "score_matrix": matrix.tolist(),
        "num_train": len(factors_train),
        "num_test": len(factors_test),
        "continuous_factors": continuous_factors,
        "scikit_learn": sklearn.__version__,
    }


@stages.configurable("sap_score", "evaluation", denylist=utils.SAMPLING_ARGUMENTS)
def compute_sap(
    ground_truth_data,
    representation_function,
    random_state,
    artifact_dir=None,
    num_train=gin.REQUIRED,
    num_test=gin.REQUIRED,
    batch_size=16,
    continuous_factors=gin.REQUIRED,
):
    """SAP score on samples of a dataset.

    Args:
        ground_truth_data: GroundTruthData to sample from.
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        random_state: numpy RandomState, source of all draws.
        artifact_dir: not used.
        num_train: number of training samples.
        num_test: number of test samples.
        batch_size: samples per draw, see `utils.generate_batch_factor_code`.
        continuous_factors: whether the factors are numbers, not classes.

    Returns:
        Dictionary, see `sap_score`.
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
    return utils.bootstrap(
        functools.partial(sap_score, continuous_factors=continuous_factors),
        [samples[:2], samples[2:]],
    )


@stages.configurable(
    "sap_score_validation", "evaluation", denylist=utils.FIXED_DATA_ARGUMENTS
)
def compute_sap_on_fixed_data(
    observations,
    labels,
    representation_function,
    train_percentage=gin.REQUIRED,
    continuous_factors=gin.REQUIRED,
    batch_size=100,
):
    """SAP score of labelled observations.

    Args:
        observations: array of shape (n, ...).
        labels: factors of the observations, array of shape (num_factors, n).
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        train_percentage: fraction of the samples that train, in (0, 1).
        continuous_factors: whether the factors are numbers, not classes.
        batch_size: see `utils.obtain_representation`.

    Returns:
        Dictionary, see `sap_score`.

    Raises:
        ValueError: if no samples are left to train or to test.
    """
    del batch_size
    samples = utils.encode_and_split(
        observations, labels, representation_function, train_percentage
    )
    return utils.bootstrap(
        functools.partial(sap_score, continuous_factors=continuous_factors),
        [samples[:2], samples[2:]],
    )


def compute_score_matrix(mus, ys, mus_test, ys_test, continuous_factors):
    """How well each code alone predicts each factor.

    Args:
        mus: training codes, array of shape (num_codes, n_train).
        ys: training factors, array of shape (num_factors, n_train).
        mus_test: test codes, array of shape (num_codes, n_test).
        ys_test: test factors, array of shape (num_factors, n_test).
        continuous_factors: if true, the squared correlation in the training sample; 0
            for a code or a factor that is constant. If false, the test accuracy of a
            linear support vector machine; where a factor has one value in the training
            sample, of always predicting this value.

    Returns:
        Array of shape (num_codes, num_factors), values in [0, 1].
    """
    if continuous_factors:
        return _squared_correlations(np.asarray(mus), np.asarray(ys))
    from sklearn import svm

    classifier = functools.partial(svm.LinearSVC, C=0.01, class_weight="balanced")
    return np.array(
        [
            utils.scores(
                utils.fit(classifier, np.asarray(mu)[:, None], np.transpose(ys)),
                np.asarray(mu_test)[:, None],
                np.transpose(ys_test),
            )
            for mu, mu_test in zip(mus, mus_test, strict=True)
        ]
    )


def _squared_correlations(mus, ys):
    mus = mus - mus.mean(axis=1, keepdims=True)
    ys = ys - ys.mean(axis=1, keepdims=True)
    degrees = mus.shape[1] - 1
    covariance = mus @ ys.T / degrees
    code_variance = (mus**2).sum(axis=1, keepdims=True) / degrees
    variances = code_variance * (ys**2).sum(axis=1) / degrees
    # Codes of a smaller variance count as constant.
    defined = (code_variance > 1e-12) & (variances > 0)
    return np.divide(
        covariance**2, variances, out=np.zeros_like(covariance), where=defined
    )


# Not used here: a name that users of disentanglement_lib import.
def compute_avg_diff_top_two(matrix):
    """Mean over columns of the difference between their two largest values.

    Args:
        matrix: array of shape (num_codes, num_factors), two rows at least.

    Returns:
        Float, at least 0.
    """
    return float(utils.top_two_gap(np.asarray(matrix)).mean())
