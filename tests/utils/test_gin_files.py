"""Slips in gin files and lines: one line that names the file, the line and the mend."""

import time

import gin
import pytest

from dmt.utils import configuration


@gin.configurable("bird_of_test")
def bird(wings=2, song="la", nest=None):
    return wings, song, nest


def parse(*gin_files, bindings=()):
    with configuration.gin_configuration(map(str, gin_files), bindings):
        return bird()


@pytest.fixture
def write(tmp_path):
    def write(content, name="file.gin"):
        path = tmp_path / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(data)
        return path

    return write


VALID = {
    "byte order mark": "\ufeffbird_of_test.wings = 3\n",
    "Windows line ends": "bird_of_test.wings = \\\r\n  3\r\n# comment\r\n",
    "old line ends": "# comment\rbird_of_test.wings = 3\r",
    "no last line end": "bird_of_test.wings = 3",
    "tabs": "\tbird_of_test.wings = 3\t# comment",
    "marks in text": "bird_of_test.song = '[(#\"{'\nbird_of_test.wings = 3",
    "long text": "bird_of_test.song = '''\n(\n'''\nbird_of_test.wings = 3",
    "block": "bird_of_test:\n  song = 'x'\n  wings = 3\n",
    "macro": "n = 3\nbird_of_test.wings = %n",
    "scopes that are no ring": "bird_of_test.wings = 3\n"
    "bird_of_test.nest = @a/bird_of_test()\na/bird_of_test.nest = 1",
}


@pytest.mark.parametrize("kind", VALID)
def test_valid_files(kind, write):
    assert parse(write(VALID[kind]))[0] == 3


SLIPS = [
    # (lines, number of the line, words of the message)
    ("\nbird_of_test.song = la", 2, "Text needs quotes: bird_of_test.song = 'la'"),
    ("bird_of_test.song = la la", 1, "bird_of_test.song = 'la la'"),
    ("bird_of_test.song = /la/la.x", 1, "bird_of_test.song = '/la/la.x'"),
    ("bird_of_test.song = “la”", 1, "“ is no quotation mark of gin"),
    ("bird_of_test.song = 'la\n# '", 1, "the quotation mark ' is not closed"),
    ('\nbird_of_test.song = """la\n', 2, 'the quotation mark " is not closed'),
    ("bird_of_test.wings = [1, 2\nbird_of_test.song = 'x'", 1, "[ is not closed"),
    ("bird_of_test.wings = 1)", 1, ") is not opened"),
    ("bird_of_test.wings = [1, 2)", 1, ") is not opened"),
    ("bird_of_test.wings =", 1, "no value after bird_of_test.wings ="),
    ("bird_of_test.wings = # 3", 1, "no value"),
    ("bird_of_test.wings 3", 1, "Write bird_of_test.wings = ..."),
    ("bird_of_test.wings: 3", 1, "Write bird_of_test.wings = ..."),
    ("bird_of_test.wings == 3", 1, "Write bird_of_test.wings = ..."),
    ("bird_of_test.wings += 3", 1, "Write bird_of_test.wings = ..."),
    ("<<<<<<< HEAD", 1, "name.parameter = value"),
    ("{'bird_of_test.wings': 3}", 1, "name.parameter = value"),
    ("bird_of_test.wings = 3 4", 1, "more than one value"),
    ("bird_of_test.wings = true", 1, "Write True"),
    ("bird_of_test.wings = null", 1, "Write None"),
    ("bird_of_test.nest = bird_of_test", 1, "@bird_of_test for the configurable"),
    ("bird_of_test.nest = bird_of_test()", 1, "= @bird_of_test() for"),
    ("bird_of_test.nest = @", 1, "a name must follow @"),
    ("bird_of_test.wings\u00a0= 3", 1, "NO-BREAK SPACE"),
    ("bird_of_test.wings = 9" + 5000 * "9", 1, "too many digits"),
    ("bird_of_test.nest = " + 60 * "[" + 60 * "]", 1, "nested more than 50 deep"),
    ("bird_of_test.nest = " + 10**5 * "[", 1, "nested more than 50 deep"),
    ("\tbird_of_test.wings = 3\n  bird_of_test.wings = 3", 2, "not indented like"),
    ("bird_of_test:\nwings = 3", 2, "not indented like"),
    ("bird_of_test.wing = 3", 1, "Did you mean wings?"),
    ("brid_of_test.wings = 3", 1, "Did you mean bird_of_test?"),
    ("bird_of_test.nest = @brid_of_test", 1, "Did you mean bird_of_test?"),
    ("include 'no/such.gin'", 1, "there is no gin file no/such.gin to include"),
    ("import no_such_module_of_test", 1, "not on PYTHONPATH"),
]


