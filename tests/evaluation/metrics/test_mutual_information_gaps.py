"""MIG-sup, JEMMIG and DCIMIG, the relatives of the Mutual Information Gap."""

import collections
import doctest
import json
import math

import gin
import numpy as np
import pytest

from dmt.evaluation.metrics import dcimig, jemmig, mig_sup, utils
from tests.golden import recipes

MODULES = [dcimig, jemmig, mig_sup]
METRICS = [dcimig.dcimig, jemmig.jemmig, mig_sup.mig_sup]
SAMPLERS = [dcimig.compute_dcimig, jemmig.compute_jemmig, mig_sup.compute_mig_sup]

GRID = np.indices([2, 4, 8]).reshape(3, -1).T.astype(float)
LOG2 = np.log(2)


def _columns(*indices):
    return GRID[:, list(indices)]


def _entropy(*rows):
    counts = collections.Counter(zip(*rows, strict=True)).values()
    total = sum(counts)
    return -sum(count / total * math.log(count / total) for count in counts)


def _slowly(factors, codes, num_bins):
    """The three definitions, one number at a time, in entropies of columns."""
    factors = [tuple(column) for column in factors.T]
    low, width = codes.min(axis=0), np.ptp(codes, axis=0) / num_bins
    bins = np.minimum((codes - low) // width, num_bins - 1)
    codes = [tuple(column) for column in bins.T]
    entropy = [_entropy(v) for v in factors]
    shared = [
        [
            _entropy(z) + h - _entropy(z, v)
            for v, h in zip(factors, entropy, strict=True)
        ]
        for z in codes
    ]

    gaps = []
    for row in shared:
        second, first = sorted(i / h for i, h in zip(row, entropy, strict=True))[-2:]
        gaps.append(first - second)

    jemmigs = []
    for k, v in enumerate(factors):
        order = sorted(range(len(codes)), key=lambda d: -shared[d][k])
        first, second = order[:2]
        joint = _entropy(codes[first], v)
        jemmigs.append(joint - shared[first][k] + shared[second][k])

    best = [0.0] * len(factors)
    for row in shared:
        k = max(range(len(factors)), key=lambda k: row[k])
        best[k] = max(best[k], row[k] - sorted(row)[-2])
    return {
        "mig_sup": sum(gaps) / len(gaps),
        "jemmig": sum(jemmigs) / len(jemmigs),
        "jemmig_normalized": sum(
            1 - j / (h + math.log(num_bins))
            for j, h in zip(jemmigs, entropy, strict=True)
        )
        / len(jemmigs),
        "dcimig": sum(best) / sum(entropy),
    }


def test_definitions():
    random_state = np.random.RandomState(0)
    factors = np.stack([random_state.randint(k, size=300) for k in (2, 3, 5)], axis=1)
    codes = factors @ random_state.standard_normal((3, 4))
    codes += 0.3 * random_state.standard_normal(codes.shape)
    scores = {}
    for metric in METRICS:
        scores |= metric(factors, codes, num_bins=7)
    for key, value in _slowly(factors, codes, 7).items():
        assert scores[key] == pytest.approx(value), key


@pytest.mark.parametrize(
    ("codes", "per_code", "score"),
    [
        (GRID, [1, 1, 1], 1),
        (-3 * GRID, [1, 1, 1], 1),
        (_columns(2, 2, 0), [1, 1, 1], 1),
        # Of a sum of two numbers, each number alone is told to the same extent.
        ((_columns(0) + 2 * _columns(1)), [0], 0),
        (np.hstack([GRID, np.full((64, 2), 7.0)]), [1, 1, 1, 0, 0], 1),
        (np.ones((64, 2)), [0, 0], 0),
    ],
    ids=["identity", "scaled", "duplicated", "two factors", "dead codes", "constant"],
)
def test_mig_sup(codes, per_code, score):
    scores = mig_sup.mig_sup(GRID, codes)
    np.testing.assert_allclose(scores["mig_sup_per_code"], per_code, atol=1e-12)
    assert scores["mig_sup"] == pytest.approx(score)
    assert scores["num_active_codes"] == np.sum(np.ptp(codes, axis=0) > 0)


@pytest.mark.parametrize(
    ("codes", "per_factor"),
    [
        (GRID, [0, 0, 0]),
        # No code knows the first factor: its joint entropy with the first code is left.
        (_columns(1, 2), [3 * LOG2, 0, 0]),
        # The second code knows as much: H - H + H.
        (_columns(2, 2), [4 * LOG2, 5 * LOG2, 3 * LOG2]),
        # The code of the second factor knows the first one, too: H(z, v) - I = H(v_0).
        (
            np.hstack([_columns(0) + 2 * _columns(1), _columns(2)]),
            [2 * LOG2, 1 * LOG2, 0],
        ),
    ],
    ids=["identity", "missing", "duplicated", "two factors"],
)
def test_jemmig(codes, per_factor):
    scores = jemmig.jemmig(GRID, codes, num_bins=16)
    np.testing.assert_allclose(scores["jemmig_per_factor"], per_factor, atol=1e-12)
    assert scores["jemmig"] == pytest.approx(np.mean(per_factor))
    limits = np.log([2, 4, 8]) + np.log(16)
    normalized = 1 - np.array(per_factor) / limits
    np.testing.assert_allclose(scores["jemmig_normalized_per_factor"], normalized)
    assert scores["jemmig_normalized"] == pytest.approx(normalized.mean())


@pytest.mark.parametrize(
    ("codes", "per_factor"),
    [
        (GRID, [1, 2, 3]),
        (_columns(2, 2), [0, 0, 3]),
        # A code of two factors votes for the larger one, with the difference.
        (_columns(0) + 2 * _columns(1), [0, 1, 0]),
        (np.ones((64, 2)), [0, 0, 0]),
    ],
    ids=["identity", "duplicated", "two factors", "constant"],
)
def test_dcimig(codes, per_factor):
    scores = dcimig.dcimig(GRID, codes)
    gaps = np.array(per_factor) * LOG2
    np.testing.assert_allclose(scores["gap_per_factor"], gaps, atol=1e-12)
    assert scores["dcimig"] == pytest.approx(sum(per_factor) / 6)


def test_noise_scores_low():
    random_state = np.random.RandomState(0)
    factors = random_state.randint(4, size=(4000, 3))
    codes = random_state.standard_normal((4000, 5))
    assert mig_sup.mig_sup(factors, codes)["mig_sup"] < 0.02
    assert dcimig.dcimig(factors, codes)["dcimig"] < 0.02
    # Normally distributed values do not fill equal bins, so joint entropy is not full.
    assert jemmig.jemmig(factors, codes)["jemmig_normalized"] < 0.2


@pytest.mark.parametrize(
    ("sampler", "metric"), list(zip(SAMPLERS, METRICS, strict=True))
)
def test_array_function_equals_gin_function(sampler, metric):
    gin.bind_parameter("discretizer.discretizer_fn", utils.histogram_discretize)
    gin.bind_parameter("discretizer.num_bins", 12)
    dataset = recipes.Grid([3, 4, 5], sigma=0.3)
    codes, factors = utils.generate_batch_factor_code(
        dataset, lambda x: x, 300, np.random.RandomState(0), 16
    )
    scores = sampler(dataset, lambda x: x, np.random.RandomState(0), num_train=300)
    assert metric(factors.T, codes.T, num_bins=12) == scores
    assert json.loads(json.dumps(scores)) == scores
    assert scores["num_train"] == 300 and scores["num_bins"] == 12
    assert np.shape(scores["mutual_information"]) == (3, 3)


@pytest.mark.parametrize("metric", METRICS)
def test_continuous_factors_are_put_into_bins(metric):
    random_state = np.random.RandomState(0)
    factors = random_state.uniform(size=(300, 2))
    codes = factors + random_state.normal(scale=0.1, size=(300, 2))
    bins = utils.histogram_discretize(factors.T, 6).T
    assert metric(factors, codes, num_bins=6, continuous_factors=True) == metric(
        bins, codes, num_bins=6
    )
    with pytest.raises(ValueError, match="continuous_factors"):
        metric(factors, codes)


def test_factor_with_one_value():
    factors = np.column_stack([np.zeros(4), np.arange(4)])
    assert np.isnan(mig_sup.mig_sup(factors, factors)["mig_sup"])
    assert dcimig.dcimig(factors, factors)["dcimig"] == 1
    assert np.isnan(dcimig.dcimig(0 * factors, factors)["dcimig"])
    assert jemmig.jemmig(factors, factors)["jemmig_normalized_per_factor"] == [1, 1]


@pytest.mark.parametrize("metric", [mig_sup.mig_sup, dcimig.dcimig])
def test_needs_two_factors(metric):
    with pytest.raises(ValueError, match="num_factors=1"):
        metric(np.arange(4)[:, None], np.arange(8.0).reshape(4, 2))


def test_needs_two_codes():
    with pytest.raises(ValueError, match="num_codes=1"):
        jemmig.jemmig(np.arange(4)[:, None], np.arange(4.0)[:, None])


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_run(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
