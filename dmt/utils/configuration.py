"""The gin configuration of a step. Mistakes in it become errors of one line."""

import contextlib
import functools
import glob
import inspect
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import gin

from dmt.utils import bindings, files, results, stages, trust
from dmt.utils.gin_files import (
    forget_places,
    import_module,
    parse_binding,
    parse_file,
    read_text,
)

logger = logging.getLogger(__name__)


def _with_escapes(binding):
    """A binding with escapes in place of bytes of a path that are no text."""
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", binding)


def shipped(path: str) -> str:
    """Returns the full path of a shipped gin file, for example "metrics/mig.gin"."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # The folder is in the package if that is installed, and beside it in a checkout.
    folders = [package, os.path.dirname(package)]
    paths = [os.path.join(folder, "gin_configs", path) for folder in folders]
    return next((found for found in paths if os.path.exists(found)), paths[0])


@contextlib.contextmanager
def gin_configuration(
    gin_files: Iterable[str], gin_bindings: Iterable[str]
) -> Iterator[None]:
    """Context in which a gin configuration holds; it is cleared afterwards.

    Args:
        gin_files: paths of gin files; later files override earlier ones.
        gin_bindings: lines in gin's syntax, which override the files.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if gin refuses a line, a value has the wrong type, an imported
            module fails, or a required binding is missing.
    """
    gin_bindings = [_with_escapes(binding) for binding in gin_bindings]
    try:
        for path in gin_files:
            parse_file(path)
        for binding in gin_bindings:
            parse_binding(binding)
        bindings.check()
        gin.finalize()
        yield
    except (RuntimeError, TypeError) as error:
        missing = _missing_bindings(str(error))
        if not missing:
            raise
        mend = "Add them to a gin file or give them with --gin_bindings."
        if any(name.endswith(".factor_sizes") for name in missing):
            mend = (
                "Write model.model = @s2_vae without parentheses; training then "
                "supplies factor_sizes."
            )
        raise ValueError(
            f"Required gin bindings are missing: {', '.join(missing)}. {mend}"
        ) from error
    finally:
        gin.clear_config()
        forget_places()


def with_gin(step: Callable) -> Callable:
    """Returns a step that also parses its gin configuration and clears it afterwards.

    Args:
        step: function of directories, which have no default, and of other parameters,
            one of which is `overwrite`.

    Returns:
        Function of the directories, `overwrite` and the parameters of
        `gin_configuration`, both empty by default. The other parameters of `step` are
        given by name.
    """
    parameters = list(inspect.signature(step).parameters.values())
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    added = [
        inspect.Parameter(name, kind, default=())
        for name in ("gin_config_files", "gin_bindings")
    ]
    first = [
        p
        for p in parameters
        if p.name == "overwrite" or (p.kind == kind and p.default is p.empty)
    ]
    # The others must be given by name, so that more of them can be added.
    first.sort(key=lambda p: p.name == "overwrite")
    others = [
        p.replace(kind=p.KEYWORD_ONLY) if p.kind == kind else p
        for p in parameters
        if p not in first
    ]
    signature = inspect.Signature([*first, *added, *others])

    @functools.wraps(step)
    def run(*arguments, **named):
        given = signature.bind(*arguments, **named)
        lists = [given.arguments.pop(p.name, None) or () for p in added]
        overwrite = given.arguments.pop("overwrite", False)
        with gin_configuration(*lists):
            return step(*given.args, overwrite=overwrite, **given.kwargs)

    run.__signature__ = signature  # type: ignore[attr-defined]
    return run


def _missing_bindings(message):
    """Names of the bindings that gin found missing when it called a configurable."""
    required = re.search(r"Required bindings for `(.*?)` not provided.*: (.*)", message)
    if required:
        name, parameters = required.groups()
    else:
        unbound = re.search(r"No values supplied by Gin or caller.*: (.*)", message)
        called = re.search(r"In call to configurable '(.*?)'", message)
        if not unbound or not called:
            return []
        name, parameters = called[1], unbound[1]
    return [f"{name}.{parameter}" for parameter in re.findall(r"'(\w+)'", parameters)]


def is_done(
    output_dir: str,
    step_name: str,
    overwrite: bool,
    resume: bool | None = None,
    inputs: Iterable[str] = (),
    may_change: Sequence[str] = (),
    begun_with: str = "",
) -> bool:
    """Checks that a step may write its directory, and whether it is complete already.

    Args:
        output_dir: directory that the step writes.
        step_name: prefix of the result files of the step, for example "train".
        overwrite: whether an existing directory may be replaced.
        resume: whether an unfinished step may be continued; None if it cannot be.
        inputs: directories that the step reads.
        may_change: names of bindings in which a complete step is to be continued.
        begun_with: file with all bindings that the step began with, if it keeps them.

    Returns:
        True if `resume` is given, the step is complete, and not to be continued.

    Raises:
        ValueError: if the directory exists and neither `overwrite` nor `resume` is
            given, if both are given, if the step was completed with another
            configuration or from another input, or if the directory holds an input.
    """
    if overwrite and resume:
        raise ValueError("Give --overwrite or --resume, not both.")
    inputs = list(inputs)
    output = os.path.realpath(output_dir)
    for path in inputs:
        if os.path.commonpath([output, os.path.realpath(path)]) == output:
            raise ValueError(
                f"The output directory {output_dir} holds the input {path}. Name "
                "another one."
            )
    fault = results.fault(output_dir, step_name) if resume else ""
    if resume and not fault:
        _check_unchanged(output_dir, step_name, inputs, may_change, begun_with)
        if len(inputs) == 1:
            _check_made_from(inputs[0], output_dir)
        if not may_change:
            logger.info("%s is complete, nothing to do.", output_dir)
            return True
    exists = os.path.exists(output_dir) and not files.is_empty(output_dir)
    can_be_finished = resume and results.is_own(output_dir, step_name)
    if exists and can_be_finished:
        if fault:
            logger.warning("%s is not complete. %s", output_dir, fault)
    elif exists and not overwrite:
        raise ValueError(
            f"The output directory {output_dir} exists. Give --overwrite to replace it"
            + (", --resume to finish what is not complete" if resume is False else "")
            + ", or another directory."
        )
    return False


def _check_unchanged(output_dir, step_name, inputs, may_change, begun_with):
    """Checks that a complete step has the present configuration."""
    folder = os.path.join(output_dir, "results", "json")
    then = results.load_json(os.path.join(folder, f"{step_name}_config.json"))
    now = results.parse_bindings(gin.config_str())
    earlier = _bindings_of_steps(inputs[0]) if inputs else {}
    free = _free(then, may_change) | _free(now, may_change)
    different = []
    # A binding that nothing read is not among those of the results.
    begun = now
    if os.path.exists(begun_with):
        begun = results.parse_bindings(read_text(begun_with))
    for name in filter(stages.configurable_of, now):
        value = bound_value(name, now)
        is_new = name not in then and _value_in_scope(name, begun) != value
        if is_new and name not in free and not bindings.is_default(name, value):
            different.append(f"{name} = {value} (it was not bound)")
    for name in dict.fromkeys([*now, *then]):
        if name not in then or name in free:
            continue
        before, value = bound_value(name, then), _value_in_scope(name, now)
        if name == "dataset.name" and results.text_of(value or "") == "auto":
            value = earlier.get(name, before)
        if value is None:
            # Macros have no value of their own, steps bind the dataset themselves.
            kept = not stages.configurable_of(name) or earlier.get(name) == before
            if not kept and not bindings.is_default(name, before):
                different.append(f"{name} is not bound (it was {before})")
        elif value != before:
            different.append(f"{name} = {value} (it was {before})")
    if different:
        raise ValueError(
            f"{output_dir} was made with another configuration. Give the same one, or "
            f"--overwrite. Different: {', '.join(different)}"
        )


def _value_in_scope(name, bound):
    """The value that gin finds for a binding, in its scope or in those around it."""
    scopes = name.split("/")[:-1]
    last = name.rpartition("/")[2]
    for length in range(len(scopes), -1, -1):
        value = bound_value("/".join([*scopes[:length], last]), bound)
        if value is not None:
            return value
    return None


def _bindings_of_steps(directory):
    """Bindings of all steps whose results a directory has, with values of macros."""
    pattern = os.path.join(glob.escape(directory), "results", "json", "*_config.json")
    bound = {}
    for path in glob.glob(pattern):
        made = results.load_json(path)
        bound |= {name: bound_value(name, made) for name in made}
    return bound


def _check_made_from(input_dir, output_dir):
    """Checks that the results of the input are those copied to the output."""
    before, after = (
        os.path.join(d, "results", "json") for d in (input_dir, output_dir)
    )
    for path in glob.glob(os.path.join(glob.escape(before), "*_results.json")):
        carried = os.path.join(after, os.path.basename(path))
        if os.path.exists(carried):
            now, then = (results.load_json(p).get("uuid") for p in (path, carried))
            if now != then:
                raise ValueError(
                    f"{output_dir} was made before {input_dir} was made anew. Give "
                    "--overwrite."
                )


def _free(bindings, may_change):
    """Names of bindings that may change, with the macros that nothing else uses."""
    free = set(may_change)
    for macro in bindings:
        use = re.compile(rf"%{re.escape(macro)}(?![\w./])")
        users = {name for name, value in bindings.items() if use.search(value)}
        if users and users <= free:
            free.add(macro)
    return free


def bound_value(name: str, bindings: Mapping[str, str]) -> str | None:
    """The value of a binding, or of the macro that it names; None if it is not bound.

    Args:
        name: for example "model.training_steps".
        bindings: {binding: value} of a configuration, macros included.
    """
    value = bindings.get(name)
    return bindings.get(value[1:], value) if value and value[0] == "%" else value


def check_same(
    path: str, text: str, otherwise: str, may_change: Sequence[str] = ()
) -> None:
    """Writes a configuration, or checks that it equals the one written before.

    Args:
        path: the file to write or to compare with.
        text: the configuration as gin writes it.
        otherwise: the message if they differ.
        may_change: names of bindings that may differ. The file is left as it is then.

    Raises:
        ValueError: if they differ. The message is `otherwise` and the different lines.
    """
    if not os.path.exists(path):
        files.write_text(path, text)
        return

    def fixed(text):
        free = _free(results.parse_bindings(text), may_change)
        # Gin writes comments over macros and over the bindings of each configurable.
        return {
            line
            for line in text.splitlines()
            if not (may_change and line.startswith("#"))
            and line.partition(" = ")[0] not in free
        }

    different = fixed(read_text(path)) ^ fixed(text)
    if different:
        raise ValueError(f"{otherwise} Lines that differ: {sorted(different)}")


def import_modules_of(gin_file: str) -> list[str]:
    """Imports the modules that a gin file imports, which register the user's classes.

    Returns:
        Names of the modules.

    Raises:
        ValueError: if a module cannot be imported, or may not because the file is not
            the user's own; see `dmt.utils.trust`.
    """
    names = re.findall(r"^import ([\w.]+)", read_text(gin_file), re.M)
    for name in names:
        trust.check_module(name, gin_file)
        with gin.unlock_config():
            import_module(name, gin_file)
            # Gin then writes the import to this step's configuration too.
            gin.parse_config(f"import {name}")
    return names


def bind_default(name: str, value: str) -> None:
    """Binds a parameter, to a value as gin writes it, unless it is bound already.

    Raises:
        ValueError: if gin refuses the value.
    """
    if name not in results.parse_bindings(gin.config_str()):
        with gin.unlock_config():
            parse_binding(f"{name} = {value}")


def resolve_auto_dataset(previous_gin_file: str) -> None:
    """Replaces `dataset.name = "auto"` by the dataset of the previous step.

    Raises:
        FileNotFoundError: if the previous step is not complete.
        ValueError: if `dataset.name` is not bound; see also `import_modules_of`.
    """
    try:
        name = gin.query_parameter("dataset.name")
    except ValueError as error:
        raise ValueError(
            'Required gin bindings are missing: dataset.name. Bind it to "auto" to use '
            "the dataset of the previous step."
        ) from error
    if name == "auto":
        name = results.bound_string(previous_gin_file, "dataset.name")
        bind_dataset(previous_gin_file)
        with gin.unlock_config():
            gin.bind_parameter("dataset.name", name)
    elif os.path.exists(previous_gin_file) and trust.covers(previous_gin_file):
        # The model may need layers of the user's own.
        import_modules_of(previous_gin_file)


def bind_dataset(gin_file: str) -> None:
    """Binds the dataset's parameters as a previous step did, unless they are bound.

    Raises:
        ValueError: if a binding is damaged; see also `import_modules_of`.
    """
    packages = {name.split(".")[0] for name in import_modules_of(gin_file)} - {"dmt"}
    found = {}
    for name, value in results.bindings_of(gin_file).items():
        configurable = stages.configurable_of(name)
        if not configurable or configurable == "dataset":
            continue
        is_of_data = stages.stage_of(name) in ("dataset", "supervision")
        if is_of_data or _module(configurable).split(".")[0] in packages:
            found[name] = value
    try:
        for name, value in found.items():
            bind_default(name, value)
        bindings.check()
    except ValueError as error:
        raise ValueError(f"{gin_file}: {error}") from error


def _module(configurable):
    try:
        return gin.get_configurable(configurable).__module__
    except ValueError:
        return ""  # It belongs to another step, whose modules are not imported.
