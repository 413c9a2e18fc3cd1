"""Disentanglement, completeness, informativeness, explicitness, size."""

import functools
import json

import numpy as np
import pytest

from dmt.evaluation.metrics import dci_es
from dmt.evaluation.metrics.samples import Sampler
from tests.golden import recipes


def _sample(sizes, num, seed=0):
    return recipes.Grid(sizes).sample_factors(num, np.random.RandomState(seed))


def _scores(encode, sizes=(2, 4, 8), **options):
    train, test = _sample(sizes, 400), _sample(sizes, 200, seed=1)
    return dci_es.dci_es(train, encode(train), test, encode(test), **options)


def test_identity():
    scores = _scores(lambda factors: -2.0 * factors)
    for key in ("disentanglement", "completeness", "informativeness_test", "size"):
        assert scores[key] == pytest.approx(1), key
    # Balanced trees tell 2, 4, 8 values at depths 1, 2, 3.
    assert scores["explicitness_per_factor"][0] == 1
    assert scores["explicitness_per_factor"][1] > 0.9
    assert scores["explicitness"] > 0.85
    np.testing.assert_allclose(scores["importance_matrix"], np.eye(3), atol=1e-12)


def test_explicitness_of_known_curves():
    losses = np.array(
        [
            [0.8, 0.6, 0.4, 0.2, 0.0],  # A straight line from guessing to 0.
            [0.0, 0.0, 0.0, 0.0, 0.0],  # Depth 1 suffices.
            [0.8, 0.8, 0.8, 0.8, 0.8],  # Nothing is learned at any depth.
            [0.8, 0.8, 0.8, 0.8, 0.0],  # Only the largest depth helps.
            [0.8, 0.4, 0.4, 0.4, 0.4],
        ]
    )
    scores = dci_es._explicitness(losses, np.full(5, 0.8))
    # The triangle has area 4 * 0.8 / 2 = 1.6; the last two areas are
    # 3 * 0.8 + 0.4 = 2.8 and 0.4 / 2 = 0.2.
    np.testing.assert_allclose(scores, [0, 1, 1, 1 - 2.8 / 1.6, 1 - 0.2 / 1.6])
    assert dci_es._explicitness(np.zeros((1, 5)), np.zeros(1)) == [1]


def test_explicitness_of_one_tree():
    """A tree of depth d tells at most 2^d of 8 values; one leaf each is enough."""
    factors = np.repeat(np.arange(8), 50)[:, None] * [1, 0]
    samples = (factors, factors.astype(float)) * 2
    scores = dci_es.dci_es(*samples, max_depth=9, num_trees=1)
    curve = np.array(scores["loss_capacity_curves"][0])
    assert np.all(np.diff(curve) <= 0)
    np.testing.assert_array_equal(curve[[0, -1]], [3 / 4, 0])
    assert np.all(curve * 8 % 1 == 0)
    # The area by trapezoids, under the line from (1, 7/8) to (9, 0): 8 * 7/8 / 2.
    area = curve.sum() - curve[0] / 2
    assert scores["explicitness"] == pytest.approx(1 - area / 3.5)


