"""What all metrics share around their formulas.

Tables of any program become arrays. Factors with one value in the sample are left out,
because they have no entropy and nothing to predict. Draws repeat themselves. A warning
says what the score of a few samples is worth.
"""

import contextlib
import contextvars
import dataclasses
import functools
import inspect
import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dmt.evaluation.metrics import inputs
from dmt.utils import checks

logger = logging.getLogger(__name__)

# With fewer samples, many scores of unrelated codes are far from those of many samples.
FEW_SAMPLES = 100

_is_quiet = contextvars.ContextVar("is_quiet", default=False)


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the results of a metric speak of factors.

    Attributes:
        metric: name of the metric.
        scores: keys of the scores that tables show.
        axes: for results with an entry for each factor, the axes of the factors. Keys
            that end with "_per_factor" have axis 0. Of a key, only the part after the
            last dot or colon counts.
        indices: keys of results that are lists of indices of factors, -1 for none.
        keys: regular expression that matches the indices of factors in keys.
    """

    metric: str
    scores: tuple[str, ...] = ()
    axes: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    indices: tuple[str, ...] = ()
    keys: str = "(?!)"


def of_tables(function: Callable, layout: Layout) -> Callable[..., dict[str, Any]]:
    """The metric that users call, made from a function of arrays.

    Args:
        function: takes arrays `factors, codes` and perhaps `factors_test, codes_test`,
            as `inputs.check_samples` and `inputs.train_and_test` return them; or only
            `codes`. If it takes `continuous_factors`, it gets a bool array
            (num_factors,). If it takes `seed`, it gets an integer.
        layout: see `Layout`.

    Returns:
        Function of tables of any type. All take `factors, codes, *,
        continuous_factors=False, seed=0`. A seed of None draws from NumPy's global
        generator, as disentanglement_lib does. With an integer, the global generator,
        with which scikit-learn breaks ties, has this seed during the call, and is left
        as it was.
    """
    own = inspect.signature(function).parameters
    signature = _signature(own)
    without_constants = leaving_out_constants(layout)(function)

    @functools.wraps(function)
    def score(*args, **kwargs):
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{layout.metric}(): {error}") from None
        if "factors" not in own and "codes" not in bound.arguments:
            # The only table of such a metric.
            bound.arguments["codes"] = bound.arguments.pop("factors", None)
        bound.apply_defaults()
        arguments = bound.arguments
        seed = arguments.pop("seed")
        kinds = arguments.pop("continuous_factors")
        if seed is not None:
            checks.seed("seed", seed)
        for name, value in arguments.items():
            checks.count(name, value)
        _replace_tables(arguments, own, kinds, seed or 0, layout.metric)
        if "seed" in own:
            arguments["seed"] = np.random.randint(2**31) if seed is None else seed
        with _global_generator(seed):
            results = without_constants(**arguments)
        if "continuous_factors" in results:
            results["continuous_factors"] = np.asarray(kinds).tolist()
        return results

    score.__signature__ = signature  # type: ignore[attr-defined]
    return score


def leaving_out_constants(layout: Layout) -> Callable[[Callable], Callable]:
    """Decorator of functions of arrays that leaves out factors with one value.

    The decorated function takes arrays of factors (n, num_factors) under names that
    begin with "factors", and arrays of codes or of their bins under names that begin
    with "codes" or "bins". A factor is left out if it has one value in the first array
    of factors. The results then have `constant_factors`, a list of the indices of such
    factors, and nan in place of the results about them. A warning names them. Another
    one says what codes in random order score, if there are fewer than 100 samples.

    Raises:
        ValueError: when the function is called, if no factor varies.
    """

    def decorate(function):
        signature = inspect.signature(function)

        @functools.wraps(function)
        def score(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            arguments = bound.arguments
            factors = [name for name in arguments if name.startswith("factors")]
            kept, size = _varying(arguments[factors[0]]) if factors else ([], 0)
            if len(kept) < size:
                # In the order of memory that sums round as without these factors.
                for name in factors:
                    arguments[name] = arguments[name].take(kept, axis=1)
                kinds = arguments.get("continuous_factors")
                if isinstance(kinds, np.ndarray):
                    arguments["continuous_factors"] = kinds[kept]
            with quietly(), _renumbered_errors(kept):
                results = function(*bound.args, **bound.kwargs)
            warn_of_constants(kept, size, layout)
            _warn_of_few_samples(function, bound, results, layout)
            return restored(results, kept, size, layout)

        return score

    return decorate


def restored(
    results: Mapping[str, Any], kept: list[int], size: int, layout: Layout
) -> dict[str, Any]:
    """Results about some factors as results about all.

    Args:
        results: results of a metric.
        kept: indices of the factors that they are about.
        size: number of all factors.
        layout: see `Layout`.

    Returns:
        The results, with nan for the other factors, and with the indices of all factors
        where they name a factor; `constant_factors` lists the other factors.
    """
    if len(kept) == size:
        return dict(results)
    found = {}
    for key, value in results.items():
        name = re.split("[.:]", key)[-1]
        default = (0,) if name.endswith("_per_factor") else ()
        for axis in sorted(layout.axes.get(name, default), reverse=True):
            value = _spread(value, kept, size, axis)
        if name in layout.indices:
            value = [kept[index] if index >= 0 else index for index in value]
        if key == "confidence_intervals":
            value = {_renamed(k, kept, layout): v for k, v in value.items()}
        found[_renamed(key, kept, layout)] = value
    inner = [kept[index] for index in found.pop("constant_factors", [])]
    return found | {"constant_factors": sorted({*range(size)} - {*kept} | {*inner})}


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Context in which metrics warn of nothing, for example of resampled rows."""
    token = _is_quiet.set(True)
    try:
        yield
    finally:
        _is_quiet.reset(token)


