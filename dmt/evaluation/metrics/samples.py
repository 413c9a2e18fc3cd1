"""Samples of factors and codes: arrays that are checked, or draws from a dataset.

Rows are samples everywhere: factors have shape (n, num_factors), codes (n, num_codes).
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import gin
import numpy as np
from numpy.typing import ArrayLike

from dmt.data.ground_truth.ground_truth_data import GroundTruthData
from dmt.evaluation.metrics import registry
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.utils import checks, machine, stages

# Size at which a chunk of observations is encoded. Joining the batches of a chunk
# holds them twice, so sampling needs about twice this much memory.
CHUNK_BYTES = 128 * 2**20

Table = tuple[np.ndarray, np.ndarray]


def check_samples(
    factors: ArrayLike, codes: ArrayLike, continuous_factors: bool = False
) -> Table:
    """Returns factors and codes as arrays that hold the same n samples.

    Args:
        factors: array-like of shape (n, num_factors).
        codes: array-like of shape (n, num_codes).
        continuous_factors: whether factors may be continuous.

    Raises:
        ValueError: if either is not two-dimensional, the lengths differ or are 0, a
            code or a factor is not finite, or a factor that must be discrete has
            fractional values and more different values than half the samples.
    """
    factors, codes = np.asarray(factors), as_codes(codes)
    if factors.ndim != 2 or codes.ndim != 2 or not 0 < len(factors) == len(codes):
        raise ValueError(
            "Give factors (n, num_factors) and codes (n, num_codes) of the same n "
            f"samples. Received: factors.shape={factors.shape}, "
            f"codes.shape={codes.shape}"
        )
    for name, array in (("factors", factors), ("codes", codes)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(
                f"Give finite {name}. Received: {name} with "
                f"{np.sum(~np.isfinite(array))} values that are not"
            )
    if factors.dtype.kind == "f" and not continuous_factors:
        for index, column in enumerate(factors.T):
            num_values = len(np.unique(column))
            if num_values > len(column) / 2 and np.any(column % 1):
                raise ValueError(
                    "Give factors with discrete values: put continuous ones in bins "
                    "(histogram_discretize), or set continuous_factors where a metric "
                    f"has it. Received: factors[:, {index}] with {num_values} values "
                    f"in {len(column)} samples"
                )
    return factors, codes


def as_codes(codes: ArrayLike) -> np.ndarray:
    """Codes as an array of float64, or of float32 if they are float32.

    Differences of small integer types would wrap around, and float16 would overflow.
    """
    codes = np.asarray(codes)
    return codes if codes.dtype == np.float32 else codes.astype(np.float64, copy=False)


def train_and_test(
    factors: ArrayLike,
    codes: ArrayLike,
    factors_test: ArrayLike | None = None,
    codes_test: ArrayLike | None = None,
    continuous_factors: bool = False,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns training and test samples as arrays.

    Args:
        factors: array-like of shape (n, num_factors).
        codes: array-like of shape (n, num_codes).
        factors_test: array-like of shape (n_test, num_factors).
        codes_test: array-like of shape (n_test, num_codes). If both are None, n // 3 of
            the samples are test samples, chosen at random.
        continuous_factors: see `check_samples`.
        seed: integer seed of the choice of test samples.

    Returns:
        Factors and codes of the training samples, then those of the test samples.

    Raises:
        ValueError: see `check_samples`; or if training and test samples do not have the
            same number of factors and of codes, or there are no test samples.
    """
    factors, codes = check_samples(factors, codes, continuous_factors)
    if factors_test is None and codes_test is None:
        if len(factors) < 3:
            raise ValueError(
                f"Holding out a third needs 3 samples. Received: {len(factors)}"
            )
        order = np.random.RandomState(seed).permutation(len(factors))
        test, train = np.split(order, [len(factors) // 3])
        return factors[train], codes[train], factors[test], codes[test]
    # Whether values are discrete is checked in the training samples only.
    factors_test, codes_test = check_samples(
        np.asarray(factors_test), np.asarray(codes_test), True
    )
    if (
        factors.shape[1] != factors_test.shape[1]
        or codes.shape[1] != codes_test.shape[1]
    ):
        raise ValueError(
            "Give training and test samples of the same factors and codes. Received: "
            f"factors.shape={factors.shape}, codes.shape={codes.shape}, "
            f"factors_test.shape={factors_test.shape}, "
            f"codes_test.shape={codes_test.shape}"
        )
    return factors, codes, factors_test, codes_test


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

    def sample(self, num_points: int, batch_size: int) -> Table:
        """Samples factors and the codes of their observations.

        Args:
            num_points: number of samples n, at least 1.
            batch_size: samples per draw, at least 1. It affects which samples are
                drawn, because the factors and the observations of each batch are drawn
                in turn. The encoder may use larger batches.

        Returns:
            Factors (n, num_factors) and codes (n, num_codes).
        """
        checks.integer("num_points", num_points, low=1)
        checks.integer("batch_size", batch_size, low=1)
        if self._has_drawn_rows():
            return self.samples([num_points], batch_size)[0]
        self._check_memory(num_points)
        factors = []

        def draw_batches():
            for start in range(0, num_points, batch_size):
                batch_factors, observations = self.data.sample(
                    min(batch_size, num_points - start), self.random_state
                )
                factors.append(batch_factors)
                yield observations

        codes = self.encode(draw_batches())
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

    def _check_memory(self, num_points):
        """Raises an error if so many factors alone do not fit in memory."""
        num_bytes, available = 8 * num_points, machine.available_memory()
        if 0 < available < num_bytes:
            raise ValueError(
                f"So many samples take more than {num_bytes / 1e9:,.0f} GB, and "
                f"{available / 1e9:,.1f} GB of memory are available. "
                f"Received: num_points={num_points}"
            )

    def _has_drawn_rows(self):
        return getattr(self.data, "has_drawn_rows", False)

    def _sample_at(self, rows, batch_size):
        starts = range(0, len(rows), batch_size)
        codes = self.encode(
            self.data.observations_at(rows[start : start + batch_size])
            for start in starts
        )
        return self.data.factors_at(rows), codes

    def codes(self, num_points: int) -> np.ndarray:
        """Codes (num_points, num_codes) of random observations, drawn at once."""
        observations = self.data.sample_observations(num_points, self.random_state)
        return encode_all(observations, self.representation)

    def encode(self, batches: Iterable[np.ndarray]) -> np.ndarray:
        """Codes (n, num_codes) of small batches of observations, in large chunks."""
        return np.concatenate(
            [np.asarray(self.representation(chunk)) for chunk in chunks(batches)]
        )


def chunks(batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Joins small batches (batch, ...) to chunks of about `CHUNK_BYTES`, in order.

    Metrics draw few observations at a time, because the order of the draws is part of
    their definition; encoders are fast on many observations.
    """
    pending, pending_bytes = [], 0
    for batch in batches:
        batch = np.asarray(batch)
        pending.append(batch)
        pending_bytes += batch.nbytes
        if pending_bytes >= CHUNK_BYTES:
            yield np.concatenate(pending)
            pending, pending_bytes = [], 0
    if pending:
        yield np.concatenate(pending)


def encode_all(observations: ArrayLike, representation: Callable) -> np.ndarray:
    """Codes (n, num_codes) of observations (n, ...) that are in memory."""
    observations = np.asarray(observations)
    size = max(1, CHUNK_BYTES // observations[0].nbytes)
    return np.concatenate(
        [
            np.asarray(representation(observations[start : start + size]))
            for start in range(0, len(observations), size)
        ]
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

    def decorate(function):
        @functools.wraps(function)
        def compute(sampler, **settings):
            _check_factors(gin_name, sampler.data, settings)
            return function(sampler, **settings)

        return _configurable(
            gin_name, [*names, "artifact_dir"], lambda *four: (Sampler(*four),)
        )(compute)

    return decorate


def _check_factors(gin_name, data, settings):
    """Checks that a metric can use the factors of a dataset, and sets their kinds."""
    entries = [e for e in registry.METRICS.values() if e.gin_name == gin_name]
    if entries and "factors" not in inspect.signature(entries[0].function).parameters:
        return
    kinds = getattr(data, "continuous_factors", None)
    if kinds is None:
        return
    if "continuous_factors" not in settings:
        data.check_factors(gin_name)
    else:
        data.check_factors(gin_name, discrete=False)
        if any(kinds):
            settings["continuous_factors"] = all(kinds) or kinds


def on_samples_of(name: str, function: Callable, **defaults: Any) -> Callable:
    """The gin configurable of a registered metric, made from its function of arrays.

    Its settings are `num_train`, `num_test` if the function takes test samples,
    `batch_size` and the keyword-only arguments of the function. Scores get confidence
    intervals if gin asks for them and the metric may be resampled.

    Args:
        name: name of the result.
        function: the registered function.
        **defaults: defaults of settings that replace those of the function.
    """
    entry = registry.METRICS[function.__name__]
    parameters = inspect.signature(function).parameters
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
        score = functools.partial(function, **arguments)
        if entry.resampling:
            return bootstrap(score, tables)
        return score(*(array for table in tables for array in table))

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
    place of the two arrays; gin cannot bind these three. `batch_size` is accepted for
    disentanglement_lib's gin files: codes do not depend on it.
    """
    return _configurable(
        gin_name,
        ["observations", "labels", "representation_function"],
        lambda observations, labels, representation: (
            np.transpose(labels),
            encode_all(observations, representation),
        ),
    )


def _parameter(name, default=inspect.Parameter.empty):
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=default)


def _configurable(gin_name, names, prepare):
    """Decorator that replaces those parameters of a function that have no default.

    The new parameters are `names`, of which `artifact_dir` is None by default.
    `prepare` maps their values to the values of the old parameters.
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
            return function(*prepare(*values), **bound.arguments)

        # Gin asks the innermost function for its parameters.
        del compute.__wrapped__
        compute.__signature__ = signature
        compute.gin_name = gin_name
        return stages.configurable(gin_name, "evaluation", denylist=names)(compute)

    return decorate
