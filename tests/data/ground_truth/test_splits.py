"""Parts of datasets: disjoint, complete, with the correlation that was asked for."""

import gin
import numpy as np
import pytest

from dmt.data import pipeline
from dmt.data.ground_truth import (
    dsprites_rendered,
    dummy_data,
    named_data,
    splits,
    table_data,
)
from dmt.evaluation import evaluate
from dmt.evaluation.codes import IndexedData
from dmt.evaluation.metrics import factor_vae, fairness, mig
from dmt.methods import train
from dmt.postprocessing import postprocess
from dmt.utils import configuration, results
from tests.helpers.runs import TINY, bindings

BASE = dsprites_rendered.dsprites_rendered_small()
FACTORS = BASE.factors_at(np.arange(BASE.size))


def parts(**options):
    base = options.pop("base", BASE)
    return [splits.split(base, part, **options) for part in ("train", "test")]


def check_parts(train, test, base=BASE):
    """Together the parts are the base, image by image."""
    assert train.size + test.size == base.size
    rows = np.sort(np.concatenate([train._rows, test._rows]))
    np.testing.assert_array_equal(rows, np.arange(base.size))
    for part in (train, test):
        assert part.factors_num_values == base.factors_num_values
        assert part.factor_names == base.factor_names
        assert part.observation_shape == base.observation_shape
        assert part.origin == base.origin and part.name == "split"
        some = np.append(
            [0, part.size - 1], np.random.RandomState(0).randint(9, size=9)
        )
        images = base.images_at(base.indices_of(part.factors_at(some)))
        np.testing.assert_array_equal(part.images_at(some), images)
        found = part.indices_of(part.factors_at(some), np.random.RandomState(0))
        np.testing.assert_array_equal(found, some)
        drawn = part.sample_factors(500, np.random.RandomState(0))
        part.indices_of(drawn)


def test_split_by_index():
    train, test = parts(train_share=0.8, seed=3)
    assert train.size == round(0.8 * BASE.size)
    check_parts(train, test)
    again, _ = parts(train_share=0.8, seed=3)
    np.testing.assert_array_equal(train._rows, again._rows)
    other, _ = parts(train_share=0.8, seed=4)
    assert (train._rows != other._rows).any()


def test_held_out_values():
    train, test = parts(held_out={"scale": [0, 2]})
    check_parts(train, test)
    assert set(train.factors_at(np.arange(train.size))[:, 1]) == {1}
    assert set(test.factors_at(np.arange(test.size))[:, 1]) == {0, 2}
    # Predictors see the numbers of the base: scale 2 is 2 and not the second of two.
    drawn = test.sample_factors(1000, np.random.RandomState(0))
    assert set(drawn[:, 1]) == {0, 2} and set(drawn[:, 0]) == {0, 1, 2}


def test_held_out_combinations():
    train, test = parts(held_out={"shape": [2], "scale": [0, 1]})
    check_parts(train, test)
    assert test.size == BASE.size * 2 // 9
    either = [{"shape": [2], "scale": [0]}, {"orientation": [7]}]
    train, test = parts(held_out=either)
    check_parts(train, test)
    held = (FACTORS[:, 0] == 2) & (FACTORS[:, 1] == 0) | (FACTORS[:, 2] == 7)
    np.testing.assert_array_equal(test._rows, np.flatnonzero(held))


def test_parts_of_a_table():
    table = table_data.ImageTable(
        "table", BASE.images_at(np.arange(60)), FACTORS[:60][:, [0, 3, 4]], list("abc")
    )
    check_parts(*parts(base=table, train_share=0.5), base=table)


def test_base_whose_factors_leave_something_open():
    base = dsprites_rendered.SmallRenderedDSprites([2, 3, 4, 5], "noshape")
    train, _ = parts(base=base, train_share=0.5)
    factors = train.sample_factors(200, np.random.RandomState(0))
    indices = train.indices_of(factors, np.random.RandomState(0))
    np.testing.assert_array_equal(train.factors_at(indices), factors)


def test_splits_of_splits():
    inner = splits.split(BASE, "train", held_out={"shape": [2]})
    train, test = parts(base=inner, train_share=0.75)
    check_parts(train, test, inner)
    assert set(train.sample_factors(500, np.random.RandomState(0))[:, 0]) == {0, 1}
    outer = splits.correlated(inner, [("shape", "scale")], 0.3)
    some = np.arange(0, outer.size, 11)
    images = BASE.images_at(BASE.indices_of(outer.factors_at(some)))
    np.testing.assert_array_equal(outer.images_at(some), images)


