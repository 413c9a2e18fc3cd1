"""Layers and tensor functions that every model shares."""

import keras
from keras import ops


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
    """`sample_gaussian` with noise of its own.

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


@keras.saving.register_keras_serializable("dmt")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose`, fast on JAX's CPU backend too.

    XLA's CPU code for the kernel gradient of a transposed convolution is ten times
    slower than a matrix product. There, a 4x4 kernel with stride 2 is computed as
    one: each 2x2 neighbourhood of the input makes a 2x2 patch of the output.
    Weights have the stock layer's layout and the results agree to rounding.
    """

    def call(self, inputs):
        """Upsamples (batch, h, w, channels) to (batch, 2h, 2w, filters)."""
        if not (
            _on_jax_cpu()
            and self.kernel_size == (4, 4)
            and self.strides == (2, 2)
            and self.padding == "same"
            and self.data_format == "channels_last"
        ):
            return super().call(inputs)
        _, height, width, channels = inputs.shape
        x = ops.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]])
        x = ops.concatenate(
            [
                x[:, i : i + height + 1, j : j + width + 1]
                for i in (0, 1)
                for j in (0, 1)
            ],
            axis=-1,
        )
        # Kernel row 2 * q + s reaches, from neighbour 1 - q, output row s of a patch.
        kernel = ops.reshape(self.kernel, (2, 2, 2, 2, self.filters, channels))
        kernel = ops.flip(kernel, axis=(0, 2))
        kernel = ops.transpose(kernel, (0, 2, 5, 1, 3, 4))
        kernel = ops.reshape(kernel, (4 * channels, 4 * self.filters))
        y = ops.matmul(x, kernel)
        y = ops.reshape(y, (-1, height + 1, width + 1, 2, 2, self.filters))
        y = ops.transpose(y, (0, 1, 3, 2, 4, 5))
        y = ops.reshape(y, (-1, 2 * height + 2, 2 * width + 2, self.filters))
        y = y[:, 1:-1, 1:-1]
        if self.use_bias:
            y = y + self.bias
        return self.activation(y)


def _on_jax_cpu():
    if keras.backend.backend() != "jax":
        return False
    import jax

    return jax.default_backend() == "cpu"
