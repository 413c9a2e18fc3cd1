"""Samples that are checked, or drawn and encoded."""

import inspect

import gin
import numpy as np
import pytest

from dmt.evaluation.metrics import inputs, mig, samples
from tests.golden import recipes


@pytest.mark.parametrize("dataset", [recipes.DummyImages(), recipes.Grid([5, 9])])
def test_chunks_do_not_change_codes(dataset, monkeypatch):
    calls = []

    def representation(observations):
        calls.append(len(observations))
        return observations.reshape(len(observations), -1)[:, :2]

    def generate():
        calls.clear()
        sampler = samples.Sampler(dataset, representation, np.random.RandomState(0))
        return sampler.sample(50, batch_size=16)

    factors, codes = generate()
    assert calls == [50]
    monkeypatch.setattr(samples, "CHUNK_BYTES", 1)
    chunked_factors, chunked_codes = generate()
    assert calls == [16, 16, 16, 2]
    np.testing.assert_array_equal(codes, chunked_codes)
    np.testing.assert_array_equal(factors, chunked_factors)


def test_observations_in_memory_are_encoded_in_chunks(monkeypatch):
    indices = np.arange(10)
    table = np.random.RandomState(0).standard_normal((10, 3))
    monkeypatch.setattr(samples, "CHUNK_BYTES", 4 * indices.itemsize)
    codes = samples.encode_all(indices, lambda index: table[index])
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
