"""Imports of modules that register models, metrics, datasets or studies."""

import importlib
import pkgutil
from typing import Any


def import_all(package_name: str) -> list[str]:
    """Imports every module of a package, at any depth; returns their sorted names.

    Args:
        package_name: for example "dmt.methods".
    """
    package = importlib.import_module(package_name)
    found = pkgutil.walk_packages(package.__path__, f"{package_name}.")
    names = sorted(module.name for module in found)
    for name in names:
        importlib.import_module(name)
    return names


def attribute(place: str) -> Any:
    """Imports a module and returns one of its attributes.

    Args:
        place: "module:name", for example "dmt.methods.train:train_with_gin".
    """
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
