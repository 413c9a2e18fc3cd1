"""Checks of all bindings of a gin configuration before anything is called.

The type that a parameter of this package takes is that of its annotation, or else that
of its default value.
"""

import collections.abc
import inspect
import numbers
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

import gin
from gin.config import ConfigurableReference

from dmt.utils import checks, gin_files

_SEQUENCES = (
    list,
    tuple,
    collections.abc.Sequence,
    collections.abc.Iterable,
    collections.abc.Collection,
)
_MAPPINGS = (dict, collections.abc.Mapping)


def check() -> None:
    """Checks the present configuration.

    Raises:
        ValueError: if a macro is not bound, if bindings refer to each other in a ring,
            or if a value has not the type that a parameter of this package takes.
    """
    for name, _, _, value in _bindings():
        for reference in gin.config.iterate_references({name: value}):
            if _is_macro(reference) and reference.config_key not in gin.config._CONFIG:
                macro = "/".join(reference.scopes)
                raise ValueError(
                    f"{_where(name)}{name} = {value!r} uses the macro {macro}, which is "
                    f"not bound. Write a line {macro} = VALUE."
                )
    _check_rings()
    for name, configurable, parameter, value in _bindings():
        if configurable.wrapped.__module__.split(".")[0] == "dmt":
            _check_calls(name, value)
            hint = wanted_types(configurable).get(parameter, Any)
            if not fits(value, hint):
                raise ValueError(
                    f"{_where(name)}{name} must be {described(hint)}. "
                    f"Received: {parameter}={value!r}"
                )


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
    for i in range(len(scopes) + 1):
        parameters = gin.config._CONFIG.get(("/".join(scopes[:i]), selector), {})
        for reference in gin.config.iterate_references(parameters):
            if reference.evaluate:
                own = tuple(reference.scopes) or scopes
                yield own, reference.configurable.selector


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
        missing = [
            p.name
            for p in gin_files.signature_of(configurable).parameters.values()
            if p.default is p.empty
            and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
            and p.name not in bound
        ]
        if missing:
            shown = str(reference).removesuffix("()")
            raise ValueError(
                f"{_where(name)}{name} = {value!r} calls {shown} without "
                f"{', '.join(missing)}. Write {shown} without parentheses."
            )


def wanted_types(configurable: Any) -> dict[str, Any]:
    """The types of the parameters that gin may bind, as annotations.

    Args:
        configurable: gin's `Configurable`. Parameters that do not tell are left out.
    """
    wanted = {}
    for parameter in gin_files.signature_of(configurable).parameters.values():
        hint = parameter.annotation
        if hint is parameter.empty:
            hint = _type_of(parameter.default)
        if hint is not None:
            wanted[parameter.name] = hint
    return wanted


def _type_of(default):
    """The annotation of a parameter that is not annotated."""
    if isinstance(default, (bool, int, float, str)):
        return type(default)
    if isinstance(default, (list, tuple)):
        return collections.abc.Sequence
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
        return isinstance(value, numbers.Real) and not isinstance(value, bool)
    if kind in (collections.abc.Callable, type):
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
    if Any in kinds or any(not inspect.isclass(k) and k is not None for k in kinds):
        return True
    if not reference.evaluate:
        return any(kind in (collections.abc.Callable, type) for kind in kinds)
    wrapped = configurable.wrapped
    if inspect.isclass(wrapped):
        return any(
            issubclass(wrapped, kind) for kind in kinds if kind not in (None, object)
        )
    if wrapped.__module__.split(".")[0] != "dmt":
        return True  # A function of the user may return anything.
    result = inspect.signature(wrapped).return_annotation
    kind = typing.get_origin(result) or result
    return inspect.isclass(kind) and any(
        issubclass(kind, k) for k in kinds if inspect.isclass(k)
    )


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
        collections.abc.Callable: "a function, written @name without parentheses",
        type: "a class, written @name without parentheses",
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
