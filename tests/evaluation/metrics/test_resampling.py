"""Confidence intervals."""

import doctest
import functools

import gin
import numpy as np
import pandas as pd
import pytest
from sklearn import linear_model

from dmt import metrics
from dmt.evaluation.metrics import factor_vae, resampling
from tests.golden import recipes

FACTORS = np.random.RandomState(0).randint(4, size=(300, 3))
CODES = FACTORS @ np.eye(3, 4) + 0.5 * np.random.RandomState(1).standard_normal(
    (300, 4)
)
FAST = {
    "num_train": 100,
    "predictor": linear_model.LogisticRegression,
    "matrices": ["mutual_information_matrix"],
    "correlation_measure": lambda codes, factors, *test: np.abs(codes @ factors.T),
    "n_experiment": 1,
}


def interval(scores, key="discrete_mig"):
    return scores["confidence_intervals"][key]


def test_example_runs():
    result = doctest.testmod(resampling)
    assert result.attempted and not result.failed


def test_resamples_repeat_no_row_and_tables_stay_apart():
    seen = []

    def metric(train, test):
        seen.append((train.tolist(), test.tolist()))
        return {"mean": float(train.mean()), "number": len(train)}

    scores = resampling.bootstrap(
        metric, [(np.arange(50),), (np.arange(50, 81),)], num_resamples=20
    )
    assert len(seen) == 21
    for train, test in seen[1:]:
        assert len(set(train)) == len(train) == 38
        assert len(set(test)) == len(test) == 24
        assert max(train) < 50 <= min(test)
    # Four of them leave out four quarters, of 12 of the 50 rows each.
    left_out = [row for train, _ in seen[1:5] for row in {*range(50)} - {*train}]
    assert len({*left_out}) == len(left_out) == 48
    low, high = interval(scores, "mean")
    assert low < scores["mean"] == 24.5 < high
    assert scores["num_resamples"] == 20


def test_interval_of_a_mean_is_that_of_statistics():
    values = np.random.default_rng(0).normal(size=400)
    scores = resampling.bootstrap(
        lambda x: {"mean": float(x.mean())}, [(values,)], num_resamples=2000
    )
    error = values.std(ddof=1) / np.sqrt(len(values))
    low, high = interval(scores, "mean")
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=1e-9)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.05)


def test_bias_of_few_samples_is_removed():
    """The variance with divisor n is too small by 1 / n of itself."""
    values = np.random.default_rng(0).normal(size=40)
    scores = resampling.bootstrap(
        lambda x: {"variance": float(x.var())}, [(values,)], num_resamples=1000
    )
    middle = np.mean(interval(scores, "variance"))
    assert middle == pytest.approx(values.var(ddof=1), rel=0.01)


def test_chance_of_fits_is_removed():
    """What differs between equal samples is not larger for all samples."""
    generator = np.random.default_rng(0)
    chance = np.append(0.0, generator.normal(size=2000))
    plain, corrected = (
        np.ptp(resampling.interval(chance, 0.95, (-9, 9), 99, False, has_chance))
        for has_chance in (False, True)
    )
    assert corrected == pytest.approx(plain / np.sqrt(3), rel=0.05)
    # Without chance, each four of the resamples have the mean of all samples.
    quarters = generator.normal(size=(500, 4))
    quarters -= quarters.mean(axis=1, keepdims=True)
    values = np.append(0.0, quarters)
    plain, corrected = (
        resampling.interval(values, 0.95, (-9, 9), 99, False, has_chance)
        for has_chance in (False, True)
    )
    assert corrected == pytest.approx(plain)


def test_same_seed_same_interval():
    first, second, other = (
        interval(metrics.bootstrap(metrics.mig, [FACTORS, CODES], 20, seed=seed))
        for seed in (0, 0, 1)
    )
    assert first == second != other


def test_level_and_number_are_those_asked_for():
    lengths = [
        np.ptp(interval(metrics.bootstrap(metrics.mig, [FACTORS, CODES], 20, level)))
        for level in (0.5, 0.9, 0.99)
    ]
    assert lengths[0] < lengths[1] < lengths[2]


@pytest.mark.parametrize("name", metrics.METRICS)
def test_intervals_hold_their_own_score(name):
    """For all metrics, and for codes from clean to noise."""
    entry = metrics.METRICS[name]
    parameters = entry.parameters
    options = {key: value for key, value in FAST.items() if key in parameters}
    function = functools.partial(entry.function, **options)
    for noise in (0.0, 1.0):
        codes = noise * CODES[::-1] + (1 - noise) * FACTORS @ np.eye(3, 4)
        codes[:, 3] = CODES[:, 3]
        tables = [FACTORS, codes] if "factors" in parameters else [codes]
        scores = metrics.bootstrap(function, tables, num_resamples=2)
        found = scores.get("confidence_intervals", {})
        for key in scores.keys() & set(entry.scores):
            if key in entry.intervals:
                lowest, highest = entry.intervals[key]
                low, high = found[key]
                assert lowest <= low <= scores[key] + 1e-12
                assert scores[key] - 1e-12 <= high <= highest
            else:
                assert key not in found
                assert scores["without_intervals"][key]


