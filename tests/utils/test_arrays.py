"""Tables in the files of other programs."""

import numpy as np
import pytest

from dmt.utils import arrays

TABLE = np.array([[1.5, 2.0], [3.0, -4.0], [5.0, 6.0]])
LINES = "\n".join(",".join(map(str, row)) for row in TABLE.tolist())


def write(tmp_path, kind):
    path = str(tmp_path / f"codes.{kind}")
    if kind == "npy":
        np.save(path, TABLE)
    elif kind == "npz":
        np.savez(path, codes=TABLE, other=TABLE[:, :1])
    elif kind == "csv":
        with open(path, "w") as file:
            file.write(f"a,b\n{LINES}\n")
    else:
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.table({"a": TABLE[:, 0], "b": TABLE[:, 1]}), path)
    return path


@pytest.mark.parametrize("kind", ["npy", "npz", "csv", "parquet"])
def test_all_kinds_of_files_hold_the_same_table(kind, tmp_path):
    path = write(tmp_path, kind)
    (found,) = arrays.load_tables([path, None], "codes")
    np.testing.assert_array_equal(found, TABLE)
    names = ["a", "b"] if kind in ("csv", "parquet") else []
    assert arrays.column_names(path) == names


def test_arrays_of_an_npz_file_are_chosen_by_key(tmp_path):
    path = write(tmp_path, "npz")
    (found,) = arrays.load_tables([f"{path}:other"], "codes")
    np.testing.assert_array_equal(found, TABLE[:, :1])
    for wrong, name in ((f"{path}:no", "codes"), (path, "factors")):
        with pytest.raises(ValueError, match="the keys are codes, other"):
            arrays.load_tables([wrong], name)


def test_words_are_numbered_over_all_tables(tmp_path):
    paths = []
    for name, words in (("a", ["red", "blue"]), ("b", ["green", "red"])):
        (tmp_path / f"{name}.csv").write_text(
            "\n".join(f"{word},{i}" for i, word in enumerate(words))
        )
        paths.append(str(tmp_path / f"{name}.csv"))
    first, second = arrays.load_tables(paths, "factors")
    assert first.tolist() == [[2, 0], [0, 1]] and second.tolist() == [[1, 0], [2, 1]]
    assert arrays.columns_of_words(paths[0], "factors") == [0]
    with pytest.raises(ValueError, match="Column 1 of .* must hold numbers. .*'red'"):
        arrays.load_tables(paths, "codes")


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "it is empty"),
        ("1,2\n3", "different numbers of cells"),
        ("1;2\n3;4", "separated by commas"),
        (",a\n0,1", "looks like an index"),
        ("1,x\n2,3\n4,y", "numbers or words, not both"),
    ],
)
def test_damaged_tables_are_named(text, words, tmp_path):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(ValueError, match=f"table.csv.*{words}") as error:
        arrays.load_tables([str(tmp_path / "table.csv")], "factors")
    assert "\n" not in str(error.value)


def test_other_mistakes(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file no.npy"):
        arrays.load_tables(["no.npy"], "codes")
    (tmp_path / "codes.txt").write_text("1")
    with pytest.raises(ValueError, match="Give codes as .npy, .npz, .csv or .parquet"):
        arrays.load_tables([str(tmp_path / "codes.txt")], "codes")
    np.save(tmp_path / "wide.npy", TABLE)
    np.save(tmp_path / "narrow.npy", TABLE[:, 0])
    paths = [str(tmp_path / f"{name}.npy") for name in ("wide", "narrow")]
    with pytest.raises(ValueError, match="different numbers of columns: 2, 1"):
        arrays.load_tables(paths, "codes")
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match=r"not float64 of shape \(2, 2, 2\)"):
        arrays.load_tables([str(tmp_path / "cube.npy")], "codes")


