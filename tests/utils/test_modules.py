"""Imports of whole packages and of single attributes."""

import os.path
import sys

import pytest

from dmt.utils import modules


def test_all_modules_of_a_package_are_imported(tmp_path, monkeypatch):
    package = tmp_path / "package_of_test"
    for name in ("__init__", "a", "inner/__init__", "inner/b"):
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    found = [f"package_of_test.{name}" for name in ("a", "inner", "inner.b")]
    assert modules.import_all("package_of_test") == found
    assert sys.modules.keys() >= set(found)


def test_attribute():
    assert modules.attribute("os.path:join") is os.path.join
    with pytest.raises(AttributeError):
        modules.attribute("os.path:no_such_name")
