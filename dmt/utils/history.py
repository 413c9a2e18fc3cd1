"""Reads the learning curves of a run, `history.csv`."""

import csv

from dmt.utils import files

_LARGEST = 2**26  # bytes


def read(path: str) -> list[dict[str, str]]:
    """Returns the lines of a learning curve as {column: number as text}.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged.
    """
    files.check_plain(path, _LARGEST)
    line = 1
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = []
            for row in reader:
                line = reader.line_num
                for value in row.values():
                    float(value)
                int(row["step"])
                float(row["elapsed_time"])
                rows.append(row)
    except (TypeError, ValueError, KeyError, csv.Error) as error:
        raise ValueError(
            f"{path} is damaged: line {line} is no line of a learning curve. Delete "
            "the file; only the curves are lost."
        ) from error
    return rows
