"""Tables of factors and codes of any type: what is accepted, and what is refused."""

import datetime

import numpy as np
import pytest

from dmt.evaluation.metrics import inputs

RANDOM = np.random.RandomState(0)
# Values of two digits, which words sort in another order than numbers.
LEVELS = RANDOM.randint(12, size=(60, 2))
CODES = RANDOM.standard_normal((60, 2))


def frame(module, **columns):
    return pytest.importorskip(module).DataFrame(columns)


WORDS, NUMBERS = LEVELS[:, 0].astype(str), LEVELS[:, 1]
LETTERS = np.array(list("abcdefghijkl"))[LEVELS]
TABLES = {
    "lists": lambda: LEVELS.tolist(),
    "words beside numbers in lists": lambda: [
        [str(a), int(b)] for a, b in LEVELS.tolist()
    ],
    "levels": lambda: LEVELS / 7,
    "small levels": lambda: LEVELS * 1e-300,
    "words": lambda: LETTERS,
    "numbers as words": lambda: LEVELS.astype(str),
    "bytes": lambda: LEVELS.astype("S"),
    "objects": lambda: np.stack([LETTERS[:, 0], NUMBERS.astype(object)], axis=1),
    "not masked": lambda: np.ma.array(LEVELS),
    "pandas": lambda: frame("pandas", a=WORDS, b=NUMBERS / 3),
    "pandas, nullable": lambda: frame("pandas", a=WORDS, b=NUMBERS).astype(
        {"a": "string", "b": "Int64"}
    ),
    "pandas, categories": lambda: frame("pandas", a=WORDS, b=NUMBERS).astype(
        "category"
    ),
    "pandas, ordered": lambda: frame(
        "pandas",
        a=pytest.importorskip("pandas").Categorical(
            LEVELS[:, 0], sorted(set(LEVELS[:, 0])), ordered=True
        ),
        b=NUMBERS,
    ),
    "polars": lambda: frame("polars", a=WORDS, b=NUMBERS),
    "pyarrow": lambda: pytest.importorskip("pyarrow").table({"a": WORDS, "b": NUMBERS}),
    "torch": lambda: pytest.importorskip("torch").tensor(LEVELS),
    "torch, rows": lambda: list(pytest.importorskip("torch").tensor(LEVELS)),
    "torch, bfloat16 with gradients": lambda: pytest.importorskip("torch").tensor(
        LEVELS / 4,
        dtype=pytest.importorskip("torch").bfloat16,
        requires_grad=True,
    ),
    "jax, bfloat16": lambda: pytest.importorskip("jax").numpy.array(LEVELS, "bfloat16"),
}


@pytest.mark.parametrize("table", TABLES)
def test_values_are_ranked_whatever_their_type(table):
    expected, _ = inputs.check_samples(LEVELS, CODES)
    factors, _ = inputs.check_samples(TABLES[table](), CODES)
    np.testing.assert_array_equal(factors, expected)
    assert factors.dtype == np.int64


def test_codes_of_any_type_are_equal():
    torch = pytest.importorskip("torch")
    for codes in (
        CODES.tolist(),
        CODES.astype(object),
        np.asfortranarray(CODES),
        frame("pandas", a=CODES[:, 0], b=CODES[:, 1]),
        frame("polars", a=CODES[:, 0], b=CODES[:, 1]),
        torch.tensor(CODES, requires_grad=True),
    ):
        found = inputs.as_codes(codes)
        np.testing.assert_array_equal(found, CODES)
        assert found.flags.c_contiguous
    single = inputs.as_codes(torch.tensor(CODES, dtype=torch.float32))
    assert single.dtype == np.float32


REFUSED = {
    "None": None,
    "dictionary": {"a": [1, 2]},
    "word": "abc",
    "number": 5,
    "generator": (row for row in LEVELS),
    "one dimension": LEVELS[:, 0],
    "three dimensions": LEVELS[None],
    "no column": np.zeros((60, 0)),
    "no row": np.zeros((0, 2)),
    "ragged": [[1, 2], [3]],
    "masked": np.ma.array(LEVELS, mask=LEVELS > 5),
    "complex": LEVELS + 1j,
    "datetimes": LEVELS.astype("M8[D]"),
    "durations": LEVELS.astype("m8[D]"),
    "dates": [[datetime.date(2020, 1, 1)] * 2] * 60,
    "structured": np.zeros(60, [("a", int), ("b", int)]),
    "bytes without a type": np.zeros((60, 2), "V4"),
    "nan": np.where(LEVELS > 5, np.nan, LEVELS),
    "infinite": np.where(LEVELS > 5, np.inf, LEVELS),
    "None in a cell": [[1, None]] * 60,
    "nan beside words": [["a", float("nan")]] * 60,
    "words and numbers in a column": [["a", 1], [2, 2]] * 30,
    "dictionaries in cells": [[{}, 1]] * 60,
    "too large for floats": [[10**400, 1]] * 60,
}


