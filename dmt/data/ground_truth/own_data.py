"""Your own images as a dataset, from a gin file and without code.

A folder of images and a table of their factors:

    dataset.name = "image_folder"
    image_folder.path = "photos"
    image_folder.csv = "photos/factors.csv"
    image_folder.image_size = 64

or one file with both:

    dataset.name = "npz_images"
    npz_images.path = "mine.npz"

The values of a factor are numbered in ascending order, words alphabetically. If there
is an image of every combination of values, factors are drawn as from any other grid.
Measurements, of which nearly every image has another one, are continuous factors and
keep their values. Images without factors can be used for all that needs no factors.
"""

import hashlib
from pathlib import Path

import gin
import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import (
    ground_truth_data,
    own_factors,
    own_images,
    prepared,
    table_data,
)
from dmt.utils import checks, stages


@registry.dataset("image_folder")
@stages.configurable("image_folder", "dataset")
def image_folder(
    path=gin.REQUIRED,
    csv=None,
    image_size=None,
    grey=False,
    background=None,
    value_range=None,
    continuous=None,
    num_bins=None,
):
    """A folder of images and a CSV file of their factors.

    The images are read once and kept as an array in the folder of prepared files (see
    `dmt.data.ground_truth.prepared`). The array is made again when a file changes.

    Args:
        path: the folder. Images may have any format that Pillow reads.
        csv: the table. The first column is the file of an image, relative to the
            folder, to the table or to the current folder, or absolute. Every other
            column is a factor, whose values are numbers or words. The first line names
            the columns, unless it begins with the name of a file. None for all images
            in the folder and the folders below it, in the order of their names, without
            factors.
        image_size: height and width to resize the images to; None if all images have
            the same size.
        grey: whether the images have one grey channel instead of three colours.
        background: colour that is seen through transparent pixels, for example "white".
        value_range: values of black and white, for example (0, 65535); None if they are
            those of 8 bits.
        continuous: names of the continuous factors, whose values are numbers. None for
            the factors that have fractional values, and more different values than half
            the images.
        num_bins: number of bins with about equally many images, into which the values
            of each continuous factor are put; None to keep the values.

    Returns:
        `ImageTable` with the images in the order of the lines.

    Raises:
        DatasetNotFound: if the folder, the table or an image is missing.
        ValueError: if the files contradict each other or cannot be read, or if it is
            not certain which pixels are black and white.
    """
    folder = Path(str(path)).expanduser()
    if not folder.is_dir():
        raise ground_truth_data.DatasetNotFound(
            f"image_folder.path names no folder. Received: path={path!r}"
        )
    if image_size is not None:
        checks.integer("image_folder.image_size", image_size, low=1)
    checks.boolean("image_folder.grey", grey)
    _check_color(background)
    own_images.check_value_range("image_folder.value_range", value_range)
    own_factors.check_settings("image_folder", continuous, num_bins)
    table, names, factor_names, columns = None, None, [], []
    if csv is None:
        files, names = _files_in(folder)
    else:
        table = Path(str(csv)).expanduser()
        if not table.is_file():
            raise ground_truth_data.DatasetNotFound(
                f"image_folder.csv names no file. Received: csv={csv!r}"
            )
        files, names, factor_names, columns = own_factors.read_csv(table, folder)
    factors, kinds = own_factors.numbered(
        columns, factor_names, len(files), table, "image_folder", continuous, num_bins
    )
    mode, looks = "L" if grey else "RGB", (value_range, background)
    if image_size is None:
        shape = own_images.read(files[0], mode, None, *looks).shape[:2]
    else:
        shape = (image_size, image_size)
    sources = [file for file in (table, *files) if file is not None]
    images = prepared.open_images(
        _prepared("image_folder", folder, table, shape, mode, looks),
        sources,
        lambda: own_images.read_all(files, mode, shape, image_size is not None, *looks),
        (len(files), *shape, len(mode)),
    )
    return table_data.ImageTable(
        "image_folder",
        images,
        factors,
        factor_names,
        continuous_factors=kinds,
        image_names=names,
    )


