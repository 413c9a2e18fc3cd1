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
"""

import csv
import hashlib
import os
from pathlib import Path

import gin
import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import ground_truth_data, prepared, table_data
from dmt.utils import checks, stages

_CHUNK = 256


@registry.dataset("image_folder")
@stages.configurable("image_folder", "dataset")
def image_folder(path=gin.REQUIRED, csv=gin.REQUIRED, image_size=None, grey=False):
    """A folder of images and a CSV file of their factors.

    The images are read once and kept as an array in `prepared/image_folder` of the data
    root. The array is made again when a file changes.

    Args:
        path: the folder. Images may have any format that Pillow reads with 8 bits per
            channel.
        csv: the table. The first column is the file of an image, relative to the
            folder. Every other column is a factor, whose values are numbers or words.
            The first line names the columns, unless it begins with the name of a file.
        image_size: height and width to resize the images to; None if all images have
            the same size.
        grey: whether the images have one grey channel instead of three colours.

    Returns:
        `ImageTable` with the images in the order of the lines.

    Raises:
        DatasetNotFound: if the folder, the table or an image is missing.
        ValueError: if the files contradict each other or cannot be read.
    """
    folder = Path(str(path)).expanduser()
    table = Path(str(csv)).expanduser()
    if not folder.is_dir():
        raise ground_truth_data.DatasetNotFound(
            f"image_folder.path names no folder. Received: path={path!r}"
        )
    if not table.is_file():
        raise ground_truth_data.DatasetNotFound(
            f"image_folder.csv names no file. Received: csv={csv!r}"
        )
    if image_size is not None:
        checks.integer("image_folder.image_size", image_size, low=1)
    names, factor_names, factors = _read_csv(folder, table)
    files = [folder / name for name in names]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise ground_truth_data.DatasetNotFound(
            f"{len(missing)} of the {len(files)} images that {table} names are not in "
            f"{folder}, the first is {missing[0].name}"
        )
    mode = "L" if grey else "RGB"
    shape = (image_size, image_size) if image_size else _read(files[0], mode).shape[:2]
    options = [str(folder.resolve()), str(table.resolve()), shape, mode]
    images = prepared.open_images(
        f"image_folder/{hashlib.sha256(repr(options).encode()).hexdigest()[:16]}",
        [table, *files],
        lambda: _read_all(files, mode, shape, image_size is not None),
        (len(files), *shape, len(mode)),
    )
    return table_data.ImageTable("image_folder", images, factors, factor_names)


@registry.dataset("npz_images")
@stages.configurable("npz_images", "dataset")
def npz_images(path=gin.REQUIRED):
    """An npz file of images and their factors.

    Args:
        path: the file. It holds the arrays `images`, uint8 of shape (n, height, width)
            or (n, height, width, channels), `factors`, numbers or words of shape (n,
            num_factors), and optionally `factor_names`. Nothing in it is unpickled. An
            uncompressed file need not fit in memory.

    Returns:
        `ImageTable` with the images in the order of the file.

    Raises:
        DatasetNotFound: if there is no such file.
        ValueError: if it holds something else.
    """
    file = Path(str(path)).expanduser()
    if not file.is_file():
        raise ground_truth_data.DatasetNotFound(
            f"npz_images.path names no file. Received: path={path!r}"
        )
    try:
        with np.load(file, allow_pickle=False) as arrays:
            factors = arrays["factors"]
            names = arrays["factor_names"] if "factor_names" in arrays else None
            mapped = prepared.map_npz(file, "images")
            images = arrays["images"] if mapped is None else prepared.in_memory(mapped)
    except Exception as error:  # A damaged file can raise errors of many kinds.
        raise ValueError(
            f"{file} must be an npz file with the arrays images and factors, without "
            f"Python objects. Received: {' '.join(str(error).split())}"
        ) from error
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise ValueError(
            f"images in {file} must be uint8 of shape (n, height, width[, channels]). "
            f"Received: {images.dtype} of shape {images.shape}"
        )
    factors = factors[:, None] if factors.ndim == 1 else factors
    if factors.ndim != 2 or len(factors) != len(images) or not factors.shape[1]:
        raise ValueError(
            f"factors in {file} must have a row for each of the {len(images)} images. "
            f"Received: shape {factors.shape}"
        )
    if factors.dtype.kind == "f" and not np.isfinite(factors).all():
        raise ValueError(f"factors in {file} must be finite. Received: NaN or infinity")
    if names is None:
        names = _default_names(factors.shape[1])
    elif names.shape != factors.shape[1:]:
        raise ValueError(
            f"factor_names in {file} must be {factors.shape[1]} names. "
            f"Received: {names.tolist()}"
        )
    _check_number(file, len(images))
    images = images[..., None] if images.ndim == 3 else images
    return table_data.ImageTable(
        "npz_images", images, factors, [str(name) for name in names]
    )


def _default_names(num_factors):
    return [f"Factor {i}" for i in range(num_factors)]


def _check_number(file, num_images):
    if num_images < 2:
        raise ValueError(
            f"A dataset needs at least two images. Received: {num_images} in {file}"
        )


def _read_csv(folder, table):
    """File names, factor names and factors (n, num_factors) of the table."""
    with open(table, newline="", encoding="utf-8-sig") as file:
        try:
            rows = [row for row in csv.reader(file) if row]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{table} is no CSV file: {error}") from error
    header = None
    # A cell with a file suffix is the name of an image, even if the image is missing.
    if rows and not Path(rows[0][0]).suffix and not (folder / rows[0][0]).is_file():
        header, rows = rows[0], rows[1:]
    _check_number(table, len(rows))
    width = len(header or rows[0])
    if width < 2:
        raise ValueError(
            f"{table} needs a column of file names and at least one column of factors, "
            f"separated by commas. Received: {rows[0]}"
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != width or not all(cell.strip() for cell in row):
            raise ValueError(
                f"Every line of {table} needs {width} cells, none of them empty. "
                f"Received: {row} for image {number}"
            )
    names, *columns = zip(*rows, strict=True)
    factor_names = header[1:] if header else _default_names(width - 1)
    numbered = []
    for name, column in zip(factor_names, columns, strict=True):
        values = np.array([cell.strip() for cell in column])
        try:
            values = values.astype(np.float64)
        except ValueError:
            pass  # Words.
        else:
            if not np.isfinite(values).all():
                raise ValueError(
                    f"The numbers in {table} must be finite. "
                    f"Received: NaN or infinity for {name}"
                )
        numbered.append(np.unique(values, return_inverse=True)[1])
    return names, [name.strip() for name in factor_names], np.stack(numbered, axis=1)


def _read_all(files, mode, shape, resize):
    """Yields the images in order: uint8 arrays of shape (n, *shape, channels)."""
    for start in range(0, len(files), _CHUNK):
        images = []
        for file in files[start : start + _CHUNK]:
            images.append(_read(file, mode, shape if resize else None))
            if images[-1].shape[:2] != shape:
                raise ValueError(
                    "Images have different sizes, bind image_folder.image_size = 64 "
                    f"or another. Received: {files[0].name} of {shape}, {file.name} of "
                    f"{images[-1].shape[:2]}"
                )
        yield np.stack(images)


def _read(file, mode, shape=None):
    from PIL import Image

    try:
        with Image.open(file) as image:
            depth = image.mode
            image = image.convert(mode)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} cannot be read as an image: {error}") from error
    if depth[0] in "IF":
        raise ValueError(
            f"Images must have 8 bits per channel. Received: {os.fspath(file)} of mode "
            f"{depth}"
        )
    if shape is not None and image.size != shape[::-1]:
        image = image.resize(shape[::-1], Image.Resampling.LANCZOS)
    return np.asarray(image).reshape(*image.size[::-1], -1)
