"""Reads gin's language. What gin cannot read becomes an error of one line.

The message names the file, the line and the mend. A file is first read without effects,
so that a slip in its last line does not leave the lines before it in force.
"""

import ast
import contextlib
import difflib
import importlib
import inspect
import io
import os
import re
import tokenize
import unicodedata
from collections.abc import Iterator
from typing import Any

import gin
from gin import config_parser

_LARGEST = 2**24  # bytes; the largest shipped file has 2**11
_DEEPEST = 50
_TOO_DEEP = f"brackets are nested more than {_DEEPEST} deep."
_IN = re.compile(r'\n  In (?:file "(.*?)",|bindings string) line (\d+)\n *(.*)')
_WORDS = {"true": "True", "false": "False", "none": "None", "null": "None"}
_FORM = "A line of gin has the form name.parameter = value."

_places: dict[str, str] = {}
_being_read: list[str] = []


class _Text(io.StringIO):
    """Text with the name of its file, which gin writes in messages."""

    def __init__(self, text: str, name: str):
        super().__init__(text)
        self.name = name


class _Reader(config_parser.ParserDelegate):
    """Parses references and macros without looking them up."""

    def configurable_reference(self, scoped_configurable_name, evaluate):
        return f"@{scoped_configurable_name}" + ("()" if evaluate else "")

    def macro(self, macro_name):
        return f"%{macro_name}"


def read_text(path: str) -> str:
    """Returns the text of a gin file, without a byte order mark.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is a directory, too large, or no text in UTF-8.
    """
    if os.path.isdir(path):
        raise ValueError(f"{path} is a directory. Name a gin file in it.")
    if not os.path.exists(path):
        mend = ""
        if "=" in path:
            mend = " A line of gin is given by --gin_bindings."
        raise FileNotFoundError(f"There is no gin file {path}.{mend}")
    if not os.path.isfile(path) or os.path.getsize(path) > _LARGEST:
        raise ValueError(
            f"{path} is no gin file: it is no plain file of at most {_LARGEST} bytes."
        )
    with open(path, "rb") as file:
        content = file.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: the file is damaged or not in UTF-8. Save it as a "
            f"text file in UTF-8. Received: {content[error.start : error.end]!r}"
        ) from error
    return _checked(text.replace("\r\n", "\n").replace("\r", "\n"), path)


def parse_file(path: str) -> None:
    """Parses a gin file and those that it includes.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it, or a file that it includes or a module that it imports, has a
            mistake.
    """
    with _explained(path), _opened(path) as text:
        gin.parse_config(text)


def parse_binding(binding: str) -> None:
    """Parses lines of gin.

    Raises:
        ValueError: if they have a mistake.
    """
    if os.path.isfile(binding):
        raise ValueError(f"{binding} is a file. Give it by --gin_config.")
    text = _checked(binding.removeprefix("\ufeff").replace("\r", "\n"), binding)
    with _explained(binding):
        _read_ahead(text, None)
        gin.parse_config(text)


def place_of(binding: str) -> str:
    """The file and line that bind "name.parameter", "" if it is not known."""
    return _places.get(binding, "")


def forget_places() -> None:
    """Forgets the places of all bindings."""
    _places.clear()


def import_module(name: str, place: str) -> None:
    """Imports a module that a gin file names.

    Args:
        name: for example "my_models".
        place: the file, and the line if it is known.

    Raises:
        ValueError: if the module is missing, raises an error or ends the program.
    """
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise ValueError(
                f"{place} imports {name}, which is not on PYTHONPATH: {error}"
            ) from error
        raise ValueError(f"{place} imports {name}, which fails: {error}") from error
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        raise ValueError(
            f"{place} imports {name}, which ends the program (exit status "
            f"{error.code}). Put what the module shall not do when it is imported "
            'below `if __name__ == "__main__":`.'
        ) from error
    except BaseException as error:
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ValueError(f"{place} imports {name}, which fails: {text}") from error


@contextlib.contextmanager
def _opened(path: str) -> Iterator[_Text]:
    """Opens a file for gin after a look at all its lines."""
    real = os.path.realpath(path)
    if real in _being_read:
        raise ValueError(f"{path} includes itself, directly or by other files.")
    text = read_text(path)
    _being_read.append(real)
    try:
        _read_ahead(text, path)
        yield _Text(text, path)
    finally:
        _being_read.pop()


# Gin opens included files by the first reader that accepts the path.
gin.config._FILE_READERS.insert(0, (_opened, os.path.isfile))


