"""BetaVAE score."""

import numpy as np
import pytest

from dmt.evaluation.metrics import beta_vae, encoding, predictors
from tests.golden import metric_cases as golden
from tests.golden import recipes


@pytest.mark.parametrize("case", golden.cases("beta_vae_sklearn"))
def test_golden(case):
    golden.check(case)


def test_known_representation():
    scores = beta_vae.compute_beta_vae_sklearn(
        recipes.Identity10(),
        lambda x: np.array(x, np.float64),
        np.random.RandomState(0),
        None,
        5,
        2000,
        2000,
    )
    assert scores["train_accuracy"] >= 0.9 and scores["eval_accuracy"] >= 0.9


def test_features_are_mean_differences(monkeypatch):
    """Feeds what is encoded to a loop over single points, in small chunks or not."""
    encoded = []

    @encoding.any_number
    def representation(observations):
        encoded.append(np.array(observations))
        return observations

    settings = {"batch_size": 4, "num_train": 30, "num_eval": 20}
    features = []
    fit = predictors.fit

    def recording_fit(predictor, codes, target):
        features.append((codes, target))
        return fit(predictor, codes, target)

    monkeypatch.setattr(predictors, "fit", recording_fit)

    def score():
        return beta_vae.compute_beta_vae_sklearn(
            recipes.Grid([3, 4, 5]),
            representation,
            np.random.RandomState(0),
            **settings,
        )

    scores = score()
    ((codes, target),) = features
    first, second = np.moveaxis(encoded[0].reshape(30, 2, 4, 3), 1, 0)
    for point in range(30):
        np.testing.assert_allclose(
            codes[point], np.abs(first[point] - second[point]).mean(axis=0)
        )
        assert codes[point, target[point]] == 0
    monkeypatch.setattr(encoding, "CHUNK_BYTES", 100)
    assert score() == scores
    assert len(encoded) > 10


def test_table_agrees_with_data_set():
    dataset = recipes.Grid([4, 5, 6])
    representation = recipes.make_representation(
        {"kind": "linear", "seed": 1, "inputs": 3, "dim": 4}
    )
    settings = {"batch_size": 16, "num_train": 2000, "num_eval": 2000}
    sampled = beta_vae.compute_beta_vae_sklearn(
        dataset, representation, np.random.RandomState(0), **settings
    )
    factors = np.indices([4, 5, 6]).reshape(3, -1).T
    table = beta_vae.beta_vae(factors, representation(factors), **settings)
    assert table.keys() == sampled.keys()
    # Four standard errors of the difference of two shares of 2000 points.
    assert table["eval_accuracy"] == pytest.approx(sampled["eval_accuracy"], abs=0.06)


def test_one_factor():
    factors = np.arange(12)[:, None] % 4
    scores = beta_vae.beta_vae(factors, factors / 4, num_train=10, num_eval=5)
    assert scores["train_accuracy"] == scores["eval_accuracy"] == 1
