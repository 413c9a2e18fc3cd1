"""Studies by name.

A study is a folder of this package whose `__init__.py` registers it:

    register("tiny", "dmt.studies.tiny.runs:open_study", Option("scale", "small."))

`dmt_study` finds the folder, the name and the options here. Nothing else has to change.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dmt.utils import modules

if TYPE_CHECKING:
    from dmt.studies.study import Study


@dataclass(frozen=True)
class Option:
    """A setting of a study, which is a flag of `dmt_study`.

    Attributes:
        name: name of the flag and of the argument of the function that opens the study.
        help: what the setting means, including its default.
        default: the value if the flag is not given.
        kind: "string", "bool", "integer", "float" or "enum".
        choices: the values of an enum.
    """

    name: str
    help: str
    default: Any = None
    kind: str = "string"
    choices: tuple[str, ...] = ()


# Of studies with gin files small.gin and paper.gin.
SCALE = Option(
    "scale",
    "small, reduced to an hour on two cores, or paper, as in the paper; by default "
    "small.",
    default="small",
    kind="enum",
    choices=("small", "paper"),
)


@dataclass(frozen=True)
class Registration:
    """What is known of a study before it is opened.

    Attributes:
        name: the name of the study.
        place: "module:name" of a function that returns a `dmt.studies.study.Study`. Its
            arguments are the name, a tuple of lines of gin, and the options by name.
        options: the settings that it takes.
        is_default: whether `dmt_study` makes this study if no name is given.
    """

    name: str
    place: str
    options: tuple[Option, ...]
    is_default: bool


_registrations: dict[str, Registration] = {}


def register(name: str, place: str, *options: Option, is_default: bool = False) -> None:
    """Registers a study; see `Registration`.

    Raises:
        ValueError: if the name is taken, or another study has an option of the same
            name and another kind, because both are one flag.
    """
    if name in _registrations:
        raise ValueError(f"There is already a study named {name}.")
    known = {o.name: o for r in _registrations.values() for o in r.options}
    for option in options:
        other = known.get(option.name, option)
        if (other.kind, other.choices) != (option.kind, option.choices):
            raise ValueError(
                f"Another study has an option {option.name} with other values; the "
                f"study {name} needs another name for its own."
            )
    _registrations[name] = Registration(name, place, options, is_default)


def registered() -> dict[str, Registration]:
    """All studies by name; imports the `__init__.py` of each folder, nothing else."""
    package = importlib.import_module("dmt.studies")
    for module in pkgutil.iter_modules(package.__path__, "dmt.studies."):
        if module.ispkg:
            importlib.import_module(module.name)
    # By folder, so that the order of imports does not matter.
    return dict(sorted(_registrations.items(), key=lambda item: item[1].place))


def open_study(name: str, gin_bindings: Iterable[str] = (), **given: Any) -> Study:
    """Opens a study.

    Args:
        name: name of a registered study.
        gin_bindings: lines of gin that override those of the study.
        **given: options of the study; None stands for the default.

    Raises:
        ValueError: if there is no such study, it lacks an option, or a value is wrong.
    """
    studies = registered()
    if name not in studies:
        raise ValueError(
            f"--study must be one of {', '.join(studies)}. Received: {name}"
        )
    settings = {option.name: option.default for option in studies[name].options}
    for option, value in given.items():
        if value is None:
            continue
        if option not in settings:
            raise ValueError(
                f"--{option} is not an option of --study={name}, which has "
                f"{', '.join(f'--{known}' for known in settings) or 'none'}."
            )
        settings[option] = value
    open_registered = modules.attribute(studies[name].place)
    return open_registered(name, tuple(gin_bindings), **settings)