@pytest.mark.parametrize("sigma", [0.2, 0.7])
def test_correlation_has_the_strength_that_was_asked_for(sigma):
    data = splits.correlated(BASE, [("orientation", "position x")], sigma)
    assert data.size == BASE.size
    a, b = np.meshgrid(np.arange(8) / 7, np.arange(8) / 7, indexing="ij")
    expected = np.exp(-((a - b) ** 2) / (2 * sigma**2))
    expected /= expected.sum()

    def shares(factors):
        table = np.zeros((8, 8))
        np.add.at(table, (factors[:, 2], factors[:, 3]), 1 / len(factors))
        return table

    listed = data.factors_at(np.arange(data.size))
    np.testing.assert_allclose(shares(listed), expected, atol=1.01 / data.size)
    # The same for what metrics and training draw.
    drawn = data.sample_factors(100_000, np.random.RandomState(0))
    np.testing.assert_allclose(shares(drawn), expected, atol=0.003)
    batch = pipeline.batch_indices(0, 0, 100_000, data.size)
    trained = data.factors_at(batch)
    np.testing.assert_allclose(shares(trained), expected, atol=0.003)
    correlation = np.corrcoef(trained[:, 2], trained[:, 3])[0, 1]
    probabilities = expected.ravel()
    x, y = a.ravel() - 0.5, b.ravel() - 0.5  # Both means are a half.
    exact = (probabilities * x * y).sum() / (probabilities * x * x).sum()
    assert correlation == pytest.approx(exact, abs=0.01)
    # Nothing else depends on anything.
    others = np.corrcoef(listed.T)
    others[[2, 3, 2, 3], [3, 2, 2, 3]] = 0
    assert np.abs(others - np.diag(np.diag(others))).max() < 0.04
    images = BASE.images_at(BASE.indices_of(listed[::97]))
    np.testing.assert_array_equal(data.images_at(np.arange(data.size)[::97]), images)


def test_correlated_pairs_multiply():
    pairs = [("shape", "scale"), ("position x", "position y")]
    data = splits.correlated(BASE, pairs, 0.3)
    factors = data.factors_at(np.arange(data.size))
    weight = np.exp(-((np.arange(3)[:, None] / 2 - np.arange(3) / 2) ** 2) / 0.18)
    table = np.zeros((3, 3))
    np.add.at(table, (factors[:, 0], factors[:, 1]), 1 / data.size)
    np.testing.assert_allclose(table, weight / weight.sum(), atol=0.002)
    assert np.corrcoef(factors[:, 3], factors[:, 4])[0, 1] > 0.6
    assert abs(np.corrcoef(factors[:, 0], factors[:, 3])[0, 1]) < 0.04


def codes_of(base):
    return lambda indices: base.factors_at(np.asarray(indices)).astype(np.float32)


def test_metrics_on_parts():
    """Held-out values leave a grid; held-out combinations are asked for and missing."""
    values, _ = parts(held_out={"scale": [0]})
    combinations, _ = parts(held_out={"shape": [2], "scale": [0]})
    with gin.unlock_config():
        gin.parse_config(
            "discretizer.discretizer_fn = @histogram_discretizer\n"
            "discretizer.num_bins = 20\n"
            "predictor.predictor_fn = @gradient_boosting_classifier"
        )

    def score(compute, part, **options):
        state = np.random.RandomState(0)
        return compute(IndexedData(part), codes_of(part), state, None, **options)

    options = {"batch_size": 16, "num_variance_estimate": 300}
    votes = {"num_train": 300, "num_eval": 100}
    for part in (values, combinations):
        found = score(mig.compute_mig, part, num_train=2000)
        assert found["discrete_mig"] > 0.7
    found = score(factor_vae.compute_factor_vae, values, **options, **votes)
    assert found["eval_accuracy"] == 1
    with pytest.raises(ValueError, match="no observation of a combination") as error:
        score(factor_vae.compute_factor_vae, combinations, **options, **votes)
    assert "[2, 0, " in str(error.value) and "Bind dataset.name" in str(error.value)
    with pytest.raises(ValueError, match="no observation of a combination"):
        score(
            fairness.compute_fairness,
            values,
            num_train=200,
            num_test_points_per_class=10,
        )


