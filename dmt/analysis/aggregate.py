"""The results of many runs as one table.

JSON has disentanglement_lib's layout, `{column: {row: value}}`, which pandas reads with
`pandas.read_json(path, orient="columns")`. Each row is a result file, whose path is in
the column `path`. A column holds only the rows that have a value for it. Parquet is
smaller and faster to read.
"""

import concurrent.futures
import contextlib
import glob
import json
import multiprocessing
import os

from dmt.utils import files, locks, machine, results

# Number of files that a process reads before it writes their columns to disk.
CHUNK = 2000


def aggregate_results_to_json(
    result_file_pattern: str, output_path: str | None = None
) -> None:
    """Writes all results that a pattern matches to one file, whole or not at all.

    To save memory, several processes read the files and keep the columns on disk. They
    import the main program, so a script must call this function under
    `if __name__ == "__main__"`.

    Args:
        result_file_pattern: pattern of JSON files, "**" for any number of directories.
        output_path: file to write, by default "results.json". If the name ends in
            ".parquet", the format is Parquet. Lists, and columns with values of several
            types, are then stored as JSON.

    Raises:
        ValueError: if no file matches, a file is damaged or pyarrow is not installed.
    """
    output_path = output_path or "results.json"
    write = _write_json
    if output_path.endswith(".parquet"):
        write = _write_parquet
        _pyarrow()
    paths = sorted(glob.glob(result_file_pattern, recursive=True))
    if os.path.isfile(result_file_pattern):
        paths = [result_file_pattern]  # A name may have brackets.
    if not paths:
        raise ValueError(f"{result_file_pattern} matches no file.")
    with locks.only_in(output_path), files.scratch_of(output_path) as folder:
        chunks = _transpose(paths, folder)
        with files.replacing(output_path) as temporary:
            write(chunks, temporary)


def load_aggregated_json_results(path: str) -> dict[str, list]:
    """Reads a JSON file that `aggregate_results_to_json` wrote.

    Returns:
        {column: list with a value for each row, None if the row has none}.
    """
    with open(path, encoding="utf-8") as file:
        columns = json.load(file)
    rows = sorted({row for column in columns.values() for row in column}, key=int)
    return {name: [column.get(row) for row in rows] for name, column in columns.items()}


def _transpose(paths, folder):
    """Writes columns of the result files to files in a folder, one for each chunk.

    Returns a list with (file, number of rows, {column: (offset, length, kinds of
    values)}) for each chunk.
    """
    tasks = [
        (start, paths[start : start + CHUNK], os.path.join(folder, str(start)))
        for start in range(0, len(paths), CHUNK)
    ]
    with contextlib.ExitStack() as stack:
        run = map
        if len(tasks) > 1:
            processes = concurrent.futures.ProcessPoolExecutor(
                min(machine.num_cores(), len(tasks)),
                multiprocessing.get_context("spawn"),
            )
            stack.callback(processes.shutdown, cancel_futures=True)
            run = processes.map
        return list(run(_transpose_chunk, tasks))


def _transpose_chunk(task):
    start, paths, output_path = task
    columns = {}
    for row, path in enumerate(paths, start):
        # NaN is not JSON, but other programs write it.
        values = results.load_json(path, parse_constant=lambda _: None)
        for name, value in {**values, "path": path}.items():
            columns.setdefault(name, {})[row] = value
    places = {}
    with open(output_path, "wb") as file:
        for name, column in columns.items():
            # Without the braces, so that the text of several files can be joined.
            text = json.dumps(column, separators=(",", ":"))[1:-1].encode()
            kinds = {_kind(value) for value in column.values() if value is not None}
            places[name] = (file.tell(), len(text), kinds)
            file.write(text)
    return output_path, len(paths), places


def _kind(value):
    if type(value) is int and not -(2**63) <= value < 2**63:
        return "other"
    kind = type(value).__name__
    return kind if kind in ("bool", "int", "float", "str") else "other"


def _columns_of(chunks):
    """Names of all columns in the order of their first value, "path" last."""
    names = dict.fromkeys(name for *_, places in chunks for name in places)
    return sorted(names, key=lambda name: name == "path")


def _read(file, places, name):
    offset, length, _ = places[name]
    file.seek(offset)
    return file.read(length)


def _write_json(chunks, path):
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(open(path, "wb"))
        sources = [
            (stack.enter_context(open(chunk, "rb")), places)
            for chunk, _, places in chunks
        ]
        for number, name in enumerate(_columns_of(chunks)):
            output.write(b"," if number else b"{")
            output.write(json.dumps(name).encode() + b":{")
            separator = b""
            for file, places in sources:
                if name in places:
                    output.write(separator + _read(file, places, name))
                    separator = b","
            output.write(b"}")
        output.write(b"}")


def _write_parquet(chunks, path):
    pa = _pyarrow()
    import pyarrow.parquet

    types = {
        (): pa.string(),
        ("str",): pa.string(),
        ("bool",): pa.bool_(),
        ("int",): pa.int64(),
        ("float",): pa.float64(),
        ("float", "int"): pa.float64(),
    }
    kinds = {}
    for name in _columns_of(chunks):
        found = (places[name][2] for *_, places in chunks if name in places)
        kinds[name] = tuple(sorted(set().union(*found)))
    schema = pa.schema([(k, types.get(kinds[k], pa.string())) for k in kinds])
    start = 0
    # Arrow itself cannot open every name.
    with (
        open(path, "wb") as output,
        pyarrow.parquet.ParquetWriter(output, schema) as writer,
    ):
        for chunk, num_rows, places in chunks:
            arrays = []
            with open(chunk, "rb") as file:
                for field in schema:
                    values = [None] * num_rows
                    if field.name in places:
                        text = _read(file, places, field.name)
                        for row, value in json.loads(b"{" + text + b"}").items():
                            values[int(row) - start] = value
                    if kinds[field.name] not in types:
                        values = [v if v is None else json.dumps(v) for v in values]
                    if kinds[field.name] == ("str",):
                        values = [v if v is None else _utf8(v) for v in values]
                    arrays.append(pa.array(values, field.type))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            start += num_rows


def _utf8(text):
    """Escapes what is no text, as in paths with other bytes than UTF-8."""
    return text.encode(errors="backslashreplace").decode()


def _pyarrow():
    try:
        import pyarrow
    except ImportError as error:
        raise ValueError(
            "Parquet needs the package's extra: pip install 'dmt-lib[parquet]'."
        ) from error
    return pyarrow
