"""Many result files become one table."""

import json

import pytest

from dmt.analysis import aggregate
from dmt.cli.analysis import RESULT_PATTERN

RUNS = {
    "0/metrics/mean/dci": {"a": 1, "score": 0.5, "name": "'x'", "list": [1, 2]},
    "0/metrics/mean/mig": {"a": 2, "mig": None, "name": "'y'", "mixed": True},
    "1/metrics/mean/dci": {"a": 3, "score": 1, "mixed": "text"},
}


@pytest.fixture
def tree(tmp_path):
    """Result files as a study writes them, with `path` what is added to each."""
    for name, values in RUNS.items():
        folder = tmp_path / "output" / "study" / name / "results" / "aggregate"
        folder.mkdir(parents=True)
        (folder / "evaluation.json").write_text(json.dumps(values))
    return tmp_path


def path_of(name, tree):
    return str(tree / "output/study" / name / "results/aggregate/evaluation.json")


@pytest.fixture(params=[2, 1000], ids=["processes", "one process"])
def chunk(request, monkeypatch):
    monkeypatch.setattr(aggregate, "CHUNK", request.param)


def expected_columns(tree):
    rows = [{**values, "path": path_of(name, tree)} for name, values in RUNS.items()]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def test_json_has_the_layout_of_the_original(tree, chunk):
    output = tree / "results.json"
    pattern = str(tree / RESULT_PATTERN)
    aggregate.aggregate_results_to_json(pattern, str(output))
    columns = json.loads(output.read_text())
    assert columns["a"] == {"0": 1, "1": 2, "2": 3}
    assert columns["score"] == {"0": 0.5, "2": 1}
    assert columns["mig"] == {"1": None}
    assert columns["path"]["1"] == path_of("0/metrics/mean/mig", tree)
    found = aggregate.load_aggregated_json_results(str(output))
    assert found == expected_columns(tree)
    assert {path.name for path in tree.iterdir()} == {"output", "results.json"}


def test_pandas_reads_what_it_wrote_of_the_same_rows(tree):
    pandas = pytest.importorskip("pandas")
    output = tree / "results.json"
    pattern = str(tree / RESULT_PATTERN)
    aggregate.aggregate_results_to_json(pattern, str(output))
    columns = expected_columns(tree)
    theirs = tree / "theirs.json"
    pandas.DataFrame(columns).to_json(theirs)
    frames = [pandas.read_json(path, orient="columns") for path in (output, theirs)]
    # What is missing is NaN in one and None in the other.
    known = [frame.astype(object).where(frame.notna(), None) for frame in frames]
    pandas.testing.assert_frame_equal(*known, check_like=True)
    assert aggregate.load_aggregated_json_results(str(theirs)) == columns


def test_parquet_keeps_kinds(tree, chunk):
    parquet = pytest.importorskip("pyarrow.parquet")
    output = tree / "results.parquet"
    pattern = str(tree / RESULT_PATTERN)
    aggregate.aggregate_results_to_json(pattern, str(output))
    table = parquet.read_table(output)
    expected = expected_columns(tree)
    expected["list"] = ["[1, 2]", None, None]
    expected["mixed"] = [None, "true", '"text"']
    assert table.to_pydict() == expected
    assert str(table.schema.field("a").type) == "int64"
    assert str(table.schema.field("score").type) == "double"


def test_parquet_keeps_integers_of_any_size(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "a.json").write_text(json.dumps({"large": 2**70}))
    output = tmp_path / "results.parquet"
    aggregate.aggregate_results_to_json(str(tmp_path / "a.json"), str(output))
    assert parquet.read_table(output).to_pydict()["large"] == [str(2**70)]


def test_numbers_that_json_does_not_know_are_missing(tmp_path):
    (tmp_path / "a.json").write_text('{"x": NaN, "y": [Infinity, 1.0]}')
    output = tmp_path / "out" / "results.json"
    aggregate.aggregate_results_to_json(str(tmp_path / "*.json"), str(output))
    columns = json.loads(output.read_text())
    assert columns["x"] == {"0": None} and columns["y"] == {"0": [None, 1.0]}


def test_mistakes_are_named(tmp_path):
    output = str(tmp_path / "results.json")
    with pytest.raises(ValueError, match="matches no file"):
        aggregate.aggregate_results_to_json(str(tmp_path / "*.json"), output)
    for text, error in (('{"x": ', "is not JSON"), ("[1]", "is no JSON object")):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(ValueError, match=rf"a\.json {error}"):
            aggregate.aggregate_results_to_json(str(tmp_path / "a.json"), output)
    assert {path.name for path in tmp_path.iterdir()} == {"a.json"}
