"""The entry point of every command: parses flags, makes one call, reports mistakes."""

import contextlib
import difflib
import functools
import io
import logging
import os
import sys
import sysconfig
import traceback
from typing import NoReturn

from absl import app, flags
from absl import logging as absl_logging

from dmt.cli import table

FLAGS = flags.FLAGS


def main() -> None:
    """Runs the command that the script is named after.

    A mistake of the user is reported in one line, with exit status 2. If the variable
    DMT_TRACEBACK is set, the traceback is shown instead.
    """
    program = os.path.basename(sys.argv[0])
    _open_streams()
    try:
        _main(program)
    except OSError as error:  # Of help texts; `_run` reports those of the command.
        _fail(program, error)
    finally:
        # After an error at exit, the interpreter would write a traceback.
        lost = _flush()
        if lost is not None:
            _fail(program, lost)


def _main(program):
    command = table.find(program.removeprefix(table.PREFIX))
    if command is None:
        _fail(program, f"There is no such command. Known: {', '.join(table.names())}.")
    for flag in command.flags:
        _define(flag)
    sys.modules["__main__"].__doc__ = _usage(program, command)
    app.run(
        functools.partial(_run, program, command),
        flags_parser=functools.partial(_parse, program, command),
    )


def one_line(error: object) -> str:
    """The message of an error as one line, without gin's call chain."""
    message = str(error).split("\n  In call to configurable")[0]
    return " ".join(message.split())


def _fail(program: str, error: object, hint: str = "") -> NoReturn:
    _flush()
    try:
        print(f"{program}: {one_line(error)}{hint}", file=sys.stderr, flush=True)
    except OSError:
        _redirect_to_nothing(sys.stderr)
    sys.exit(2)


class _Output(io.TextIOWrapper):
    """Standard output whose errors say that it is meant."""

    def write(self, text):
        with _naming_output():
            return super().write(text)

    def flush(self):
        with _naming_output():
            super().flush()


@contextlib.contextmanager
def _naming_output():
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def _open_streams():
    """Opens the standard streams that are closed; lets stdout show any file name."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            # A file that is opened later must not get the number of a stream.
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))
    if sys.stdout is sys.__stdout__:
        sys.stdout = _Output(
            sys.stdout.buffer,
            encoding=sys.stdout.encoding,
            errors="backslashreplace",
            line_buffering=sys.stdout.line_buffering,
            write_through=sys.stdout.write_through,
        )


def _flush():
    """Writes what was printed; returns the error if that cannot be written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _redirect_to_nothing(sys.stdout)
        return error
    return None


def _redirect_to_nothing(stream):
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


class _BoolOrList(flags.ArgumentParser):
    """Parser of a bool, or else of words that are separated by commas."""

    def parse(self, argument):
        try:
            return flags.BooleanParser().parse(argument)
        except ValueError:
            return flags.ListParser().parse(argument)


def _define(flag):
    arguments = [flag.name, flag.default]
    if flag.kind == "enum":
        arguments.append(flag.choices)
    arguments.append(flag.help)
    if flag.kind in ("integer", "float"):
        arguments += [flag.low, flag.high]
    if flag.kind == "bool_or_list":
        parsed = flags.Flag(_BoolOrList(), None, *arguments, boolean=True)
        flags.DEFINE_flag(parsed)
    else:
        getattr(flags, f"DEFINE_{flag.kind}")(*arguments)
    # --help shows the flags of the running script only.
    FLAGS.register_key_flag_for_module(sys.argv[0], FLAGS[flag.name])


def _usage(program, command):
    verbs = command.verbs or {}
    lines = [
        f"  {program} {' '.join([verb, *names]):<18} {text}"
        for verb, (names, text) in verbs.items()
    ]
    usage = f"USAGE: {program}{' VERB' if verbs else ''} [flags]"
    return "\n".join([command.help, "", usage, *lines])


def _parse(program, command, argv):
    try:
        rest = FLAGS(argv)
        for name in command.required:
            if not FLAGS[name].value:
                raise ValueError(f"--{name} is missing. See --help.")
        if command.verbs:
            _check_verb(program, rest[1:], command.verbs)
        elif len(rest) > 1:
            raise ValueError(f"Unexpected argument {rest[1]}. See --help.")
    except flags.UnrecognizedFlagError as error:
        _fail(program, table.unknown_flag(command, error.flagname))
    except (flags.Error, ValueError) as error:
        if FLAGS.is_parsed() and FLAGS["help"].present:
            return argv
        _fail(program, error)
    return rest


def _check_verb(program, arguments, verbs):
    if not arguments:
        raise ValueError(f"Say what to do: {', '.join(verbs)}. See --help.")
    verb, *arguments = arguments
    if verb not in verbs:
        close = difflib.get_close_matches(verb, verbs, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"Known: {', '.join(verbs)}."
        raise ValueError(f"There is no {verb}. {hint} See --help.")
    names = verbs[verb][0]
    if len(arguments) != len(names):
        raise ValueError(
            f"Usage: {' '.join([program, verb, *names])}. "
            f"Received: {' '.join([verb, *arguments])}"
        )


def _run(program, command, argv):
    absl_logging.set_verbosity(absl_logging.WARNING)
    logging.getLogger("dmt").setLevel(logging.INFO)
    try:
        if "trust" in FLAGS and FLAGS.trust:
            from dmt.utils import trust

            trust.allow()
        command.function(FLAGS, *argv[1:])
    except SystemExit as stop:
        if place := _place_of_users(stop):
            _fail(program, f"{place} ends the program (exit status {stop.code}).")
        raise
    except Exception as error:
        if os.environ.get("DMT_TRACEBACK"):
            raise
        if isinstance(error, (ValueError, OSError)):
            _fail(program, error)
        if isinstance(error, MemoryError):
            _fail(program, f"The memory does not suffice. {error}")
        if place := _place_of_users(error):
            _fail(program, f"{place}: {type(error).__name__}: {error}")
        # Most often, a binding has the wrong type. If not, the traceback is needed.
        kind = next(t for t in type(error).__mro__ if t.__module__ == "builtins")
        _fail(program, error, f" ({kind.__name__}; DMT_TRACEBACK=1 shows where)")


def _place_of_users(error):
    """The last line of code of users that an error passed, "" if there is none."""
    paths = sysconfig.get_paths()
    folders = [paths["stdlib"], paths["purelib"], paths["platlib"]]
    folders.append(os.path.dirname(os.path.dirname(__file__)))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = os.path.abspath(frame.filename)
        if os.path.isfile(path) and not any(
            path.startswith(folder + os.sep) for folder in folders
        ):
            is_script = os.path.basename(path) == os.path.basename(sys.argv[0])
            return "" if is_script else f"{frame.filename}, line {frame.lineno}"
    return ""
