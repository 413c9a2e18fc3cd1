"""The factors of the user's own images, from columns of numbers and words."""

import csv
import logging
from pathlib import Path

import numpy as np

from dmt.data.ground_truth import ground_truth_data, own_images
from dmt.utils import arrays, checks

logger = logging.getLogger(__name__)

# How programs write a number that is missing, besides "nan".
_MISSING = ("NA", "N/A", "n/a", "na", "<NA>", "NULL", "null", "None", "none", "-", "?")


def default_names(num_factors):
    """Names of factors that have none."""
    return [f"Factor {i}" for i in range(num_factors)]


def read_csv(table, folder):
    """Reads a table of images and their factors.

    Args:
        table: path of the CSV file. The first column names the files of images.
        folder: path of the folder of images.

    Returns:
        Paths of the images; their names in the table; names of the factors, perhaps
        none; and a list of cells for each factor.

    Raises:
        DatasetNotFound: if an image is missing.
        ValueError: if it is no such table.
    """
    with open(table, newline="", encoding="utf-8-sig", errors="surrogateescape") as f:
        try:
            rows = [row for row in csv.reader(f) if row]
        except csv.Error as error:
            raise ValueError(f"{table} is no CSV file: {error}") from error
    header, first = None, rows[0][0] if rows else "none.png"
    # A cell with a file suffix is the name of an image, even if the image is missing.
    if not Path(first).suffix and _find(first, table, folder) is None:
        header, rows = rows[0], rows[1:]
    check_number(table, len(rows))
    width = len(header or rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) != width or not all(cell.strip() for cell in row):
            raise ValueError(
                f"Every line of {table} needs {width} cells, none of them empty. "
                f"Received: {row} for image {number}"
            )
    names, *columns = zip(*rows, strict=True)
    factor_names = header[1:] if header else default_names(width - 1)
    for text in [*factor_names, *(cell for column in columns for cell in column)]:
        # Only names of files may have bytes that are no text.
        if not text.isascii() and text != text.encode(errors="replace").decode():
            raise ValueError(f"{table} must be encoded in UTF-8. Received: {text!r}")
    files = [_find(name, table, folder) for name in names]
    missing = [name for name, file in zip(names, files, strict=True) if file is None]
    if missing:
        paths = _places(missing[0], table, folder)
        places = " nor ".join(own_images.shown(path) for path in paths)
        if any(mark in missing[0] for mark in ";\t"):
            places += ". Cells must be separated by commas"
        elif not Path(missing[0]).suffix:
            places += ". The first column must name the files"
        raise ground_truth_data.DatasetNotFound(
            f"{len(missing)} of the {len(files)} images that {table} names are "
            f"missing, the first is {own_images.shown(missing[0])}. There is no "
            f"{places}"
        )
    return files, names, [name.strip() for name in factor_names], columns


def _places(name, table, folder):
    """Where the file of a name in the table may be, without repetitions."""
    return dict.fromkeys((folder / name, table.parent / name, Path(name)))


def _find(name, table, folder):
    for path in _places(name, table, folder):
        if path.is_file():
            return path
    return None


def check_number(source, num_images):
    """Raises ValueError if there are fewer than two images."""
    if num_images < 2:
        raise ValueError(
            f"A dataset needs at least two images. Received: {num_images} in {source}"
        )


def check_settings(name, continuous, num_bins):
    """Checks the bindings of `numbered`, which begin with `name`.

    Raises:
        ValueError: if one is of a wrong type or out of range.
    """
    if continuous is not None and (
        not isinstance(continuous, (list, tuple))
        or not all(isinstance(factor, str) for factor in continuous)
    ):
        raise ValueError(
            f'{name}.continuous must be a list of names of factors, as in ["x"]. '
            f"Received: continuous={continuous!r}"
        )
    if num_bins is not None:
        checks.integer(f"{name}.num_bins", num_bins, low=2)


