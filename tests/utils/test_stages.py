"""Marks of gin configurables."""

import gin
import pytest

from dmt.utils import stages


@stages.configurable("example_of_stages", "supervision", denylist=["hidden"])
def example(value=1, hidden=2):
    return value, hidden


def test_marked_configurables_are_configurable():
    gin.parse_config("example_of_stages.value = 3")
    assert example() == (3, 2)
    with pytest.raises(ValueError, match="hidden"):
        gin.parse_config("example_of_stages.hidden = 3")


@pytest.mark.parametrize(
    "binding, name, stage",
    [
        ("example_of_stages.value", "example_of_stages", "supervision"),
        ("a/b/example_of_stages.value", "example_of_stages", "supervision"),
        ("module.example_of_stages.value", "module.example_of_stages", "supervision"),
        ("unmarked.value", "unmarked", None),
        ("macro", "", None),
    ],
)
def test_stage_of_a_binding(binding, name, stage):
    assert stages.configurable_of(binding) == name
    assert stages.stage_of(binding) == stage


def test_unknown_stages_are_refused():
    with pytest.raises(ValueError, match="one of 'dataset', .*stage='training'"):
        stages.configurable("another_example_of_stages", "training")
