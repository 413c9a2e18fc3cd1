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

from dmt.evaluation.metrics import dci, factor_vae, mig


def _dci(factors, codes):
    # A convex problem: the default trees choose at random between equal splits.
    half = len(factors) // 2
    return dci.dci(
        factors[:half],
        codes[:half],
        factors[half:],
        codes[half:],
        predictor=functools.partial(LogisticRegression, max_iter=1000),
    )


METRICS = {
    "mig": (mig.mig, ["discrete_mig"]),
    "factor_vae": (
        lambda factors, codes: factor_vae.factor_vae(
            factors, codes, batch_size=8, num_train=300, num_eval=200
        ),
        ["train_accuracy", "eval_accuracy", "num_active_dims"],
    ),
    "dci": (
        _dci,
        [
            "informativeness_train",
            "informativeness_test",
            "disentanglement",
            "completeness",
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
