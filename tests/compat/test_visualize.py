"""Old names of pictures."""

import numpy as np
import pytest
from PIL import Image

from dmt.evaluation.metrics import unified_scores
from dmt.visualize import (
    dendrogram,
    visualize_irs,
    visualize_model,
    visualize_scores,
    visualize_util,
)

RANDOM = np.random.RandomState(0)
MATRIX = RANDOM.uniform(size=(4, 3))


def images_of(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")), image.n_frames


def test_grid_is_filled_column_by_column(tmp_path):
    values = np.arange(5) / 255
    images = np.broadcast_to(values[:, None, None, None], (5, 2, 2, 1))
    visualize_util.grid_save_images(images, str(tmp_path / "grid.png"))
    pixels = np.asarray(Image.open(tmp_path / "grid.png"))
    assert pixels[::2, ::2].tolist() == [[0, 2], [1, 3]]


def test_padding():
    images = [np.full((2, 2, 3), 0.1 * i) for i in range(5)]
    grid = visualize_util.padded_grid(images, num_rows=2, padding_px=1, value=[0, 0, 1])
    assert grid.shape == (5, 8, 3)
    np.testing.assert_allclose(grid[0, ::3, 0], [0, 0.1, 0.2])
    np.testing.assert_allclose(grid[3, ::3, 0], [0.3, 0.4, 1.0])  # An empty cell.
    np.testing.assert_allclose(grid[2, 0], [0, 0, 1])
    assert visualize_util.pad_around(images[0], 2).shape == (6, 6, 3)
    assert [visualize_util.best_num_rows(n) for n in (1, 7, 12, 16)] == [1, 2, 3, 4]


def test_animations_side_by_side(tmp_path):
    first, second = np.zeros((2, 3, 4, 4, 1))
    first[1], second[2] = 1, 1
    path = tmp_path / "animation.gif"
    visualize_util.save_animation([first, second], str(path), 10)
    pixels, num_frames = images_of(path)
    assert num_frames == 3
    # A margin of 10 pixels, two images of 4 with a gap of 10 between them.
    assert pixels.shape == (24, 38, 3)


@pytest.mark.parametrize("transpose", [False, True])
def test_traversal(transpose):
    def draw(codes):
        return (codes[:, 0] + codes[:, 1])[:, None, None, None] * np.ones((1, 2, 2, 1))

    image = visualize_model.latent_traversal_1d_multi_dim(
        draw, np.array([5.0, 10.0]), values=3, transpose=transpose
    )
    values = image[::2, ::2, 0]
    expected = [[9, 4], [10, 5], [11, 6]]
    np.testing.assert_allclose(values.T if transpose else values, expected)
    with pytest.raises(ValueError, match="There are 2 codes"):
        visualize_model.latent_traversal_1d_multi_dim(draw, np.zeros(2), 3)
    with pytest.raises(ValueError, match="at least 2 values"):
        visualize_model.latent_traversal_1d_multi_dim(draw, np.zeros(2), 1, 1)


def test_activations():
    assert visualize_model.sigmoid(0.0) == visualize_model.tanh(0.0) == 0.5
    np.testing.assert_allclose(visualize_model.sigmoid(2.0), visualize_model.tanh(1.0))


def test_dendrogram_agrees_with_merge_points(tmp_path):
    path = tmp_path / "merges"
    merges = dendrogram.dendrogram_plot(MATRIX.T, str(path), ["a", "b", "c"])
    ordered = {
        "merge_{}_{}".format(*sorted(key.split("_")[1:])): value
        for key, value in merges.items()
    }
    assert ordered == unified_scores.merge_points(MATRIX)
    assert (tmp_path / "merges.png").stat().st_size > 0


def test_groups_and_factors():
    matrix = np.array([[1.0, 0, 0], [0.5, 0, 0], [0, 0.2, 0]])
    assert visualize_scores.precision(matrix, 0.1) == 2
    assert [visualize_scores.recall(matrix, t) for t in (0, 0.3, 0.7)] == [3, 2, 1]
    factors, codes, size = visualize_scores.bfs(
        matrix, [(0, 0)], np.zeros(3), np.zeros(3), 1
    )
    assert size == 3
    assert factors.tolist() == [1, 1, 0] and codes.tolist() == [1, 0, 0]


def test_pictures_of_matrices(tmp_path):
    folder = str(tmp_path)
    visualize_scores.heat_square(MATRIX, folder, "squares", "codes", "factors")
    visualize_scores.plot_recovery_vs_independent(MATRIX.T, folder, "groups")
    with pytest.raises(ValueError, match="max_val=0.1"):
        visualize_scores.heat_square(MATRIX, folder, "no", "x", "y", max_val=0.1)
    factors = RANDOM.randint(3, size=(50, 2))
    visualize_irs.vis_all_interventional_effects(factors, 1.0 * factors, folder)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"squares.png", "groups.png", "interventional_effect.png"}
