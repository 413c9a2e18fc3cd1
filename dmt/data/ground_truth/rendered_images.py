"""Pictures that are drawn when they are first asked for."""

import numpy as np

from dmt.utils import machine

_BATCH = 4096


class RenderedImages:
    """An array of pictures, each drawn once.

    Threads may draw the same picture at the same time: both write the same bytes, and
    a picture is marked as drawn only after it was written. Pictures that would take
    more than 40 % of the available memory are not kept but drawn each time.
    """

    def __init__(self, draw, shape):
        """Keeps nothing yet.

        Args:
          draw: function of numbers (n,) that returns uint8 pictures (n, ...), the same
            bytes at every call.
          shape: shape of the array, number of pictures first.
        """
        self._draw = draw
        self._drawn = None
        if np.prod(shape) < 0.4 * machine.available_memory():
            # The operating system hands out memory for zeros when they are written.
            self._images = np.zeros(shape, dtype=np.uint8)
            self._drawn = np.zeros(shape[0], dtype=bool)

    def __getitem__(self, indices):
        if self._drawn is None:
            return self._draw(indices)
        missing = np.unique(indices[~self._drawn[indices]])
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            self._images[batch] = self._draw(batch)
            self._drawn[batch] = True
        return self._images[indices]
