"""Properties that metrics of (factors, codes) share.

A new metric joins by an entry in METRICS: its function on the tables of samples, and
the keys of its scores.
"""

import doctest
import functools
import importlib
import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dmt.evaluation.metrics import (
    beta_vae,
    dci,
    downstream_task,
    factor_vae,
    fairness,
    irs,
    mig,
    modularity_explicitness,
    reduced_downstream_task,
    sap_score,
    strong_downstream_task,
    unified_scores,
    unsupervised_metrics,
    utils,
)

# A convex problem: the default trees choose at random between equal splits.
_REGRESSION = functools.partial(LogisticRegression, max_iter=1000)


def _halved(metric, **options):
    """A function of one sample, of which one half trains and the other one tests."""

    def score(factors, codes):
        half = len(factors) // 2
        halves = factors[:half], codes[:half], factors[half:], codes[half:]
        return metric(*halves, **options)

    return score


def _information(mus_train, ys_train, mus_test, ys_test):
    bins = utils.histogram_discretize(mus_train, 20)
    return utils.discrete_mutual_info(bins, ys_train)


METRICS = {
    "mig": (mig.mig, ["discrete_mig"]),
    "factor_vae": (
        lambda factors, codes: factor_vae.factor_vae(
            factors, codes, batch_size=8, num_train=300, num_eval=200
        ),
        ["train_accuracy", "eval_accuracy", "num_active_dims"],
    ),
    "dci": (
        _halved(dci.dci, predictor=_REGRESSION),
        [
            "informativeness_train",
            "informativeness_test",
            "disentanglement",
            "completeness",
        ],
    ),
    "beta_vae": (
        lambda factors, codes: beta_vae.beta_vae(
            factors, codes, batch_size=8, num_train=300, num_eval=200
        ),
        ["train_accuracy", "eval_accuracy"],
    ),
    "sap_score": (
        _halved(sap_score.sap_score, continuous_factors=False),
        ["SAP_score"],
    ),
    "modularity_explicitness": (
        _halved(modularity_explicitness.modularity_explicitness),
        ["modularity_score", "explicitness_score_train", "explicitness_score_test"],
    ),
    "irs": (irs.irs, ["IRS", "num_active_dims"]),
    "unsupervised_metrics": (
        lambda factors, codes: unsupervised_metrics.unsupervised_scores(
            utils.check_samples(factors, codes)[1]
        ),
        [
            "gaussian_total_correlation",
            "gaussian_wasserstein_correlation_norm",
            "mutual_info_score",
        ],
    ),
    "downstream_task": (
        _halved(downstream_task.downstream_task, predictor=_REGRESSION),
        ["mean_test_accuracy", "min_train_accuracy", "test_accuracy_factor_2"],
    ),
    "reduced_downstream_task": (
        _halved(
            reduced_downstream_task.reduced_downstream_task,
            predictor=_REGRESSION,
            correlation_measure=_information,
        ),
        ["mean_test_accuracy_other_factors"],
    ),
    "strong_downstream_task": (
        _halved(
            strong_downstream_task.strong_downstream_task,
            predictor=_REGRESSION,
            n_experiment=2,
        ),
        ["mean_strong_train_accuracy", "mean_strong_test_accuracy"],
    ),
    "fairness": (
        # The smaller the better, so 1 - score.
        lambda factors, codes: {
            key: 1 - value if isinstance(value, float) else value
            for key, value in _halved(fairness.fairness, predictor=_REGRESSION)(
                factors, codes
            ).items()
        },
        ["mean_fairness:mean_pred:mean_sens", "max_fairness:pred0:max_sens"],
    ),
    "unified_scores": (
        _halved(
            unified_scores.unified_scores,
            matrices=["mutual_information_matrix", "accuracy_svm_matrix"],
        ),
        [
            "mutual_information_matrix.mig",
            "mutual_information_matrix.modularity",
            "mutual_information_matrix.area_precision",
            "accuracy_svm_matrix.sap",
            "accuracy_svm_matrix.dci",
        ],
    ),
}


@pytest.fixture(params=METRICS)
def score(request):
    metric, keys = METRICS[request.param]

    def compute(factors, codes):
        scores = metric(factors, codes)
        return np.array([scores[key] for key in keys])

    return compute


@pytest.fixture(scope="module")
def samples():
    random_state = np.random.RandomState(0)
    factors = np.stack([random_state.randint(k, size=400) for k in (3, 4, 5)], axis=1)
    mixing = np.eye(3, 5) + 0.3 * random_state.standard_normal((3, 5))
    codes = factors @ mixing + 0.2 * random_state.standard_normal((400, 5))
    return factors, codes


def test_order_of_codes_does_not_matter(score, samples):
    factors, codes = samples
    np.testing.assert_allclose(
        score(factors, codes[:, [3, 1, 4, 0, 2]]), score(factors, codes), atol=1e-3
    )


def test_sign_of_codes_does_not_matter(score, samples):
    factors, codes = samples
    np.testing.assert_allclose(
        score(factors, codes * [-1, 1, -1, -1, 1]), score(factors, codes), atol=1e-3
    )


def test_names_of_factor_values_do_not_matter(score, samples):
    factors, codes = samples
    relabelled = np.array([7, 2, 9, 4, 0])[factors]
    np.testing.assert_allclose(
        score(relabelled, codes), score(factors, codes), atol=1e-3
    )


def test_scores_are_in_range_and_better_than_noise(score, samples):
    factors, codes = samples
    noise = np.random.RandomState(1).standard_normal(codes.shape)
    assert np.all(score(factors, codes) >= score(factors, noise))
    assert np.all(score(factors, noise) >= 0)


@pytest.mark.parametrize("name", METRICS)
def test_results_are_plain_values(name, samples):
    scores = METRICS[name][0](*samples)
    assert json.loads(json.dumps(scores)) == scores


@pytest.mark.parametrize("name", METRICS)
def test_shapes_must_fit(name, samples):
    factors, codes = samples
    with pytest.raises(ValueError, match="Received"):
        METRICS[name][0](factors[:300], codes)


@pytest.mark.parametrize("name", METRICS)
def test_examples_run(name):
    module = importlib.import_module(f"dmt.evaluation.metrics.{name}")
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