@pytest.mark.parametrize(
    "cell, kind",
    [
        ("1+2j", "a complex number"),
        ("(1+2j)", "a complex number"),
        ("2024-01-31", "a time"),
        ("31/01/2024", "a time"),
        ("31.1.2024", "a time"),
        ('"Jan 31, 2024"', "a time"),
        ("31 January 2024", "a time"),
        ("2 days 01:00:00", "a time"),
        ('"array([1, 2])"', "a list"),
        ("tensor(1.5)", "a list"),
        ("2024-01-31 10:30:00", "a time"),
        ("10:30", "a time"),
        ('"10,5"', "a number with a decimal comma"),
        ('"-0,25"', "a number with a decimal comma"),
        ("[1 2 3]", "a list"),
        ('"[[1, 2], [3, 4]]"', "a list"),
        ('"(1, 2)"', "a list"),
    ],
)
@pytest.mark.parametrize("name", ["codes", "factors"])
def test_csv_of_other_cells_is_refused(cell, kind, name, tmp_path):
    (tmp_path / "table.csv").write_text(f"a,b\n1,{cell}\n2,{cell}\n")
    with pytest.raises(ValueError, match=f"table.csv.*numbers or words, not {kind}"):
        arrays.load_tables([str(tmp_path / "table.csv")], name)


@pytest.mark.parametrize(
    "word", ["3d", "5 cm", "-", "j", "no(1)", "+x", "v1.0", "1.2.3", "1/2", "May"]
)
def test_words_that_begin_like_numbers(word, tmp_path):
    (tmp_path / "table.csv").write_text(f"\ufeffa,b\n1,{word}\n2,x\n", "utf-8")
    (found,) = arrays.load_tables([str(tmp_path / "table.csv")], "factors")
    assert sorted(found[:, 1]) == [0, 1] and found[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    "array, words",
    [
        (np.zeros((4, 3, 2)), "sequences .*reshape.*mean"),
        (np.zeros((4, 3)) + 1j, "numbers in one or two.*complex128"),
        (np.zeros((4, 3), "M8[s]"), "numbers in one or two.*datetime64"),
        (np.zeros((4, 3), object), "allow_pickle"),
        (np.zeros((4, 3), [("a", int)]), "numbers in one or two"),
        (np.zeros((0, 3)), r"shape \(0, 3\)"),
    ],
)
def test_arrays_of_other_contents_are_refused(array, words, tmp_path):
    for path, save in (("a.npy", np.save), ("a.npz", np.savez)):
        save(tmp_path / path, array)
        with pytest.raises(ValueError, match=f"{path}.*{words}") as error:
            arrays.load_tables([str(tmp_path / path)], "factors")
        assert "\n" not in str(error.value)


def test_arrays_of_words_are_factors(tmp_path):
    np.save(tmp_path / "a.npy", np.array([["b", "x"], ["a", "y"]]))
    (found,) = arrays.load_tables([str(tmp_path / "a.npy")], "factors")
    assert found.tolist() == [[1, 0], [0, 1]]
    with pytest.raises(ValueError, match="must hold numbers. Received: 'b'"):
        arrays.load_tables([str(tmp_path / "a.npy")], "codes")


def test_kinds_of_parquet_columns(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    def read(**columns):
        parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
        return arrays.load_tables([str(tmp_path / "a.parquet")], "factors")[0]

    found = read(
        a=["y", "x"],
        b=pyarrow.array([1, 2], pyarrow.decimal128(5)),
        c=pyarrow.array(["u", "v"]).dictionary_encode(),
        d=[True, False],
    )
    assert found.tolist() == [[1, 1, 0, 1], [0, 2, 1, 0]]
    for column, words in (
        ([[1, 2], [3, 4]], "column a must hold numbers or words, not list"),
        ([{"x": 1}, {"x": 2}], "column a must hold.*struct"),
        (np.array(["2024", "2025"], "M8[s]"), "column a must hold.*timestamp"),
        ([1, None], "column a has 1 empty cells"),
        ([], "it is empty"),
    ):
        with pytest.raises(ValueError, match=f"a.parquet.*{words}"):
            read(a=column)


@pytest.mark.parametrize("name", ["it's", 'say "hi"', "100%s", "a\nb", "caf\udce9"])
def test_names_of_tables_are_any_bytes(name, tmp_path):
    path = str(tmp_path / f"{name}.npy")
    np.save(path, TABLE)
    np.testing.assert_array_equal(arrays.load_tables([path], "codes")[0], TABLE)
