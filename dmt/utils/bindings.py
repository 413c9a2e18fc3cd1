"""Checks of all bindings of a gin configuration before anything is called.

The type that a parameter of this package takes is that of its annotation. Without one,
it is that of all parameters of this name, or else that of its default value.
"""

import ast
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import gin
from gin.config import ConfigurableReference

from dmt.utils import checks, function_kinds, gin_files, stages

_SEQUENCES = (
    list,
    tuple,
    Sequence,
    Iterable,
    Collection,
)
_MAPPINGS = (dict, Mapping)


class Made:
    """What a configurable returns that is written with parentheses, as @name()."""


class Given:
    """What the code that calls a configurable gives it, so that gin does not."""


# Parameters that have the same type wherever they occur in this package.
_NAMED: dict[Any, str] = {
    int: "batch_size decay_steps image_size max_test_images n_experiment num_bins "
    "num_data_points num_eval num_factors_to_remove num_latent num_test "
    "num_test_points_per_class num_train num_variance_estimate only_task "
    "training_steps",
    float: "beta c_max decay_rate diff_quantile gamma gamma_sup iteration_threshold "
    "lambda_d_factor lambda_od sigma target threshold train_percentage train_share",
    str: "axes background csv data_dir encoder_dir part path score",
    Callable: "anneal_fn correlation_measure decoder_fn discriminator_fn encoder_fn "
    "loss_fn network_fn optimizer_fn predictor_fn validation_fn",
    Made: "tasks trials",
    Given: "input_tensor is_training latent_tensor output_shape partition "
    "reconstructed_images save_path true_images",
    str | Made: "base",
    str | bool: "preload",
    str | Callable: "activation",
    str | Callable | Made: "kernel_initializer",
    float | Callable | Made: "learning_rate",
    bool | Sequence[bool]: "continuous_factors",
    Sequence[float]: "boundaries value_range values",
    Sequence[str]: "continuous",
    Sequence[Callable]: "matrix_fns",
    Sequence[int]: "factor_sizes hidden_units",
    Sequence[Sequence[str]]: "pairs",
    Mapping | Sequence[Mapping]: "held_out",
}
_SEVERAL = ("downstream_task", "reduced_downstream_task", "strong_downstream_task")
_TYPES = {name: kind for kind, names in _NAMED.items() for name in names.split()}


def check() -> None:
    """Checks the present configuration.

    Raises:
        ValueError: if a macro is not bound, if bindings refer to each other in a ring,
            or if a value has not the type, or a function is not of the kind, that a
            parameter of this package takes.
    """
    for name, _, _, value in _bindings():
        for reference in gin.config.iterate_references({name: value}):
            if _is_macro(reference) and reference.config_key not in gin.config._CONFIG:
                macro = "/".join(reference.scopes)
                raise ValueError(
                    f"{_where(name)}{name} = {value!r} uses the macro {macro}, which "
                    f"is not bound. Write a line {macro} = VALUE."
                )
    _check_rings()
    for name, configurable, parameter, value in _bindings():
        if gin_files.is_shipped(configurable):
            _check_calls(name, value)
            hint = wanted_types(configurable).get(parameter, Any)
            if not fits(value, hint):
                raise ValueError(
                    f"{_where(name)}{name} must be {described(hint)}. "
                    f"Received: {parameter}={value!r}"
                )
            _check_count(f"{_where(name)}{name}", value)
            if fault := function_kinds.fault(configurable, parameter, value):
                raise ValueError(f"{_where(name)}{name} {fault}")


def _check_count(name, value):
    while isinstance(value, ConfigurableReference) and _is_macro(value):
        value = gin.config._CONFIG[value.config_key]["value"]
    if not any(True for _ in gin.config.iterate_references(value)):
        checks.count(name, value)


