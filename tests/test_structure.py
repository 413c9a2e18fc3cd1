"""Rules of the source tree: sizes, docstrings, words, and imports of tests."""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
MODULES = sorted((ROOT / "dmt").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(
        path
        for folder in ("dmt", "docs", "gin_configs", "bin")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".md", ".gin", ".jinja", "") and path.is_file()
    ),
]
MAX_FILE, MAX_FUNCTION = 500, 60
# Renderers are long, because every object of a scene is drawn by code of its own.
LONG_FILES = {"dmt/data/rendering/armcube.py"}
SECTIONS = "Args|Attributes|Raises|Returns|Yields"


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def code_lines(node, lines):
    """Number of lines of a body, less docstrings, comments and blank lines."""
    without = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant):
            without |= set(range(inner.lineno, inner.end_lineno + 1))
    return sum(
        number not in without
        and bool(lines[number - 1].strip())
        and not lines[number - 1].strip().startswith("#")
        for number in range(node.body[0].lineno, node.end_lineno + 1)
    )


def kernels(tree):
    """Functions that Numba compiles, which cannot be split without a cost."""
    decorators = {"numba"} | {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and "numba" in ast.unparse(node.value)
        for target in node.targets
    }
    return {
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(
            re.match(r"\w+", ast.unparse(decorator))[0] in decorators
            for decorator in node.decorator_list
        )
    }


def docstrings(path):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(parsed(path)):
        if isinstance(node, kinds) and ast.get_docstring(node):
            yield getattr(node, "name", "module"), ast.get_docstring(node)


def check_none(wrong):
    wrong = sorted(wrong)
    assert not wrong, "\n" + "\n".join(wrong)


def num_lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def test_files_are_short():
    lengths = {name_of(path): num_lines(path) for path in MODULES}
    check_none(
        f"{name}: {length} lines"
        for name, length in lengths.items()
        if length > MAX_FILE and name not in LONG_FILES
    )


def test_functions_are_short():
    long = []
    for path in MODULES:
        lines = path.read_text(encoding="utf-8").splitlines()
        tree = parsed(path)
        for node in set(ast.walk(tree)) - kernels(tree):
            if isinstance(node, ast.FunctionDef):
                length = code_lines(node, lines)
                if length > MAX_FUNCTION:
                    long.append(f"{name_of(path)}, {node.name}: {length} lines")
    check_none(long)


def test_modules_have_a_docstring():
    check_none(
        name_of(path)
        for path in MODULES
        if path.read_text().strip() and not ast.get_docstring(parsed(path))
    )


def test_docstrings_are_of_one_dialect():
    """A section has a line of its own, and its entries are indented by 4 spaces."""
    wrong = []
    for path in MODULES:
        for name, text in docstrings(path):
            one_line = re.search(rf"^ *({SECTIONS}): *\S", text, re.M)
            indents = re.findall(rf"^( *)(?:{SECTIONS}):\n( *)\S", text, re.M)
            if one_line or any(len(b) - len(a) != 4 for a, b in indents):
                wrong.append(f"{name_of(path)}, {name}")
    check_none(wrong)


def test_datasets_are_one_word():
    pattern = re.compile(r"\b[Dd]ata(?:-|\s+(?:# )?)sets?\b")
    check_none(name_of(path) for path in PAGES if pattern.search(path.read_text()))


def test_tests_share_helpers_only():
    wrong = set()
    for path in TESTS:
        for node in ast.walk(parsed(path)):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                if re.match(r"tests\.(?!helpers\.|golden\.)", name):
                    wrong.add(f"{name_of(path)}: {name}")
    check_none(wrong)
