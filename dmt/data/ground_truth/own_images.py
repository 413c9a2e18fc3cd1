"""The user's own images in the form that the package uses, whatever wrote them.

Images are uint8 of shape (n, height, width, channels), 0 is black and 255 white. Where
it is certain what an array means, it is converted. Otherwise the error names the gin
binding that says what it means, so that no model learns from images that nobody sees.
"""

import logging
import os

import numpy as np

from dmt.data.ground_truth import prepared
from dmt.utils import checks

logger = logging.getLogger(__name__)

SUFFIXES = frozenset(
    ".bmp .gif .jpeg .jpg .pbm .pgm .png .ppm .tif .tiff .webp".split()
)
_CHANNELS = (1, 3, 4)
# Values of black and white in files of several kinds.
_KNOWN_RANGES = ((0, 1), (-1, 1), (0, 255), (0, 4095), (0, 65535))
# If no pixel is as bright as this, the values probably do not mean 0 to 255.
_DARK = 32
_CHUNK = 256


def check_value_range(name, value_range):
    """Checks the values of black and white.

    Args:
        name: the binding.
        value_range: a pair of numbers, or None.

    Raises:
        ValueError: if it is neither, or both numbers are the same.
    """
    if value_range is None:
        return
    if (
        not isinstance(value_range, (list, tuple))
        or len(value_range) != 2
        or not all(map(checks.is_number, value_range))
        or value_range[0] == value_range[1]
    ):
        raise ValueError(
            f"{name} must be the values of black and white, as in (0, 1). "
            f"Received: value_range={value_range!r}"
        )


def channels_last(images, axes, name, source):
    """Moves the axes of an array to (n, height, width, channels).

    Args:
        images: array of three or four dimensions.
        axes: letters that name the axes, for example "nchw"; None to recognise
            (n, height, width) and (n, height, width, channels).
        name: the binding of `axes`.
        source: where the array is from, for the message.

    Returns:
        View of the array with four dimensions.

    Raises:
        ValueError: if `axes` does not fit, or the axes are not certain.
    """
    received = f"Received: shape {images.shape}"
    if images.ndim not in (3, 4):
        raise ValueError(
            f"{source} must hold images (n, height, width) or (n, height, width, "
            "channels). Reshape films (n, time, height, width, channels) to images. "
            f"{received}"
        )
    if axes is None:
        _check_axes(images.shape, name, source)
        axes = "nhwc"[: images.ndim]
    elif not isinstance(axes, str) or sorted(axes) != sorted("nhwc"[: images.ndim]):
        raise ValueError(
            f"{name} must name the {images.ndim} axes of {source}, for example "
            f"{'nchw'[4 - images.ndim :]!r}, with n for images. "
            f"Received: axes={axes!r} for shape {images.shape}"
        )
    images = images[..., None] if images.ndim == 3 else images
    axes = axes if "c" in axes else f"{axes}c"
    return images.transpose([axes.index(letter) for letter in "nhwc"])


def _check_axes(shape, name, source):
    """Raises an error unless the last axis is certainly that of the channels."""
    usual, guess = "nhwc"[: len(shape)], None
    if len(shape) == 4:
        first, middle, last = shape[1:]
        if first in _CHANNELS and middle not in _CHANNELS:
            guess = "nchw"
        elif last not in _CHANNELS:
            guess = "hwcn" if middle in _CHANNELS else usual
    elif shape[0] == shape[1] != shape[2]:
        guess = "hwn"
    if guess:
        raise ValueError(
            f'Images in {source} may not be "{usual}" (n images, h rows, w columns, c '
            f'channels). Bind {name} = "{guess}" or another order of these letters. '
            f"Received: shape {shape}"
        )
    if len(shape) == 4 and shape[-1] == 4:
        raise ValueError(
            f"The fourth channel of {source} may be transparency. Give images of three "
            f'channels, or bind {name} = "nhwc" to take it as a colour. '
            f"Received: shape {shape}"
        )
    low, high = sorted(shape[-2:])
    if len(shape) == 3 and (low < 8 < high or 3 * low <= high):
        raise ValueError(
            f"{source} may be sequences (n, time, values). Bind {name} = "
            '"nhw" to take each as a grey image of time x values. '
            f"Received: shape {shape}"
        )


