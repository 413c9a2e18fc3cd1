"""Strong generalisation: are factors predicted for new values of another factor?

A classifier of a factor is trained on samples with one value of another factor, and
tested on samples with its other values. Disentangled codes lose no accuracy.
Locatello et al.: A Sober Look at the Unsupervised Learning of Disentangled
Representations and their Evaluation, 2020 (https://arxiv.org/abs/2010.14766).
"""

from collections.abc import Callable
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import predictors, registry
from dmt.evaluation.metrics.encoding import encode_all
from dmt.evaluation.metrics.samples import on_samples


@registry.metric(
    "strong_downstream_task",
    scores=["mean_strong_test_accuracy", "strong_generalization_gap"],
    intervals={},
    without_intervals={
        "mean_strong_test_accuracy": "it takes too long to measure",
        "strong_generalization_gap": "it takes too long to measure",
    },
)
def strong_downstream_task(
    factors: np.ndarray,
    codes: np.ndarray,
    factors_test: np.ndarray,
    codes_test: np.ndarray,
    *,
    predictor: Callable[[], Any] = predictors.gradient_boosting_classifier,
    n_experiment: int = 10,
    seed: int = 0,
) -> dict[str, Any]:
    """Accuracy under covariate shift, from a table of samples.

    In one experiment for a factor, choose another factor and one of its values, train
    on the training samples with this value, and test on the test samples with other
    values. The table must hold many samples for each value.

    Args:
        factors: array-like of shape (n_train, num_factors), discrete values.
        codes: array-like of shape (n_train, num_codes).
        factors_test: array-like of shape (n_test, num_factors), discrete values.
        codes_test: array-like of shape (n_test, num_codes), see
            `inputs.train_and_test`.
        predictor: function that makes a scikit-learn classifier, see `predictors.fit`.
        n_experiment: experiments for each factor.
        seed: integer seed of the choices, of ties between splits, and of the held-out
            samples.

    Returns:
        Dictionary:
            mean_train_accuracy, mean_test_accuracy: without the shift, mean over
                factors, in [0, 1], 1 is best.
            mean_strong_train_accuracy, mean_strong_test_accuracy: under the shift, mean
                over factors and experiments, in [0, 1], 1 is best.
            strong_generalization_gap: 1 - mean_strong_test_accuracy /
                mean_test_accuracy, 0 is best; nan if mean_test_accuracy is 0.
            strong_test_accuracy_per_factor: mean over experiments, list (num_factors,).
            num_train, num_test, n_experiment, predictor, scikit_learn: the settings,
                and the version of the classifier's library.

    Raises:
        ValueError: if the shapes do not fit, or fewer than two factors vary.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> samples = (factors, -2.0 * factors, factors, -2.0 * factors)
        >>> scores = strong_downstream_task(*samples, n_experiment=2)
        >>> scores["mean_strong_test_accuracy"]
        1.0
    """
    samples = factors, codes, factors_test, codes_test
    random_state = np.random.RandomState(seed)
    num_factors = factors.shape[1]
    # In order of first appearance, so that relabelling factors changes nothing.
    splits = [
        [
            (train == value, test != value)
            for value in dict.fromkeys(train.tolist())
            if np.any(test != value)
        ]
        for train, test in zip(factors.T, factors_test.T, strict=True)
    ]
    splittable = [factor for factor in range(num_factors) if splits[factor]]

    def experiment(target):
        other = random_state.choice(_other_factors(target, splittable))
        train, test = splits[other][random_state.randint(len(splits[other]))]
        training = factors[train], codes[train]
        return *training, factors_test[test], codes_test[test]

    return {
        **_scores(predictor, samples, experiment, n_experiment),
        **predictors.provenance(len(codes), len(codes_test), predictor),
        "n_experiment": n_experiment,
    }


