"""Old names of results, sweeps and gin files, and the table of results."""

import json
import sys

import gin
import numpy as np
import pytest
from dmt.config import reproduce
from dmt.config.fairness_study_v1 import sweep
from dmt.config.tests.sweep import TestStudy

from dmt.analysis import aggregate
from dmt.evaluation import evaluate  # noqa: F401 (registers metrics for gin)
from dmt.studies.published.studies import STUDIES
from dmt.utils import (
    aggregate_results,
    configuration,
    hyperparams,
    modules,
    resources,
    results,
)


def test_table_of_results_is_a_data_frame(tmp_path):
    pandas = pytest.importorskip("pandas")
    rows = [
        {"score": 0.5},
        {"score": 0.25, "seed": 1},
        {"other": "text", "score": None},
    ]
    for number, row in enumerate(rows):
        (tmp_path / f"{number}.json").write_text(json.dumps(row))
    path = str(tmp_path / "table" / "results.json")
    aggregate_results.aggregate_results_to_json(str(tmp_path / "*.json"), path)
    frame = aggregate_results.load_aggregated_json_results(path)
    assert isinstance(frame, pandas.DataFrame)
    assert frame.index.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(frame["score"], [0.5, 0.25, np.nan])
    np.testing.assert_array_equal(frame["seed"], [np.nan, 1, np.nan])
    assert aggregate.load_aggregated_json_results(path)["seed"] == [None, 1, None]


def test_table_without_pandas(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ValueError, match="pip install pandas"):
        aggregate_results.load_aggregated_json_results(str(tmp_path / "results.json"))


def test_studies():
    assert set(reproduce.STUDIES) < set(STUDIES)
    study = reproduce.STUDIES["fairness_study_v1"]
    bindings, path = study.get_model_config(12599)
    assert "dataset.name = 'shapes3d'" in bindings and path.endswith("shared.gin")
    assert sweep.get_config()[12599] == STUDIES["fairness_study_v1"].settings[12599]
    assert study.get_eval_config_files() == list(
        resources.get_files_in_folder("config/fairness_study_v1/metric_configs/")
    )
    assert len(sweep.get_datasets()) * 36 * len(sweep.get_seeds(50)) == 12600
    assert len(sweep.get_default_models()) == 36


def test_printed_study(capsys):
    study = reproduce.STUDIES["unsupervised_study_v1"]
    study.print_model_config(150)
    study.print_postprocess_config()
    study.print_eval_config()
    printed = capsys.readouterr().out
    assert all(text in printed for text in ("vae.beta = 6.0", "mean.gin", "mig.gin"))


def test_gin_files_by_their_old_paths():
    path = resources.get_file("config/unsupervised_study_v1/metric_configs/mig.gin")
    gin.parse_config_file(path)
    assert gin.query_parameter("mig.num_train") == 10000
    for missing in ("config/unsupervised_study_v1/metric_configs/nothing.gin", "a"):
        with pytest.raises(FileNotFoundError, match=missing):
            resources.get_file(missing)
    with pytest.raises(FileNotFoundError, match="config/nothing"):
        list(resources.get_files_in_folder("config/nothing"))


VALIDATION = "validation/validation_test_configs"


def test_gin_files_of_tests():
    for package in ("methods", "postprocessing", "validation"):
        modules.import_all(f"dmt.{package}")
    study = TestStudy()
    paths = [study.get_model_config()[1], *study.get_postprocess_config_files()]
    paths += study.get_eval_config_files()
    folders = "semi_supervised", "weakly_supervised", "udr"
    for folder in (*(f"methods/{f}" for f in folders), VALIDATION):
        paths += resources.get_files_in_folder(f"config/tests/{folder}")
    assert len(set(paths)) == 22
    for path in paths:
        with configuration.gin_configuration([path], []):
            assert gin.query_parameter("dataset.name") in ("auto", "dummy_data")


def test_hyperparameters():
    pairs = hyperparams.zipit(
        [hyperparams.fixed("a", 1), hyperparams.sweep("b", [2, 3])]
    )
    assert pairs == [{"a": 1, "b": 2}, {"a": 1, "b": 3}]
    both = hyperparams.chainit([pairs, hyperparams.fixed("c", "@f", length=2)])
    assert len(both) == 4 and hyperparams.to_bindings(both[-1]) == ["c = @f"]
    grid = hyperparams.product([pairs, hyperparams.sweep("d", [4, 5])])
    assert [list(setting.values()) for setting in grid[:2]] == [[1, 2, 4], [1, 2, 5]]


def test_parts_of_results(tmp_path):
    values = {"array": np.arange(3), "number": np.float32(0.5), "flag": np.bool_(True)}
    text = json.dumps(values, cls=results.Encoder)
    assert json.loads(text) == {"array": [0, 1, 2], "number": 0.5, "flag": True}
    results.save_dict(str(tmp_path / "old" / "values.json"), values)
    results.copydir(str(tmp_path / "old"), str(tmp_path / "new"))
    assert results.load_json(str(tmp_path / "new" / "values.json"))["number"] == 0.5
    results.save_gin(str(tmp_path / "new" / "gin" / "train.gin"))
    assert results.gin_dict(str(tmp_path / "new" / "gin" / "train.gin")) == {}