@pytest.mark.parametrize(("lines", "number", "words"), SLIPS)
def test_slips_in_files(lines, number, words, write):
    path = write(lines)
    start = time.monotonic()
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        parse(path)
    message = str(error.value)
    assert f"{path}, line {number}" in message and words in message
    assert "\n" not in message and len(message) < 700
    assert time.monotonic() - start < 60
    assert gin.config_str().strip() == ""


@pytest.mark.parametrize(("lines", "_", "words"), SLIPS)
def test_slips_in_bindings(lines, _, words):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        parse(bindings=[lines])
    message = str(error.value)
    assert words in message and "\n" not in message and len(message) < 1000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"bird_of_test.wings = 3\0", "NUL bytes"),
        (
            b"\n\nbird_of_test.song = '\xe9'",
            "line 3: the file is damaged or not in UTF",
        ),
        ("bird_of_test.wings = 3".encode("utf-16"), "not in UTF-8"),
        (b"#" * 2**24 + b"\n", "at most 16777216 bytes"),
    ],
)
def test_files_that_are_no_text(content, words, write):
    with pytest.raises(ValueError, match=words) as error:
        parse(write(content))
    assert "file.gin" in str(error.value)


def test_what_is_no_file(tmp_path, write):
    with pytest.raises(ValueError, match="is a directory. Name a gin file in it."):
        parse(tmp_path)
    with pytest.raises(FileNotFoundError, match="given by --gin_bindings"):
        parse("bird_of_test.wings = 3")
    with pytest.raises(ValueError, match="is a file. Give it by --gin_config."):
        parse(bindings=[str(write("bird_of_test.wings = 3"))])


def test_included_files(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("\ufeffbird_of_test.wings = 3\r\n", "part.gin")
    assert parse(write("include 'part.gin'\ninclude 'part.gin'"))[0] == 3
    write("include 'b.gin'", "a.gin")
    write("include 'a.gin'", "b.gin")
    with pytest.raises(ValueError, match="a.gin includes itself"):
        parse("a.gin")
    write("\nbird_of_test.song = la", "part.gin")
    with pytest.raises(ValueError, match="configuration, part.gin, line 2: .*quotes"):
        parse("file.gin")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("a = %b\nb = %a", "ring: %a -> %b -> %a"),
        ("a = %a", "ring: %a -> %a"),
        ("bird_of_test.nest = [{'x': @bird_of_test()}]", "ring: @bird_of_test()"),
        ("bird_of_test.nest = %n", "uses the macro n, which is not bound.*n = VALUE"),
        ("a = [%b]", "a = .%b. uses the macro b"),
    ],
)
def test_rings_and_missing_macros(lines, words, write):
    with pytest.raises(ValueError, match=words) as error:
        parse(write(lines))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit()", "ends the program (exit status None)"),
        ("raise SystemExit(0)", "ends the program (exit status 0)"),
        ("1 / 0", "fails: ZeroDivisionError: division by zero"),
        ("def f(:", "fails: SyntaxError"),
        ("import no_such_module_of_test", "fails: No module named"),
        ("raise ValueError('one\\ntwo')", "fails: ValueError: one two"),
    ],
)
def test_modules_that_fail(code, words, write, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    name = f"failing_module_{abs(hash(code))}"
    write(code, f"{name}.py")
    path = write(f"\nimport {name}\n")
    with pytest.raises(ValueError) as error:
        parse(path)
    message = str(error.value)
    assert f"{path}, line 2 imports {name}" in message and words in message
    assert "\n" not in message