def test_codes_that_are_harder_to_use_are_less_explicit():
    def scramble(factors):
        order = np.random.RandomState(0).permutation(32)
        return order[factors].astype(float)

    plain = _scores(lambda factors: factors // 8 * 8.0, (32, 32))
    assert plain["informativeness_test"] < 0.2

    def coarse(codes):
        train, test = _sample((32, 32), 2000), _sample((32, 32), 500, 1)
        halves = train // 16, codes(train), test // 16, codes(test)
        return dci_es.dci_es(*halves)

    explicit, inexplicit = coarse(lambda x: x.astype(float)), coarse(scramble)
    assert explicit["informativeness_test"] == inexplicit["informativeness_test"] == 1
    assert explicit["explicitness"] == 1
    assert inexplicit["explicitness"] < 0.95


def test_size_and_other_codes():
    scores = _scores(lambda x: np.hstack([x, x]).astype(float))
    assert scores["size"] == 0.5
    assert scores["disentanglement"] == pytest.approx(1)
    assert scores["completeness"] < 0.95
    assert np.shape(scores["importance_matrix"]) == (6, 3)
    scores = _scores(lambda x: np.column_stack([x[:, 0] + 2.0 * x[:, 1], x[:, 2]]))
    assert scores["size"] == 1.5
    assert scores["disentanglement"] < 0.8
    assert scores["completeness"] == pytest.approx(1)
    scores = _scores(lambda x: np.hstack([x, 0 * x]).astype(float))
    assert scores["disentanglement"] == pytest.approx(1)
    assert scores["completeness"] == pytest.approx(1)


def test_constant_codes():
    scores = _scores(lambda x: np.zeros((len(x), 2)))
    assert scores["disentanglement"] == scores["completeness"] == 0
    # A flat curve is explicit: E has to be read with informativeness.
    assert scores["explicitness"] == 1 and scores["informativeness_test"] < 0.5
    assert scores["best_depth"] == 1


def test_noise():
    noise = np.random.RandomState(2).standard_normal((600, 3))
    factors = _sample((4, 4), 600)
    scores = dci_es.dci_es(factors[:400], noise[:400], factors[400:], noise[400:])
    assert scores["disentanglement"] < 0.2 and scores["informativeness_test"] < 0.4


@pytest.mark.parametrize("continuous", [False, True])
def test_cut_forests_score_as_forests_of_that_depth(continuous):
    """A tree of a lower depth is the top of the deep one, but for equal splits."""
    random_state = np.random.RandomState(0)
    target = random_state.randint(5, size=300).astype(float if continuous else int)
    codes = target[:, None] + random_state.standard_normal((300, 3))
    train, test = slice(200), slice(200, 300)
    kind = functools.partial(dci_es._forest, continuous)
    deep = kind(12, 10, 0).fit(codes[train], target[train])
    single = kind(12, 10, 0).fit(codes[train, :1], target[train])
    scores = dci_es._scores_by_depth(deep, codes[test], target[test], 12)
    assert scores[-1] == pytest.approx(deep.score(codes[test], target[test]))
    np.testing.assert_allclose(
        dci_es._importances(deep, 3, 12), deep.feature_importances_
    )
    scores = dci_es._scores_by_depth(single, codes[test, :1], target[test], 12)
    for depth in (1, 2, 4):
        cut = kind(depth, 10, 0).fit(codes[train], target[train])
        np.testing.assert_allclose(
            dci_es._importances(deep, 3, depth), cut.feature_importances_, atol=0.03
        )
        # One code leaves no choice between codes with equal splits.
        cut = kind(depth, 10, 0).fit(codes[train, :1], target[train])
        assert scores[depth - 1] == pytest.approx(
            cut.score(codes[test, :1], target[test])
        )


def test_continuous_factors():
    random_state = np.random.RandomState(0)
    factors = random_state.uniform(size=(600, 2))
    with pytest.raises(ValueError, match="continuous_factors"):
        dci_es.dci_es(factors, factors)
    scores = dci_es.dci_es(factors, 3 * factors, continuous_factors=True)
    for key in ("disentanglement", "completeness", "informativeness_test"):
        assert scores[key] > 0.9, key
    # Depth 1 explains 3/4 of a uniform variance, depth 2 explains 15/16.
    losses = np.array(scores["loss_capacity_curves"])
    np.testing.assert_allclose(losses[:, 0], 1 / 4, atol=0.04)
    np.testing.assert_allclose(losses[:, 1], 1 / 16, atol=0.03)


def test_factor_with_one_value_in_training():
    train, test = _sample((3, 4), 100), _sample((3, 4), 50, seed=1)
    train[:, 0] = 2
    scores = dci_es.dci_es(train, train, test, test)
    others = dci_es.dci_es(train[:, 1:], train, test[:, 1:], test)
    for key in ("informativeness_test", "explicitness", "size"):
        assert scores[key] == others[key]
    assert np.isnan([row[0] for row in scores["importance_matrix"]]).all()
    assert np.isnan(scores["explicitness_per_factor"][0])
    assert np.shape(scores["loss_capacity_curves"]) == (2, 32)


def test_array_function_equals_gin_function():
    dataset = recipes.Grid([2, 3], sigma=0.3)
    sampler = Sampler(dataset, lambda x: x, np.random.RandomState(0))
    train, test = sampler.train_and_test(100, 50, 16)
    options = {"max_depth": 6, "num_trees": 3, "seed": 1}
    scores = dci_es.compute_dci_es(
        dataset, lambda x: x, np.random.RandomState(0), None, 100, 50, **options
    )
    assert dci_es.dci_es(*train, *test, **options) == scores
    assert json.loads(json.dumps(scores)) == scores
    assert (scores["num_train"], scores["num_test"]) == (100, 50)
    assert np.shape(scores["loss_capacity_curves"]) == (2, 6)
    assert dci_es.dci_es(*train, *test, **(options | {"seed": 2})) != scores


def test_needs_two_depths():
    with pytest.raises(ValueError, match="max_depth=1"):
        dci_es.dci_es(np.eye(4), np.eye(4), max_depth=1)
