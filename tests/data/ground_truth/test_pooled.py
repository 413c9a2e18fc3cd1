"""Smaller pictures: pixel values, and everything else as in the base."""

import gin
import numpy as np
import pytest

from dmt.data.ground_truth import (
    dsprites_rendered,
    dummy_data,
    named_data,
    pooled,
    shapes3d_rendered,
    splits,
)
from dmt.evaluation.codes import IndexedData
from dmt.evaluation.metrics import mig

BASE = dsprites_rendered.dsprites_rendered_small()
ROWS = np.random.RandomState(0).randint(BASE.size, size=30)


def block_means(images, factor):
    n, height, width, channels = images.shape
    means = np.empty((n, height // factor, width // factor, channels))
    for i in range(height // factor):
        for j in range(width // factor):
            block = images[
                :, i * factor : (i + 1) * factor, j * factor : (j + 1) * factor
            ]
            means[:, i, j] = block.astype(float).mean(axis=(1, 2))
    return means


@pytest.mark.parametrize("factor", [2, 4, 16, 32, 64])
def test_pixels_are_means_of_blocks(factor):
    data = pooled.PooledData(BASE, factor)
    images = data.images_at(ROWS)
    assert images.dtype == np.uint8
    assert list(images.shape[1:]) == data.observation_shape
    assert data.observation_shape == [64 // factor, 64 // factor, 1]
    means = block_means(BASE.images_at(ROWS), factor)
    np.testing.assert_array_equal(images, np.floor(means + 0.5))
    assert len(np.unique(images)) > 1


@pytest.mark.parametrize("factor", [2, 8, 32])
def test_white_stays_white_in_every_channel(factor):
    class White(type(BASE)):
        observation_shape = [64, 32, 3]

        def images_at(self, indices):
            images = np.zeros((len(indices), 64, 32, 3), dtype=np.uint8)
            images[..., 0], images[..., 1] = 255, 254
            return images

    white = White.__new__(White)
    white.__dict__ = BASE.__dict__
    images = pooled.PooledData(white, factor).images_at(np.arange(2))
    assert images.shape == (2, 64 // factor, 32 // factor, 3)
    np.testing.assert_array_equal(
        images.reshape(-1, 3), [[255, 254, 0]] * images[..., 0].size
    )


def test_colours():
    base = shapes3d_rendered.shapes3d_rendered()
    rows = np.array([0, 123456, 479999])
    images = pooled.PooledData(base, 4).images_at(rows)
    means = block_means(base.images_at(rows), 4)
    np.testing.assert_array_equal(images, np.floor(means + 0.5))
    assert not np.array_equal(images[..., 0], images[..., 1])


def test_everything_else_is_the_bases():
    data = pooled.PooledData(BASE, 4)
    for name in (
        "size",
        "origin",
        "renderer_version",
        "num_factors",
        "factor_names",
        "factors_num_values",
        "is_grid",
        "has_all_combinations",
        "has_grid_draws",
    ):
        assert getattr(data, name) == getattr(BASE, name), name
    assert data.name == "pooled" and data.is_grid
    np.testing.assert_array_equal(data.factors_at(ROWS), BASE.factors_at(ROWS))
    np.testing.assert_array_equal(data.indices_of(BASE.factors_at(ROWS)), ROWS)


def test_parts_of_a_dataset_stay_parts():
    part = splits.split(BASE, "train", held_out={"shape": [2], "scale": [0]})
    data = pooled.PooledData(part, 2)
    assert not data.has_all_combinations and not data.is_grid
    assert data.has_grid_draws == part.has_grid_draws
    factors = data.sample_factors(20, np.random.RandomState(1))
    np.testing.assert_array_equal(
        factors, part.sample_factors(20, np.random.RandomState(1))
    )
    missing = np.array([[2, 0, 0, 0, 0]])
    with pytest.raises(ValueError, match="split"):
        data.indices_of(missing, np.random.RandomState(0))
    # The other way round: a part of smaller pictures.
    inner = splits.split(pooled.PooledData(BASE, 2), "train", train_share=0.5)
    assert inner.images_at(np.arange(3)).shape == (3, 32, 32, 1)


def test_random_draws_are_the_bases():
    data = pooled.PooledData(BASE, 4)
    states = [np.random.RandomState(5), np.random.RandomState(5)]
    factors, images = data.sample(9, states[0])
    base_factors, base_images = BASE.sample(9, states[1])
    np.testing.assert_array_equal(factors, base_factors)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, block_means(base_images, 4), atol=0.5 / 255)
    assert states[0].randint(2**31) == states[1].randint(2**31)


def test_metrics_draw_as_on_the_base():
    def codes(data):
        """The factors are the codes, whatever the pictures look like."""
        return IndexedData(data), lambda rows: data.factors_at(rows).astype(float)

    gin.parse_config(
        "discretizer.num_bins = 20\ndiscretizer.discretizer_fn = @histogram_discretizer"
    )
    scores = [
        mig.compute_mig(*codes(data), np.random.RandomState(0), None, 500)
        for data in (BASE, pooled.PooledData(BASE, 4))
    ]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    "base",
    [named_data.open_dataset("noisy_dsprites_rendered"), dummy_data.DummyData()],
    ids=["noisy", "dummy"],
)
def test_random_pixels(base):
    data = pooled.PooledData(base, 4)
    assert data.size is None
    states = [np.random.RandomState(2), np.random.RandomState(2)]
    factors, images = data.sample(3, states[0])
    base_factors, base_images = base.sample(3, states[1])
    np.testing.assert_array_equal(factors, base_factors)
    assert images.dtype == np.float32 and images.shape == (3, *data.observation_shape)
    np.testing.assert_allclose(images, block_means(base_images, 4), atol=1e-6)
    assert states[0].randint(2**31) == states[1].randint(2**31)
    assert 0 <= images.min() and images.max() <= 1


def test_by_name():
    gin.parse_config(["pooled.base = 'dsprites_rendered_small'", "pooled.factor = 8"])
    data = named_data.get_named_ground_truth_data("pooled")
    expected = pooled.PooledData(BASE, 8).images_at(ROWS)
    np.testing.assert_array_equal(data.images_at(ROWS), expected)
    gin.parse_config(
        [
            "split.base = 'dsprites_rendered_small'",
            "split.part = 'train'",
            "split.train_share = 0.5",
            "pooled.base = @split()",
        ]
    )
    assert named_data.get_named_ground_truth_data("pooled").size == BASE.size // 2


@pytest.mark.parametrize("factor", [0, 1, -2, 3, 128, 2.0, "2", True, None])
def test_factor_out_of_range(factor):
    with pytest.raises(ValueError, match="pooled.factor must .* Received: factor="):
        pooled.PooledData(BASE, factor)


@pytest.mark.parametrize(
    ("base", "message"), [("no_such", "name='no_such'"), ("pooled", "base='pooled'")]
)
def test_base_must_be_another_dataset(base, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        pooled.PooledData(base)