def test_every_score_has_an_interval_or_a_reason():
    for entry in metrics.METRICS.values():
        for key in entry.scores:
            assert (key in entry.intervals) != (key in entry.without_intervals)


def test_metrics_without_intervals_say_why(caplog):
    scores = metrics.bootstrap(metrics.jemmig, [FACTORS, CODES], num_resamples=5)
    assert "confidence_intervals" not in scores
    assert "larger samples" in scores["without_intervals"]["jemmig_normalized"]
    (line,) = caplog.messages
    assert "interval of jemmig_normalized: bins are" in line
    assert "without_intervals" not in metrics.bootstrap(
        metrics.jemmig, [FACTORS, CODES]
    )


def test_rare_value_is_in_every_resample():
    factors = FACTORS.copy()
    factors[:, 0] = 0
    factors[7, 0] = 1
    seen = []

    def metric(factors, codes):
        seen.append((len(factors), len(np.unique(factors[:, 0]))))
        return metrics.mig(factors, codes)

    low, high = interval(resampling.bootstrap(metric, [factors, CODES], 20))
    assert np.isfinite([low, high]).all()
    assert {values for _, values in seen} == {2}
    assert {size for size, _ in seen[1:]} == {225, 226}
    for name in ("mig_sup", "modularity_explicitness"):
        scores = metrics.bootstrap(
            metrics.METRICS[name].function, [factors, CODES], num_resamples=6
        )
        assert np.isfinite(list(scores["confidence_intervals"].values())).all()


def test_scores_without_errors_may_still_err():
    """60 test samples without an error do not show that there are none."""
    scores = resampling.bootstrap(
        lambda right: {"accuracy": float(right.mean())},
        [(np.ones(60),)],
        num_resamples=20,
        ranges={"accuracy": (0, 1)},
    )
    low, high = interval(scores, "accuracy")
    assert 1 - 5 / 60 < low < 1 - 2 / 60
    assert high == 1


@pytest.mark.parametrize(
    "tables",
    [
        [(FACTORS, CODES)],
        [FACTORS, CODES],
        (FACTORS.tolist(), CODES.tolist()),
        [(pd.DataFrame(FACTORS), pd.DataFrame(CODES, index=np.arange(300) * 2))],
        [pd.DataFrame(FACTORS).astype(str), pd.DataFrame(CODES)],
    ],
)
def test_tables_of_any_type(tables):
    scores = metrics.bootstrap(metrics.mig, tables, num_resamples=4)
    expected = metrics.bootstrap(metrics.mig, [(FACTORS, CODES)], num_resamples=4)
    assert scores == expected
    assert scores["discrete_mig"] == metrics.mig(FACTORS, CODES)["discrete_mig"]


def test_test_samples_are_held_out_first():
    scores = metrics.bootstrap(
        functools.partial(metrics.modularity_explicitness, seed=3),
        [FACTORS, CODES],
        num_resamples=4,
    )
    alone = metrics.modularity_explicitness(FACTORS, CODES, seed=3)
    assert alone.items() <= scores.items()
    assert (scores["num_train"], scores["num_test"]) == (200, 100)
    four = [FACTORS[:200], CODES[:200], FACTORS[200:], CODES[200:]]
    low, high = interval(
        metrics.bootstrap(metrics.modularity_explicitness, four, num_resamples=4),
        "explicitness_score_test",
    )
    assert 0.5 < low < high <= 1


def test_few_samples_get_no_interval(caplog):
    scores = metrics.bootstrap(metrics.mig, [FACTORS[:19], CODES[:19]], 10)
    assert "confidence_intervals" not in scores
    assert "needs 20 samples" in scores["without_intervals"]["discrete_mig"]


def test_votes_of_a_dataset_have_intervals_and_those_of_a_table_do_not():
    with gin.unlock_config():
        gin.bind_parameter("bootstrap.num_resamples", 4)
        gin.bind_parameter("prune_dims.threshold", 0.0)
    codes = recipes.Grid([3, 4, 5]).sample_factors(60, np.random.RandomState(0))
    assert "confidence_intervals" not in metrics.factor_vae(
        codes, codes, num_train=50, num_eval=50
    )
    scores = factor_vae.compute_factor_vae(
        recipes.Grid([3, 4, 5], sigma=1.0),
        lambda x: x,
        np.random.RandomState(0),
        batch_size=8,
        num_train=100,
        num_eval=60,
        num_variance_estimate=100,
    )
    low, high = interval(scores, "eval_accuracy")
    assert 0 < low < scores["eval_accuracy"] < high <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_resamples": -1}, "num_resamples=-1"),
        ({"num_resamples": 1}, "num_resamples=1"),
        ({"num_resamples": 9, "confidence_level": 1}, "confidence_level=1"),
        ({"num_resamples": 9, "seed": -1}, "seed=-1"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        resampling.bootstrap(lambda x: {}, [(np.arange(3),)], **options)
