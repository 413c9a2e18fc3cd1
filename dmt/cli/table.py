"""The table of commands.

A group file is a module of `dmt.cli` with a tuple `COMMANDS`. `setup.py`, `bin/` and
`dmt.cli.main` read the table, so a new command needs no other entry. This module and
the top level of group files import the standard library only. Therefore setup.py can
read the table before anything is installed, and `--help` is fast.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

PREFIX = "dmt_"


@dataclass(frozen=True)
class Flag:
    """A flag of a command.

    Attributes:
        name: the name without dashes.
        kind: "string", "bool", "integer", "float", "list", "bool_or_list",
            "multi_string" or "enum".
        default: the value if the flag is not given.
        help: what the flag means.
        choices: the values of an enum.
        low: smallest value of an integer or a float, None for no limit.
        high: largest value of an integer or a float, None for no limit.
    """

    name: str
    kind: str
    default: Any
    help: str
    choices: Sequence[str] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Command:
    """A command line of the package.

    Attributes:
        name: the name without `PREFIX`.
        help: what the command does, shown by --help.
        flags: the flags that the command takes.
        function: called with the parsed flags, whose attributes are the values, and
            with the verb and its arguments if there are verbs.
        required: names of flags that must be given.
        verbs: {verb: (names of its arguments, what it does)}, None for a command
            without verbs.
    """

    name: str
    help: str
    flags: Sequence[Flag]
    function: Callable[..., object]
    required: Sequence[str] = ()
    verbs: Mapping[str, tuple[Sequence[str], str]] | None = None


def several(kind: str, default: Any = None, /, **helps: str) -> tuple[Flag, ...]:
    """Flags of the same kind and default, given by their names and help texts."""
    return tuple(Flag(name, kind, default, text) for name, text in helps.items())


def seeds(**helps: str) -> tuple[Flag, ...]:
    """Flags of seeds, given by their names and help texts."""
    flags = several("integer", **helps)
    return tuple(replace(f, low=0, high=2**32 - 1) for f in flags)


GIN_FLAGS = several(
    "multi_string",
    [],
    gin_config="Path of a gin file. Later files override earlier ones.",
    gin_bindings="Line in gin's syntax, which overrides the files.",
)
GIN_BINDINGS = GIN_FLAGS[1]
TRUST = Flag(
    "trust",
    "bool",
    False,
    "Whether code of the directories that are read may run: Python modules that their "
    "gin files import, and code in their Keras files. Directories that you wrote "
    "yourself need no flag.",
)
OVERWRITE = Flag("overwrite", "bool", False, "Whether to replace existing output.")
STEP_FLAGS = (
    *GIN_FLAGS,
    TRUST,
    OVERWRITE,
    Flag("resume", "bool", False, "Whether to continue unfinished work."),
)
ENGINE = Flag(
    "engine",
    "enum",
    "local",
    "Where the processes run: local, on this machine; ray, on the Ray cluster that "
    "RAY_ADDRESS names.",
    choices=("local", "ray"),
)
PARALLEL_FLAGS = (
    Flag(
        "workers",
        "integer",
        0,
        "Number of processes that share the cores. With 0, there is one per core, or a "
        "single one if there is a GPU.",
    ),
    Flag(
        "population",
        "string",
        "auto",
        "Number of models that are trained as one program if they differ in numbers "
        "only. With auto, it is the number that is fastest on this machine.",
    ),
    ENGINE,
)
OUTPUT_DIR = Flag("output_dir", "string", None, "Directory to write.")
EVALUATION_GLOB = Flag(
    "gin_evaluation_config_glob",
    "string",
    None,
    "Pattern of gin files. The results of each file are written to "
    "<output_dir>/<file name>.",
)


def groups() -> Iterator[tuple[Command, ...]]:
    """The tuple `COMMANDS` of each group file."""
    package = importlib.import_module("dmt.cli")
    for module in pkgutil.iter_modules(package.__path__, "dmt.cli."):
        if module.name not in (__name__, "dmt.cli.main"):
            yield importlib.import_module(module.name).COMMANDS


def find(name: str) -> Command | None:
    """The command of a name without `PREFIX`, None if there is none."""
    return next((c for group in groups() for c in group if c.name == name), None)


# Flags with which different commands name the same thing.
_ALIKE = (
    ("model_dir", "model_dirs", "input_dir", "run_dir", "study_dir"),
    ("output_dir", "output_directory", "output_path", "path", "model_dir"),
    ("name", "dataset", "dataset_name"),
)


def unknown_flag(command: Command, name: str) -> str:
    """What to say about a flag that a command does not have."""
    own = [flag.name for flag in command.flags]
    alike = [flag for flags in _ALIKE if name in flags for flag in flags]
    found = [flag for flag in alike if flag in own][:1]
    found += [flag for flag in own if flag.startswith(name) or name.startswith(flag)]
    found += difflib.get_close_matches(name, own, n=1, cutoff=0.7)
    takers = [
        f"{PREFIX}{c.name}"
        for group in groups()
        for c in group
        if name in [flag.name for flag in c.flags]
    ]
    text = f"There is no flag --{name}."
    if takers:
        text = f"--{name} is a flag of {takers[0]}, not of this command."
    suggested = [f"--{flag}" for flag in dict.fromkeys(found)]
    if suggested:
        return f"{text} Did you mean {' or '.join(suggested[:2])}? See --help."
    return f"{text} The flags are {', '.join(f'--{flag}' for flag in own)}."


def names() -> list[str]:
    """Names of all commands with `PREFIX`, sorted."""
    return sorted(f"{PREFIX}{c.name}" for group in groups() for c in group)
