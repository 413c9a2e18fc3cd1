"""Factors and codes from any program, as checked arrays of numbers.

Rows are samples everywhere: factors have shape (n, num_factors), codes (n, num_codes).
Tables may be nested lists, NumPy arrays, data frames (pandas, polars, pyarrow), or
tensors (TensorFlow, JAX, PyTorch).
"""

import math
import numbers
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NoReturn

import numpy as np

# Names of the tables of a metric, in order.
TABLES = ("factors", "codes", "factors_test", "codes_test")

# In these limits, fourth powers of codes fit in float64 and squares in float32.
LARGEST = 1e15
SMALLEST = 1e-60
FLOAT32_LIMITS = (1e-12, 1e6)

Table = tuple[np.ndarray, np.ndarray]

_TABLE = "a table of two dimensions, with a row for each sample"


def check_samples(
    factors: Any, codes: Any, continuous_factors: bool | Sequence[bool] = False
) -> Table:
    """Returns factors and codes as arrays that hold the same n samples.

    Args:
        factors: table of shape (n, num_factors) of numbers or words.
        codes: table of shape (n, num_codes) of real numbers.
        continuous_factors: whether factors are continuous: a bool, or one for each
            factor.

    Returns:
        Factors (n, num_factors). Values of a discrete factor are replaced by their
        ranks 0, 1, ..., in ascending order; words in alphabetical order, or by their
        numbers if all words of the column are numbers. The array is int64 if all
        factors are discrete, else float64. Codes (n, num_codes), see `as_codes`.

    Raises:
        ValueError: if either is no such table or has missing values, the lengths
            differ or are 0, or a factor that must be discrete has fractional values and
            more different values than half the samples.
    """
    (factors,) = _factors([factors], ["factors"], continuous_factors)
    codes = as_codes(codes)
    check_lengths(factors, codes)
    return factors, codes


