"""Our gradient boosting against scikit-learn's."""

import numpy as np
import pytest
from sklearn import ensemble

from dmt.evaluation.boosting import classifier as boosting


def _noisy_classes(score, num_classes, random_state):
    """Quantiles of a score, a fifth of them replaced by chance."""
    edges = np.quantile(score, np.linspace(0, 1, num_classes + 1)[1:-1])
    chance = random_state.randint(num_classes, size=len(score))
    return np.where(
        random_state.rand(len(score)) < 0.2, chance, np.digitize(score, edges)
    )


def _single_code(n, num_classes, seed):
    random_state = np.random.RandomState(seed)
    codes = random_state.randn(n, 1)
    return codes, _noisy_classes(codes[:, 0], num_classes, random_state)


def _few_values(num_classes):
    """Three codes with few values and a constant one."""
    random_state = np.random.RandomState(0)
    codes = np.round(random_state.randn(1500, 4) / 1.5).clip(-3, 3) * 1.5
    codes[:, 3] = 0.5
    return codes, _noisy_classes(codes @ [1, 0.7, 0.4, 0], num_classes, random_state)


def _close_values():
    """Codes, neighbours of which often count as one value."""
    random_state = np.random.RandomState(3)
    codes = 5e-8 * random_state.randint(60, size=(300, 1)) ** 1.2
    return codes, _noisy_classes(codes[:, 0], 3, random_state)


# Data in which the best split of every node is unique. Otherwise scikit-learn's own
# results depend on rounding and, with several codes, on its seed.
UNIQUE = {
    "two classes": _single_code(1000, 2, seed=0),
    "four classes": _single_code(1000, 4, seed=1),
    "twenty classes": _single_code(600, 20, seed=1),
    "tiny": _single_code(9, 2, seed=0),
    "two classes, few values": _few_values(2),
    "three classes, few values": _few_values(3),
    "close values": _close_values(),
}


@pytest.mark.parametrize("name", UNIQUE)
def test_equals_scikit_learn(name):
    codes, target = UNIQUE[name]
    target = np.array(list("abcdefghijklmnopqrstuvwxyz"))[target]
    theirs = ensemble.GradientBoostingClassifier(random_state=0).fit(codes, target)
    ours = boosting.GradientBoosting(random_state=1).fit(codes, target)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_allclose(
        ours.feature_importances_, theirs.feature_importances_, rtol=1e-9, atol=1e-12
    )
    # Between the values seen in training too, where thresholds show.
    codes = np.concatenate([codes, codes + 0.01, codes[::-1] - 0.3])
    np.testing.assert_array_equal(ours.predict(codes), theirs.predict(codes))
    np.testing.assert_allclose(
        ours.predict_proba(codes), theirs.predict_proba(codes), rtol=1e-9
    )
    np.testing.assert_allclose(
        ours.decision_function(codes), theirs.decision_function(codes), atol=1e-9
    )


def test_as_scikit_learn_on_average_where_splits_tie():
    """Small samples of several codes: two often split a node equally well.

    Among these, scikit-learn chooses by the order in which it sums and visits, so it is
    given samples in random order and codes of random sign.
    """
    random_state = np.random.RandomState(0)
    codes = random_state.randn(150, 6)
    target = _noisy_classes(codes[:, 0] + codes[:, 1], 3, random_state)
    theirs, ours = [], []
    for seed in range(8):
        samples = random_state.permutation(150)
        signs = random_state.choice([-1, 1], 6)
        theirs.append(
            ensemble.GradientBoostingClassifier(random_state=seed)
            .fit((codes * signs)[samples], target[samples])
            .feature_importances_
        )
        ours.append(boosting.GradientBoosting(seed).fit(codes, target))
    ours = [model.feature_importances_ for model in ours]
    np.testing.assert_allclose(np.sum(ours, axis=1), 1)
    error = np.sqrt((np.var(theirs, axis=0) + np.var(ours, axis=0)) / 8)
    assert np.all(error < 0.003)
    assert np.all(np.abs(np.mean(theirs, axis=0) - np.mean(ours, axis=0)) < 4 * error)


def test_copies_of_a_code_share_its_importance_at_random():
    codes, target = UNIQUE["two classes"]
    single = boosting.GradientBoosting(0).fit(codes, target)
    twins = [
        boosting.GradientBoosting(seed).fit(np.repeat(codes, 2, axis=1), target)
        for seed in (0, 0, 1)
    ]
    importances = [model.feature_importances_ for model in twins]
    np.testing.assert_allclose(np.sum(importances, axis=1), 1)
    assert np.all(np.array(importances) > 0.1)
    np.testing.assert_array_equal(importances[0], importances[1])
    assert not np.array_equal(importances[0], importances[2])
    np.testing.assert_array_equal(
        twins[0].decision_function(np.repeat(codes, 2, axis=1)),
        single.decision_function(codes),
    )


def test_targets_together_are_targets_in_turn_on_any_number_of_threads():
    random_state = np.random.RandomState(0)
    codes = random_state.randn(500, 5)
    targets = [_noisy_classes(codes @ w, k, random_state) for k, w in _targets(codes)]
    random_state = np.random.RandomState(7)
    alone = [boosting.GradientBoosting(random_state).fit(codes, y) for y in targets]
    for num_threads in (1, 3):
        together = boosting.fit_all(
            codes, targets, np.random.RandomState(7), num_threads=num_threads
        )
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_array_equal(
                a.feature_importances_, b.feature_importances_
            )
            np.testing.assert_array_equal(
                a.decision_function(codes), b.decision_function(codes)
            )


def _targets(codes):
    weights = np.random.RandomState(1).randn(4, codes.shape[1])
    return zip((3, 2, 20, 5), weights, strict=True)


def test_without_splits():
    codes, target = np.ones((6, 2)), [0, 0, 0, 1, 2, 2]
    model = boosting.GradientBoosting(0).fit(codes, target)
    np.testing.assert_array_equal(model.feature_importances_, [0, 0])
    np.testing.assert_array_equal(model.predict(codes), np.zeros(6))
    theirs = ensemble.GradientBoostingClassifier().fit(codes, target)
    np.testing.assert_allclose(model.predict_proba(codes), theirs.predict_proba(codes))


@pytest.mark.parametrize(
    ("codes", "target", "message"),
    [
        (np.ones((3, 2)), [1, 1, 1], "at least 2 values"),
        (np.ones((3, 2)), [1, 2], "one value"),
        (np.ones(3), [1, 2, 1], "finite codes"),
        (np.full((3, 2), 1e39), [1, 2, 1], "finite codes"),
    ],
)
def test_refuses(codes, target, message):
    with pytest.raises(ValueError, match=message):
        boosting.GradientBoosting().fit(codes, target)


def test_refuses_other_codes_than_trained_on():
    model = boosting.GradientBoosting().fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    with pytest.raises(ValueError, match="2 codes"):
        model.predict(np.ones((3, 1)))
