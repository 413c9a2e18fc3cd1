"""Samples that are checked, or drawn and encoded."""

import inspect

import gin
import numpy as np
import pytest

from dmt.data.ground_truth import table_data
from dmt.evaluation.metrics import (
    dcimig,
    encoding,
    inputs,
    mig,
    samples,
    sap_score,
    unsupervised_metrics,
    utils,
)
from tests.golden import recipes


@pytest.mark.parametrize("dataset", [recipes.DummyImages(), recipes.Grid([5, 9])])
def test_chunks_do_not_change_codes(dataset, monkeypatch):
    calls = []

    def representation(observations):
        calls.append(len(observations))
        return observations.reshape(len(observations), -1)[:, :2]

    def generate(representation):
        calls.clear()
        sampler = samples.Sampler(dataset, representation, np.random.RandomState(0))
        return sampler.sample(50, batch_size=16)

    factors, codes = generate(representation)
    assert calls == [16, 16, 16, 2]

    @encoding.any_number
    def in_chunks(observations):
        return representation(observations)

    for size, expected in ((encoding.CHUNK_BYTES, [50]), (1, [16, 16, 16, 2])):
        monkeypatch.setattr(encoding, "CHUNK_BYTES", size)
        chunked_factors, chunked_codes = generate(in_chunks)
        assert calls == expected
        np.testing.assert_array_equal(codes, chunked_codes)
        np.testing.assert_array_equal(factors, chunked_factors)


def test_observations_in_memory_are_encoded_in_chunks(monkeypatch):
    indices = np.arange(10)
    table = np.random.RandomState(0).standard_normal((10, 3))
    monkeypatch.setattr(encoding, "CHUNK_BYTES", 4 * indices.itemsize)
    for representation in (
        lambda index: table[index],
        encoding.any_number(lambda index: table[index]),
    ):
        codes = encoding.encode_all(indices, representation, 3)
        np.testing.assert_array_equal(codes, table)


def test_errors():
    with pytest.raises(ValueError, match=r"codes.shape=\(3, 2\)"):
        inputs.check_samples(np.zeros((4, 2)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="num_points=0"):
        samples.Sampler(
            recipes.Grid([2]), lambda x: x, np.random.RandomState(0)
        ).sample(0, 16)


def test_configurables_take_what_disentanglement_lib_gives():
    sampled = inspect.signature(mig.compute_mig).parameters
    assert list(sampled) == [
        "ground_truth_data",
        "representation_function",
        "random_state",
        "artifact_dir",
        "num_train",
        "batch_size",
    ]
    assert sampled["artifact_dir"].default is None
    assert sampled["num_train"].default is gin.REQUIRED
    labelled = inspect.signature(mig.compute_mig_on_fixed_data).parameters
    assert list(labelled) == [
        "observations",
        "labels",
        "representation_function",
        "batch_size",
    ]
    with pytest.raises(ValueError, match="num_bins"):
        gin.bind_parameter("mig.num_bins", 3)
    with pytest.raises(TypeError, match="num_bins"):
        mig.compute_mig(None, None, None, num_train=3, num_bins=3)
    with pytest.raises(ValueError, match="artifact_dir"):
        gin.bind_parameter("mig.artifact_dir", "somewhere")


def table(factors, **options):
    """A dataset whose images tell the numbers of their rows."""
    images = np.zeros((len(factors), 2, 2, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(factors))
    names = ["a", "b"][: factors.shape[1]]
    return table_data.ImageTable("mine", images, factors, names, **options)


def test_training_and_test_samples_share_no_image():
    data = table(np.random.RandomState(1).randint(4, size=(90, 2)))
    rows = []

    def representation(observations):
        rows.extend(np.round(255 * observations[:, 0, 0, 0]).astype(int).tolist())
        return np.random.RandomState(2).normal(size=(len(observations), 3))

    def scores(num_train, num_test):
        rows.clear()
        return sap_score.compute_sap(
            data,
            representation,
            np.random.RandomState(0),
            num_train=num_train,
            num_test=num_test,
            continuous_factors=False,
        )

    scores(50, 30)
    assert len(rows) == len(set(rows)) == 80
    found = scores(10_000, 5000)
    assert len(rows) == len(set(rows)) == 90
    assert (found["num_train"], found["num_test"]) == (60, 30)
    sampler = samples.Sampler(data, representation, np.random.RandomState(0))
    factors, _ = sampler.sample(90, 16)
    np.testing.assert_array_equal(
        np.sort(factors, 0), np.sort(data.factors_at(range(90)), 0)
    )


def test_kinds_of_factors_of_a_dataset():
    random_state = np.random.RandomState(0)
    continuous = table(random_state.normal(size=(50, 2)), continuous_factors=[True] * 2)
    unlabelled = table(np.zeros((50, 0)))

    def run(metric, data, **settings):
        codes = random_state.normal(size=(50, 3))
        state = np.random.RandomState(0)
        return metric(data, lambda x: codes[: len(x)], state, num_train=50, **settings)

    sap = {"num_test": 20, "continuous_factors": False}
    assert run(sap_score.compute_sap, continuous, **sap)["continuous_factors"]
    gin.bind_parameter("discretizer.discretizer_fn", utils.histogram_discretize)
    gin.bind_parameter("discretizer.num_bins", 5)
    for data in (continuous, unlabelled):
        assert "mutual_info_score" in run(
            unsupervised_metrics.unsupervised_metrics, data
        )
    for metric, name in ((mig.compute_mig, "mig"), (dcimig.compute_dcimig, "dcimig")):
        with pytest.raises(
            ValueError, match=f"^{name} needs .*mine.num_bins.*a, b are"
        ):
            run(metric, continuous)
        with pytest.raises(ValueError, match=f"^{name} needs factors of variation"):
            run(metric, unlabelled)
    with pytest.raises(ValueError, match="^sap_score needs factors of variation"):
        run(sap_score.compute_sap, unlabelled, **sap)


def test_more_samples_than_fit_in_memory_are_refused():
    data = table(np.indices([5, 5]).reshape(2, -1).T, origin="official")
    sampler = samples.Sampler(data, lambda x: x, np.random.RandomState(0))
    with pytest.raises(
        ValueError, match="samples take more than.*num_points=1000000000000"
    ):
        sampler.sample(10**12, 16)