def train_and_test(
    factors: Any,
    codes: Any,
    factors_test: Any = None,
    codes_test: Any = None,
    continuous_factors: bool | Sequence[bool] = False,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns training and test samples as arrays.

    Args:
        factors: table of shape (n, num_factors).
        codes: table of shape (n, num_codes).
        factors_test: table of shape (n_test, num_factors).
        codes_test: table of shape (n_test, num_codes). If both are None, n // 3 of the
            samples are test samples, chosen at random.
        continuous_factors: see `check_samples`.
        seed: integer seed of the choice of test samples.

    Returns:
        Factors and codes of the training samples, then those of the test samples, as
        from `check_samples`. Values are ranked over both.

    Raises:
        ValueError: see `check_samples`; or if training and test samples do not have the
            same number of factors and of codes, or there are no test samples.
    """
    if factors_test is None and codes_test is None:
        factors, codes = check_samples(factors, codes, continuous_factors)
        if len(factors) < 3:
            raise ValueError(
                f"Holding out a third needs 3 samples. Received: {len(factors)}"
            )
        order = np.random.RandomState(seed).permutation(len(factors))
        test, train = np.split(order, [len(factors) // 3])
        return factors[train], codes[train], factors[test], codes[test]
    factors, factors_test = _factors(
        [factors, factors_test], ["factors", "factors_test"], continuous_factors
    )
    codes, codes_test = as_codes(codes), as_codes(codes_test, "codes_test")
    check_lengths(factors, codes)
    check_lengths(factors_test, codes_test, "_test")
    if codes.shape[1] != codes_test.shape[1]:
        _fail_on_columns("codes", codes.shape, codes_test.shape)
    return factors, codes, factors_test, codes_test


def as_codes(codes: Any, name: str = "codes") -> np.ndarray:
    """Returns codes as an array of real numbers.

    Args:
        codes: table of shape (n, num_codes), at least one row and one column.
        name: name of the argument, for messages.

    Returns:
        Array (n, num_codes) of float64, or of float32 if the codes are float32 of a
        usual size. (Differences of small integer types would wrap around, and float16
        would overflow.) Magnitudes below 1e-60 become 0.

    Raises:
        ValueError: if codes are no such table, are not finite, or exceed 1e15 in
            magnitude, at which their powers overflow.
    """
    table = as_table(codes, name)
    if table.dtype.kind not in "biuf":
        columns = [_values(table[:, i], _label(name, i)) for i in range(table.shape[1])]
        for index, column in enumerate(columns):
            if column.dtype.kind not in "biuf":
                _refuse(_label(name, index), "real numbers", "words")
        table = np.stack([_as_float64(column) for column in columns], axis=1)
    elif table.dtype != np.float32:
        table = _as_float64(table)
    # Sums round alike whatever the order of the table in memory.
    table = np.ascontiguousarray(table)
    _check_finite(table, name)
    magnitudes = np.abs(table)
    largest = magnitudes.max(axis=0)
    if largest.max() > LARGEST:
        _refuse(name, f"numbers of magnitude at most {LARGEST:g}", f"{largest.max():g}")
    if table.dtype == np.float32:
        low, high = FLOAT32_LIMITS
        if np.all((largest == 0) | ((largest >= low) & (largest <= high))):
            return table
        table = table.astype(np.float64)
    tiny = (magnitudes < SMALLEST) & (magnitudes > 0)
    return np.where(tiny, 0.0, table) if tiny.any() else table


def as_table(table: Any, name: str) -> np.ndarray:
    """Returns a table as an array of two dimensions, whose rows can be selected.

    Args:
        table: nested lists, an array, a data frame, or a tensor.
        name: name of the argument, for messages.

    Returns:
        Array (n, num_columns) of numbers, of words, or of objects if the columns differ
        in this.

    Raises:
        ValueError: if it is none of these, does not have two dimensions or is empty,
            has masked entries, or holds complex numbers, datetimes or records.
    """
    columns = _columns_of_frame(table)
    if columns is not None:
        table = _join(columns, name)
    else:
        table = _as_array(table, name)
    kind = table.dtype.kind
    if table.dtype.names:
        _refuse(name, "an array of numbers", "a structured array")
    if kind == "V":  # Small floats of TensorFlow and JAX, for example bfloat16.
        try:
            table = table.astype(np.float32)
        except (TypeError, ValueError):
            _refuse(name, "an array of numbers", f"an array of {table.dtype}")
    if kind == "c":
        _refuse(name, "real numbers", "complex numbers")
    if kind in "mM":
        _refuse(name, "numbers or words", "datetimes")
    if kind == "O" and not table.ndim:
        _refuse(name, _TABLE, f"a value of type {type(table.item()).__name__}")
    if table.ndim != 2 or not table.size:
        raise ValueError(
            f"{name} must hold {_TABLE}. Received: {name}.shape={table.shape}"
        )
    return table


def as_tables(tables: Sequence[Any]) -> list[tuple[np.ndarray, ...]]:
    """Returns tables of samples as arrays, whose rows can be selected.

    Args:
        tables: list of tuples of arrays-like with the same samples as rows; or the
            arrays-like of one such tuple, for example `[factors, codes]`.

    Raises:
        ValueError: see `as_table`.
    """
    if not all(isinstance(table, tuple) for table in tables):
        tables = [tuple(tables)]
    names = iter([*TABLES, *["tables"] * sum(map(len, tables))])
    return [
        tuple(
            array if isinstance(array, np.ndarray) else as_table(array, name)
            for array, name in zip(table, names, strict=False)
        )
        for table in tables
    ]


def continuous_columns(
    continuous_factors: bool | Sequence[bool], num_factors: int
) -> np.ndarray:
    """Returns whether each factor is continuous, bool array (num_factors,).

    Raises:
        ValueError: if `continuous_factors` is neither a bool nor a bool for each
            factor.
    """
    flags = np.asarray(continuous_factors)
    if flags.dtype != bool or flags.shape not in ((), (num_factors,)):
        raise ValueError(
            "continuous_factors must be True or False, or one of them for each of "
            f"{num_factors} factors. Received: continuous_factors="
            f"{continuous_factors!r}"
        )
    return np.broadcast_to(flags, num_factors)


def check_lengths(factors: np.ndarray, codes: np.ndarray, suffix: str = "") -> None:
    """Checks that factors and codes have the same number of rows.

    Raises:
        ValueError: if not; the message adds `suffix` to the names of the tables.
    """
    if len(factors) != len(codes):
        raise ValueError(
            f"Give factors{suffix} (n, num_factors) and codes{suffix} (n, num_codes) "
            f"of the same n samples. Received: factors{suffix}.shape={factors.shape}, "
            f"codes{suffix}.shape={codes.shape}"
        )


def _factors(tables, names, continuous_factors):
    """Factors of one or two tables, as `check_samples` returns them."""
    tables = [as_table(table, name) for table, name in zip(tables, names, strict=True)]
    num_factors = tables[0].shape[1]
    if tables[-1].shape[1] != num_factors:
        _fail_on_columns("factors", tables[0].shape, tables[-1].shape)
    continuous = continuous_columns(continuous_factors, num_factors)
    dtype = np.float64 if continuous.any() else np.int64
    arrays = [np.empty(table.shape, dtype) for table in tables]
    for index in range(num_factors):
        columns = [
            _values(table[:, index], _label(name, index))
            for table, name in zip(tables, names, strict=True)
        ]
        for name, column in zip(names, columns, strict=True):
            if column.dtype.kind == "f":
                _check_finite(column, name)
        if continuous[index]:
            columns = [
                _continuous(column, _label(name, index))
                for name, column in zip(names, columns, strict=True)
            ]
        else:
            _check_discrete(columns[0], _label(names[0], index))
            columns = _ranks(columns, _label(names[-1], index))
        for array, column in zip(arrays, columns, strict=True):
            array[:, index] = column
    return arrays


def _values(column, label):
    """A column as an array of numbers or of words."""
    if column.dtype.kind != "O":
        return column
    values = column.tolist()
    for value in values:
        if _is_missing(value):
            _refuse(label, "a value in each row", f"{value}")
    if all(isinstance(value, str) for value in values):
        return np.array(values, dtype=str)
    if all(isinstance(value, numbers.Real | np.bool_ | Decimal) for value in values):
        array = np.array(values)
        return array if array.dtype.kind in "biuf" else _as_float64(column)
    if all(isinstance(value, bytes) for value in values):
        return np.array(values, dtype=bytes)
    types = sorted({type(value).__name__ for value in values})
    wanted = "numbers or words" if len(types) == 1 else "numbers or words, not both"
    _refuse(label, wanted, f"values of type {', '.join(types)}")


def _is_missing(value):
    # Missing values of pandas are neither equal to themselves nor numbers.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def _continuous(column, label):
    if column.dtype.kind not in "biuf":
        _refuse(label, "real numbers, as the factor is continuous", "words")
    column = _as_float64(column)
    largest = np.abs(column).max()
    if largest > LARGEST:
        _refuse(label, f"numbers of magnitude at most {LARGEST:g}", f"{largest:g}")
    return np.where(np.abs(column) < SMALLEST, 0.0, column)


def _check_discrete(column, label):
    if column.dtype.kind != "f":
        return
    num_values = len(np.unique(column))
    if num_values > len(column) / 2 and np.any(column % 1):
        raise ValueError(
            "Give factors with discrete values: put continuous ones in bins "
            "(histogram_discretize), or set continuous_factors where a metric has it. "
            f"Received: {label} with {num_values} values in {len(column)} samples"
        )


def _ranks(columns, label):
    """Ranks of the values of one or two columns among the values of both."""
    are_words = [column.dtype.kind in "US" for column in columns]
    if len(set(are_words)) > 1:
        _refuse(label, "the type of values of the training samples", "another type")
    values, ranks = np.unique(np.concatenate(columns), return_inverse=True)
    if are_words[0]:
        # Words that are numbers have the order of the numbers.
        try:
            numbers_of_words = np.array([float(word) for word in values])
        except ValueError:
            numbers_of_words = np.array([np.nan])
        if np.isfinite(numbers_of_words).all():
            order = np.argsort(numbers_of_words, kind="stable")
            ranks = np.argsort(order)[ranks]
    return np.split(ranks, [len(columns[0])])[: len(columns)]


def _columns_of_frame(table):
    """The columns of a data frame of any library as arrays, None if it is none."""
    if hasattr(table, "get_columns"):  # polars
        columns = table.get_columns()
    elif hasattr(table, "iloc") and hasattr(table, "columns"):  # pandas
        columns = [column for _, column in table.items()]
    elif hasattr(table, "column_names") and hasattr(table, "columns"):  # pyarrow
        columns = table.columns
    else:
        return None
    return [_array_of_series(column) for column in columns]


def _array_of_series(column):
    categories = getattr(column, "cat", None)
    if getattr(categories, "ordered", False) and not column.isna().any():
        return categories.codes.to_numpy()
    return np.asarray(column.to_numpy())


def _join(columns, name):
    """Columns as one array, of objects if they are not all numbers."""
    for index, column in enumerate(columns):
        if column.dtype.kind == "c":
            _refuse(_label(name, index), "real numbers", "complex numbers")
        if column.dtype.kind in "mM":
            _refuse(_label(name, index), "numbers or words", "datetimes")
        if column.ndim != 1:
            _refuse(_label(name, index), "numbers or words", "structures")
    if not columns:
        return np.empty((0, 0))
    if all(column.dtype.kind in "biuf" for column in columns):
        return np.stack(columns, axis=1)
    return np.stack([column.astype(object) for column in columns], axis=1)


def _as_array(table, name):
    if table is None:
        _refuse(name, _TABLE, "None")
    if isinstance(table, Mapping | str | bytes | set | frozenset):
        _refuse(name, _TABLE, f"a value of type {type(table).__name__}")
    rows = table if isinstance(table, list | tuple) else [table]
    if any(np.ma.is_masked(row) for row in rows):
        _refuse(name, "a value in each row and column", "masked entries")
    try:
        if table is not rows:
            return np.asarray(_without_torch(table))
        rows = [_without_torch(row) for row in rows]
        array = np.asarray(rows)
        # Numbers beside words stay numbers.
        return np.array(rows, dtype=object) if array.dtype.kind in "US" else array
    except Exception as error:
        received = f"a value of type {type(table).__name__} that is not"
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ValueError(
            f"{name} must hold {_TABLE}. Received: {name} with {received}: {reason}"
        ) from error


def _without_torch(value):
    """A tensor of PyTorch as an array; anything else as it is."""
    if type(value).__module__.partition(".")[0] != "torch":
        return value
    value = value.detach().cpu().resolve_conj().resolve_neg()
    # NumPy has no bfloat16.
    small = value.dtype.is_floating_point and value.dtype.itemsize < 4
    return (value.float() if small else value).numpy()


def _as_float64(column):
    """Numbers as float64; infinite if they are too large for it."""
    with np.errstate(over="ignore"):
        try:
            return column.astype(np.float64, copy=False)
        except OverflowError:  # Large integers of Python.
            return np.full(column.shape, np.inf)


def _check_finite(array, name):
    finite = np.isfinite(array)
    if not finite.all():
        raise ValueError(
            f"Give finite {name}. Received: {name} with {np.sum(~finite)} values that "
            "are not"
        )


def _fail_on_columns(name, shape, shape_test) -> NoReturn:
    raise ValueError(
        "Give training and test samples of the same factors and codes. Received: "
        f"{name}.shape={shape}, {name}_test.shape={shape_test}"
    )


def _label(name, index):
    return f"{name}[:, {index}]"


def _refuse(name, wanted, received) -> NoReturn:
    raise ValueError(f"{name} must hold {wanted}. Received: {name} with {received}")
