"""FactorVAE score."""

import gin
import numpy as np
import pytest

from dmt.evaluation.metrics import encoding, factor_vae
from tests.golden import recipes

GOLDEN = recipes.load("metrics.json")
CASES = [c for c in GOLDEN["cases"] if c["metric"] == "factor_vae_metric"]
COMPONENTS = [
    c for c in GOLDEN["components"] if c["component"].startswith("factor_vae.")
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_golden(case):
    params = dict(case["params"])
    gin.bind_parameter("prune_dims.threshold", params.pop("prune_threshold"))
    random_state = np.random.RandomState(case["seed"])
    scores = factor_vae.compute_factor_vae(
        recipes.make_dataset(case["dataset"]),
        recipes.make_representation(case["representation"]),
        random_state,
        None,
        **params,
    )
    for key in ("train_accuracy", "eval_accuracy"):
        assert scores[key] == pytest.approx(case["output"][key], rel=1e-9)
    assert random_state.randint(1 << 30) == case["next_draw"]


@pytest.mark.parametrize("case", COMPONENTS, ids=lambda case: case["id"])
def test_golden_components(case):
    inputs = case["inputs"]
    if case["component"] == "factor_vae.prune_dims":
        output = factor_vae._prune_dims(
            np.array(inputs["variances"]), inputs["threshold"]
        )
    else:
        output = factor_vae._compute_variances(
            recipes.make_dataset(inputs["dataset"]),
            recipes.make_representation(inputs["representation"]),
            inputs["num_points"],
            np.random.RandomState(inputs["seed"]),
        )
    np.testing.assert_allclose(output, case["output"], rtol=1e-9)


@pytest.mark.parametrize(
    ("representation", "low", "high"),
    [
        (lambda x: np.array(x, np.float64), 0.9, 1.0),
        (lambda x: np.zeros((len(x), 10)), 0.0, 0.2),
    ],
    ids=["identity", "zeros"],
)
def test_known_representations(representation, low, high):
    scores = factor_vae.compute_factor_vae(
        recipes.Identity10(),
        representation,
        np.random.RandomState(0),
        None,
        5,
        3000,
        2000,
        2500,
    )
    assert low <= scores["train_accuracy"] <= high
    assert low <= scores["eval_accuracy"] <= high


def test_active_codes_are_counted_and_votes_name_the_code():
    gin.bind_parameter("prune_dims.threshold", 0.05)
    scores = factor_vae.compute_factor_vae(
        recipes.Grid([4, 5]),
        lambda x: np.stack([0 * x[:, 0], x[:, 1], 0 * x[:, 0], x[:, 0]], axis=1),
        np.random.RandomState(0),
        batch_size=16,
        num_train=100,
        num_eval=40,
        num_variance_estimate=200,
    )
    assert scores["num_active_dims"] == 2
    assert scores["prune_threshold"] == 0.05
    votes = np.array(scores["votes_train"])
    np.testing.assert_array_equal(votes != 0, [[0, 0], [0, 1], [0, 0], [1, 0]])
    assert votes.sum() == 100 and np.sum(scores["votes_eval"]) == 40


def test_table_agrees_with_data_set():
    dataset = recipes.Grid([4, 5, 6])
    representation = recipes.make_representation(
        {"kind": "linear", "seed": 1, "inputs": 3, "dim": 4}
    )
    settings = {"batch_size": 16, "num_train": 4000, "num_eval": 4000}
    sampled = factor_vae.compute_factor_vae(
        dataset,
        representation,
        np.random.RandomState(0),
        num_variance_estimate=4000,
        **settings,
    )
    factors = np.indices([4, 5, 6]).reshape(3, -1).T
    codes = representation(factors)
    table = factor_vae.factor_vae(factors, codes, **settings)
    assert table.keys() == sampled.keys()
    # Four standard errors of a share of 4000 votes.
    assert table["eval_accuracy"] == pytest.approx(sampled["eval_accuracy"], abs=0.04)
    assert table == factor_vae.factor_vae(factors, codes, **settings)


def test_array_core_equals_gin_function_on_the_same_votes(monkeypatch):
    """Feeds what the dataset function encodes to a loop over single votes."""
    chunks = []

    @encoding.any_number
    def representation(observations):
        chunks.append(observations)
        return observations

    scores = factor_vae.compute_factor_vae(
        recipes.Grid([3, 4, 5], sigma=0.1),
        representation,
        np.random.RandomState(3),
        batch_size=8,
        num_train=60,
        num_eval=30,
        num_variance_estimate=100,
    )
    sample, train, evaluation = chunks
    assert [len(chunk) for chunk in chunks] == [100, 480, 240]
    variances = np.var(sample, axis=0, ddof=1)
    for chunk, key in ((train, "votes_train"), (evaluation, "votes_eval")):
        wins = np.zeros(3)
        for vote in np.split(chunk, len(chunk) // 8):
            wins[np.argmin(np.var(vote, axis=0, ddof=1) / variances)] += 1
        np.testing.assert_array_equal(np.sum(scores[key], axis=1), wins)
    np.testing.assert_allclose(scores["global_variances"], variances)
    monkeypatch.setattr(encoding, "CHUNK_BYTES", 1000)
    assert scores == factor_vae.compute_factor_vae(
        recipes.Grid([3, 4, 5], sigma=0.1),
        lambda x: x,
        np.random.RandomState(3),
        batch_size=8,
        num_train=60,
        num_eval=30,
        num_variance_estimate=100,
    )
