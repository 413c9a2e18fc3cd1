"""Datasets by name.

A dataset of this package is a module of `dmt.data.ground_truth` that registers itself:

    @registry.dataset("bars")
    class Bars(ground_truth_data.GroundTruthData):
        name = "bars"
        ...

All modules of `dmt.data.ground_truth` are imported together, so they import heavy
libraries only inside functions. `dmt_data list` shows the first line of the docstring
of the class.

An installed package adds datasets by entry points of the group "dmt.datasets", in its
pyproject.toml:

    [project.entry-points."dmt.datasets"]
    my_data = "my_package.my_module:MyData"

A module that is not installed calls `register`, and a gin file imports the module.
"""

import difflib
import functools
import importlib.metadata
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from dmt.utils import modules

# A callable without arguments that returns a `GroundTruthData`, or "module:callable".
Factory = Callable[[], Any] | str
_Function = TypeVar("_Function", bound=Callable)

_SHIPPED = "dmt.data.ground_truth"
_GROUP = "dmt.datasets"
_factories: dict[str, Factory] = {}
_descriptions: dict[str, str] = {}
_reserved: set[str] = set()


def dataset(
    name: str, description: str | None = None
) -> Callable[[_Function], _Function]:
    """Decorator that registers a dataset of this package and reserves its name.

    Args:
        name: value of `dataset.name` in gin files.
        description: one line for `dmt_data list`; None for the first line of the
            docstring.

    Returns:
        Decorator of a class, function or partial that is called without arguments.

    Raises:
        ValueError: if another dataset has this name.
    """

    def decorate(factory):
        # If a module is loaded again, it registers the same dataset again.
        if name in _reserved and _place(factory) != _place(_factories[name]):
            raise ValueError(
                f"Two datasets have the same name. Received: name={name!r}"
            )
        _reserved.add(name)
        _factories[name] = factory
        if description is not None:
            _descriptions[name] = description
        return factory

    return decorate


def register(name: str, factory: Factory) -> None:
    """Makes a dataset of your own available by name.

    Args:
        name: value of `dataset.name` in gin files.
        factory: callable without arguments that returns a `GroundTruthData`, or a
            string "module:callable" that is imported when needed.

    Raises:
        ValueError: if a dataset of this package has the name.
    """
    import_shipped()
    if name in _reserved:
        raise ValueError(
            f"The dataset name is reserved, choose another. Received: name={name!r}"
        )
    _factories[name] = factory


@functools.cache
def import_shipped() -> None:
    """Imports all datasets of this package, which registers them."""
    modules.import_all(_SHIPPED)


def names() -> list[str]:
    """Names of all datasets: the registered ones, then those of entry points."""
    import_shipped()
    installed = importlib.metadata.entry_points(group=_GROUP).names
    return [*sorted(_factories), *sorted(installed - _factories.keys())]


def describe(name: str) -> str:
    """One line about a dataset.

    Args:
        name: one of `names()`.
    """
    import_shipped()
    if name not in _factories:
        return "from another installed package"
    if name in _descriptions:
        return _descriptions[name]
    text = inspect.getdoc(_resolved(_factories[name])) or ""
    return text.partition("\n")[0].rstrip(".")


def open_dataset(name: str) -> Any:
    """Opens a dataset.

    Args:
        name: one of `names()`.

    Returns:
        A `GroundTruthData`.

    Raises:
        ValueError: if there is no such dataset.
        DatasetNotFound: if its files are not on this machine.
    """
    import_shipped()
    factory = _factories.get(name)
    return _resolved(_installed(name) if factory is None else factory)()


def closest(name: Any, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The most similar of the known names, "" if none is similar."""
    return next(iter(difflib.get_close_matches(str(name), known, 1, cutoff)), "")


def _place(factory):
    function = getattr(factory, "func", factory)
    return function.__module__, function.__qualname__


def _resolved(factory):
    return modules.attribute(factory) if isinstance(factory, str) else factory


def _installed(name):
    entry_points = importlib.metadata.entry_points(group=_GROUP)
    if name not in entry_points.names:
        known = sorted(names())
        close = closest(name, known)
        hint = f" Did you mean {close!r}?" if close else ""
        raise ValueError(
            f"Datasets are {', '.join(known)}.{hint} Received: name={name!r}"
        )
    (entry_point, *others) = entry_points.select(name=name)
    if others:
        raise ValueError(
            f"Several installed packages have a dataset named {name!r}: "
            f"{', '.join(e.value for e in (entry_point, *others))}. Uninstall all but "
            "one."
        )
    try:
        return entry_point.load()
    except Exception as error:
        raise ValueError(
            f"The dataset {name!r} of an installed package cannot be loaded from "
            f"{entry_point.value}: {error}"
        ) from error