def find_value_range(images, value_range, name, source):
    """The values of black and white, recognised if they are certain.

    Args:
        images: array of numbers or bool, shape (n, height, width, channels).
        value_range: what is bound, or None.
        name: the binding.
        source: where the array is from, for the message.

    Returns:
        Pair of numbers; (0, 255) for images of 0 to 255, which need no conversion.

    Raises:
        ValueError: if the values are not certain.
    """
    check_value_range(name, value_range)
    if images.dtype.kind not in "buif":
        raise ValueError(
            f"{source} must hold numbers. Received: {images.dtype} of shape "
            f"{images.shape}"
        )
    if value_range is not None:
        return tuple(value_range)
    if images.dtype == bool:
        return 0, 1
    if images.dtype == np.uint8:
        lowest, highest = _limits(images, enough=_DARK)
        if highest >= _DARK and lowest < highest:
            return 0, 255
        if (lowest, highest) == (0, 1):
            logger.warning(
                "All pixels of %s are 0 or 1, which are taken as black and white. If "
                "they are not, bind %s = (0, 255).",
                source,
                name,
            )
            return 0, 1
    else:
        lowest, highest = _limits(images)
    raise ValueError(uncertain(lowest, highest, name, f"{images.dtype} of {source}"))


def uncertain(lowest, highest, name, what):
    """The message about images whose values of black and white are not certain.

    Args:
        lowest: lowest value of all pixels.
        highest: highest value of all pixels.
        name: the binding that says it.
        what: the images.
    """
    if not np.isfinite([lowest, highest]).all():
        return f"Pixels must be finite. Received: NaN or infinity, {what}"
    if lowest == highest:
        return (
            f"All pixels of all images are {lowest:g}, so there is nothing to learn. "
            f"If this is what you want, bind {name} = (0, 255). Received: {what}"
        )
    return (
        f"Say which values are black and white: bind {name} = "
        f"{_guess(lowest, highest)} or another pair. Received: values from "
        f"{lowest:g} to {highest:g}, {what}"
    )


def _guess(lowest, highest):
    for black, white in _KNOWN_RANGES:
        if black <= lowest and white / 2 < highest <= white:
            return black, white
    # Rounded outwards, so that all values are in the range.
    black, white = np.floor(100 * min(lowest, 0)) / 100, np.ceil(100 * highest) / 100
    return tuple(int(v) if v % 1 == 0 else float(v) for v in (black, white))


def _limits(images, enough=np.inf):
    """Lowest and highest value; or those of the first images that reach `enough`."""
    lowest, highest = np.inf, -np.inf
    for chunk in _chunks(images):
        lowest = np.minimum(lowest, chunk.min())
        highest = np.maximum(highest, chunk.max())
        if lowest < highest >= enough:
            break
    return lowest, highest


def _chunks(images):
    step = prepared.rows_at_once(max(1, images[:1].nbytes))
    return (images[start : start + step] for start in range(0, len(images), step))


def converted(images, value_range, name, source):
    """Yields the images as uint8, some at a time; see `as_uint8`."""
    return (as_uint8(chunk, value_range, name, source) for chunk in _chunks(images))