def numbered(columns, names, num_images, source, name, continuous=None, num_bins=None):
    """Makes factors of columns of numbers or words.

    A factor is continuous if it has fractional values, and more different values than
    half the images. The values of other factors are numbered in ascending order, words
    alphabetically.

    Args:
        columns: sequences of n numbers, or of n texts. Texts may be numbers.
        names: names of the factors.
        num_images: n.
        source: where they are from, for messages.
        name: name of the dataset, with which the bindings begin.
        continuous: names of the factors that are continuous; None to recognise them.
        num_bins: number of bins with about equally many images, into which the values
            of each continuous factor are put; None to keep the values.

    Returns:
        Factors (n, num_factors), float64 if one is continuous and int64 otherwise; and
        whether each factor is continuous, a list of bool.

    Raises:
        ValueError: if the columns are no such factors, or a binding does not fit them.
    """
    check_settings(name, continuous, num_bins)
    if len(set(names)) < len(names):
        raise ValueError(
            f"The factors of {source} must have different names. "
            f"Received: {', '.join(names)}"
        )
    unknown = [factor for factor in continuous or () if factor not in names]
    if unknown:
        raise ValueError(
            f"{name}.continuous names factors of {source}, which are "
            f"{', '.join(names) or 'none'}. Received: {unknown[0]!r}"
        )
    factors, kinds = [], []
    for factor, column in zip(names, columns, strict=True):
        values = _values(column, factor, source)
        if continuous is None:
            is_continuous = _is_measured(values, factor, source, name)
        else:
            is_continuous = factor in continuous
        if is_continuous and values.dtype.kind not in "iuf":
            raise ValueError(
                f"{name}.continuous names factors that are numbers. "
                f"Received: {factor!r} with {values.tolist()[0]!r}"
            )
        if is_continuous and num_bins is not None:
            edges = np.quantile(values, np.arange(1, num_bins) / num_bins)
            values = np.searchsorted(edges, values, side="right")
            is_continuous = False
        if not is_continuous:
            values = np.unique(values, return_inverse=True)[1]
        factors.append(values)
        kinds.append(is_continuous)
    table = np.zeros((num_images, len(names)), np.float64 if any(kinds) else np.int64)
    for column, values in enumerate(factors):
        table[:, column] = values
    return table, kinds


def _values(column, factor, source):
    """A column as an array of numbers or of texts."""
    values = np.asarray(column)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.dtype.kind == "U":
        values = np.array([text.strip() for text in values.tolist()])
        for text in values.tolist():
            if kind := arrays.other_kind(text):
                raise ValueError(
                    f"Factors must be numbers or words. Received: {kind}, {text!r}, "
                    f"for {factor} of {source}"
                )
        try:
            values = values.astype(np.float64)
        except ValueError:
            _check_words(values.tolist(), factor, source)
            return values
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"Factors must be numbers or words. Received: {values.dtype} for "
            f"{factor} of {source}"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(
            f"The numbers in {source} must be finite. "
            f"Received: NaN or infinity for {factor}"
        )
    return values


def _check_words(words, factor, source):
    """Checks that words do not stand for missing numbers."""
    others = {word for word in words if not arrays.is_number(word)}
    if len(others) == 1 and not others.isdisjoint(_MISSING) and len(set(words)) > 1:
        raise ValueError(
            f"Leave out images whose factors are not known. Received: "
            f"{others.pop()!r} among numbers for {factor} of {source}"
        )


def _is_measured(values, factor, source, name):
    """Whether a column holds measurements, of which nearly all are different."""
    if values.dtype.kind not in "iuf":
        return False
    num_values = len(np.unique(values))
    if num_values <= len(values) / 2:
        return False
    if np.any(values % 1):
        return True
    if num_values >= 20:
        logger.warning(
            "%s has %d different values in the %d images of %s. If it is a "
            "measurement and no class, bind %s.continuous = [%r].",
            factor,
            num_values,
            len(values),
            source,
            name,
            factor,
        )
    return False
