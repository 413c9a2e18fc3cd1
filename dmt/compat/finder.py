"""Finds the modules and names of `dmt.compat` under their old paths."""

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_PACKAGE = "dmt"
_COMPAT = __name__.rpartition(".")[0]
_FOLDER = os.path.dirname(__file__)


class OldPaths(importlib.abc.MetaPathFinder):
    """Finds modules that are in `dmt.compat`, or have more names there."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder.find_spec`."""
        compat_name = _compat_name(fullname)
        if compat_name is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or _is_of_compat(spec):
            is_package = os.path.isdir(_file_stem(compat_name))
            loader = _Alias(compat_name)
            return importlib.machinery.ModuleSpec(
                fullname, loader, is_package=is_package
            )
        if isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _WithOldNames(spec.loader.name, spec.loader.path)
        return spec


class _Alias(importlib.abc.Loader):
    """Loads a module of `dmt.compat`; both names then mean the same object."""

    def __init__(self, compat_name):
        self._compat_name = compat_name

    def create_module(self, spec):
        module = importlib.import_module(self._compat_name)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = self._own_spec


class _WithOldNames(importlib.machinery.SourceFileLoader):
    """Loads a module whose missing names are looked up in `dmt.compat`."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if module.__name__ in sys.modules and not hasattr(module, "__path__"):
            module.__dict__.setdefault("__getattr__", _old_names(module.__name__))


def install() -> None:
    """Makes `import` look for old paths, once."""
    if not any(type(finder).__name__ == "OldPaths" for finder in sys.meta_path):
        sys.meta_path.insert(0, OldPaths())


def _old_names(fullname):
    """The function `__getattr__` of a module."""

    def look_up(name: str) -> Any:
        if not name.startswith("__"):
            names = vars(importlib.import_module(_compat_name(fullname)))
            if name in names["__all__"]:
                return names[name]
        raise AttributeError(f"module {fullname!r} has no attribute {name!r}")

    return look_up


def _compat_name(fullname):
    """Name of the module of `dmt.compat` with a module's path, None if none has."""
    package, _, rest = fullname.partition(".")
    if package != _PACKAGE or not rest or fullname.startswith(_COMPAT):
        return None
    name = f"{_COMPAT}.{rest}"
    stem = _file_stem(name)
    return name if os.path.isfile(f"{stem}.py") or os.path.isdir(stem) else None


def _file_stem(compat_name):
    return os.path.join(_FOLDER, *compat_name.split(".")[2:])


def _is_of_compat(spec):
    return os.path.commonpath([os.path.abspath(spec.origin or ""), _FOLDER]) == _FOLDER
