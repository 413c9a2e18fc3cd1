"""Reads tables of numbers from files that any program wrote."""

import csv
import datetime
import os
import re
from collections.abc import Iterable

import numpy as np

_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
# How cells begin that are neither numbers nor words.
_FORMS = {
    "a time": re.compile(
        rf"\d{{1,4}}/\d{{1,2}}/\d{{1,4}}\b|\d{{1,2}}\.\d{{1,2}}\.\d{{4}}\b"
        rf"|{_MONTH}\.? \d{{1,2}},? \d{{4}}\b|\d{{1,2}}[ -]{_MONTH}[ -]\d{{2,4}}\b"
        r"|-?\d+ days?\b",
        re.I,
    ),
    "a number with a decimal comma": re.compile(r"[-+]?\d+,\d+$"),
    "a list": re.compile(r"(np\.)?(array|tensor)\("),
}
# Kinds of NumPy types that are numbers.
_NUMBERS = "biuf"


def load_tables(paths: Iterable[str | None], name: str) -> list[np.ndarray]:
    """Reads tables with the same columns, one row per sample.

    Args:
        paths: .npy, .npz, .csv or .parquet files; None is left out. The path
            "file.npz:key" names an array of an .npz file. Without a key, the only array
            or the one called `name` is read. A .csv file may start with column names.
        name: content of the tables, "codes" or "factors". Factors may be words, which
            are numbered in alphabetical order over all tables.

    Returns:
        List of arrays of shape (num_rows, num_columns).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a file is damaged, of another kind, or holds something else.
    """
    names = [path for path in paths if path]
    tables = [_read(path, name) for path in names]
    if len({len(columns) for columns in tables}) > 1:
        raise ValueError(
            f"{' and '.join(names)} have different numbers of columns: "
            f"{', '.join(str(len(columns)) for columns in tables)}."
        )
    for index, columns in enumerate(zip(*tables, strict=True)):
        if any(column.dtype.kind not in _NUMBERS for column in columns):
            numbered = _number_words(columns, index, names, name)
            for table, column in zip(tables, numbered, strict=True):
                table[index] = column
    return [np.stack(columns, axis=1) for columns in tables]


def column_names(path: str) -> list[str]:
    """Returns the names of a table's columns, [] if it has none."""
    kind = os.path.splitext(path)[1].lower()
    if kind == ".csv":
        return _csv(path)[0]
    if kind == ".parquet":
        from pyarrow import parquet

        return parquet.read_schema(path).names
    return []


def columns_of_words(path: str, name: str) -> list[int]:
    """Returns the indices of a table's columns that do not hold numbers.

    Args:
        path: see `load_tables`.
        name: see `load_tables`.
    """
    return [
        number
        for number, column in enumerate(_read(path, name))
        if column.dtype.kind not in _NUMBERS
        and not all(map(is_number, column.astype(str)))
    ]


def other_kind(cell: str) -> str:
    """What the text of a cell is if it is neither a number nor a word, else ""."""
    cell = cell.strip()
    for kind, form in _FORMS.items():
        if form.match(cell):
            return kind
    if is_number(cell) or not any(mark in "([{+-.0123456789" for mark in cell[:1]):
        return ""
    for kind, parse in (
        ("a complex number", complex),
        ("a time", datetime.datetime.fromisoformat),
        ("a time", datetime.time.fromisoformat),
    ):
        try:
            parse(cell)
        except ValueError:
            continue
        return kind
    return "a list" if f"{cell[0]}{cell[-1]}" in ("[]", "()", "{}") else ""


def _read(path, name):
    """The columns of a file; each has numbers or words."""
    path, _, key = path.partition(".npz:")
    path += ".npz" if key else ""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path}.")
    kind = os.path.splitext(path)[1].lower()
    try:
        if kind == ".npy":
            return _columns(np.load(path, allow_pickle=False))
        if kind == ".npz":
            return _read_npz(path, key, name)
        if kind == ".csv":
            return _csv_columns(_csv(path)[1])
        if kind == ".parquet":
            return _read_parquet(path)
    except ImportError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path} cannot be read as a table of numbers: {reason}"
        ) from error
    raise ValueError(f"Give {name} as .npy, .npz, .csv or .parquet. Received: {path}")


def _columns(table):
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2 or not table.size or table.dtype.kind not in f"{_NUMBERS}U":
        advice = ""
        if table.ndim == 3:
            advice = (
                ". Of sequences (n, time, values), give each step a row, as in "
                "reshape(-1, values), or each sequence, as in mean(axis=1)"
            )
        raise ValueError(
            "it must hold numbers in one or two dimensions, not "
            f"{table.dtype} of shape {table.shape}{advice}"
        )
    return list(table.T)


def _read_npz(path, key, name):
    with np.load(path, allow_pickle=False) as file:
        names = file.files
        key = key or (names[0] if len(names) == 1 else name)
        if key not in names:
            raise ValueError(
                f"choose an array by {path}:KEY, the keys are {', '.join(names)}"
            )
        return _columns(file[key])


def _csv_columns(rows):
    for row in rows:
        for cell in row:
            if kind := other_kind(cell):
                raise ValueError(f"cells must be numbers or words, not {kind}: {cell}")
    return [np.array(column) for column in zip(*rows, strict=True)]


def _csv(path):
    """Column names, [] if there are none, and the other lines."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    if not rows:
        raise ValueError("it is empty")
    if len({len(row) for row in rows}) > 1:
        raise ValueError("its lines have different numbers of cells")
    if len(rows[0]) == 1 and any(mark in rows[0][0] for mark in ";\t"):
        raise ValueError("its cells must be separated by commas")
    if len(rows) > 1 and not any(is_number(cell) for cell in rows[0]):
        below = list(zip(*rows[1:], strict=True))
        if not any(cell in column for cell, column in zip(rows[0], below, strict=True)):
            _check_names(rows[0])
            return rows[0], rows[1:]
    return [], rows


def _check_names(names):
    # By default, pandas writes the index as a column.
    if "" in names or "__index_level_0__" in names:
        raise ValueError(
            "a column without a name looks like an index, write the file without it"
        )


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_parquet(path):
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            f"Reading {path} needs pyarrow: pip install 'dmt-lib[parquet]'"
        ) from error
    table = parquet.read_table(path)
    _check_names(table.column_names)
    if not table.num_rows or not table.num_columns:
        raise ValueError("it is empty")
    return [
        _parquet_column(name, column)
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]


def _parquet_column(name, column):
    import pyarrow
    from pyarrow import types

    if column.null_count:
        raise ValueError(f"column {name} has {column.null_count} empty cells")
    kind = column.type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_decimal(kind):
        column = column.cast(pyarrow.float64())
    elif not (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
    ):
        raise ValueError(f"column {name} must hold numbers or words, not {column.type}")
    return column.to_numpy()


def _number_words(columns, index, paths, name):
    """One column of all tables as numbers; words are replaced by their numbers."""
    cells = [column.astype(str) for column in columns]
    are_numbers = [is_number(cell) for column in cells for cell in column]
    if all(are_numbers):
        return [column.astype(np.float64) for column in cells]
    if name == "codes" or any(are_numbers):
        wrong = next(c for column in cells for c in column if not is_number(c))
        raise ValueError(
            f"Column {index + 1} of {' and '.join(paths)} must hold numbers"
            f"{' or words, not both' if name == 'factors' else ''}. Received: "
            f"{str(wrong)!r}"
        )
    words = np.unique(np.concatenate(cells))
    return [np.searchsorted(words, column) for column in cells]