@registry.dataset("npz_images")
@stages.configurable("npz_images", "dataset")
def npz_images(
    path=gin.REQUIRED, axes=None, value_range=None, continuous=None, num_bins=None
):
    """An npz file of images and their factors, or an npy file of images.

    Args:
        path: the file. The npz file holds the arrays `images`, of shape (n, height,
            width) or (n, height, width, channels), optionally `factors`, numbers or
            words of shape (n, num_factors), and optionally `factor_names`. Nothing in
            it is unpickled. An uncompressed file need not fit in memory.
        axes: order of the axes of the images, for example "nchw", where n is images and
            c channels; None if they are (n, height, width[, channels]).
        value_range: values of black and white, for example (0, 1); None if the images
            are uint8 from 0 to 255, or bool.
        continuous: see `image_folder`.
        num_bins: see `image_folder`.

    Returns:
        `ImageTable` with the images in the order of the file.

    Raises:
        DatasetNotFound: if there is no such file.
        ValueError: if it holds something else, or it is not certain what the axes are
            and which pixels are black and white.
    """
    file = Path(str(path)).expanduser()
    if not file.is_file():
        raise ground_truth_data.DatasetNotFound(
            f"npz_images.path names no file. Received: path={path!r}"
        )
    own_factors.check_settings("npz_images", continuous, num_bins)
    own_images.check_value_range("npz_images.value_range", value_range)
    arrays = _read_arrays(file)
    images = own_images.channels_last(arrays["images"], axes, "npz_images.axes", file)
    own_factors.check_number(file, len(images))
    factors, names = _factors_in(file, arrays, len(images))
    factors, kinds = own_factors.numbered(
        factors.T, names, len(images), file, "npz_images", continuous, num_bins
    )
    value_range = own_images.find_value_range(
        images, value_range, "npz_images.value_range", file
    )
    if images.dtype != np.uint8 or value_range != (0, 255):
        images = prepared.open_images(
            _prepared("npz_images", file, axes, value_range),
            [file],
            lambda: own_images.converted(
                images, value_range, "npz_images.value_range", file
            ),
            images.shape,
        )
    return table_data.ImageTable(
        "npz_images", images, factors, names, continuous_factors=kinds
    )


def _check_color(background):
    from PIL import ImageColor

    if background is not None:
        try:
            ImageColor.getrgb(background)
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError(
                'image_folder.background must be a colour, as in "white" or "#ff8800". '
                f"Received: background={background!r}"
            ) from error


def _files_in(folder):
    """Paths of all images in a folder, and their names relative to it."""
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in own_images.SUFFIXES and file.is_file()
    )
    if not files:
        raise ground_truth_data.DatasetNotFound(
            f"There are no images in {folder}: image_folder.path must name a folder of "
            f"files such as a.png; known are {', '.join(sorted(own_images.SUFFIXES))}"
        )
    own_factors.check_number(folder, len(files))
    return files, [str(file.relative_to(folder)) for file in files]


def _prepared(name, *options):
    """Name of the folder of the prepared images of a dataset."""
    facts = [
        str(option.resolve()) if isinstance(option, Path) else option
        for option in options
    ]
    return f"{name}/{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


def _read_arrays(file):
    """The arrays of an npz file that are needed, or the array of an npy file."""
    try:
        if file.suffix.lower() == ".npy":
            return {"images": np.load(file, mmap_mode="r", allow_pickle=False)}
        with np.load(file, allow_pickle=False) as stored:
            names = [name for name in ("factors", "factor_names") if name in stored]
            arrays = {name: stored[name] for name in names}
            key = "images"
            if key not in stored and len(stored.files) == 1:
                key = stored.files[0]
            mapped = prepared.map_npz(file, key) if key in stored else None
            arrays["images"] = (
                stored[key] if mapped is None else prepared.in_memory(mapped)
            )
        return arrays
    except Exception as error:  # A damaged file can raise errors of many kinds.
        raise ValueError(
            f"{file} must be an npz file with the arrays images and factors, without "
            f"Python objects. Received: {' '.join(str(error).split())}"
        ) from error


def _factors_in(file, arrays, num_images):
    """Factors (n, num_factors) and their names; no factors if the file has none."""
    factors = arrays.get("factors", np.zeros((num_images, 0)))
    factors = factors[:, None] if factors.ndim == 1 else factors
    if factors.ndim != 2 or len(factors) != num_images:
        raise ValueError(
            f"factors in {file} must have a row for each of the {num_images} images. "
            f"Received: shape {factors.shape}"
        )
    names = arrays.get("factor_names")
    if names is None:
        return factors, own_factors.default_names(factors.shape[1])
    if names.shape != factors.shape[1:]:
        raise ValueError(
            f"factor_names in {file} must be {factors.shape[1]} names. "
            f"Received: {names.tolist()}"
        )
    return factors, [str(name) for name in names]