def _checked(text: str, source: str) -> str:
    if "\0" in text:
        raise ValueError(f"{_shown(source)} holds NUL bytes, so it is no text.")
    return text


def _read_ahead(text: str, path: str | None) -> None:
    """Finds mistakes of syntax and imports modules.

    Gin would leave what comes before a mistake in force. It also lets a module that is
    imported end the program.
    """
    parser = None
    try:
        parser = config_parser.ConfigParser(text, _Reader())
        statements = list(parser)
        for statement in statements:
            if isinstance(statement, config_parser.BindingStatement):
                _depth(statement.value, statement.location.line_num)
    except (SyntaxError, tokenize.TokenError, RecursionError) as error:
        line, message = _slip(text, error, parser)
        raise ValueError(_at(path or text, line, text, message)) from error
    for statement in statements:
        place = f"{path}, line {statement.location.line_num}" if path else _shown(text)
        if isinstance(statement, config_parser.ImportStatement):
            if not statement.module.startswith("__gin__."):
                import_module(statement.module, place)
        elif isinstance(statement, config_parser.IncludeStatement):
            if not os.path.isfile(statement.filename):
                raise FileNotFoundError(
                    f"{place}: there is no gin file {statement.filename} to include."
                )
        elif isinstance(statement, config_parser.BindingStatement):
            name = statement.selector.rpartition(".")[2]
            _places[f"{name}.{statement.arg_name}"] = place if path else ""


def _depth(value, line, depth=0):
    if depth > _DEEPEST:
        raise SyntaxError(_TOO_DEEP, (None, line, None, ""))
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        for item in value:
            _depth(item, line, depth + 1)


def _slip(text, error, parser):
    """Line and description of a mistake of syntax."""
    message = str(error.args[0])
    if isinstance(error, RecursionError):
        line = parser.current_token.start[0] if parser else 1
        return line, _TOO_DEEP
    line = _line_of(error)
    if message == _TOO_DEEP:
        return line, message
    if "Exceeds the limit" in message:
        return line, "the number has too many digits."
    unpaired = _unpaired(text)
    if unpaired is not None:
        return unpaired
    if isinstance(error, IndentationError) or "indentation" in message:
        return line, "the line is not indented like those that it belongs to."
    lines = text.split("\n")
    content = lines[line - 1].strip() if line <= len(lines) else ""
    return line, _mend(content, message)


def _line_of(error):
    if isinstance(error, SyntaxError) and len(error.args) > 1:
        return error.args[1][1] or 1
    if isinstance(error, SyntaxError):
        return error.lineno or 1
    return error.args[1][0]


_QUOTED = re.compile(
    r"\'\'\'(?:\\.|[^\\])*?\'\'\'|\"\"\"(?:\\.|[^\\])*?\"\"\""
    r"|\'(?!\'\')(?:\\.|[^\\\n\'])*\'|\"(?!\"\")(?:\\.|[^\\\n\"])*\"",
    re.S,
)
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def _unpaired(text: str) -> tuple[int, str] | None:
    """Line and description of a bracket or quotation mark without its other half."""
    brackets: list[tuple[int, str]] = []
    line, i = 1, 0
    while i < len(text):
        mark = text[i]
        if mark == "#":
            i = text.find("\n", i) if "\n" in text[i:] else len(text)
            continue
        if mark in "'\"":
            quoted = _QUOTED.match(text, i)
            if quoted is None:
                return line, f"the quotation mark {mark} is not closed."
            line += quoted[0].count("\n")
            i = quoted.end()
            continue
        if mark == "\n":
            line += 1
        elif mark in _PAIRS:
            brackets.append((line, mark))
        elif mark in _PAIRS.values():
            if not brackets or _PAIRS[brackets.pop()[1]] != mark:
                return line, f"the bracket {mark} is not opened."
        i += 1
    if not brackets:
        return None
    line, mark = brackets[-1]
    return line, f"the bracket {mark} is not closed."