def _signature(own):
    """The parameters of a metric, in one order for all metrics."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    added = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        parameter.replace(default=None)
        if parameter.name.endswith("_test")
        else parameter
        for parameter in own.values()
    ]
    if "factors" not in own:
        parameters[0] = parameters[0].replace(default=None)
        parameters.insert(0, inspect.Parameter("factors", kind, default=None))
    for name, default in (("continuous_factors", False), ("seed", 0)):
        if name not in own:
            parameters.append(inspect.Parameter(name, added, default=default))
    return inspect.Signature(parameters)


def _replace_tables(arguments, own, kinds, seed, metric):
    """Replaces the tables among the arguments of a metric by arrays."""
    if "factors" not in own:
        factors = arguments.pop("factors")
        arguments["codes"] = inputs.as_codes(arguments["codes"])
        if factors is not None:
            factors = inputs.as_table(factors, "factors")
            inputs.check_lengths(factors, arguments["codes"])
        return
    names = [name for name in inputs.TABLES if name in own]
    tables = [arguments[name] for name in names]
    if "continuous_factors" not in own and np.any(kinds):
        raise ValueError(
            f"{metric} needs factors with discrete values. Received: "
            f"continuous_factors={kinds}"
        )
    if "factors_test" in own:
        arrays = inputs.train_and_test(*tables, kinds, seed)
    else:
        arrays = inputs.check_samples(*tables, kinds)
    arguments.update(zip(names, arrays, strict=True))
    if "continuous_factors" in own:
        num_factors = arrays[0].shape[1]
        arguments["continuous_factors"] = inputs.continuous_columns(kinds, num_factors)


@contextlib.contextmanager
def _global_generator(seed):
    """Context in which NumPy's global generator has a seed; None changes nothing."""
    if seed is None:
        yield
        return
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


@contextlib.contextmanager
def _renumbered_errors(kept):
    """Context in which an error about factors[:, i] names the i-th factor kept."""
    try:
        yield
    except ValueError as error:
        place = r"(?<=factors\[:, )\d+(?=\])"
        error.args = (
            re.sub(place, lambda match: str(kept[int(match[0])]), str(error)),
        )
        raise


def _varying(factors):
    """Indices of the factors that vary, and the number of all factors."""
    size = factors.shape[1]
    kept = np.flatnonzero(factors.max(axis=0) > factors.min(axis=0)).tolist()
    if not kept:
        raise ValueError(
            "Give samples in which a factor varies. Received: factors.shape="
            f"{factors.shape}, with one value in each column"
        )
    return kept, size


def warn_of_constants(kept, size, layout):
    """Logs which of `size` factors are not among those kept, if any."""
    left_out = sorted({*range(size)} - {*kept})
    if left_out and not _is_quiet.get():
        logger.warning(
            "%s leaves out factors that have one value in the sample: those with the "
            "indices %s.",
            layout.metric,
            ", ".join(map(str, left_out)),
        )


def _warn_of_few_samples(function, bound, results, layout):
    """Logs what the same codes in random order score, if samples are few."""
    sizes = {
        name.endswith("_test"): len(table)
        for name, table in bound.arguments.items()
        if name.startswith(("codes", "bins"))
    }
    number = sum(sizes.values())
    if number >= FEW_SAMPLES or _is_quiet.get():
        return
    bound.arguments.update(_shuffled(bound.arguments))
    with quietly(), _global_generator(0):
        shuffled = function(*bound.args, **bound.kwargs)
    scores = [
        f"{key}={shuffled[key]:.2f} instead of {results[key]:.2f}"
        for key in layout.scores
        if key in results
    ]
    logger.warning(
        "%s of %d samples is uncertain. In random order, the same codes have %s.",
        layout.metric,
        number,
        ", ".join(scores),
    )


def _shuffled(arguments):
    """Codes and bins in random order; each code by itself if there are no factors."""
    random_state = np.random.RandomState(0)
    has_factors = any(name.startswith("factors") for name in arguments)
    orders = {}
    shuffled = {}
    for name, table in arguments.items():
        if name.startswith(("codes", "bins")):
            is_test = name.endswith("_test")
            if is_test not in orders:
                keys = random_state.uniform(size=table.shape)
                orders[is_test] = np.argsort(keys, axis=0)
            order = orders[is_test]
            rows = np.broadcast_to(order[:, :1], table.shape) if has_factors else order
            shuffled[name] = np.take_along_axis(table, rows, axis=0)
    return shuffled


def _spread(values, kept, size, axis):
    """Nested lists with nan along an axis for the indices that are not kept."""
    if axis:
        return [_spread(row, kept, size, axis - 1) for row in values]
    nothing = math.nan
    if isinstance(values[0], list):
        nothing = [math.nan] * len(values[0])
    spread = [nothing] * size
    for index, value in zip(kept, values, strict=True):
        spread[index] = value
    return spread


def _renamed(key, kept, layout):
    return re.sub(layout.keys, lambda match: str(kept[int(match[0])]), key)
