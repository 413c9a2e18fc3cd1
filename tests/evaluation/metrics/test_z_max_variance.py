"""Z-max variance score."""

import json

import numpy as np
import pytest

from dmt.evaluation.metrics import encoding, z_max_variance
from tests.golden import recipes

GRID = np.indices([3, 4, 5]).reshape(3, -1).T.astype(float)
SETTINGS = {"batch_size": 32, "num_train": 300, "num_eval": 300}


def _score(factors, codes, **settings):
    return z_max_variance.z_max_variance(factors, codes, **(SETTINGS | settings))


def test_identity():
    scores = _score(GRID, -2 * GRID[:, [2, 0, 1]])
    assert scores["train_accuracy"] == scores["eval_accuracy"] == 1
    # The winner is the code of the varied factor.
    votes = np.array(scores["votes_eval"])
    np.testing.assert_array_equal(votes > 0, np.eye(3)[[2, 0, 1]])
    assert votes.sum() == 300
    assert scores["num_active_codes"] == 3
    np.testing.assert_allclose(
        scores["global_variances"], 4 * GRID[:, [2, 0, 1]].var(axis=0, ddof=1)
    )
    assert json.loads(json.dumps(scores)) == scores


def test_one_code_for_two_factors():
    """One code tells which of two factors varied no better than by the better one."""
    codes = np.column_stack([GRID[:, 0] + 3 * GRID[:, 1], GRID[:, 2]])
    scores = _score(GRID, codes)
    votes = np.array(scores["votes_eval"])
    assert np.all(votes[0, :2] > 0) and votes[0, 2] == 0
    np.testing.assert_array_equal(votes[1, :2], [0, 0])
    assert scores["eval_accuracy"] == pytest.approx(2 / 3, abs=0.1)
    first = np.argmax(np.array(scores["votes_train"])[0])
    assert scores["eval_accuracy"] == (votes[0, first] + votes[1, 2]) / 300


def test_duplicated_codes_win_as_one():
    assert _score(GRID, np.hstack([GRID, GRID]))["eval_accuracy"] == 1


def test_constant_codes_are_not_active():
    constant = np.full((60, 1), 3.0)
    scores = _score(GRID, np.hstack([constant, GRID]))
    assert scores["eval_accuracy"] == 1 and scores["num_active_codes"] == 3
    assert scores["votes_eval"][0] == [0, 0, 0]
    scores = _score(GRID, constant)
    assert scores["eval_accuracy"] == scores["num_active_codes"] == 0


def test_pruned_codes_cannot_win():
    scores = _score(GRID, GRID * [1e-3, 1, 1], prune_threshold=0.05)
    assert scores["num_active_codes"] == 2 and scores["votes_eval"][0] == [0, 0, 0]


def test_noise_is_chance():
    factors = np.tile(GRID, (20, 1))
    codes = np.random.RandomState(0).standard_normal((1200, 3))
    assert _score(factors, codes)["eval_accuracy"] < 0.5


def test_batches_differ_in_one_factor_only():
    groups, group_of_row = z_max_variance.rows_that_vary(GRID, 1)
    assert len(groups) == 15 and len(group_of_row) == 60
    for group in groups:
        np.testing.assert_array_equal(np.ptp(GRID[group], axis=0), [0, 3, 0])


def test_table_without_such_samples():
    with pytest.raises(ValueError, match="differ in one factor"):
        _score(np.eye(4), np.random.RandomState(0).standard_normal((4, 3)))


def test_table_agrees_with_data_set():
    dataset = recipes.Grid([3, 4, 5])
    representation = recipes.make_representation(
        {"kind": "linear", "seed": 1, "inputs": 3, "dim": 4}
    )
    settings = {"batch_size": 16, "num_train": 2000, "num_eval": 2000}
    sampled = z_max_variance.compute_z_max_variance(
        dataset,
        representation,
        np.random.RandomState(0),
        num_variance_estimate=4000,
        **settings,
    )
    table = z_max_variance.z_max_variance(GRID, representation(GRID), **settings)
    assert table.keys() == sampled.keys()
    # Four standard errors of a share of 2000 votes.
    assert table["eval_accuracy"] == pytest.approx(sampled["eval_accuracy"], abs=0.05)


def test_gin_function_on_its_votes():
    """Feeds what the dataset function encodes to a loop over single votes."""
    chunks = []

    @encoding.any_number
    def representation(observations):
        chunks.append(observations)
        return observations

    scores = z_max_variance.compute_z_max_variance(
        recipes.Grid([3, 4, 5]),
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
            assert np.sum(np.ptp(vote, axis=0) > 0) <= 1
            wins[np.argmax(np.var(vote, axis=0, ddof=1) / variances)] += 1
        np.testing.assert_array_equal(np.sum(scores[key], axis=1), wins)


def test_large_samples_are_encoded_in_chunks(monkeypatch):
    def score():
        return z_max_variance.compute_z_max_variance(
            recipes.Grid([3, 4], sigma=0.1),
            lambda x: x,
            np.random.RandomState(0),
            num_variance_estimate=50,
            **SETTINGS,
        )

    expected = score()
    monkeypatch.setattr(encoding, "CHUNK_BYTES", 1000)
    assert score() == expected
