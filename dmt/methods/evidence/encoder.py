"""The frozen random network that mixes the evidence before an agent sees it."""

import gin
import keras
from keras import ops

from dmt.utils import checks

_NONLINEARITIES = {"relu": ops.relu, "quadratic": ops.square}


def fan_in_uniform(fan_in):
    """Initialiser U(-a, a) with a = fan_in^-1/2, the default of PyTorch's layers.

    Args:
        fan_in: number of inputs of each unit. It is an argument because biases have
            the range of the kernel that they belong to.
    """
    limit = fan_in**-0.5
    return keras.initializers.RandomUniform(-limit, limit)


@gin.register("random_encoder")
@keras.saving.register_keras_serializable("dmt")
class RandomEncoder(keras.layers.Layer):
    """A fully connected network with random weights, which is never trained.

    All layers but the last are followed by the nonlinearity. Kernels and biases are
    drawn from U(-a, a) with a = fan_in^-1/2. With ReLUs and more features than inputs,
    the network is injective in practice, but nothing enforces it.

    Source: Vafidis, Bhargava and Rangel, "Disentangling Representations through
    Multi-task Learning" (ICLR 2025).

    Args:
        sizes: units of the layers, the number of features last.
        nonlinearity: "relu" or "quadratic", x^2.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, sizes=(100, 100, 40), nonlinearity="relu", **kwargs):
        super().__init__(**kwargs)
        if not isinstance(sizes, (list, tuple)) or not sizes:
            raise ValueError(
                "random_encoder.sizes must be a list of at least one number of units. "
                f"Received: sizes={sizes!r}"
            )
        for size in sizes:
            checks.integer("random_encoder.sizes", size, low=1)
        checks.one_of("random_encoder.nonlinearity", nonlinearity, _NONLINEARITIES)
        self.sizes = tuple(sizes)
        self.nonlinearity = nonlinearity

    def build(self, input_shape):
        """Draws kernels (inputs, units) and biases (units,)."""
        self._layers_of_weights = []
        fan_in = input_shape[-1]
        for i, units in enumerate(self.sizes, start=1):
            kernel, bias = (
                self.add_weight(
                    name=f"{name}_{i}",
                    shape=shape,
                    initializer=fan_in_uniform(fan_in),
                    trainable=False,
                )
                for name, shape in (("kernel", (fan_in, units)), ("bias", (units,)))
            )
            self._layers_of_weights.append((kernel, bias))
            fan_in = units

    def call(self, inputs):
        """Features (..., sizes[-1]) of inputs (..., dimensions)."""
        nonlinearity = _NONLINEARITIES[self.nonlinearity]
        x = inputs
        for i, (kernel, bias) in enumerate(self._layers_of_weights):
            x = ops.matmul(nonlinearity(x) if i else x, kernel) + bias
        return x

    def compute_output_shape(self, input_shape):
        """(..., sizes[-1])."""
        return (*input_shape[:-1], self.sizes[-1])

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "sizes": list(self.sizes),
            "nonlinearity": self.nonlinearity,
        }
