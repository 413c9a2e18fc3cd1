"""Result directories and their JSON files."""

import json
import os

import gin
import numpy as np
import pytest

from dmt.utils import results


@gin.configurable
def example(value=gin.REQUIRED, other="a = b"):
    return value, other


def test_result_directories_carry_everything_forward(tmp_path):
    gin.parse_config("example.value = 1")
    example()
    results.update_result_directory(tmp_path / "a", "train", {"loss": np.float32(2)})
    gin.clear_config()
    gin.parse_config("example.value = 2")
    example()
    results.update_result_directory(
        tmp_path / "b", "evaluation", {"mig": 0.5}, tmp_path / "a"
    )
    found = results.load_json(tmp_path / "b/aggregate/evaluation.json")
    uuids = [found.pop(f"{step}_results.uuid") for step in ("train", "evaluation")]
    assert len(set(uuids)) == 2
    assert found == {
        "train_config.example.value": "1",
        "train_config.example.other": "'a = b'",
        "train_results.loss": 2.0,
        "evaluation_config.example.value": "2",
        "evaluation_config.example.other": "'a = b'",
        "evaluation_results.mig": 0.5,
    }
    assert sorted(os.listdir(tmp_path / "b/gin")) == ["evaluation.gin", "train.gin"]


def test_values_over_several_lines_and_macros(tmp_path):
    gin.parse_config(f"name = 'dsprites'\nexample.value = {list(range(60))}")
    gin.parse_config("example.other = %name")
    example()
    path = tmp_path / "step.gin"
    path.write_text(gin.operative_config_str())
    assert json.loads(results.gin_dict(path)["example.value"]) == list(range(60))
    assert results.bound_string(path, "example.other") == "dsprites"
    assert results.gin_dict(path)["example.other"] == "%name"
    with pytest.raises(ValueError, match="binds no example.third"):
        results.bound_string(path, "example.third")


def test_json_knows_numpy_and_has_no_nan(tmp_path):
    values = {
        "matrix": np.eye(2),
        "nan": float("nan"),
        "inf": np.float64("inf"),
        "flag": np.bool_(True),
        "nested": {"int": np.int64(3), "tuple": (np.nan, 1.5)},
        "complex": 1 + 2j,
    }
    results.save_dict(tmp_path / "values.json", values)
    assert results.load_json(tmp_path / "values.json") == {
        "matrix": [[1.0, 0.0], [0.0, 1.0]],
        "nan": None,
        "inf": None,
        "flag": True,
        "nested": {"int": 3, "tuple": [None, 1.5]},
        "complex": {"real": 1.0, "imag": 2.0},
    }


def test_damaged_json_is_named(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match="bad.json"):
        results.load_json(tmp_path / "bad.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(ValueError, match="pipe.json is no plain file"):
        results.load_json(tmp_path / "pipe.json")
    os.truncate(tmp_path / "bad.json", 2**40)
    with pytest.raises(ValueError, match="bad.json has 1,099,511,627,776 bytes, more"):
        results.load_json(tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("'auto'", "auto"),
        ('"it\'s"', "it's"),
        (r"'a\'b\"'", "a'b\""),
        (r"'line\nbreak\\'", "line\nbreak\\"),
        ("'two ' 'parts'", "two parts"),
        ("@mig", "@mig"),
        ("3", "3"),
        ("'open", "'open"),
    ],
)
def test_text_of_bindings(value, text):
    assert results.text_of(value) == text