def as_uint8(pixels, value_range, name, source):
    """Scales pixels so that black is 0 and white 255, rounded.

    Args:
        pixels: array of numbers or bool.
        value_range: values of black and white.
        name: the binding of `value_range`.
        source: where the pixels are from, for the message.

    Returns:
        uint8 array of the same shape.

    Raises:
        ValueError: if a value is not between black and white.
    """
    black, white = value_range
    pixels = np.asarray(pixels, dtype=np.float64)
    if not np.isfinite(pixels).all():
        raise ValueError(f"Pixels must be finite. Received: NaN or infinity, {source}")
    if pixels.min() < min(value_range) or pixels.max() > max(value_range):
        raise ValueError(
            f"All pixels of {source} must be in {name} = {tuple(value_range)}. "
            f"Received: values from {pixels.min():g} to {pixels.max():g}"
        )
    return np.rint((pixels - black) * (255 / (white - black))).astype(np.uint8)


def read_all(files, mode, shape, resize, value_range=None, background=None):
    """Yields the images of files in order: uint8 arrays (n, *shape, channels).

    Args:
        files: paths.
        mode: "L" for grey images, "RGB" for colours.
        shape: height and width.
        resize: whether to resize images of another shape.
        value_range: see `as_uint8`; None for the usual meaning of the format.
        background: colour below transparent pixels, None if there must be none.

    Raises:
        ValueError: if a file is no such image, or all images are nearly black.
    """
    lowest, highest = 255, 0
    for start in range(0, len(files), _CHUNK):
        images = []
        for file in files[start : start + _CHUNK]:
            size = shape if resize else None
            images.append(read(file, mode, size, value_range, background))
            if images[-1].shape[:2] != shape:
                raise ValueError(
                    "Images have different sizes, bind image_folder.image_size = 64 "
                    f"or another. Received: {shown(files[0])} of {shape}, "
                    f"{shown(file)} of {images[-1].shape[:2]}"
                )
        lowest = min(lowest, min(int(image.min()) for image in images))
        highest = max(highest, max(int(image.max()) for image in images))
        yield np.stack(images)
    if value_range is None and (highest < _DARK or lowest == highest):
        what = f"{len(files)} images, the first is {shown(files[0])}"
        raise ValueError(uncertain(lowest, highest, "image_folder.value_range", what))


def read(file, mode, shape=None, value_range=None, background=None):
    """Reads an image file: uint8, shape (height, width, channels); see `read_all`."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as image:
            if getattr(image, "n_frames", 1) > 1:
                raise ValueError(
                    f"Every image needs a file. Received: {shown(file)} with "
                    f"{image.n_frames} images"
                )
            # Cameras store how the picture has to be turned.
            image = ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{shown(file)} cannot be read as an image: {error}"
        ) from error
    image = _on_background(image, background, file)
    if image.mode[0] in "IF" or (value_range is not None and image.mode != "1"):
        image = _scaled(image, mode, value_range, file)
    image = image.convert(mode)
    if shape is not None and image.size != shape[::-1]:
        image = image.resize(shape[::-1], Image.Resampling.LANCZOS)
    return np.asarray(image).reshape(*image.size[::-1], -1)


def _on_background(image, background, file):
    from PIL import Image

    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    if image.getextrema()[3][0] == 255:
        return image.convert("RGB")
    if background is None:
        raise ValueError(
            'Bind image_folder.background = "white" or another colour, which is seen '
            f"through transparent pixels. Received: {shown(file)} with such pixels"
        )
    below = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(below, image).convert("RGB")


def _scaled(image, mode, value_range, file):
    """Scales images of more than 8 bits per channel, or of other values of white."""
    from PIL import Image

    if image.mode[0] not in "IF":
        image = image.convert(mode)
    pixels = np.asarray(image)
    name, source = "image_folder.value_range", shown(file)
    if value_range is None:
        guess = _guess(pixels.min(), pixels.max())
        raise ValueError(
            "Images must have 8 bits per channel, or say which values are black and "
            f"white: bind {name} = {guess} or another pair. Received: {source} of mode "
            f"{image.mode}, values from {pixels.min():g} to {pixels.max():g}"
        )
    return Image.fromarray(as_uint8(pixels, value_range, name, source))


def shown(path):
    """A path as text for a message, also if its bytes are no text."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
