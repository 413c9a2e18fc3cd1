"""Every shipped gin file is read, and binds what the step that it is for needs."""

import inspect
import re

import gin
import pytest

from dmt.utils import configuration, modules, results
from tests.helpers.runs import ROOT

FOLDER = ROOT / "gin_configs"
FILES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.gin"))
# The packages that register configurables.
PACKAGES = (
    "data methods evaluation postprocessing validation runs analysis studies".split()
)
# The configurable that a command calls, by the folder of its gin files.
CALLED = {
    "metrics": "evaluation",
    "models": "model",
    "more_metrics": "evaluation",
    "pbt": "pbt",
    "postprocess": "postprocess",
    "quickstart": "evaluation",
    "semi_supervised": "model",
    "studies": "model",
    "udr": "evaluation",
    "validation": "validation",
    "weak": "model",
}
# Files that complete the others of a folder.
WITH = {"pbt": ["pbt/model.gin"]}
# What the configurable that calls another one hands over.
FROM_CALLER = {"histogram_discretizer.num_bins"}


@pytest.fixture(scope="module", autouse=True)
def everything_imported():
    for package in PACKAGES:
        modules.import_all(f"dmt.{package}")


def parameters_without_value(configurable, is_called):
    """What gin has to supply: all that is required, and for a call all else too."""
    function = gin.get_configurable(configurable)
    signature = inspect.signature(
        function.__init__ if inspect.isclass(function) else function
    )
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for name, parameter in signature.parameters.items():
        if parameter.kind in kinds or name == "self":
            continue
        if parameter.default is gin.REQUIRED or (
            is_called and parameter.default is inspect.Parameter.empty
        ):
            yield f"{configurable}.{name}"


@pytest.mark.parametrize("path", FILES)
def test_binds_what_is_needed(path):
    folder, _, name = path.rpartition("/")
    files = [*WITH.get(folder, []), path]
    with configuration.gin_configuration([str(FOLDER / f) for f in files], []):
        bindings = results.parse_bindings(gin.config_str())
    bound = {binding.rpartition("/")[2] for binding in bindings}
    assert bound
    references = re.findall(r"@([\w./]+)(\(\))?", "\n".join(bindings.values()))
    wanted = {(name.rpartition("/")[2], bool(call)) for name, call in references}
    called = "model" if name == "model.gin" else CALLED.get(folder.split("/")[0])
    if called:
        wanted.add((called, False))
    missing = {
        parameter
        for configurable, is_called in wanted
        for parameter in parameters_without_value(configurable, is_called)
        if not is_bound(parameter, bound)
    }
    assert missing <= FROM_CALLER


def is_bound(parameter, bound):
    """Whether a parameter is bound, of its configurable or of a class it extends."""
    configurable, _, name = parameter.rpartition(".")
    function = gin.get_configurable(configurable)
    extended = inspect.getmro(function) if inspect.isclass(function) else ()
    for binding in bound:
        other, _, other_name = binding.rpartition(".")
        if other_name != name or not other:
            continue
        # gin makes a subclass of a registered class.
        others = getattr(gin.get_configurable(other), "__mro__", ())[:2]
        if other == configurable or set(others) & set(extended):
            return True
    return False


def test_every_folder_is_known():
    folders = {path.split("/")[0] for path in FILES}
    assert folders <= {*CALLED, "evidence", "multitask", "selection"}
