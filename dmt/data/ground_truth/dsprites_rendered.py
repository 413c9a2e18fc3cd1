"""dSprites without a download: the same factors, with images from formulas.

The geometry was measured on published sample images of dSprites. Nearly all rendered
images agree with them in every pixel, but not all. Do not compare scores with
published tables.
"""

import functools
import math

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import dsprites
from dmt.data.ground_truth.rendered_images import RenderedImages

_GRID_SIZES = dsprites.DSprites.factor_sizes

# Half side of the square, semi-axes of the ellipse, and the heart
#   x = WIDTH sin^3 t,
#   y = -HEIGHT (13 cos t - 5 cos 2t - 2 cos 3t - cos 4t) - SHIFT,
# in pixels at scale 1, y pointing down.
_SQUARE = 9.5994
_ELLIPSE = (12.7655, 7.2141)
_HEART_WIDTH, _HEART_HEIGHT, _HEART_SHIFT = 9.5942, 0.66212, 1.4361

# Every sprite fits in this window around the pixel of its centre. A corner of the
# square is 13.58 pixels from the centre, which may be at the edge of its pixel: 14.
_ROWS = np.arange(-14, 15)
_COLUMNS = np.arange(-16, 16)

# Number of images whose intermediate arrays fit in the processor's cache.
_RENDER_BATCH = 128


def render(indices):
    """Renders images of the dSprites grid.

    A pixel is white if its centre is inside the shape. There is no anti-aliasing.

    Args:
        indices: int array of shape (n,), indices into the full grid of 737,280
            images.

    Returns:
        uint8 array of shape (n, 512), the 64x64 pixels of each image as bits.
    """
    _, shape, scale, orientation, pos_x, pos_y = np.unravel_index(indices, _GRID_SIZES)
    size = np.linspace(0.5, 1, 6)[scale]
    # The last orientation is a full turn, the same image as the first.
    angle = (orientation % 39) * (2 * np.pi / 39)
    center_x, center_y = 16 + pos_x * (32 / 31), 16 + pos_y * (32 / 31)
    left, top = center_x.astype(int) + _COLUMNS[0], center_y.astype(int) + _ROWS[0]

    # Coordinates (x, y) of the pixel centres of the window relative to the sprite, with
    # its rotation and scale undone: outer sums of a column part and a row part.
    cos, sin = np.cos(angle) / size, np.sin(angle) / size
    dx = (left - center_x)[:, None] + np.arange(len(_COLUMNS)) + 0.5
    dy = (top - center_y)[:, None] + np.arange(len(_ROWS)) + 0.5
    parts = [
        cos[:, None] * dx,
        -sin[:, None] * dy,
        sin[:, None] * dx,
        cos[:, None] * dy,
    ]
    x_column, x_row, y_column, y_row = (part.astype(np.float32) for part in parts)

    inside = np.empty((len(shape), len(_ROWS), len(_COLUMNS)), dtype=bool)
    for value, is_inside in enumerate((_in_square, _in_ellipse, _in_heart)):
        sprites = np.flatnonzero(shape == value)
        for start in range(0, len(sprites), _RENDER_BATCH):
            rows = sprites[start : start + _RENDER_BATCH]
            x = x_row[rows][:, :, None] + x_column[rows][:, None, :]
            y = y_row[rows][:, :, None] + y_column[rows][:, None, :]
            inside[rows] = is_inside(x, y)

    # A window row has 32 bits and an image row 64, so shift the window to its column.
    window = np.packbits(inside, axis=2).view(">u4")[..., 0].astype(np.uint64)
    window <<= (32 - left[:, None]).astype(np.uint64)
    pictures = np.zeros((len(shape), 64), dtype=">u8")
    picture_rows = top[:, None] + np.arange(len(_ROWS))
    np.put_along_axis(pictures, picture_rows, window.astype(">u8"), axis=1)
    return pictures.view(np.uint8)


def _in_square(x, y):
    return np.maximum(np.abs(x), np.abs(y)) < _SQUARE


def _in_ellipse(x, y):
    return (x / _ELLIPSE[0]) ** 2 + (y / _ELLIPSE[1]) ** 2 < 1


def _in_heart(x, y):
    # Each x has two values of t, with cosines +c and -c, where c^2 = 1 - sin^2 t. Their
    # two heights, in units of HEIGHT, are even - odd and even + odd. Beyond the width,
    # c and odd are 0.
    c2 = np.maximum(1 - np.cbrt((x / _HEART_WIDTH) ** 2), 0)
    even = 4 - 2 * c2 - 8 * c2 * c2
    odd = np.sqrt(c2) * (19 - 8 * c2)
    height = (-_HEART_SHIFT - y) / _HEART_HEIGHT
    return np.abs(height - even) < odd


class RenderedDSprites(dsprites.DSprites):
    """Rendered version of dSprites with all its factors."""

    origin = "rendered"
    renderer_version = "1"

    @staticmethod
    @functools.cache
    def _open_images():
        return RenderedImages(render, (math.prod(_GRID_SIZES), 512))


class SmallRenderedDSprites(RenderedDSprites):
    """4,608 images of rendered dSprites, evenly spread over the grid, for tests.

    All 3 shapes; scales 1, 3, 5; orientations 0, 5, ..., 35; positions 2, 6, ..., 30.
    """

    factor_sizes = [1, 3, 3, 8, 8, 8]

    @staticmethod
    @functools.cache
    def _open_images():
        grid = np.arange(math.prod(_GRID_SIZES)).reshape(_GRID_SIZES)
        grid_indices = grid[:, :, 1::2, :39:5, 2::4, 2::4].ravel()
        return RenderedImages(
            lambda indices: render(grid_indices[indices]), (len(grid_indices), 512)
        )


@registry.dataset("dsprites_rendered")
def dsprites_rendered():
    """Rendered dSprites with all factors except the single colour."""
    return RenderedDSprites([1, 2, 3, 4, 5], "dsprites_rendered")


@registry.dataset("dsprites_rendered_noshape")
def dsprites_rendered_noshape():
    """Rendered dSprites with a random shape that is not a factor."""
    return RenderedDSprites([2, 3, 4, 5], "dsprites_rendered_noshape")


@registry.dataset("dsprites_rendered_small")
def dsprites_rendered_small():
    """A subset of 4,608 images of dsprites_rendered, for tests."""
    return SmallRenderedDSprites([1, 2, 3, 4, 5], "dsprites_rendered_small")
