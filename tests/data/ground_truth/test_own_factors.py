"""Tables of files and factors: paths, kinds of factors, bins."""

import csv
import os

import numpy as np
import pytest
from PIL import Image

from dmt.data.ground_truth import ground_truth_data, own_data, own_factors

WORDS = [
    "it's",
    'say "hi"',
    "100%s",
    "two\nlines",
    os.fsdecode(b"caf\xe9"),
    "a,b",
    "{0}",
]


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path / "root"))
    monkeypatch.chdir(tmp_path)


def write_images(folder, names):
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        pixels = np.full((8, 8), 100 + number, np.uint8)
        pixels[0] = 0
        Image.fromarray(pixels).save(folder / name, format="png")


def write_csv(path, rows):
    with open(
        path, "w", newline="", encoding="utf-8", errors="surrogateescape"
    ) as file:
        csv.writer(file).writerows(rows)


def brightness(data):
    return data.images_at(np.arange(data.size)).max(axis=(1, 2, 3)).tolist()


@pytest.mark.parametrize("of", ["folder", "table", "here", "root"])
def test_paths_of_images(tmp_path, of):
    names = ["one.png", "two.png", "three.png"]
    write_images(tmp_path / "data/images", names)
    prefix = {
        "folder": "",
        "table": "images/",
        "here": "data/images/",
        "root": f"{tmp_path}/data/images/",
    }[of]
    rows = [[f"{prefix}{name}", number] for number, name in enumerate(names)]
    write_csv("data/table.csv", [["file", "a"], *rows])
    data = own_data.image_folder("data/images", "data/table.csv", grey=True)
    assert brightness(data) == [100, 101, 102]
    assert list(data.image_names) == [row[0] for row in rows]


def test_missing_images_are_named_as_in_the_table(tmp_path):
    write_images(tmp_path / "data", ["one.png", "two.png"])
    write_csv("table.csv", [["file", "a"], ["one.png", 1], ["sub/no.png", 2]])
    words = (
        r"1 of the 2 .*table.csv.* sub/no.png. There is no data/sub/no.png nor sub/no"
    )
    with pytest.raises(ground_truth_data.DatasetNotFound, match=words):
        own_data.image_folder("data", "table.csv")
    write_csv("table.csv", [["file;a"], ["one.png;1"], ["two.png;2"]])
    with pytest.raises(ground_truth_data.DatasetNotFound, match="separated by commas"):
        own_data.image_folder("data", "table.csv")
    write_csv("table.csv", [["", "file"], ["0", "one.png"], ["1", "two.png"]])
    with pytest.raises(ground_truth_data.DatasetNotFound, match="first column must"):
        own_data.image_folder("data", "table.csv")
    write_csv("table.csv", [["f", "a", "a"], ["one.png", 1, 2], ["two.png", 3, 4]])
    with pytest.raises(ValueError, match="table.csv must have different names.*a, a"):
        own_data.image_folder("data", "table.csv")


@pytest.mark.parametrize("word", WORDS)
def test_names_of_files_are_any_bytes(tmp_path, word):
    names = [f"{word}{number}.png" for number in range(3)]
    folder = tmp_path / word
    write_images(folder, names)
    table = folder / f"{word}.csv"
    write_csv(table, [["file", "a"], *([name, i] for i, name in enumerate(names))])
    data = own_data.image_folder(folder, table, grey=True)
    assert brightness(data) == [100, 101, 102]
    assert list(data.image_names) == names
    assert sorted(own_data.image_folder(folder).image_names) == sorted(names)
    np.savez(folder / f"{word}.npz", images=data.images_at([0, 1]))
    assert own_data.npz_images(folder / f"{word}.npz").size == 2
    (folder / names[1]).unlink()
    with pytest.raises(ground_truth_data.DatasetNotFound, match="1 of the 3"):
        own_data.image_folder(folder, table)


def test_bytes_that_are_no_text_are_no_factors(tmp_path):
    write_images(tmp_path / "data", ["one.png", "two.png"])
    word = os.fsdecode(b"caf\xe9")
    write_csv("table.csv", [["file", "a"], ["one.png", word], ["two.png", "tea"]])
    with pytest.raises(ValueError, match="table.csv must be encoded in UTF-8"):
        own_data.image_folder("data", "table.csv")


def numbered(column, **bindings):
    """The factor that a column becomes, and whether it is continuous."""
    factors, kinds = own_factors.numbered(
        [column], ["x"], len(column), "mine", "npz_images", **bindings
    )
    return factors[:, 0].tolist(), kinds[0]


MEASURED = (np.random.RandomState(0).permutation(40) / 7).tolist()


def test_measurements_are_continuous():
    texts = [str(value) for value in MEASURED]
    assert numbered(MEASURED) == numbered(texts) == (MEASURED, True)
    # Few different values are classes, also if they have fractions.
    assert numbered([0.5, 0.25, 0.5, 0.25]) == ([1, 0, 1, 0], False)
    assert numbered(["b", "c", "a"]) == ([1, 2, 0], False)
    assert numbered(MEASURED, continuous=[]) == (
        np.argsort(np.argsort(MEASURED)).tolist(),
        False,
    )
    assert numbered([3, 1, 3], continuous=["x"]) == ([3, 1, 3], True)


def test_whole_numbers_that_all_differ_are_asked_about(caplog):
    assert not numbered(list(range(40)))[1]
    assert "bind npz_images.continuous = ['x']" in caplog.messages[0]


def test_bins_hold_equally_many_images():
    numbers, is_continuous = numbered(MEASURED, num_bins=4)
    assert not is_continuous and np.bincount(numbers).tolist() == [10] * 4
    order = np.argsort(MEASURED)
    assert (np.diff(np.array(numbers)[order]) >= 0).all()
    # Classes stay as they are.
    assert numbered(["b", "a"], num_bins=4) == ([1, 0], False)


@pytest.mark.parametrize(
    "column, bindings, words",
    [
        ([1.0, np.nan], {}, "finite.*for x"),
        (["1", "inf"], {}, "finite.*for x"),
        (np.array([1j, 2]), {}, "numbers or words.*complex128 for x of mine"),
        (
            ["1+2j", "3"],
            {},
            r"numbers or words.*complex number, '1\+2j', for x of mine",
        ),
        (["2024-01-31", "2024-02-01"], {}, "numbers or words.*a time"),
        (["[1 2]", "[3 4]"], {}, "numbers or words.*a list"),
        (["0,5", "0,7"], {}, "numbers or words.*decimal comma"),
        (["1", "NA", "2"], {}, "not known.*'NA' among numbers for x of mine"),
        (["-1.5", "null", "2"], {}, "not known.*'null' among numbers"),
        (np.array(["2024", "2025"], "M8[D]"), {}, "numbers or words.*datetime64"),
        ([1, 2], {"continuous": ["y"]}, "npz_images.continuous.* are x.*'y'"),
        ([1, 2], {"continuous": "x"}, "must be a list of names"),
        (["a", "b"], {"continuous": ["x"]}, "factors that are numbers.*'x' with"),
        ([1, 2], {"num_bins": 1}, "num_bins must be an integer, at least 2"),
        ([1, 2], {"num_bins": 2.5}, "num_bins must be an integer"),
    ],
)
def test_other_columns_are_refused(column, bindings, words):
    with pytest.raises(ValueError, match=words):
        numbered(column, **bindings)
