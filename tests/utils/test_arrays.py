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
    assert arrays.columns_of_words(paths[0]) == [0]
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
