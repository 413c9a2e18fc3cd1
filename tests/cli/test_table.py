"""The table of commands, and the script that runs them all."""

import os
import shutil
import subprocess
import sys

import pytest

from dmt.cli import table
from tests.helpers.runs import BIN, HEAVY, ROOT, call, check_mistake, printed

KINDS = {"string", "bool", "integer", "float", "list", "multi_string", "enum"}
KINDS |= {"bool_or_list"}
COMMANDS = [command for group in table.groups() for command in group]
# A command as a contributor adds it: one file.
GREET = """
from dmt.cli.table import Command, Flag


def greet(flags, verb, *arguments):
    if verb == "fail":
        raise KeyError(arguments[0])
    print(verb, *arguments, flags.name, flags.times, bool(flags["times"].present))


COMMANDS = (
    Command(
        "greet",
        "Greets.",
        (
            Flag("name", "string", None, "Whom to greet."),
            Flag("times", "integer", 1, "How often.", low=1, high=3),
            Flag("how", "enum", "loudly", "How.", choices=("loudly", "softly")),
        ),
        greet,
        required=("name",),
        verbs={"say": (("WORD",), "says a word"), "fail": (("WORD",), "fails")},
    ),
)
"""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_declarations(command):
    names = [flag.name for flag in command.flags]
    assert len(set(names)) == len(names)
    assert set(command.required) <= set(names)
    for text in (command.help, *(flag.help for flag in command.flags)):
        assert text.endswith((".", ".)"))
    for flag in command.flags:
        assert flag.kind in KINDS
        assert bool(flag.choices) == (flag.kind == "enum")
        assert flag.default is None or not flag.choices or flag.default in flag.choices


def test_names_are_unique_and_have_a_script():
    names = [f"{table.PREFIX}{command.name}" for command in COMMANDS]
    assert sorted(names) == table.names() and len(set(names)) == len(names)
    scripts = {path.name for path in BIN.glob("dmt_*")}
    assert scripts == set(names), "Run `pip install -e .`, which links new commands."
    for name in names:
        assert os.readlink(BIN / name) == "dmt"
    assert table.find("train").name == "train" and table.find("no_such") is None


def test_table_needs_the_standard_library_only():
    # As in an isolated build: no installed packages, and no path but the checkout.
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from dmt.cli import table\n"
        f"found = [name for name in {(*HEAVY, 'absl')} if name in sys.modules]\n"
        "print(len(table.names()), found)"
    )
    process = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True
    )
    assert process.stdout.split() == [str(len(COMMANDS)), "[]"], process.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout with one more group file, in which setup.py has run."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("dmt", "gin_configs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "bin").mkdir()
    for name in ("setup.py", "README.md", "bin/dmt"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "dmt/cli/greetings.py").write_text(GREET)
    for _ in range(2):  # What is linked already stays.
        subprocess.run(
            [sys.executable, "setup.py", "--quiet", "egg_info"],
            cwd=folder,
            check=True,
            capture_output=True,
        )
    return folder


def test_new_command_is_installed_and_linked(checkout):
    entries = (checkout / "dmt_lib.egg-info" / "entry_points.txt").read_text()
    lines = entries.splitlines()[1:]
    names = sorted([*table.names(), "dmt_greet"])
    assert lines == [f"{name} = dmt.cli.main:main" for name in names]
    scripts = sorted(path.name for path in (checkout / "bin").iterdir())
    assert scripts == ["dmt", *names]


@pytest.fixture
def greet(checkout):
    def run(*arguments, **environment):
        return call(
            checkout / "bin/dmt_greet",
            *arguments,
            PYTHONPATH=str(checkout),
            **environment,
        )

    return run


def test_help(greet):
    text = greet("--help").stdout
    for words in ("Greets.", "USAGE: dmt_greet VERB [flags]", "dmt_greet say WORD"):
        assert words in text
    assert "--name: Whom to greet." in text and "--how: <loudly|softly>" in text


def test_call(greet):
    assert printed(greet("say", "hello", "--name=Ann")) == "say hello Ann 1 False\n"
    text = printed(greet("say", "hello", "--name=Ann", "--times=1"))
    assert text == "say hello Ann 1 True\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--name is missing. See --help."),
        (("--name=Ann",), "Say what to do: say, fail. See --help."),
        (("says", "--name=Ann"), "There is no says. Did you mean say? See --help."),
        (("x", "--name=Ann"), "There is no x. Known: say, fail. See --help."),
        (("say", "--name=Ann"), "Usage: dmt_greet say WORD. Received: say"),
        (("--times=4",), "--times=4: 4 is not an integer in the range [1, 3]"),
        (("--how=x",), "value should be one of <loudly|softly>"),
        (("--no_such_flag=1",), "no flag --no_such_flag. The flags are --name, "),
        (("--names=1",), "There is no flag --names. Did you mean --name? See --help."),
        (("--dataset=1",), "not of this command. Did you mean --name? See --help."),
        (("fail", "x", "--name=Ann"), "'x' (KeyError; DMT_TRACEBACK=1 shows where)"),
    ],
)
def test_mistakes(arguments, words, greet):
    lines = check_mistake(greet(*arguments), "dmt_greet: ", words)
    assert len(lines) == 1


def test_traceback_on_request(greet):
    process = greet("fail", "x", "--name=Ann", DMT_TRACEBACK="1")
    assert process.returncode == 1 and "Traceback" in process.stderr


def test_unknown_command(checkout):
    process = call(checkout / "bin/dmt", PYTHONPATH=str(checkout))
    check_mistake(process, "dmt: There is no such command. Known: ", "dmt_greet")


def test_unexpected_arguments():
    process = call("dmt_train", "--model_dir=x", "surplus")
    check_mistake(process, "dmt_train: Unexpected argument surplus. See --help.")


@pytest.mark.parametrize(
    ("name", "flag", "meant"),
    [
        ("train", "model_dirs", "--model_dir?"),
        ("train", "output_dir", "--model_dir?"),
        ("train", "gin_binding", "--gin_bindings?"),
        ("evaluate", "model_dir", "--input_dir?"),
        ("postprocess", "input_dir", "--model_dir or"),
        ("udr", "model_dir", "--model_dirs?"),
        ("report", "model_dir", "--run_dir?"),
        ("score", "factor", "--factors or"),
    ],
)
def test_flags_of_other_commands(name, flag, meant):
    message = table.unknown_flag(table.find(name), flag)
    assert f"--{flag}" in message and f"Did you mean {meant}" in message
