"""Grids, files and animations of images.

Images are floats in [0, 1] of shape (..., height, width, channels), with one channel
(grey) or three.
"""

import contextlib
import math
import os
import warnings

import numpy as np

from dmt.utils import files

_WHITE = 1.0
_TEXT_SIZE = 20
_LINE_HEIGHT = 26
_TILE_SIZE = 128
_LONGEST_LABEL = 60


def num_columns(num_images):
    """Number of columns of a grid with few empty cells, at most four times the rows."""
    side = math.sqrt(num_images)
    return min(
        range(math.ceil(side), math.ceil(2 * side) + 1),
        key=lambda columns: (-num_images % columns, columns),
    )


def image_grid(images, columns=None, padding=2):
    """Arranges images row by row on a white grid.

    Args:
        images: float (n, height, width, channels) in [0, 1], at least one image.
        columns: number of images in a row, None for `num_columns`.
        padding: number of white pixels around and between the images.

    Returns:
        One image (grid height, grid width, channels).
    """
    columns = columns or num_columns(len(images))
    rows = math.ceil(len(images) / columns)
    empty_cells = rows * columns - len(images)
    # Each cell includes the padding above and to its left.
    cells = _padded(images, [(0, empty_cells), (padding, 0), (padding, 0)])
    _, height, width, channels = cells.shape
    cells = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    grid = cells.reshape(rows * height, columns * width, channels)
    return _padded(grid, [(0, padding)] * 2)


def _padded(array, widths):
    """Pads the first axes with white."""
    unchanged = [(0, 0)] * (array.ndim - len(widths))
    return np.pad(array, [*widths, *unchanged], constant_values=_WHITE)


