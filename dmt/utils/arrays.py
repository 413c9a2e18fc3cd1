"""Tables of numbers in files that other programs write."""

import csv
import os

import numpy as np


def load_table(path, name):
    """Reads a table of samples.

    Args:
        path: a .npy, .npz, .csv or .parquet file. Of an .npz file the array `name` is
            read, or the only one, or in "file.npz:key" the array of this key. A .csv
            file may start with a line of column names.
        name: what the table holds, "codes" or "factors". Columns of words are factors
            whose values are the words.

    Returns:
        Array of shape (n, num_columns).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, of another kind, or holds something else.
    """
    path, _, key = path.partition(".npz:")
    path += ".npz" if key else ""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path}.")
    kind = os.path.splitext(path)[1].lower()
    readers = {
        ".npy": _read_npy,
        ".npz": lambda path: _read_npz(path, key, name),
        ".csv": _read_csv,
        ".parquet": _read_parquet,
    }
    if kind not in readers:
        raise ValueError(
            f"Give {name} as .npy, .npz, .csv or .parquet. Received: {path}"
        )
    try:
        table = readers[kind](path)
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as a table of numbers: {error}"
        ) from error
    if isinstance(table, list):
        table = _join(table, path, name)
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2 or table.dtype.kind not in "biuf":
        raise ValueError(
            f"Give {name} of shape (n, num_{name}), numbers. Received: {path} of shape "
            f"{table.shape}, dtype {table.dtype}"
        )
    return table


def _read_npy(path):
    return np.load(path, allow_pickle=False)


def _read_npz(path, key, name):
    with np.load(path, allow_pickle=False) as file:
        names = file.files
        key = key or (names[0] if len(names) == 1 else name)
        if key not in names:
            raise ValueError(
                f"choose an array by {path}:KEY, the keys are {', '.join(names)}"
            )
        return file[key]


def _read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if not rows:
        raise ValueError("it is empty")
    if len(rows) > 1 and not all(_is_number(cell) for cell in rows[0]):
        # Names, unless a column holds words below too and no cell is a number.
        numbers_below = [_is_number(cell) for cell in rows[1]]
        if any(numbers_below) or len(set(rows[0])) == len(rows[0]):
            rows = rows[1:]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("its lines have different numbers of cells")
    return [np.array(column) for column in zip(*rows, strict=True)]


def _is_number(text):
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
            f"Reading {path} needs pyarrow: pip install 'dmt[parquet]'"
        ) from error
    return [column.to_numpy() for column in parquet.read_table(path).columns]


def _join(columns, path, name):
    """Columns side by side; a column of words becomes the numbers of its words."""
    joined = []
    for index, column in enumerate(columns):
        if column.dtype.kind not in "biuf":
            try:
                column = column.astype(np.float64)
            except (TypeError, ValueError) as error:
                if name == "codes":
                    raise ValueError(
                        f"Codes are numbers. Received: column {index + 1} of {path} "
                        f"with {column[0]!r}"
                    ) from error
                column = np.unique(column.astype(str), return_inverse=True)[1]
        joined.append(column)
    return np.stack(joined, axis=1)
