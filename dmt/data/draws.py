"""Many draws of random integers in one call, for metrics that need millions of them."""

import numba
import numpy as np


def randints(random_state, calls, repeats):
    """Makes a sequence of calls of `random_state.randint` in one call.

    The numbers and the final state of the generator are the same as after

          [
              [random_state.randint(high, size=size) for high, size in calls]
              for _ in range(repeats)
          ]

    `RandomState.randint(high)` takes 32 random bits, keeps the lowest ones that
    `high - 1` needs, and tries again until the number is below `high`. It takes no bits
    if `high` is 1. NumPy guarantees that this never changes.

    Args:
        random_state: numpy RandomState.
        calls: list of (high, size), with 1 <= high <= 2**32.
        repeats: how often the sequence is repeated.

    Returns:
        int64 array of shape (repeats, sum of the sizes).
    """
    sizes = [size for _, size in calls]
    is_drawn = np.repeat([high > 1 for high, _ in calls], sizes).astype(bool)
    drawn = np.empty((repeats, int(is_drawn.sum())), dtype=np.int64)
    calls = [(high - 1, size) for high, size in calls if high > 1 and size > 0]
    largest = np.array([number for number, _ in calls], dtype=np.uint32)
    masks = np.array([2 ** int(n).bit_length() - 1 for n in largest], dtype=np.uint32)
    ends = np.cumsum([size for _, size in calls], dtype=np.int64)
    made = 0
    while made < drawn.size:
        # Each number needs at least one word, so no word is left over.
        words = random_state.randint(1 << 32, size=drawn.size - made, dtype=np.uint32)
        made = _accept(words, largest, masks, ends, drawn.ravel(), made)
    if is_drawn.all():
        return drawn
    numbers = np.zeros((repeats, len(is_drawn)), dtype=np.int64)
    numbers[:, is_drawn] = drawn
    return numbers


@numba.njit(cache=True)
def _accept(words, largest, masks, ends, numbers, made):
    """Continues after `made` accepted numbers, uses all words, returns new `made`."""
    start = made // ends[-1] * ends[-1]
    call = np.searchsorted(ends, made - start, "right")
    position = 0
    while position < len(words):
        stop, most, mask = start + ends[call], largest[call], masks[call]
        while made < stop and position < len(words):
            number = words[position] & mask
            position += 1
            # Rejected numbers are overwritten, which is faster than a branch.
            numbers[made] = number
            made += number <= most
        call += 1
        if call == len(ends):
            start, call = start + ends[-1], 0
    return made