def is_default(name: str, value: str) -> bool:
    """Whether a parameter has a value without a binding.

    Args:
        name: for example "vae.beta".
        value: as gin writes it.
    """
    try:
        configurable = gin.config._REGISTRY.get_match(stages.configurable_of(name))
        parameters = gin_files.signature_of(configurable).parameters
        default = parameters[name.rpartition(".")[2]].default
        return bool(default == ast.literal_eval(value))
    except (AttributeError, KeyError, SyntaxError, ValueError):
        return False  # It is no literal, or nothing has this parameter any more.


def _bindings() -> Iterator[tuple[str, Any, str, Any]]:
    """Yields ("name.parameter", gin's Configurable, parameter, value)."""
    for (scope, selector), parameters in gin.config._CONFIG.items():
        configurable = gin.config._REGISTRY[selector]
        for parameter, value in parameters.items():
            name = f"{gin.config._REGISTRY.minimal_selector(selector)}.{parameter}"
            if selector == "gin.macro":
                name = scope
            elif scope:
                name = f"{scope}/{name}"
            yield name, configurable, parameter, value


def _where(name):
    bound = name.rpartition("/")[2] if "." in name else f"{name}."
    parts = bound.split(".")
    place = gin_files.place_of(".".join(parts[-2:]))
    return f"{place}: " if place else ""


def _is_macro(reference):
    return reference.configurable.selector == "gin.macro"


def _check_rings():
    """Checks that no value needs itself to be computed."""
    done: set = set()

    def visit(node, path):
        if node in path:
            ring = [*path[path.index(node) :], node]
            names = " -> ".join(_label(*n) for n in ring)
            raise ValueError(f"Gin bindings refer to each other in a ring: {names}.")
        if node in done:
            return
        for following in _needed_by(*node):
            visit(following, [*path, node])
        done.add(node)

    for scope, selector in gin.config._CONFIG:
        visit((tuple(filter(None, scope.split("/"))), selector), [])


def _needed_by(scopes, selector):
    """What is called to compute the parameters of a configurable."""
    parameters: dict[str, Any] = {}
    for i in range(len(scopes) + 1):
        parameters |= gin.config._CONFIG.get(("/".join(scopes[:i]), selector), {})
    for reference in gin.config.iterate_references(parameters):
        if reference.evaluate:
            yield tuple(reference.scopes) or scopes, reference.configurable.selector


def _label(scopes, selector):
    if selector == "gin.macro":
        return "%" + "/".join(scopes)
    name = gin.config._REGISTRY.minimal_selector(selector)
    return "@" + "/".join([*scopes, name]) + "()"


def _check_calls(name, value):
    """Checks that functions that gin is to call need no arguments of another caller."""
    for reference in gin.config.iterate_references({name: value}):
        configurable = reference.configurable
        if not reference.evaluate or inspect.isclass(configurable.wrapped):
            continue
        if configurable.module == "gin":
            continue
        bound = {
            parameter
            for (_, selector), parameters in gin.config._CONFIG.items()
            if selector == configurable.selector
            for parameter in parameters
        }
        required = gin_files.required_parameters(configurable)
        missing = [parameter for parameter in required if parameter not in bound]
        if missing:
            shown = str(reference).removesuffix("()")
            raise ValueError(
                f"{_where(name)}{name} = {value!r} calls {shown} without "
                f"{', '.join(missing)}. Write {shown} without parentheses."
            )


def wanted_types(configurable: Any) -> dict[str, Any]:
    """The types of the parameters that gin may bind, {name: annotation}.

    Args:
        configurable: gin's `Configurable`. Parameters that do not tell are left out.
    """
    wanted = {}
    for parameter in gin_files.signature_of(configurable).parameters.values():
        hint = parameter.annotation
        if isinstance(hint, dataclasses.InitVar):
            hint = hint.type
        if hint is parameter.empty:
            hint = _TYPES.get(parameter.name, _type_of(parameter.default))
            if parameter.name == "num_train" and configurable.name in _SEVERAL:
                hint = Sequence[int]
            if hint is not None and parameter.default is None:
                hint = hint | None
        if hint is not None:
            wanted[parameter.name] = hint
    return wanted


