"""Old names of datasets, of streams of images and of labellers."""

import gin
import numpy as np
import pytest

from dmt.data import labellers, pipeline
from dmt.data.ground_truth import dsprites, dsprites_rendered, named_data, util
from dmt.methods.semi_supervised import (
    semi_supervised_utils,
    train_semi_supervised_lib,
)
from dmt.methods.weak import train_weak_lib

SMALL = "dsprites_rendered_small"


def first(stream, number):
    return list(stream.take(number).as_numpy_iterator())


def test_stream_of_images():
    data = named_data.get_named_ground_truth_data(SMALL)
    stream = util.tf_data_set_from_ground_truth_data(data, 7)
    random_state = np.random.RandomState(7)
    expected = [data.sample_observations(1, random_state)[0] for _ in range(3)]
    for _ in range(2):  # Every iteration begins anew.
        np.testing.assert_array_equal(first(stream, 3), expected)


def test_stream_of_labelled_images():
    data = named_data.get_named_ground_truth_data(SMALL)
    factors, images = data.sample(5, np.random.RandomState(1))
    arguments = (data, 5, 7, images, factors, 0.6)
    stream = train_semi_supervised_lib.semi_supervised_dataset_from_ground_truth_data
    unlabelled = first(util.tf_data_set_from_ground_truth_data(data, 7), 4)
    for validation, rows in ((False, [0, 1, 2, 0]), (True, [3, 4, 3, 4])):
        elements = first(stream(*arguments, validation=validation), 4)
        for row, image, (other, (labelled, label)) in zip(
            rows, unlabelled, elements, strict=True
        ):
            np.testing.assert_array_equal(other, image)
            np.testing.assert_array_equal(labelled, images[row])
            np.testing.assert_array_equal(label, factors[row])


def test_stream_of_pairs(tmp_path):
    data = named_data.get_named_ground_truth_data(SMALL)
    gin.parse_config("dynamics.k = 1")
    stream = train_weak_lib.weak_dataset_from_ground_truth_data(data, 3)
    np.random.seed(0)
    (pair, changed), *_ = first(stream, 2)
    random_state = np.random.RandomState(3)
    factors = data.sample_factors(1, random_state)
    np.testing.assert_array_equal(
        pair[:64], data.sample_observations_from_factors(factors, random_state)[0]
    )
    np.random.seed(0)
    after, factor = train_weak_lib.simple_dynamics(
        factors.copy(), data, random_state, return_index=True, k=1
    )
    np.testing.assert_array_equal(
        pair[64:], data.sample_observations_from_factors(after, random_state)[0]
    )
    assert changed == [factor] and set(np.flatnonzero(after != factors)) <= {factor}
    train_weak_lib.visualize_weakly_supervised_dataset(data, str(tmp_path), 2, 3)
    assert (tmp_path / "animation.gif").stat().st_size > 0


def test_a_subclass_that_changes_observations_has_no_images_of_its_own():
    class Inverted(type(dsprites_rendered.dsprites_rendered())):
        def sample_observations_from_factors(self, factors, random_state):
            images = self.sample_observations_from_factors_no_color(
                factors, random_state
            )
            return 1 - images

    plain = dsprites_rendered.dsprites_rendered()
    assert plain.size == plain.num_images == 737280
    inverted = Inverted.__new__(Inverted)
    inverted.__dict__.update(plain.__dict__)
    assert inverted.size is None and inverted.num_images == plain.num_images
    (images,) = pipeline.load_batch(inverted, 0, 0, 4)
    assert images.mean() > 0.5


def test_variants_of_dsprites_ask_for_its_file(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    for variant in (
        dsprites.ColorDSprites,
        dsprites.NoisyDSprites,
        dsprites.ScreamDSprites,
    ):
        with pytest.raises(FileNotFoundError, match=r"dsprites_ndarray.*\.hdf5"):
            variant(latent_factor_indices=[1, 2])
    with pytest.raises(FileNotFoundError, match=r"dsprites_ndarray.*\.hdf5"):
        dsprites.AbstractDSprites()


def test_labellers():
    data = named_data.get_named_ground_truth_data(SMALL)
    factors = data.sample_factors(6, np.random.RandomState(0))
    for name in ("perfect", "bin", "noisy", "permuted", "partial"):
        old = getattr(semi_supervised_utils, f"{name}_labeller")
        new = getattr(labellers, f"{name}_labeller")
        labels, sizes = old(factors.copy(), data, np.random.RandomState(1))
        expected, expected_sizes = new(factors, data, np.random.RandomState(1))
        assert labels.dtype == np.float32 and list(sizes) == list(expected_sizes)
        np.testing.assert_array_equal(labels, expected)


def test_parts_of_labellers():
    column = np.array([0, 1, 2, 1])
    permuted = semi_supervised_utils.permute(column, 3, np.random.RandomState(0))
    order = np.random.RandomState(0).permutation(3)
    assert permuted is column and column.tolist() == order[[0, 1, 2, 1]].tolist()
    labels = np.arange(8).reshape(2, 4)
    kept, columns = semi_supervised_utils.filter_factors(
        labels, 2, np.random.RandomState(0)
    )
    np.testing.assert_array_equal(kept, labels[:, columns])
    with pytest.raises(ValueError, match="num_observed_factors"):
        semi_supervised_utils.filter_factors(labels, 5, np.random.RandomState(0))
    with pytest.raises(ValueError, match="num_labelled_samples=3"):
        semi_supervised_utils.train_test_split(labels, labels, 3, 0.5)
