"""Imports that users of disentanglement_lib know, with `dmt` for its name."""

import functools
import importlib
import json
import pathlib

import pytest

# {module: names that it has had from the first release}, "Class.member" for members.
NAMES = json.loads(
    (pathlib.Path(__file__).parent / "golden" / "dlib_paths.json").read_text()
)


@pytest.mark.parametrize("module", NAMES)
def test_names_of_a_module(module):
    imported = importlib.import_module(module)
    missing = []
    for name in NAMES[module]:
        try:
            functools.reduce(getattr, name.split("."), imported)
        except AttributeError:
            missing.append(name)
    assert not missing
