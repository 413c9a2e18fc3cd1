"""Images that are rendered when they are first needed."""

import numpy as np

from dmt.utils import machine

_BATCH = 4096


class RenderedImages:
    """An array of images, each of which is rendered once.

    Several threads may render the same image at the same time, because they write the
    same bytes. An image is marked as rendered only after it was written. If all images
    would take more than 40 % of the available memory, none is kept.
    """

    def __init__(self, draw, shape):
        """Reserves memory for the images.

        Args:
            draw: function of indices (n,) that returns uint8 images (n, ...), the
                same bytes at every call.
            shape: shape of the array, beginning with the number of images.
        """
        self._draw = draw
        self._drawn = None
        if np.prod(shape) < 0.4 * machine.available_memory():
            # Zeros take no memory until they are written.
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
