import pytest

from dmt.data.ground_truth import dsprites_rendered, dummy_data, wrapped

BASE = dsprites_rendered.dsprites_rendered_small()


def test_facts_are_those_of_the_base():
    data = wrapped.DatasetWrapper("other", BASE)
    assert data.name == "other"
    for fact in (
        "factors_num_values",
        "factor_names",
        "observation_shape",
        "has_all_combinations",
        "origin",
        "renderer_version",
    ):
        assert getattr(data, fact) == getattr(BASE, fact)
    # A wrapper says itself whether its observations have indices.
    assert data.size is None and not data.is_grid and not data.has_grid_draws


def test_base_is_a_dataset_or_its_name():
    assert wrapped.open_base(BASE, "split") is BASE
    assert isinstance(wrapped.open_base("dummy_data", "split"), dummy_data.DummyData)
    with pytest.raises(ValueError, match=r"@inner/split\(\).*base='split'"):
        wrapped.open_base("split", "split")
    with pytest.raises(ValueError, match="name=3"):
        wrapped.open_base(3, "split")
