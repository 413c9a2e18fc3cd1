"""Adam (Kingma and Ba, 2015) in NumPy, for many small problems at once."""

import numpy as np

_MOMENTUM, _SQUARES, _EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Updates an array in place.

    Args:
        learning_rate: step size, above 0.
        values: float array, which `step` changes.
    """

    def __init__(self, learning_rate: float, values: np.ndarray):
        self._rate, self._values = learning_rate, values
        self._mean, self._square = np.zeros_like(values), np.zeros_like(values)
        self._count = 0

    def step(self, gradient: np.ndarray) -> None:
        """Moves the values by one update; the gradient has their shape."""
        self._count += 1
        self._mean += (1 - _MOMENTUM) * (gradient - self._mean)
        self._square += (1 - _SQUARES) * (np.square(gradient) - self._square)
        rate = self._rate * np.sqrt(1 - _SQUARES**self._count)
        rate /= 1 - _MOMENTUM**self._count
        self._values -= rate * self._mean / (np.sqrt(self._square) + _EPSILON)
