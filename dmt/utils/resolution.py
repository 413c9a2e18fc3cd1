"""Turns gin configurables into plain functions before anything is compiled.

A function that is compiled or called for every batch must not read gin, because the
configuration may be cleared by then. Making a model therefore resolves its functions.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import gin


def resolved(function: Callable, num_arguments: int = 0, /, **nested: int) -> Any:
    """A gin configurable as a plain function, with the parameters that gin binds now.

    The parameters become part of the operative configuration, as in a call of the
    configurable. Parameters that are configurables are resolved, too. Configurables
    that the code of the function calls still read gin, so make them parameters.

    Args:
        function: a gin configurable, or any other callable, returned as it is.
        num_arguments: number of arguments that the caller will give by position; gin
            does not bind these.
        **nested: `num_arguments` of the parameters that are functions, by their names.

    Raises:
        RuntimeError: if a required parameter is not bound, as gin raises it.
    """
    # Private functions of gin (whose version is pinned): it has no public way to look
    # up the parameters of a call without making it.
    info = gin.config._inverse_lookup(function, allow_decorators=True)
    if info is None:
        return function
    look_up = gin.config._make_gin_wrapper(
        lambda *_, **parameters: parameters,
        info.wrapped,
        info.name,
        info.selector,
        info.allowlist,
        info.denylist,
    )
    with gin.config_scope(_scopes(function)):
        parameters: dict[str, Any] = look_up(*[None] * num_arguments)
    for name, value in parameters.items():
        if callable(value):
            parameters[name] = resolved(value, nested.get(name, 0))
    return functools.partial(info.wrapped, **parameters)


def _scopes(function):
    """Scopes of a reference such as @train/my_loss, else the current scopes."""
    if inspect.isfunction(function):
        own = inspect.getclosurevars(function).nonlocals.get("scope_components")
        if own:
            return own
    return gin.current_scope()