@pytest.mark.parametrize(
    "options, words",
    [
        ({"part": "valid", "train_share": 0.5}, "'train', 'test'"),
        ({}, "one of split.held_out and split.train_share"),
        ({"held_out": {"shape": [0]}, "train_share": 0.5}, "one of"),
        ({"held_out": {"shapes": [0]}}, "shape, scale.*'shapes'"),
        ({"held_out": {"shape": [3]}}, "0 to 2"),
        ({"held_out": {"shape": 2}}, "lists values"),
        ({"held_out": {}}, "is a dictionary"),
        ({"held_out": "shape"}, "is a dictionary"),
        ({"held_out": {"shape": [0, 1, 2]}}, "train part .* is empty"),
        ({"held_out": {"shape": [True]}}, "0 to 2"),
        ({"train_share": 1.5}, "above 0 and below 1"),
        ({"train_share": True}, "split.train_share"),
        ({"train_share": 0.5, "seed": True}, "split.seed"),
        ({"train_share": 0.5, "seed": -1}, "split.seed"),
        ({"base": dummy_data.DummyData(), "train_share": 0.5}, "dummy_data"),
        ({"base": "dsprite", "train_share": 0.5}, "Datasets are"),
        ({"base": "split", "train_share": 0.5}, "@inner/split()"),
    ],
)
def test_mistakes_in_a_split(options, words):
    with pytest.raises(ValueError, match=words):
        splits.split(**{"base": BASE, "part": "train", **options})


@pytest.mark.parametrize(
    "options, words",
    [
        ({"sigma": 0}, "sigma must be a number, above 0"),
        ({"sigma": True}, "sigma must be a number"),
        ({"seed": True}, "correlated.seed"),
        ({"pairs": ("shape", "scale")}, "list of pairs"),
        ({"pairs": []}, "list of pairs"),
        ({"pairs": [("shape", "color")]}, "'color'"),
        ({"pairs": [("shape", "shape")]}, "two factors"),
        ({"seed": 1.5}, "correlated.seed"),
    ],
)
def test_mistakes_in_a_correlation(options, words):
    options = {"base": BASE, "pairs": [("shape", "scale")], "sigma": 0.2, **options}
    with pytest.raises(ValueError, match=words):
        splits.correlated(**options)


TWICE = """
    dataset.name = "split"
    split.base = @inner/split()
    split.part = %PART
    split.train_share = 0.5
    inner/split.base = "correlated"
    inner/split.part = "train"
    inner/split.held_out = {"shape": [2]}
    inner/split.train_share = None
    correlated.base = "dsprites_rendered_small"
    correlated.pairs = [("shape", "scale")]
    correlated.sigma = 0.2
    PART = "train"
"""


def test_gin_wraps_twice():
    gin.parse_config(TWICE)
    data = named_data.get_named_ground_truth_data()
    factors = data.factors_at(np.arange(data.size))
    assert set(factors[:, 0]) == {0, 1}
    assert data.size == pytest.approx(BASE.size / 3, rel=0.2)
    assert np.corrcoef(factors[:, 0], factors[:, 1])[0, 1] > 0.4


def test_next_step_finds_the_same_data(tmp_path):
    gin.parse_config(TWICE)
    data = named_data.get_named_ground_truth_data()
    before = tmp_path / "before.gin"
    before.write_text(gin.operative_config_str())

    gin.clear_config()
    gin.parse_config("dataset.name = 'auto'\nmig.num_train = 5")
    configuration.resolve_auto_dataset(before)
    again = named_data.get_named_ground_truth_data()
    np.testing.assert_array_equal(again._rows, data._rows)

    gin.clear_config()
    gin.parse_config("dataset.name = 'auto'\nsplit.part = 'test'")
    configuration.resolve_auto_dataset(before)
    other = named_data.get_named_ground_truth_data()
    rows = np.concatenate([other._rows, data._rows])
    np.testing.assert_array_equal(np.sort(rows), np.arange(data._base.size))


def test_run_on_a_split(tmp_path):
    lines = bindings(
        TINY,
        dataset__name="'split'",
        split__base="'dsprites_rendered_small'",
        split__part="'train'",
        split__held_out="{'shape': [2]}",
    )
    model, mean, scores = (str(tmp_path / name) for name in ("model", "mean", "scores"))
    train.train_with_gin(model, False, [], lines)
    config = configuration.shipped("postprocess/mean.gin")
    postprocess.postprocess_with_gin(model, mean, False, [config], [])
    # The data of the training, but its other part.
    config = configuration.shipped("metrics/mig.gin")
    lines = ["mig.num_train = 100", "split.part = 'test'"]
    evaluate.evaluate_with_gin(mean, scores, False, [config], lines)
    found = results.load_json(tmp_path / "scores/results/aggregate/evaluation.json")
    assert found["train_config.split.part"] == "'train'"
    assert found["evaluation_config.split.part"] == "'test'"
    assert found["evaluation_config.split.base"] == "'dsprites_rendered_small'"
    assert found["evaluation_config.split.held_out"] == "{'shape': [2]}"
    # The test part has a single shape, so no code tells anything of it.
    information = np.array(found["evaluation_results.mutual_information"])
    assert not information[..., 0].any() and information.any()
