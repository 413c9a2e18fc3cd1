"""Calls of representation functions, and checks of the codes that they return."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dmt.evaluation.metrics.inputs import as_codes

# Size at which a chunk of observations is encoded. Joining the batches of a chunk
# holds them twice, so sampling needs about twice this much memory.
CHUNK_BYTES = 128 * 2**20


def any_number(function: Callable) -> Callable:
    """Marks a function of observations that takes any number of them at once."""
    function.takes_any_number = True  # type: ignore[attr-defined]
    return function


def takes_any_number(function: Callable) -> bool:
    """Whether a function of observations takes any number of them at once."""
    return getattr(function, "takes_any_number", False)


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


def encode_all(
    observations: ArrayLike, representation: Callable, batch_size: int
) -> np.ndarray:
    """Codes (n, num_codes) of observations (n, ...) that are in memory.

    Args:
        observations: array-like (n, ...).
        representation: function from observations to codes.
        batch_size: number of observations that it gets at once, unless it takes any
            number of them.

    Raises:
        ValueError: see `Sampler.sample`.
    """
    observations = np.asarray(observations)
    if takes_any_number(representation):
        size = max(1, CHUNK_BYTES // observations[0].nbytes)
    else:
        size = batch_size
    return joined(
        call_representation(representation, part, batch_size)[0]
        for part in parts(observations, size)
    )


def call_representation(
    function: Callable,
    observations: np.ndarray,
    batch_size: int,
    unpack: Callable[[Any], tuple[Any, Any]] = lambda result: (result, None),
) -> tuple[np.ndarray, Any]:
    """Calls a representation function and checks what it returns.

    A function may have been exported for batches of one size. If it does not encode
    fewer observations, it gets some of them twice, and their codes are left out.

    Args:
        function: function from observations to codes, perhaps with more results.
        observations: array (n, ...); n is at most `batch_size` unless the function
            takes any number.
        batch_size: number of observations of a whole batch.
        unpack: function from what is returned to the codes and the other results.

    Returns:
        Codes (n, num_codes) and the other results.

    Raises:
        ValueError: if the codes are not finite numbers, one row per observation.
    """
    num = len(observations)
    try:
        codes, others = unpack(function(observations))
        return _checked_codes(codes, num), others
    except Exception:
        if takes_any_number(function) or num >= batch_size:
            raise
    whole = observations[np.arange(batch_size) % num]
    codes, others = unpack(function(whole))
    return _checked_codes(codes, batch_size)[:num], others


def _checked_codes(returned, num_observations):
    wanted = (
        "A representation function must return a row of finite numbers for each "
        "observation. batch_size says how many observations it gets at once."
    )
    try:
        codes = as_codes(returned)
    except ValueError as error:
        raise ValueError(f"{wanted} {error}") from error
    if len(codes) != num_observations:
        raise ValueError(
            f"{wanted} Received: codes.shape={codes.shape} for {num_observations} "
            "observations"
        )
    return codes


def parts(observations: ArrayLike, size: int) -> Iterator[np.ndarray]:
    """Yields observations (n, ...) in parts of `size`, the last may be smaller."""
    observations = np.asarray(observations)
    for start in range(0, len(observations), size):
        yield observations[start : start + size]


def joined(codes: Iterable[np.ndarray]) -> np.ndarray:
    """Joins codes (n, num_codes) of several calls of a representation function.

    Raises:
        ValueError: if the calls returned different numbers of codes.
    """
    tables = list(codes)
    widths = sorted({table.shape[1] for table in tables})
    if len(widths) > 1:
        raise ValueError(
            "A representation function must return the same number of codes for all "
            f"observations. Received: {' and '.join(map(str, widths))} codes"
        )
    return np.concatenate(tables)