def labelled_rows(rows, labels, column_labels=None, caption=()):
    """Arranges rows of images, with a label to the left of each row.

    Args:
        rows: list of float (n, height, width, channels), where n may differ.
        labels: text of each row, which may have several lines.
        column_labels: text above each column, None for no text.
        caption: lines of text below the images.

    Returns:
        One image; small images are enlarged so that text and images fit.
    """
    rows = [enlarge(row) for row in rows]
    columns = max(len(row) for row in rows)
    cells = [_padded(row, [(0, columns - len(row))]) for row in rows]
    padding = 4
    grid = image_grid(np.concatenate(cells), columns, padding)
    height, width = (size + padding for size in rows[0].shape[1:3])
    margin = max(_text_width(label) for label in labels) + 24
    column = [_text(label, height, margin) for label in labels]
    top = np.full((padding, margin, 1), _WHITE)
    parts = [_beside(np.concatenate([top, *column]), grid)]
    if column_labels is not None:
        above = _LINE_HEIGHT + 8
        header = [_text(label, above, width, "center") for label in column_labels]
        corner = np.full((above, margin + padding // 2, 1), _WHITE)
        parts.insert(0, np.concatenate([corner, *header], axis=1))
    if caption:
        space = _LINE_HEIGHT * (1 + len(caption))
        text = "\n".join(caption)
        parts.append(_text(text, space, _text_width(text) + 24))
    return _below(*parts)


def labelled_tiles(images, labels):
    """Arranges images in a grid, with a label below each image.

    Args:
        images: float (n, height, width, channels) in [0, 1].
        labels: text of each image, all with the same number of lines.

    Returns:
        One image; small images are enlarged so that text and images fit.
    """
    images = enlarge(images)
    width = max(images.shape[2], max(_text_width(label) for label in labels) + 8)
    height = _LINE_HEIGHT * (1 + labels[0].count("\n")) + 4
    tiles = []
    for image, label in zip(images, labels, strict=True):
        spare = width - image.shape[1]
        image = _padded(image, [(0, 0), (spare // 2, spare - spare // 2)])
        tiles.append(_below(image, _text(label, height, width, "center")))
    return image_grid(np.stack(tiles), padding=8)


def enlarge(images):
    """Repeats the pixels of small images so that they are about 128 pixels high."""
    factor = max(1, _TILE_SIZE // images.shape[-3])
    return images.repeat(factor, axis=-3).repeat(factor, axis=-2)


def save_image(image, path):
    """Writes an image (height, width, channels) in [0, 1] as .png or .jpg."""
    from PIL import Image

    options = {"quality": 95, "subsampling": 0} if path.endswith(".jpg") else {}
    with files.replacing(path) as temporary:
        Image.fromarray(_pixels(image)).save(temporary, **options)


def save_animation(frames, path, fps):
    """Writes frames (n, height, width, channels) in [0, 1] as a GIF that repeats.

    The frames share one palette of 256 colours, in which grey is exact. Pillow stores
    equal neighbouring frames as one longer frame.
    """
    from PIL import Image

    height, width = frames[0].shape[:2]
    # One tall image has one palette, so that parts that do not change do not flicker.
    film = Image.fromarray(_pixels(np.concatenate(frames)))
    if film.mode == "RGB":
        film = film.quantize(256, dither=Image.Dither.NONE)
    tops = range(0, film.height, height)
    first, *others = (film.crop((0, top, width, top + height)) for top in tops)
    options = {"append_images": others, "duration": round(1000 / fps), "loop": 0}
    with files.replacing(path) as temporary:
        first.save(temporary, save_all=True, **options)


def _pixels(image):
    pixels = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def cycle_gaussian(starting_value, num_frames, loc=0.0, scale=1.0):
    """Values that run up and down through the quantiles of a Gaussian.

    Args:
        starting_value: the first value, clipped to the quantiles 0.001 and 0.999.
        num_frames: number of values of a cycle.
        loc: mean of the Gaussian.
        scale: standard deviation of the Gaussian, > 0.

    Returns:
        (num_frames,) values between the quantiles 0.001 and 0.999.
    """
    from scipy import stats

    start = stats.norm.cdf(starting_value, loc, scale)
    quantiles = np.clip(_triangle_wave(start, num_frames), 0.001, 0.999)
    return stats.norm.ppf(quantiles, loc, scale)


def cycle_interval(starting_value, num_frames, min_val, max_val):
    """Values that run up and down through an interval at constant speed.

    Args:
        starting_value: the first value, if it is in the interval.
        num_frames: number of values of a cycle.
        min_val: lower end of the interval.
        max_val: upper end of the interval, which may equal the lower end.

    Returns:
        (num_frames,) values in [min_val, max_val].
    """
    extent = max_val - min_val
    start = (starting_value - min_val) / extent if extent else 0.0
    return min_val + extent * _triangle_wave(start, num_frames)


def cycle_factor(starting_index, num_indices, num_frames):
    """Values of a factor that run up and down.

    Args:
        starting_index: the first value, in [0, num_indices).
        num_indices: number of values of the factor.
        num_frames: number of values of a cycle.

    Returns:
        int64 (num_frames,) in [0, num_indices).
    """
    steps = starting_index + 2 * num_indices * np.arange(num_frames) / num_frames
    steps = np.ceil(steps).astype(np.int64) % (2 * num_indices)
    return np.minimum(steps, 2 * num_indices - 1 - steps)


def _triangle_wave(start, num_frames):
    """One period of a wave in [0, 1] that rises from `start`."""
    phase = start + 2 * np.arange(num_frames) / num_frames
    return np.abs((phase + 1) % 2 - 1)


def printable(name):
    """Returns a name as one line; unprintable characters become escapes."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in name
    )


def as_label(name):
    """Returns a name as one short line, as `printable` does.

    Names of factors come from files of users, so they may hold anything.
    """
    text = printable(name)
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


@contextlib.contextmanager
def plain_text():
    """Context in which matplotlib draws all text as it is, also dollar signs."""
    import matplotlib

    plain = {"text.parse_math": False, "text.usetex": False}
    with warnings.catch_warnings(), matplotlib.rc_context(plain):
        # The font draws a box for a character that it lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        yield


def _font():
    import matplotlib
    from PIL import ImageFont

    # The font that comes with matplotlib is the same on all machines.
    path = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(path, _TEXT_SIZE)


def _text_width(text):
    font = _font()
    return math.ceil(max(font.getlength(line) for line in text.split("\n")))


def _text(text, height, width, align="left"):
    """Black text on a white image (height, width, 1), vertically centred."""
    from PIL import Image, ImageDraw

    image = Image.new("L", (width, height), 255)
    left, anchor = (width // 2, "mm") if align == "center" else (12, "lm")
    lines = text.split("\n")
    top = (height - _LINE_HEIGHT * (len(lines) - 1)) / 2
    for i, line in enumerate(lines):
        place = (left, top + _LINE_HEIGHT * i)
        ImageDraw.Draw(image).text(place, line, fill=40, font=_font(), anchor=anchor)
    return np.asarray(image, dtype=np.float32)[..., None] / 255


def _below(*images):
    """Images below each other; narrower ones are padded with white."""
    width = max(image.shape[1] for image in images)
    channels = max(image.shape[2] for image in images)
    parts = []
    for image in images:
        image = np.broadcast_to(image, (*image.shape[:2], channels))
        parts.append(_padded(image, [(0, 0), (0, width - image.shape[1])]))
    return np.concatenate(parts)


def _beside(left, right):
    """Two images side by side; the lower one is padded with white."""
    return _below(left.swapaxes(0, 1), right.swapaxes(0, 1)).swapaxes(0, 1)
