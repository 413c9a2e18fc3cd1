"""Downstream task: how well are the factors predicted from few and many codes?

Locatello et al.: Challenging Common Assumptions in the Unsupervised Learning of
Disentangled Representations, 2019, section 5.5 (https://arxiv.org/abs/1811.12359).
"""

import functools

import gin

from dmt.evaluation.metrics import utils
from dmt.utils import stages


def downstream_task(
    factors,
    codes,
    factors_test=None,
    codes_test=None,
    *,
    predictor=utils.gradient_boosting_classifier,
):
    """Accuracy of classifiers that predict each factor from all codes.

    A factor with one value in the training sample is predicted to have that value.
    (scikit-learn, and with it disentanglement_lib, refuses a single class.)

    Args:
        factors: array-like of shape (n_train, num_factors), discrete values.
        codes: array-like of shape (n_train, num_codes).
        factors_test: array-like of shape (n_test, num_factors), discrete values.
        codes_test: array-like of shape (n_test, num_codes). Without test samples, a
            random third of the others is held out, see `utils.train_and_test`.
        predictor: function without arguments that returns an unfitted scikit-learn
            classifier. Gradient boosting breaks ties with numpy's global generator.

    Returns:
        Dictionary:
            mean_train_accuracy, mean_test_accuracy: mean over factors, in [0, 1], 1 is
                best.
            min_train_accuracy, min_test_accuracy: accuracy of the worst factor.
            train_accuracy_factor_<i>, test_accuracy_factor_<i>: accuracy of factor i.
            num_train, num_test, predictor, scikit_learn: numbers of samples, name of
                the classifier, version of its library.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> samples = (factors, -2.0 * factors, factors, -2.0 * factors)
        >>> downstream_task(*samples)["min_test_accuracy"]
        1.0
    """
    factors_train, codes_train, factors_test, codes_test = utils.train_and_test(
        factors, codes, factors_test, codes_test
    )
    return _scores(predictor, factors_train, codes_train, factors_test, codes_test) | {
        "num_train": len(factors_train),
        "num_test": len(factors_test),
        **utils.provenance(predictor),
    }


@stages.configurable("downstream_task", "evaluation", denylist=utils.SAMPLING_ARGUMENTS)
def compute_downstream_task(
    ground_truth_data,
    representation_function,
    random_state,
    artifact_dir=None,
    num_train=gin.REQUIRED,
    num_test=gin.REQUIRED,
    batch_size=16,
):
    """Downstream task on samples of a dataset, for several sizes.

    The classifier is the gin parameter `predictor.predictor_fn`.

    Args:
        ground_truth_data: GroundTruthData to sample from.
        representation_function: maps observations (n, ...) to codes (n, num_codes).
        random_state: numpy RandomState, source of all draws of samples.
        artifact_dir: not used.
        num_train: list of numbers of training samples.
        num_test: number of test samples, drawn anew for each size.
        batch_size: samples per draw, see `utils.generate_batch_factor_code`.

    Returns:
        Dictionary of the scores of `downstream_task`, with the prefix `<num_train>:`
        for each size, and the settings.
    """
    del artifact_dir
    predictor = utils.make_predictor_fn()
    scores = {}
    for size in num_train:
        samples = utils.sample_train_test(
            ground_truth_data,
            representation_function,
            random_state,
            size,
            num_test,
            batch_size,
        )
        results = utils.bootstrap(
            functools.partial(_scores, predictor), [samples[:2], samples[2:]]
        )
        for name, score in results.items():
            scores[f"{size}:{name}"] = score
    return scores | {
        "num_train": list(num_train),
        "num_test": num_test,
        **utils.provenance(predictor),
    }


def _scores(predictor, *samples):
    scores = {}
    for name, accuracy in zip(
        ("train", "test"), utils.accuracies(predictor, *samples), strict=True
    ):
        scores[f"mean_{name}_accuracy"] = float(accuracy.mean())
        scores[f"min_{name}_accuracy"] = float(accuracy.min())
        for index, value in enumerate(accuracy):
            scores[f"{name}_accuracy_factor_{index}"] = float(value)
    return scores