def _mend(line: str, message: str) -> str:
    """What is wrong with a line of gin, and what to write."""
    key, equals, value = (part.strip() for part in line.partition("="))
    value = value.split(" #")[0].strip()
    for mark in _outside_quotes(line):
        if mark in "“”„‘’«»`":
            return f"{mark} is no quotation mark of gin. Write ' or \"."
        if not mark.isascii() and not mark.isidentifier():
            name = unicodedata.name(mark, repr(mark))
            return f"the character {name} is not allowed outside quotes."
    if not equals or value.startswith("=") or not key or key[-1] in "+-*/:":
        if re.match(r"[\w./]+\s*[:+*/-]?=?\s*\S", line) and "." in line.split()[0]:
            name = re.split(r"[\s:+*/=-]", line)[0]
            return f"{_FORM} Write {name} = ... with one = between."
        return _FORM
    if not value:
        return f"there is no value after {key} =."
    if value[0] in "@%" and not re.match(r"[@%][A-Za-z_]", value):
        return f"a name must follow {value[0]}, as in {value[0]}name."
    word = re.search(r"Failed to parse token '(.*)'", message)
    if word and word[1].lower() in _WORDS:
        return f"{word[1]} is no value. Write {_WORDS[word[1].lower()]}."
    called = re.match(r"([\w./]+)\s*(\(\s*\))?$", value)
    if called and gin.config._REGISTRY.matching_selectors(called[1].split("/")[-1]):
        return f"{value} is no value. Write {key} = @{value} for the configurable."
    if not re.fullmatch(r"[\w./]+", key):
        return _FORM
    if value[0] in "'\"[({@%" or _is_literal(value.split()[0]):
        return (
            f"{value} is more than one value. Text goes in one pair of quotes, several "
            "values go in brackets with commas between."
        )
    return (
        f"{value} is no value of gin. Text needs quotes: {key} = '{value}'. A "
        "configurable begins with @, a macro with %."
    )


def _is_literal(word):
    try:
        ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return False
    return True


def _outside_quotes(line: str) -> str:
    return re.sub(r"'[^']*'|\"[^\"]*\"|#.*", "", line)


def _at(source: str, line: int, text: str, message: str) -> str:
    """A message with the place of the mistake."""
    if os.path.isfile(source):
        lines = text.splitlines()
        content = lines[line - 1].strip()[:80] if line <= len(lines) else ""
        source = f"{source}, line {line}: {content}"
    return f"Gin configuration, {_shown(source)}: {message}"


def _shown(text: str) -> str:
    """Text in one line of limited length."""
    text = " ".join(text.replace("\0", "\\0").split())
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-60:]}"


@contextlib.contextmanager
def _explained(source: str) -> Iterator[None]:
    """Context in which errors of gin become errors of one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(_shown(str(error).split("\n  In ")[0])) from error
    except Exception as error:
        message = str(error)
        text = message.split("\n  In ")[0]
        place = _IN.search(message)
        if text.startswith(("Gin configuration, ", source)) or " imports " in text:
            raise ValueError(_shown(text)) from error
        text = " ".join(text.split())
        if isinstance(error, RecursionError):
            text = "values are nested too deeply."
        if place and place[1]:
            source = f"{place[1]}, line {place[2]}: {place[3][:80]}"
        raise ValueError(
            f"Gin configuration, {_shown(source)}: {text}{_hint(text)}"
        ) from error


def _hint(text: str) -> str:
    """What to do about a name that gin does not know."""
    unknown = re.search(r"No configurable matching (?:reference )?'@?([\w./]+)", text)
    if unknown:
        names = {s.rpartition(".")[2] for s, _ in gin.config._REGISTRY.items()}
        return _close(unknown[1], names) + (
            " It is misspelt, or not part of this version; a configurable of your own "
            "must be imported by a line `import your_module` in a gin file."
        )
    parameter = re.search(r"Configurable '(.*?)' doesn't have a parameter", text)
    if parameter:
        named = re.search(r"parameter named '(\w+)'", text)
        found = gin.config._REGISTRY.get_match(parameter[1])
        close = _close(named[1], signature_of(found).parameters) if named else ""
        return f"{close} It is misspelt, or not part of this version."
    return ""


def signature_of(configurable: Any) -> inspect.Signature:
    """The signature of the function or class of gin's `Configurable`."""
    function = configurable.wrapped
    if inspect.isclass(function):
        function = gin.config._find_class_construction_fn(function)
    return inspect.signature(inspect.unwrap(function))


def required_parameters(configurable: Any) -> list[str]:
    """Names of the parameters of gin's `Configurable` that have no default."""
    return [
        p.name
        for p in signature_of(configurable).parameters.values()
        if p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and p.name != "self"
    ]


def is_shipped(configurable: Any) -> bool:
    """Whether gin's `Configurable` belongs to this package."""
    module = getattr(configurable.wrapped, "__module__", None) or ""
    return module.split(".")[0] == "dmt"


def _close(name, names):
    found = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {found[0]}?" if found else ""
