import gin
import pytest

from dmt.data.ground_truth import ground_truth_data, named_data
from dmt.data.official import catalog


def test_binding_names_the_dataset():
    with gin.unlock_config():
        gin.bind_parameter("dataset.name", "dummy_data")
    try:
        assert named_data.get_named_ground_truth_data().name == "dummy_data"
    finally:
        gin.clear_config()


def test_unknown_name_suggests_the_closest():
    with pytest.raises(ValueError, match="mean 'dsprites_rendered'") as error:
        named_data.get_named_ground_truth_data("dsprite_rendered")
    assert "dummy_data" in str(error.value)
    with pytest.raises(ValueError, match="Received: name=None"):
        named_data.get_named_ground_truth_data(None)


@pytest.mark.parametrize("name", catalog.DATASETS)
def test_missing_files_are_named(name, tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    with pytest.raises(ground_truth_data.DatasetNotFound) as error:
        named_data.get_named_ground_truth_data(name)
    assert str(tmp_path) in str(error.value) and "dmt_data" in str(error.value)
