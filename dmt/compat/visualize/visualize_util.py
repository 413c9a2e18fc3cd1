"""disentanglement_lib's path of pictures, with its arguments.

Images are floats in [0, 1] of shape (height, width, channels). `dmt.utils.pictures` has
the functions that this package uses.
"""

import math

import numpy as np

from dmt.utils import pictures
from dmt.utils.pictures import cycle_factor, cycle_gaussian, cycle_interval

__all__ = [
    "best_num_rows",
    "cycle_factor",
    "cycle_gaussian",
    "cycle_interval",
    "grid_save_images",
    "pad_around",
    "padded_grid",
    "padded_stack",
    "padding_array",
    "save_animation",
    "save_image",
]


def save_image(image, image_path):
    """Writes an image; see `pictures.save_image`."""
    pictures.save_image(np.asarray(image), image_path)


def grid_save_images(images, image_path):
    """Writes images as a square grid, column by column, without gaps.

    If their number is not a square, the last ones are left out.

    Args:
        images: array or list (n, height, width, channels).
        image_path: file to write.
    """
    side = math.isqrt(len(images))
    columns = [
        np.concatenate(list(images[side * i : side * (i + 1)]), axis=0)
        for i in range(side)
    ]
    save_image(np.concatenate(columns, axis=1), image_path)


def padded_grid(images, num_rows=None, padding_px=10, value=None):
    """Arranges images row by row, with gaps between them.

    Args:
        images: list of images of one shape.
        num_rows: number of rows, None for `best_num_rows`.
        padding_px: pixels of a gap.
        value: colour of the gaps (channels,), None for white. Empty cells are white.

    Returns:
        One image.
    """
    num_rows = num_rows or best_num_rows(len(images))
    num_columns = math.ceil(len(images) / num_rows)
    missing = num_rows * num_columns - len(images)
    cells = [*images, *[np.ones_like(images[0])] * missing]
    rows = [
        padded_stack(cells[i : i + num_columns], padding_px, axis=1, value=value)
        for i in range(0, len(cells), num_columns)
    ]
    return padded_stack(rows, padding_px, axis=0, value=value)


def padded_stack(images, padding_px=10, axis=0, value=None):
    """Joins images along an axis, with gaps between them; see `padded_grid`."""
    gap = padding_array(images[0], padding_px, axis, value=value)
    parts = [part for image in images for part in (gap, image)]
    return np.concatenate(parts[1:], axis=axis)


def padding_array(image, padding_px, axis, value=None):
    """A gap beside an image, `padding_px` wide along `axis`; see `padded_grid`."""
    shape = list(image.shape)
    shape[axis] = padding_px
    if value is None:
        return np.ones(shape, dtype=image.dtype)
    return np.broadcast_to(np.asarray(value), shape)


def best_num_rows(num_elements, max_ratio=4):
    """Number of rows of a grid with few empty cells, as square as possible.

    Args:
        num_elements: number of images, at least 1.
        max_ratio: largest number of columns per row.
    """
    rows = range(math.isqrt(num_elements), 0, -1)
    allowed = [n for n in rows if num_elements <= max_ratio * n * n]
    return min(allowed, key=lambda n: -num_elements % n)


def pad_around(image, padding_px=10, axis=None, value=None):
    """Adds a margin at both ends of an axis, or on all sides if axis is None."""
    if axis is None:
        image = pad_around(image, padding_px, axis=0, value=value)
        axis = 1
    margin = padding_array(image, padding_px, axis, value=value)
    return np.concatenate([margin, image, margin], axis=axis)


def save_animation(list_of_animated_images, image_path, fps):
    """Writes several animations side by side as a GIF that repeats.

    Args:
        list_of_animated_images: list of animations, each a list of images, or an array
            (num_animations, num_frames, height, width, channels).
        image_path: file to write.
        fps: number of frames per second.
    """
    frames = [
        pad_around(padded_grid(list(images)))
        for images in zip(*list_of_animated_images, strict=False)
    ]
    pictures.save_animation(frames, image_path, fps)
