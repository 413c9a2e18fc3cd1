"""Layers and tensor functions that every model shares."""

import contextlib
import contextvars

import keras
from keras import ops

from dmt.methods.shared import convolutions
from dmt.utils.processor import on_cpu


def as_images(images):
    """Images as the networks take them: uint8 pixels are scaled to [0, 1]."""
    dtype = keras.backend.standardize_dtype(images.dtype)
    images = ops.cast(images, "float32")
    return images / 255 if dtype == "uint8" else images


def sample_gaussian(mean, logvar, seed):
    """Draws codes by the reparametrisation trick (Kingma and Welling, 2014).

    Args:
        mean: (batch, num_latent).
        logvar: (batch, num_latent), natural logarithm of the variances.
        seed: `keras.random.SeedGenerator` or integer.
    """
    noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=seed)
    return mean + ops.exp(logvar / 2) * noise


@keras.saving.register_keras_serializable("dmt")
class Sampling(keras.layers.Layer):
    """`sample_gaussian` with its own noise generator.

    Args:
        seed: integer; the same seed gives the same sequence of draws.
    """

    def __init__(self, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.noise = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, mean, logvar):
        """Codes (batch, num_latent) of means and log-variances of that shape."""
        return sample_gaussian(mean, logvar, self.noise)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "seed": self.seed}


CONVOLUTIONS = ("native", "products")
_convolutions = contextvars.ContextVar("convolutions", default="native")


@contextlib.contextmanager
def convolutions_as(form):
    """Chooses how convolutions are computed inside the context.

    Args:
        form: "native", by the backend's own operation; or "products", as products of
            matrices, which are as fast if each member of a population has its own
            kernel. Results agree up to rounding.
    """
    token = _convolutions.set(form)
    try:
        yield
    finally:
        _convolutions.reset(token)


def population_convolutions():
    """The faster form of a population's convolutions on this backend and device.

    A native convolution becomes a grouped one on JAX and a loop over members on
    TensorFlow. Only the latter, on a CPU, is faster than the products.
    """
    backend = keras.backend.backend()
    return "native" if backend == "tensorflow" and on_cpu() else "products"


def has_convolutions(model):
    """Whether there are convolutions among the layers of a `keras.Model`."""
    layers = model._flatten_layers(include_self=False)
    return any("Conv" in type(layer).__name__ for layer in layers)


@keras.saving.register_keras_serializable("dmt")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, which can be a product of matrices; see `convolutions_as`.

    This is possible for kernels 2x2 and 4x4, stride 2 and even images, or kernels 1x1.
    """

    def call(self, inputs):
        """Convolves (batch, h, w, channels)."""
        _, height, width, channels = inputs.shape
        kind = (self.kernel_size, self.strides)
        halves = kind == ((2, 2), (2, 2)) or (
            kind == ((4, 4), (2, 2)) and self.padding == "same"
        )
        plain = (
            self.data_format == "channels_last"
            and self.groups == 1
            and self.dilation_rate == (1, 1)
        )
        halves = halves and plain and height % 2 == width % 2 == 0
        if _convolutions.get() == "native":
            on_jax_cpu = keras.backend.backend() == "jax" and on_cpu()
            if not (halves and self.kernel_size == (4, 4) and on_jax_cpu):
                return super().call(inputs)
            y = convolutions.halved(inputs, ops.convert_to_tensor(self.kernel))
            if self.use_bias:
                y = y + self.bias
            return self.activation(y)
        if not (halves or (plain and kind == ((1, 1), (1, 1)))):
            return super().call(inputs)
        size, stride = self.kernel_size[0], self.strides[0]
        if size == 4:
            inputs = ops.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]])
            height, width = height + 2, width + 2
        blocks = (height // stride, width // stride)
        x = ops.reshape(inputs, (-1, blocks[0], stride, blocks[1], stride, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        x = ops.reshape(x, (-1, *blocks, stride * stride * channels))
        num = size // stride
        x = convolutions.neighbourhoods(x, num, num)
        # Rows of the kernel are blocks of the image, then rows of a block.
        split = (num, stride, num, stride, channels, self.filters)
        kernel = ops.transpose(ops.reshape(self.kernel, split), (0, 2, 1, 3, 4, 5))
        kernel = ops.reshape(kernel, (size * size * channels, self.filters))
        y = ops.matmul(x, kernel)
        if self.use_bias:
            y = y + self.bias
        return self.activation(y)


@keras.saving.register_keras_serializable("dmt")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` in the form that is fast on the device.

    Kernels 4x4 with stride 2, and stride 1 without padding, can be products of
    matrices; see `convolutions_as`. On a processor, the former have gradients of their
    own, see `convolutions.upsampled`, and the latter are always products on JAX.
    """

    def call(self, inputs):
        """Upsamples (batch, h, w, channels)."""
        kind = (self.kernel_size, self.strides)
        plain = self.data_format == "channels_last" and self.dilation_rate == (1, 1)
        doubles = plain and kind == ((4, 4), (2, 2)) and self.output_padding is None
        full = plain and self.strides == (1, 1) and self.padding == "valid"
        as_products = _convolutions.get() == "products"
        is_slow = keras.backend.backend() == "jax" and on_cpu()
        kernel = ops.convert_to_tensor(self.kernel)
        if doubles and self.padding == "same" and not as_products and on_cpu():
            y = convolutions.upsampled(inputs, kernel)
        elif doubles and (as_products or is_slow):
            y = convolutions.as_product(inputs, kernel, self.padding)
        elif full and (as_products or is_slow):
            y = self._slide(inputs)
        else:
            return super().call(inputs)
        if self.use_bias:
            y = y + self.bias
        return self.activation(y)

    def _slide(self, inputs):
        channels, size = inputs.shape[-1], self.kernel_size
        x = ops.pad(inputs, [[0, 0], *([n - 1, n - 1] for n in size), [0, 0]])
        x = convolutions.neighbourhoods(x, *size)
        kernel = ops.transpose(ops.flip(self.kernel, axis=(0, 1)), (0, 1, 3, 2))
        kernel = ops.reshape(kernel, (size[0] * size[1] * channels, self.filters))
        return ops.matmul(x, kernel)
