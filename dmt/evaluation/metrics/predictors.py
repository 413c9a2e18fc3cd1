"""Classifiers that predict factors from codes."""

import contextlib
import functools
import warnings

import gin
import numpy as np

from dmt.evaluation.metrics.resampling import bootstrap
from dmt.utils import checks, stages

# Up to this number of samples times classes, scikit-learn's own trees are used, which
# take about a second. With few samples, many splits are equally good, and rounding
# errors in scikit-learn decide between them.
FEW_SAMPLES_TIMES_CLASSES = 2500


@stages.configurable("predictor", "evaluation")
def make_predictor_fn(predictor_fn=gin.REQUIRED):
    """Returns the function chosen in gin that makes an unfitted classifier."""
    return predictor_fn


@stages.configurable("logistic_regression_cv", "evaluation")
def logistic_regression_cv():
    """Logistic regression; 5-fold cross-validation selects one of 10 penalties."""
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

    Both engines break ties with numpy's global generator, which metrics seed: the
    functions of arrays by their `seed`, `evaluate` by `evaluation.random_seed`.

    Args:
        engine: "compiled" for `boosting.classifier`, which has scikit-learn's
            scores in a fraction of its time (scikit-learn is still used for very few
            samples, see `FEW_SAMPLES_TIMES_CLASSES`); or "scikit-learn".

    Raises:
        ValueError: if the engine is neither.
    """
    engines = ("compiled", "scikit-learn")
    checks.one_of("gradient_boosting_classifier.engine", engine, engines)
    if engine == "compiled":
        from dmt.evaluation.boosting import classifier

        return classifier.GradientBoosting()
    from sklearn import ensemble

    return ensemble.GradientBoostingClassifier()


def fit(predictor, codes, factors):
    """Trains a classifier of each factor; trees of all factors grow in parallel.

    Args:
        predictor: function without arguments that returns an unfitted scikit-learn
            classifier or regressor. Trees break ties with numpy's global generator.
        codes: array of shape (n, num_codes).
        factors: array of shape (n, num_factors).

    Returns:
        List of fitted classifiers, one per factor. If a factor has only one value,
        which can happen in small samples, its classifier always predicts this value.
        (scikit-learn refuses a single class, so disentanglement_lib fails.)
    """
    from sklearn import dummy

    from dmt.evaluation.boosting import classifier

    targets = list(factors.T)
    varied = [target for target in targets if np.any(target != target[0])]
    compiled = isinstance(predictor(), classifier.GradientBoosting)
    num_classes = sum(len(np.unique(target)) for target in varied)
    if compiled and len(codes) * num_classes <= FEW_SAMPLES_TIMES_CLASSES:
        compiled = False
        predictor = functools.partial(gradient_boosting_classifier, "scikit-learn")
    if compiled and varied:
        fitted = iter(classifier.fit_all(codes, varied, predictor().random_state))
    else:
        fitted = (_fit_quietly(predictor(), codes, target) for target in varied)
    with _one_blas_thread():
        return [
            next(fitted)
            if np.any(target != target[0])
            else dummy.DummyClassifier(strategy="most_frequent").fit(codes, target)
            for target in targets
        ]


def fit_each(classifier, regressor, codes, factors, continuous):
    """Trains a classifier of each discrete, a regressor of each continuous factor.

    Takes functions that make them, codes (n, num_codes), factors (n, num_factors) and a
    bool array (num_factors,), and returns a list of the models, see `fit`.
    """
    models = [None] * factors.shape[1]
    for predictor, chosen in ((classifier, ~continuous), (regressor, continuous)):
        fitted = fit(predictor, codes, factors[:, chosen]) if chosen.any() else []
        for index, model in zip(np.flatnonzero(chosen), fitted, strict=True):
            models[index] = model
    return models


def _one_blas_thread():
    """Context in which BLAS has one thread.

    The solvers of scikit-learn multiply small matrices thousands of times. One thread
    is faster there than several threads that wait for each other.
    """
    return _thread_pools().limit(limits=1, user_api="blas")


@functools.cache
def _thread_pools():
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()


def _fit_quietly(model, codes, target):
    with without_advice():
        return model.fit(codes, target)


@contextlib.contextmanager
def without_advice():
    """Context in which scikit-learn does not advise to use it in another way."""
    from sklearn import exceptions

    with warnings.catch_warnings():
        # Metrics stop after a fixed number of iterations on purpose.
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        # A factor may have many values.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        yield


def scores(models, codes, factors):
    """Accuracy in [0, 1] of each classifier on its factor, R^2 of a regressor.

    Takes what `fit` returned, codes (n, num_codes) and factors (n, num_factors), and
    returns an array of shape (num_factors,).
    """
    return np.array(
        [
            np.mean(model.predict(codes) == target)
            if hasattr(model, "classes_")
            else r_squared(target, model.predict(codes))
            for model, target in zip(models, factors.T, strict=True)
        ]
    )


def r_squared(target, predictions):
    """R^2 of predictions (..., n) of a target (n,), an array (...,), at most 1.

    If the target has one value, it is 1 for perfect predictions and 0 for others.
    """
    errors = ((predictions - target) ** 2).mean(axis=-1)
    variance = target.var()
    if variance == 0:
        return np.where(errors == 0, 1.0, 0.0)
    return 1.0 - errors / variance


def accuracies(predictor, factors_train, codes_train, factors_test, codes_test):
    """Training and test accuracies of classifiers of each factor, see `fit`.

    Returns:
        Two arrays of shape (num_factors,), in [0, 1].
    """
    models = fit(predictor, codes_train, factors_train)
    return (
        scores(models, codes_train, factors_train),
        scores(models, codes_test, factors_test),
    )


def scores_by_size(sampler, num_train, num_test, batch_size, score):
    """Scores of the predictor that gin chooses, for several numbers of samples.

    Args:
        sampler: `samples.Sampler`.
        num_train: list of numbers of training samples.
        num_test: number of test samples, drawn again for each of them.
        batch_size: samples per draw, see `Sampler.sample`.
        score: function of the predictor, the factors and codes to train on and those to
            test on, that returns a dictionary.

    Returns:
        Dictionary of all scores, with the prefix `<number of training samples>:` and
        with intervals if gin asks for them, and of the settings.
    """
    predictor = make_predictor_fn()
    score = functools.partial(score, predictor)
    results = {
        f"{size}:{name}": value
        for size in num_train
        for name, value in bootstrap(
            score, sampler.train_and_test(size, num_test, batch_size)
        ).items()
    }
    return results | provenance(list(num_train), num_test, predictor)


def provenance(num_train, num_test, predictor=None):
    """Sizes of the samples, name of the classifier and version of its library."""
    import sklearn

    name = {} if predictor is None else {"predictor": type(predictor()).__name__}
    return {
        "num_train": num_train,
        "num_test": num_test,
        **name,
        "scikit_learn": sklearn.__version__,
    }