def _type_of(default):
    """The annotation of a parameter that is not annotated."""
    if isinstance(default, (bool, int, float, str)):
        return type(default)
    if isinstance(default, (list, tuple)):
        return Sequence
    if inspect.isfunction(default):
        return Callable
    return None


def fits(value: Any, hint: Any) -> bool:
    """Whether a value in a gin file fits an annotation."""
    if isinstance(value, ConfigurableReference):
        return _reference_fits(value, hint)
    kind = typing.get_origin(hint) or hint
    arguments = typing.get_args(hint)
    if kind is Any:
        return True
    if kind in (typing.Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if kind is typing.Literal:
        return value in arguments
    if hint is None or kind is type(None):
        return value is None
    if kind is bool:
        return isinstance(value, bool)
    if kind is int:
        return checks.is_integer(value)
    if kind is float:
        return checks.is_number(value)
    if kind in (Callable, type):
        return False
    if kind in _SEQUENCES:
        items = isinstance(value, (list, tuple))
        return items and all(map(fits, value, _item_types(kind, arguments, value)))
    if kind in _MAPPINGS:
        if not isinstance(value, dict):
            return False
        key, item = arguments or (Any, Any)
        return all(fits(k, key) and fits(v, item) for k, v in value.items())
    return not inspect.isclass(kind) or isinstance(value, kind)


def _item_types(kind, arguments, value):
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        # A tuple of another length fits nothing.
        return arguments if len(arguments) == len(value) else [type] * len(value)
    return [arguments[0] if arguments else Any] * len(value)


def _reference_fits(reference, hint):
    if _is_macro(reference):
        return fits(gin.config._CONFIG[reference.config_key]["value"], hint)
    configurable = reference.configurable
    if configurable.module == "gin":
        return True  # Constants and singletons are what their code says.
    alternatives = typing.get_args(hint)
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        alternatives = (hint,)
    kinds = [typing.get_origin(one) or one for one in alternatives]
    others = (None, typing.Literal)
    if Any in kinds or any(not inspect.isclass(k) and k not in others for k in kinds):
        return True
    if reference.evaluate and Made in kinds:
        return True
    if not reference.evaluate:
        return any(kind in (Callable, type) for kind in kinds)
    if not gin_files.is_shipped(configurable):
        return True  # What a user wrote may return anything.
    result = configurable.wrapped
    if not inspect.isclass(result):
        result = inspect.signature(result).return_annotation
        result = typing.get_origin(result) or result
    classes = [kind for kind in kinds if inspect.isclass(kind) and kind is not Callable]
    return inspect.isclass(result) and issubclass(result, tuple(classes))


def described(hint: Any) -> str:
    """An annotation in words."""
    kind = typing.get_origin(hint) or hint
    arguments = typing.get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return " or ".join(described(argument) for argument in arguments)
    if kind is typing.Literal:
        return "one of " + ", ".join(map(repr, arguments))
    words = {
        bool: "True or False",
        int: "an integer",
        float: "a number",
        str: "text in quotes",
        type(None): "None",
        Callable: "a function, written @name without parentheses",
        type: "a class, written @name without parentheses",
        Made: "a configurable with parentheses, @name()",
        Given: "left out, because the caller gives it",
    }
    if kind in words:
        return words[kind]
    if kind in _SEQUENCES:
        items = [a for a in arguments if a is not Ellipsis]
        if not items:
            return "a list"
        if kind is tuple and arguments[-1] is not Ellipsis:
            return f"a tuple of {len(items)} values"
        return f"a list in which each value is {described(items[0])}"
    if kind in _MAPPINGS:
        return "a dictionary"
    return f"a {getattr(kind, '__name__', kind)}"
