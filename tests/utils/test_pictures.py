"""Grids, files and animations of images."""

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from dmt.utils import pictures


def load(path):
    return np.asarray(Image.open(path))


def animation(path):
    """Frames as an array, and the milliseconds of each."""
    image = Image.open(path)
    frames, durations = [], []
    for i in range(image.n_frames):
        image.seek(i)
        frames.append(np.asarray(image.convert("RGB")))
        durations.append(image.info["duration"])
    return np.stack(frames), durations


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_eight_bit_values(tmp_path, channels):
    pixels = np.arange(256 * channels).reshape(16, 16, channels) % 256
    images = pixels.astype(np.float32) / 255
    path = str(tmp_path / "new" / "image.png")
    pictures.save_image(images, path)
    np.testing.assert_array_equal(load(path), pixels.squeeze())
    np.testing.assert_array_equal(images, pixels.astype(np.float32) / 255)


def test_failed_image_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="unknown file extension"):
        pictures.save_image(np.zeros((8, 8, 1)), str(tmp_path / "image.what"))
    assert not list(tmp_path.iterdir())


def test_grid_fills_row_by_row_on_white():
    images = np.arange(3.0)[:, None, None, None] / 4 * np.ones((3, 5, 6, 1))
    grid = pictures.image_grid(images, columns=2, padding=1)
    assert grid.shape == (2 * 6 + 1, 2 * 7 + 1, 1)
    cells = [grid[1:6, 1:7], grid[1:6, 8:14], grid[7:12, 1:7], grid[7:12, 8:14]]
    assert [np.unique(cell).tolist() for cell in cells] == [[0.0], [0.25], [0.5], [1.0]]
    assert (grid[[0, 6, 12]] == 1).all() and (grid[:, [0, 7, 14]] == 1).all()


@pytest.mark.parametrize(
    "num_images, columns", [(1, 1), (5, 5), (6, 3), (10, 5), (16, 4), (64, 8)]
)
def test_grids_are_balanced(num_images, columns):
    assert pictures.num_columns(num_images) == columns


@pytest.mark.parametrize("channels", [1, 3])
def test_labels_stand_beside_enlarged_images(channels):
    rows = [np.zeros((2, 64, 64, channels)), np.zeros((1, 64, 64, channels))]
    picture = pictures.labelled_rows(rows, ["one", "two\nlines"], ["a", "b"])
    black = (picture == 0).all(axis=-1)
    assert picture.shape[-1] == channels
    assert black.sum() == 3 * 128 * 128
    assert (picture < 0.5).all(axis=-1).sum() > black.sum()  # Text is there, too.
    assert picture.min() >= 0 and picture.max() == 1

    tiles = pictures.labelled_tiles(rows[0], ["short", "a label beyond its image"])
    assert (tiles == 0).all(axis=-1).sum() == 2 * 128 * 128


@pytest.mark.parametrize("channels", [1, 3])
def test_animation_has_the_frames_given(tmp_path, channels):
    levels = np.array([0, 10, 100, 255])
    frames = np.tile(levels[:, None, None, None] / 255, (1, 6, 9, channels))
    path = str(tmp_path / "film.gif")
    pictures.save_animation(frames, path, fps=20)
    found, durations = animation(path)
    assert found.shape == (4, 6, 9, 3)
    np.testing.assert_array_equal(found[:, 0, 0, 0], levels)
    assert durations == [50] * 4
    assert Image.open(path).info["loop"] == 0


def test_equal_frames_last_longer(tmp_path):
    frames = np.array([0, 0, 0, 1.0])[:, None, None, None] * np.ones((1, 4, 4, 1))
    path = str(tmp_path / "film.gif")
    pictures.save_animation(frames, path, fps=10)
    assert animation(path)[1] == [300, 100]


def test_cycle_gaussian_starts_at_the_value_and_spans_the_quantiles():
    values = pictures.cycle_gaussian(1.5, 1000, loc=1.0, scale=2.0)
    assert values[0] == pytest.approx(1.5) and values[1] > values[0]
    ends = stats.norm.ppf([0.001, 0.999], 1.0, 2.0)
    np.testing.assert_allclose([values.min(), values.max()], ends)
    # Steps are equal in probability, not in value.
    steps = np.abs(np.diff(stats.norm.cdf(values[:100], 1.0, 2.0)))
    np.testing.assert_allclose(steps, 2 / 1000, rtol=1e-6)


def test_cycle_interval_is_a_triangle():
    values = pictures.cycle_interval(0.0, 8, -2.0, 2.0)
    np.testing.assert_allclose(values, [0, 1, 2, 1, 0, -1, -2, -1], atol=1e-12)
    outside = pictures.cycle_interval(5.0, 20, -2.0, 2.0)
    assert outside.min() >= -2 and outside.max() <= 2
    np.testing.assert_array_equal(pictures.cycle_interval(3.0, 4, 1.0, 1.0), 1.0)


def test_cycle_factor_visits_all_values_up_and_down():
    values = pictures.cycle_factor(1, 4, 8)
    assert values.tolist() == [1, 2, 3, 3, 2, 1, 0, 0]
    assert pictures.cycle_factor(0, 1, 5).tolist() == [0] * 5
    assert pictures.cycle_factor(39, 40, 20).max() == 39
