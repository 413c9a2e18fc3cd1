"""Imports that users of disentanglement_lib know, with `dmt` for its name."""

import importlib
import inspect
import itertools
import json
import runpy
import subprocess
import sys

import pytest

from tests.helpers.runs import HEAVY, ROOT

PAGE = runpy.run_path(str(ROOT / "docs/make_moving_over.py"))
MODULES = {
    module: list(entries)
    for module, entries in itertools.groupby(PAGE["NAMES"], lambda entry: entry[0])
}


def is_dropped(module, name):
    return PAGE["status"](module, name)[0] == "dropped"


@pytest.mark.parametrize("module", MODULES)
def test_names_of_a_module(module):
    wrong = []
    for _, name, _, _ in MODULES[module]:
        try:
            PAGE["found"](module, name)
            available = True
        except (AttributeError, ModuleNotFoundError):
            available = False
        in_page = not is_dropped(module, name)
        if available != in_page and f"{module}.{name}" not in PAGE["CHANGED"]:
            wrong.append(name)
    assert not wrong


@pytest.mark.parametrize("module", MODULES)
def test_arguments_are_in_the_order_of_the_original(module):
    wrong = []
    for _, name, kind, expected in MODULES[module]:
        place = f"{module}.{name}"
        listed = is_dropped(module, name) or place in PAGE["CHANGED"]
        if listed or expected is None or kind == "property":
            continue
        own = inspect.signature(PAGE["found"](module, name)).parameters.values()
        own = list(own)[kind == "method" :]
        if not takes(own, expected):
            wrong.append((name, expected, own))
    assert not wrong


def takes(own, expected):
    """Whether a call with the original's arguments means the same."""
    for parameter, text in zip(own, expected, strict=False):
        name, _, default = text.partition("=")
        # What gin must bind there may have no default here.
        optional = default not in ("", "gin.REQUIRED")
        if parameter.name != name.lstrip("*") or is_required(parameter) and optional:
            return False
    return len(own) >= len(expected) and not any(map(is_required, own[len(expected) :]))


def is_required(parameter):
    variable = (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and parameter.kind not in variable


def test_page_lists_all_names():
    written = (ROOT / "docs/moving_over.md").read_text()
    _, begin, names = written.partition(PAGE["BEGIN"])
    assert begin and names == PAGE["names"](), "Run python docs/make_moving_over.py"


def test_old_and_own_path_are_one_module():
    import dmt.config.study
    from dmt.config.study import Study

    from dmt.compat.config import study
    from dmt.data.ground_truth import util

    assert dmt.config.study is study and Study is study.Study
    assert importlib.import_module("dmt.data.ground_truth.util") is util
    assert importlib.reload(util).__name__ == "dmt.compat.data.ground_truth.util"


def test_names_that_do_not_exist():
    with pytest.raises(ModuleNotFoundError, match=r"dmt\.utils\.convolute_hub"):
        importlib.import_module("dmt.utils.convolute_hub")
    with pytest.raises(ModuleNotFoundError, match=r"dmt\.config\.nothing"):
        importlib.import_module("dmt.config.nothing")
    from dmt.evaluation.metrics import dci

    # What a module of old names imports is not one of them.
    for name in ("nothing", "predictors_of_compat", "dci_of_compat"):
        with pytest.raises(AttributeError, match=f"dmt.evaluation.metrics.dci.*{name}"):
            getattr(dci, name)


def test_package_is_imported_without_heavy_libraries():
    code = "import json, sys, dmt; print(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {*HEAVY, "gin"} & set(json.loads(out.stdout))
