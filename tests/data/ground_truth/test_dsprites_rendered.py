"""The rendered twin: factors as recorded, pictures as published."""

import json
from pathlib import Path

import numpy as np
import pytest

from dmt.data.ground_truth import dsprites_rendered

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "sampling.json").read_text()
)["datasets"]
FULL = dsprites_rendered.dsprites_rendered()
NOSHAPE = dsprites_rendered.dsprites_rendered_noshape()
SMALL = dsprites_rendered.dsprites_rendered_small()


def pictures(*factors):
    indices = FULL.indices_of(np.array(factors))
    return FULL.images_at(indices)[..., 0] // 255


@pytest.mark.parametrize(
    "data, name", [(FULL, "dsprites_full"), (NOSHAPE, "dsprites_noshape")]
)
def test_same_draws_as_the_original(data, name):
    golden = GOLDEN[name]
    random_state = np.random.RandomState(golden["seed"])
    factors = data.sample_factors(golden["num"], random_state)
    indices = data.indices_of(factors, random_state)
    assert factors.tolist() == golden["factors"]
    assert indices.tolist() == golden["image_index"]
    assert random_state.randint(1 << 30) == golden["next_draw"]
    assert factors.dtype == indices.dtype == np.int64
    assert data.num_factors == golden["num_factors"]
    assert data.factors_num_values == golden["factors_num_values"]
    assert data.observation_shape == golden["observation_shape"]


# White pixels of the published pictures at orientation 0 in the upper left, by scale.
@pytest.mark.parametrize(
    "shape, counts",
    [
        (0, [100, 144, 196, 256, 324, 400]),
        (1, [76, 104, 144, 184, 228, 288]),
        (2, [58, 84, 108, 140, 182, 222]),
    ],
)
def test_sprites_have_the_published_sizes(shape, counts):
    images = pictures(*[[shape, scale, 0, 0, 0] for scale in range(6)])
    np.testing.assert_allclose(images.sum(axis=(1, 2)), counts, atol=2)


@pytest.mark.parametrize("pos_x, pos_y", [(0, 0), (31, 0), (0, 31), (31, 31), (12, 25)])
def test_position_is_the_centre_of_the_sprite(pos_x, pos_y):
    for image in pictures(*[[shape, 5, 0, pos_x, pos_y] for shape in (0, 1)]):
        rows, columns = np.nonzero(image)
        center = np.array([columns.mean(), rows.mean()]) + 0.5
        expected = 16 + 32 / 31 * np.array([pos_x, pos_y])
        np.testing.assert_allclose(center, expected, atol=0.5)


def test_sprites_reach_as_far_as_the_published_ones():
    # The corners of the large square reach furthest.
    grid = np.array(np.meshgrid([0], [5], range(10), range(32), range(32)))
    seen = pictures(*grid.reshape(5, -1).T).any(axis=0)
    for axis in (0, 1):
        lines = np.flatnonzero(seen.any(axis=axis))
        assert (lines[0], lines[-1]) == (2, 61)


def test_heart_points_down_and_turns_counterclockwise():
    upright, turned = pictures([2, 5, 0, 16, 16], [2, 5, 10, 16, 16])
    widths = upright.sum(axis=1)
    assert widths[widths > 0][-1] <= 2 < widths.max() - 10
    heights = turned.sum(axis=0)
    assert heights[heights > 0][-1] <= 2


def test_corners_of_the_square_are_not_cut_off():
    image = pictures([0, 5, 5, 7, 30])[0]
    x, y = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5)
    x, y = x - (16 + 7 * 32 / 31), y - (16 + 30 * 32 / 31)
    cos, sin = np.cos(10 * np.pi / 39), np.sin(10 * np.pi / 39)
    distance = np.maximum(abs(cos * x - sin * y), abs(sin * x + cos * y))
    np.testing.assert_array_equal(image, distance < 9.5994)


def test_last_orientation_repeats_the_first():
    others = np.random.RandomState(0).randint([3, 6, 1, 32, 32], size=(500, 5))
    last = others + [0, 0, 39, 0, 0]
    np.testing.assert_array_equal(pictures(*others), pictures(*last))


@pytest.mark.parametrize("data", [FULL, NOSHAPE, SMALL])
def test_indices_and_factors_are_inverse(data):
    random_state = np.random.RandomState(1)
    factors = data.sample_factors(1000, random_state)
    indices = data.indices_of(factors, random_state)
    np.testing.assert_array_equal(data.factors_at(indices), factors)
    if data.is_grid:
        np.testing.assert_array_equal(data.indices_of(factors), indices)
        assert data.indices_of(data.factors_at([data.size - 1])) == [data.size - 1]


def test_noshape_is_no_grid_and_draws_the_shape():
    assert FULL.is_grid and SMALL.is_grid and not NOSHAPE.is_grid
    factors = np.zeros((100, 4), dtype=np.int64)
    drawn = NOSHAPE.indices_of(factors, np.random.RandomState(0))
    assert set(FULL.factors_at(drawn)[:, 0]) == {0, 1, 2}
    with pytest.raises(ValueError, match="RandomState"):
        NOSHAPE.indices_of(factors)


def test_observations_are_binary_and_reproducible():
    factors, observations = NOSHAPE.sample(200, np.random.RandomState(3))
    again_factors, again = NOSHAPE.sample(200, np.random.RandomState(3))
    np.testing.assert_array_equal(factors, again_factors)
    np.testing.assert_array_equal(observations, again)
    assert observations.shape == (200, 64, 64, 1)
    assert observations.dtype == np.float32
    assert set(np.unique(observations)) == {0, 1}
    images = NOSHAPE.images_at(np.arange(0, 737280, 10007))
    assert images.dtype == np.uint8
    assert set(np.unique(images)) == {0, 255}


def test_small_is_a_subset_of_the_grid():
    factors = SMALL.factors_at(np.arange(SMALL.size))
    assert SMALL.size == len(factors) == 4608
    in_grid = factors * [1, 2, 5, 4, 4] + [0, 1, 0, 2, 2]
    assert in_grid[:, 2].max() < 39
    np.testing.assert_array_equal(
        SMALL.images_at(np.arange(SMALL.size)), FULL.images_at(FULL.indices_of(in_grid))
    )


@pytest.mark.parametrize("index", [-1, 4608])
def test_indices_out_of_range_are_refused(index):
    with pytest.raises(ValueError, match=r"\[0, 4608\)"):
        SMALL.images_at(np.array([0, index]))


@pytest.mark.parametrize("row", [[3, 0, 0, 0, 0], [0, 0, 0, 0, -1], [0, 0, 0, 0]])
def test_factors_out_of_range_are_refused(row):
    with pytest.raises(ValueError, match="Received"):
        FULL.indices_of(np.array([row]))
