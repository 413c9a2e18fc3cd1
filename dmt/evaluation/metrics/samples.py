"""Samples of factors and codes that are drawn from a dataset.

Rows are samples everywhere: factors have shape (n, num_factors), codes (n, num_codes).
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gin
import numpy as np

from dmt.data.ground_truth.ground_truth_data import GroundTruthData
from dmt.evaluation.metrics import encoding, registry, scoring
from dmt.evaluation.metrics.inputs import Table
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.utils import checks, machine, stages


@dataclasses.dataclass
class Sampler:
    """Draws samples from a dataset and encodes them.

    Attributes:
        data: `GroundTruthData` to sample from.
        representation: function from observations (n, ...) to codes (n, num_codes).
        random_state: numpy RandomState, source of all draws.
        artifact_dir: folder for pictures, None for no pictures.
    """

    data: GroundTruthData
    representation: Callable
    random_state: np.random.RandomState
    artifact_dir: str | None = None
    _drawn: Sequence[int] | np.ndarray = dataclasses.field(default=(), init=False)

    def sample(self, num_points: int, batch_size: int) -> Table:
        """Samples factors and the codes of their observations.

        If the dataset is a list of images, no image is in two samples, as long as there
        are images left.

        Args:
            num_points: number of samples n, at least 1.
            batch_size: samples per draw, at least 1. It affects which samples are
                drawn, because the factors and the observations of each batch are drawn
                in turn. It is also the number of observations that the representation
                gets at once, unless it takes any number of them.

        Returns:
            Factors (n, num_factors) and codes (n, num_codes).

        Raises:
            ValueError: if the representation does not return a row of finite codes for
                each observation.
        """
        checks.integer("num_points", num_points, low=1)
        checks.integer("batch_size", batch_size, low=1)
        if self._has_drawn_rows():
            (rows,) = self.data.disjoint_rows(
                [num_points], self.random_state, self._drawn
            )
            self._drawn = [*self._drawn, *rows]
            return self._sample_at(rows, batch_size)
        machine.check_memory(8 * num_points, f"num_points={num_points}")
        factors = []

        def draw_batches():
            for start in range(0, num_points, batch_size):
                batch_factors, observations = self.data.sample(
                    min(batch_size, num_points - start), self.random_state
                )
                factors.append(batch_factors)
                yield observations

        codes = self.encode(draw_batches(), batch_size)
        return np.concatenate(factors), codes

    def train_and_test(
        self, num_train: int, num_test: int, batch_size: int
    ) -> list[Table]:
        """Samples training samples, then test samples; see `samples`."""
        return self.samples([num_train, num_test], batch_size)

    def samples(self, sizes: Sequence[int], batch_size: int) -> list[Table]:
        """Samples of several sizes; see `sample`.

        If the dataset is a list of images, no image is in two samples.
        """
        for size in sizes:
            checks.integer("num_points", size, low=1)
        if not self._has_drawn_rows():
            return [self.sample(size, batch_size) for size in sizes]
        rows = self.data.disjoint_rows(sizes, self.random_state)
        return [self._sample_at(part, batch_size) for part in rows]

    def _has_drawn_rows(self):
        return getattr(self.data, "has_drawn_rows", False)

    def _sample_at(self, rows, batch_size):
        starts = range(0, len(rows), batch_size)
        codes = self.encode(
            (
                self.data.observations_at(rows[start : start + batch_size])
                for start in starts
            ),
            batch_size,
        )
        return self.data.factors_at(rows), codes

    def codes(self, num_points: int, batch_size: int) -> np.ndarray:
        """Codes (num_points, num_codes) of random observations, drawn at once."""
        observations = self.data.sample_observations(num_points, self.random_state)
        return encoding.encode_all(observations, self.representation, batch_size)

    def encode(self, batches: Iterable[np.ndarray], batch_size: int) -> np.ndarray:
        """Codes (n, num_codes) of observations that are drawn in batches.

        A representation that takes any number of observations gets large chunks of
        them, any other at most `batch_size`.
        """
        if encoding.takes_any_number(self.representation):
            parts = encoding.chunks(batches)
        else:
            parts = (
                part for batch in batches for part in encoding.parts(batch, batch_size)
            )
        return encoding.joined(
            encoding.call_representation(self.representation, part, batch_size)[0]
            for part in parts
        )


def split(
    factors: np.ndarray, codes: np.ndarray, train_percentage: float
) -> list[Table]:
    """Splits labelled samples; the first ceil(train_percentage * n) are for training.

    Args:
        factors: array of shape (n, num_factors).
        codes: array of shape (n, num_codes).
        train_percentage: fraction of training samples, in (0, 1).

    Raises:
        ValueError: if no samples are left to train or to test.
    """
    num_train = int(np.ceil(len(codes) * train_percentage))
    if not 0 < num_train < len(codes):
        raise ValueError(
            "Leave samples both to train and to test. Received: "
            f"train_percentage={train_percentage} of {len(codes)} samples"
        )
    return [
        (factors[:num_train], codes[:num_train]),
        (factors[num_train:], codes[num_train:]),
    ]


def on_samples(gin_name: str) -> Callable[[Callable], Callable]:
    """Decorator that makes the gin configurable of a metric, as `evaluate` calls it.

    The decorated function takes a `Sampler` and the settings that gin can bind. The
    configurable takes, as in disentanglement_lib, `ground_truth_data,
    representation_function, random_state, artifact_dir=None` in place of the sampler;
    gin cannot bind these four. Of the settings, `num_train` and `num_test` are numbers
    of samples, and `batch_size` is the number of samples per draw (`Sampler.sample`).
    If the dataset has continuous factors, the setting `continuous_factors` says so, and
    a metric without this setting is refused.
    """
    names = ["ground_truth_data", "representation_function", "random_state"]
    make = _configurable(
        gin_name, [*names, "artifact_dir"], lambda *four: (Sampler(*four),)
    )
    return lambda function: make(
        _without_constant_factors(_with_known_factors(function, gin_name), gin_name)
    )


def _with_known_factors(function, gin_name):
    """A function of a `Sampler` that checks and sets the kinds of the factors."""
    needs_factors = all(
        "factors" in entry.parameters
        for entry in registry.METRICS.values()
        if entry.gin_name == gin_name
    )

    @functools.wraps(function)
    def score(sampler, **settings):
        kinds = getattr(sampler.data, "continuous_factors", None)
        # Data of a user need not be `GroundTruthData`.
        check = getattr(sampler.data, "check_factors", None)
        if needs_factors and check is not None:
            check(gin_name, discrete="continuous_factors" not in settings)
            if any(kinds):
                settings["continuous_factors"] = all(kinds) or kinds
        return function(sampler, **settings)

    return score


class _FactorsThatVary:
    """A dataset without some factors, which always have the same values."""

    def __init__(self, data, kept, values):
        self._data, self._kept, self._values = data, kept, values
        self.factors_num_values = [data.factors_num_values[index] for index in kept]
        self.num_factors = len(kept)

    def __getattr__(self, name):
        return getattr(self._data, name)

    @property
    def factor_names(self):
        return [self._data.factor_names[index] for index in self._kept]

    @property
    def continuous_factors(self):
        kinds = getattr(self._data, "continuous_factors", [False] * len(self._values))
        return [kinds[index] for index in self._kept]

    def factors_at(self, indices):
        return self._data.factors_at(indices).take(self._kept, axis=1)

    def sample_factors(self, num, random_state):
        factors = self._data.sample_factors(num, random_state)
        return factors.take(self._kept, axis=1)

    def sample_observations_from_factors(self, factors, random_state):
        full = np.tile(self._values, (len(factors), 1))
        full[:, self._kept] = factors
        return self._data.sample_observations_from_factors(full, random_state)

    def sample(self, num, random_state):
        factors, observations = self._data.sample(num, random_state)
        return factors.take(self._kept, axis=1), observations


def _without_constant_factors(function, gin_name):
    """A function of a `Sampler` that leaves out factors with one value in the dataset.

    The draws are those from a dataset that does not have these factors.
    """
    layouts = [
        entry.layout
        for entry in registry.METRICS.values()
        if entry.gin_name == gin_name and "factors" in entry.parameters
    ]

    @functools.wraps(function)
    def score(sampler, **settings):
        sizes = list(getattr(sampler.data, "factors_num_values", []))
        if not layouts or 1 not in sizes:
            return function(sampler, **settings)
        # The declared numbers of values may be wrong, as in `IdentityObservationsData`.
        values = sampler.data.sample_factors(1000, np.random.RandomState(0))
        varies = np.any(values != values[0], axis=0)
        kept = [k for k, size in enumerate(sizes) if size > 1 or varies[k]]
        if len(kept) == len(sizes):
            return function(sampler, **settings)
        if not kept:
            raise ValueError(
                f"Give a dataset in which a factor varies. Received: {sizes} values"
            )
        scoring.warn_of_constants(kept, len(sizes), layouts[0])
        data = _FactorsThatVary(sampler.data, kept, values[0])
        results = function(dataclasses.replace(sampler, data=data), **settings)
        return scoring.restored(results, kept, len(sizes), layouts[0])

    return score


def on_samples_of(name: str, function: Callable, **defaults: Any) -> Callable:
    """The gin configurable of a registered metric, made from its function of arrays.

    Its settings are `num_train`, `num_test` if the function takes test samples,
    `batch_size` and the keyword-only arguments of the function. Scores get confidence
    intervals if gin asks for them.

    Args:
        name: name of the result.
        function: the registered function.
        **defaults: defaults of settings that replace those of the function.
    """
    entry = registry.METRICS[function.__name__]
    parameters = entry.parameters
    sizes = ["num_train", "num_test"][: 1 + ("factors_test" in parameters)]
    settings = {
        **dict.fromkeys(sizes, gin.REQUIRED),
        "batch_size": 16,
        **{p.name: p.default for p in parameters.values() if p.kind == p.KEYWORD_ONLY},
        **defaults,
    }

    def compute(sampler, batch_size, **arguments):
        nums = [arguments.pop(size) for size in sizes]
        tables = sampler.samples(nums, batch_size)
        score = functools.partial(function, **{"seed": None, **arguments})
        return bootstrap(score, tables)

    compute.__name__ = compute.__qualname__ = name
    compute.__module__ = function.__module__
    compute.__doc__ = f"`{function.__name__}` on samples of a dataset."
    compute.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter(name, default) for name, default in settings.items()]
    )
    return on_samples(entry.gin_name)(compute)


def on_labels(gin_name: str) -> Callable[[Callable], Callable]:
    """Decorator that makes the gin configurable of a metric, as `validate` calls it.

    The decorated function takes factors (n, num_factors), codes (n, num_codes) and the
    settings that gin can bind. The configurable takes, as in disentanglement_lib,
    `observations` (n, ...), `labels` (num_factors, n) and `representation_function` in
    place of the two arrays; gin cannot bind these three. Of the settings, `batch_size`
    is the number of observations that are encoded at once (`encoding.encode_all`).
    """
    names = ["observations", "labels", "representation_function"]

    def prepare(observations, labels, representation, batch_size):
        codes = encoding.encode_all(observations, representation, batch_size)
        return np.transpose(labels), codes

    return _configurable(gin_name, names, prepare, ["batch_size"])


def _parameter(name, default=inspect.Parameter.empty):
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=default)


def _configurable(gin_name, names, prepare, shared=()):
    """Decorator that replaces those parameters of a function that have no default.

    The new parameters are `names`, of which `artifact_dir` is None by default.
    `prepare` maps their values, and those of the `shared` settings, to the values of
    the old parameters.
    """
    given = [
        _parameter(name, None) if name == "artifact_dir" else _parameter(name)
        for name in names
    ]

    def decorate(function):
        settings = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is not parameter.empty
        ]
        signature = inspect.Signature([*given, *settings])

        @functools.wraps(function)
        def compute(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            values = [bound.arguments.pop(name) for name in names]
            values += [bound.arguments[name] for name in shared]
            return function(*prepare(*values), **bound.arguments)

        # Gin asks the innermost function for its parameters.
        del compute.__wrapped__
        compute.__signature__ = signature
        compute.gin_name = gin_name
        return stages.configurable(gin_name, "evaluation", denylist=names)(compute)

    return decorate