@pytest.mark.parametrize("table", REFUSED)
def test_errors_of_one_line_name_the_argument(table):
    table = REFUSED[table]
    calls = {
        "factors": lambda: inputs.check_samples(table, CODES),
        "codes": lambda: inputs.check_samples(LEVELS, table),
        "factors_test": lambda: inputs.train_and_test(LEVELS, CODES, table, CODES),
        "codes_test": lambda: inputs.train_and_test(LEVELS, CODES, LEVELS, table),
    }
    for name, call in calls.items():
        if table is None and name.endswith("_test"):
            continue
        with pytest.raises(ValueError, match=rf"\b{name}\b") as error:
            call()
        assert "Received" in str(error.value) and "\n" not in str(error.value)


def test_other_columns_of_data_frames_are_refused():
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    for column in (
        pandas.DataFrame({"a": pandas.array([1, None] * 30, dtype="Int64")}),
        pandas.DataFrame({"a": pandas.Categorical(["a", None] * 30, ordered=True)}),
        pandas.DataFrame({"a": pandas.to_datetime(["2020-01-01", None] * 30)}),
        pandas.DataFrame({"a": pandas.date_range("2020", periods=60, tz="UTC")}),
        polars.DataFrame({"a": [{"x": 1}] * 60}),
        polars.DataFrame({"a": [1, None] * 30}),
        polars.DataFrame({"a": ["1", None] * 30}),
        polars.LazyFrame({"a": [1, 2] * 30}),
    ):
        with pytest.raises(ValueError, match="factors.*Received"):
            inputs.check_samples(column, CODES)


def test_both_test_tables_are_needed():
    with pytest.raises(ValueError, match="codes_test with None"):
        inputs.train_and_test(LEVELS, CODES, LEVELS)
    with pytest.raises(ValueError, match="factors_test with None"):
        inputs.train_and_test(LEVELS, CODES, None, CODES)
    with pytest.raises(ValueError, match=r"codes_test.shape=\(60, 1\)"):
        inputs.train_and_test(LEVELS, CODES, LEVELS, CODES[:, :1])
    with pytest.raises(ValueError, match=r"factors_test.shape=\(60, 1\)"):
        inputs.train_and_test(LEVELS, CODES, LEVELS[:, :1], CODES)


def test_words_are_ranked_over_training_and_test_samples():
    train, test = [["b"], ["d"]], [["c"], ["a"]]
    factors, _, factors_test, _ = inputs.train_and_test(
        train, [[0.0], [1]], test, [[2.0], [3]]
    )
    assert factors.tolist() == [[1], [3]]
    assert factors_test.tolist() == [[2], [0]]
    with pytest.raises(ValueError, match=r"factors_test\[:, 0\] must hold the type"):
        inputs.train_and_test(train, [[0.0], [1]], [[1], [2]], [[2.0], [3]])


def test_continuous_columns():
    mixed = np.stack([np.linspace(0, 1, 60), LEVELS[:, 0]], axis=1)
    with pytest.raises(ValueError, match=r"factors\[:, 0\] with 60 values"):
        inputs.check_samples(mixed, CODES)
    factors, _ = inputs.check_samples(mixed, CODES, [True, False])
    np.testing.assert_array_equal(factors[:, 0], mixed[:, 0])
    with pytest.raises(ValueError, match=r"factors\[:, 0\].*continuous.*words"):
        inputs.check_samples(LETTERS, CODES, True)
    for wrong in ([True], [True, False, True], "yes", [0, 1], None):
        with pytest.raises(ValueError, match="continuous_factors="):
            inputs.check_samples(mixed, CODES, wrong)


def test_magnitudes_of_codes():
    for scale in (1e200, 1e16):
        with pytest.raises(ValueError, match="at most 1e"):
            inputs.as_codes(CODES * scale)
    assert not inputs.as_codes(CODES * 1e-200).any()
    # Squares of these overflow or vanish in float32.
    for scale in (1e12, 1e-30):
        codes = inputs.as_codes((CODES * scale).astype(np.float32))
        assert codes.dtype == np.float64


def test_tables_of_samples_may_be_one():
    for tables in ([LEVELS, CODES], [(LEVELS, CODES)], [LEVELS.tolist(), CODES]):
        (found,) = inputs.as_tables(tables)
        np.testing.assert_array_equal(found[0], LEVELS)
        np.testing.assert_array_equal(found[1], CODES)
    with pytest.raises(ValueError, match="codes_test"):
        inputs.as_tables([(LEVELS, CODES), (LEVELS, [[1, 2], [3]])])