@on_samples("strong_downstream_task")
def compute_strong_downstream_task(
    sampler,
    num_train=gin.REQUIRED,
    num_test=gin.REQUIRED,
    n_experiment=gin.REQUIRED,
    batch_size=16,
):
    """Accuracy under covariate shift on samples of a dataset, for several sizes.

    For the shift, `intervene` sets the other factor in the sampled factors, whose
    observations are then sampled again. The classifier is the gin parameter
    `predictor.predictor_fn`. `num_train` and the keys of the scores are those of
    `compute_downstream_task`. `batch_size` is the number of observations that are
    encoded at once, see `encode_all`.

    Interventions are drawn from numpy's global generator, as in disentanglement_lib.
    `evaluate` seeds it; elsewhere call `numpy.random.seed` for reproducible results.

    Raises:
        ValueError: if a factor has no other factor with several values.
    """
    predictor = predictors.make_predictor_fn()
    data, random_state = sampler.data, sampler.random_state

    def encode(*factors):
        observations = [
            data.sample_observations_from_factors(rows, random_state)
            for rows in factors
        ]
        return [
            encode_all(part, sampler.representation, batch_size)
            for part in observations
        ]

    scores = {}
    for size in num_train:
        factors_train = data.sample_factors(size, random_state)
        factors_test = data.sample_factors(num_test, random_state)

        def experiment(target, factors_train=factors_train, factors_test=factors_test):
            copies = factors_train.copy(), factors_test.copy()
            train, test, _, _ = intervene(*copies, target, data.num_factors, data)
            codes_train, codes_test = encode(train, test)
            return train, codes_train, test, codes_test

        codes_train, codes_test = encode(factors_train, factors_test)
        samples = (factors_train, codes_train, factors_test, codes_test)
        of_size = _scores(predictor, samples, experiment, n_experiment)
        scores |= {f"{size}:{name}": score for name, score in of_size.items()}
    return {
        **scores,
        **predictors.provenance(list(num_train), num_test, predictor),
        "n_experiment": n_experiment,
    }


def intervene(y_train, y_test, target_y, num_factors, ground_truth_data):
    """Sets a random factor to one value for training, to other values for testing.

    Draws from numpy's global generator.

    Args:
        y_train: training factors, array of shape (n_train, num_factors), changed in
            place.
        y_test: test factors, array of shape (n_test, num_factors), changed in place.
        target_y: index of the factor that stays as it is.
        num_factors: number of factors.
        ground_truth_data: GroundTruthData with the number of values of each factor.

    Returns:
        y_train, y_test, the index of the factor that was set, its value in y_train.

    Raises:
        ValueError: if no other factor has several values.
    """
    sizes = ground_truth_data.factors_num_values
    factors = _other_factors(target_y, [k for k in range(num_factors) if sizes[k] > 1])
    factor = np.random.choice(factors)
    value = np.random.choice(sizes[factor])
    y_train[:, factor] = value
    other_values = np.delete(np.arange(sizes[factor]), value)
    y_test[:, factor] = np.random.choice(other_values, size=len(y_test))
    return y_train, y_test, factor, value


def _other_factors(target, candidates):
    others = [factor for factor in candidates if factor != target]
    if not others:
        raise ValueError(
            "An intervention needs another factor with several values. Received: "
            f"target={target}, factors with several values={candidates}"
        )
    return others


def _scores(predictor, samples, experiment, n_experiment):
    """Scores without and with interventions.

    `experiment` maps the index of the target factor to `samples` under a shift.
    """
    train, test = predictors.accuracies(predictor, *samples)
    strong = np.empty((2, samples[0].shape[1], n_experiment))
    for target in range(strong.shape[1]):
        for index in range(n_experiment):
            factors_train, codes_train, factors_test, codes_test = experiment(target)
            strong[:, [target], index] = predictors.accuracies(
                predictor,
                factors_train[:, [target]],
                codes_train,
                factors_test[:, [target]],
                codes_test,
            )
    strong_train, strong_test = strong.mean(axis=(1, 2))
    gap = 1 - strong_test / test.mean() if test.any() else np.nan
    return {
        "mean_train_accuracy": float(train.mean()),
        "mean_test_accuracy": float(test.mean()),
        "mean_strong_train_accuracy": float(strong_train),
        "mean_strong_test_accuracy": float(strong_test),
        "strong_generalization_gap": float(gap),
        "strong_test_accuracy_per_factor": strong[1].mean(axis=1).tolist(),
    }
