"""Encoders, decoders and discriminator, with disentanglement_lib's layers and names.

An encoder is a function `(input_tensor, num_latent) -> (means, log_var)`, a decoder
`(latent_tensor, output_shape) -> pre-activation images`, a discriminator
`input_tensor -> (batch, 2) logits`, which may also return probabilities. Each is
written with Keras layers on symbolic tensors; the `make_*` functions turn the bound one
into a `keras.Model`. All may take `is_training` too, as in disentanglement_lib. It is
None, which means that Keras tells each layer whether it is in training.
Kernels are initialised with Glorot's uniform distribution, biases with zeros.

Source of the layer tables: Locatello et al., "Challenging Common Assumptions in the
Unsupervised Learning of Disentangled Representations" (ICML 2019), Tables 1 and 2.
"""

import inspect
import math

import gin
import keras
from keras import layers, ops

from dmt.methods.shared.layers import Conv2D, Conv2DTranspose
from dmt.utils import checks


@gin.configurable("encoder", denylist=["observation_shape"])
def make_gaussian_encoder(
    observation_shape, num_latent=gin.REQUIRED, encoder_fn=gin.REQUIRED
):
    """Builds the encoder.

    Args:
        observation_shape: (height, width, channels) of the images.
        num_latent: number of codes, at most 2**16.
        encoder_fn: the architecture, for example `conv_encoder`.

    Returns:
        keras.Model from images in [0, 1], (batch, *observation_shape), to
        [means, log_var], each (batch, num_latent).

    Raises:
        ValueError: if num_latent is out of range.
    """
    checks.integer("encoder.num_latent", num_latent, 1, 2**16)
    images = keras.Input(tuple(observation_shape), name="images")
    with keras.name_scope("encoder"):
        moments = _call(encoder_fn, images, num_latent)
    if not isinstance(moments, (list, tuple)) or [
        _shape(tensor) for tensor in moments
    ] != 2 * [(None, num_latent)]:
        raise ValueError(
            "encoder.encoder_fn must return (means, log_var), each of shape (None, "
            f"{num_latent}). Received: {moments!r}"
        )
    return keras.Model(images, list(moments), name="encoder")


@gin.configurable("decoder", denylist=["num_latent", "observation_shape"])
def make_decoder(num_latent, observation_shape, decoder_fn=gin.REQUIRED):
    """Builds the decoder.

    Args:
        num_latent: number of codes.
        observation_shape: (height, width, channels) of the images.
        decoder_fn: the architecture, for example `deconv_decoder`.

    Returns:
        keras.Model from codes (batch, num_latent) to pre-activation images
        (batch, *observation_shape).
    """
    codes = keras.Input((num_latent,), name="latent_vectors")
    with keras.name_scope("decoder"):
        images = _call(decoder_fn, codes, tuple(observation_shape))
    expected = (None, *observation_shape)
    if _shape(images) != expected:
        raise ValueError(
            f"decoder.decoder_fn must return images of shape {expected}. "
            f"Received: {images!r}"
        )
    return keras.Model(codes, images, name="decoder")


@gin.configurable("discriminator", denylist=["num_latent"])
def make_discriminator(num_latent, discriminator_fn=gin.REQUIRED):
    """Builds the discriminator.

    Args:
        num_latent: number of codes.
        discriminator_fn: the architecture, for example `fc_discriminator`.

    Returns:
        keras.Model from codes (batch, num_latent) to logits (batch, 2); class 0 means
        "drawn from the joint distribution q(z)", class 1 "from the product of the
        marginals".
    """
    codes = keras.Input((num_latent,), name="latent_vectors")
    # FactorVAE chooses the optimiser of a variable by this name.
    with keras.name_scope("discriminator"):
        logits = _call(discriminator_fn, codes)
    if isinstance(logits, tuple):
        logits, _ = logits
    return keras.Model(codes, logits, name="discriminator")


def class_probabilities(logits):
    """Softmax over the last axis, clipped to [1e-6, 1 - 1e-6]."""
    return ops.clip(ops.softmax(logits, axis=-1), 1e-6, 1 - 1e-6)


def _call(architecture, *arguments):
    is_function = callable(architecture)
    if is_function and "is_training" in inspect.signature(architecture).parameters:
        return architecture(*arguments, is_training=None)
    return architecture(*arguments)


def _shape(tensor):
    return tuple(tensor.shape) if isinstance(tensor, keras.KerasTensor) else None


def _gaussian(x, num_latent, names, initializer=lambda: "glorot_uniform"):
    """Means and log-variances: outputs of linear layers of these names."""
    return tuple(
        layers.Dense(num_latent, kernel_initializer=initializer(), name=name)(x)
        for name in names
    )


@gin.configurable("conv_encoder", allowlist=[])
def conv_encoder(input_tensor, num_latent, is_training=None):
    """Convolutional encoder: four convolutions of stride 2, one dense layer."""
    del is_training
    x = input_tensor
    for i, (filters, size) in enumerate(((32, 4), (32, 4), (64, 2), (64, 2)), start=1):
        x = Conv2D(filters, size, 2, "same", activation="relu", name=f"e{i}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(256, activation="relu", name="e5")(x)
    return _gaussian(x, num_latent, ("means", "log_var"))


@gin.configurable("fc_encoder", allowlist=[])
def fc_encoder(input_tensor, num_latent, is_training=None):
    """Fully connected encoder: two layers of 1200 ReLU units."""
    del is_training
    x = layers.Flatten(name="flatten")(input_tensor)
    x = layers.Dense(1200, activation="relu", name="e1")(x)
    x = layers.Dense(1200, activation="relu", name="e2")(x)
    return _gaussian(x, num_latent, ("dense", "dense_1"))


@gin.configurable("test_encoder", denylist=["input_tensor", "is_training"])
def test_encoder(input_tensor, num_latent, is_training=None):
    """Two linear heads on the flattened image: the smallest encoder."""
    del is_training
    x = layers.Flatten(name="flatten")(input_tensor)
    return _gaussian(x, num_latent, ("e1", "e2"))


@gin.configurable("deconv_decoder", allowlist=[])
def deconv_decoder(latent_tensor, output_shape, is_training=None):
    """Convolutional decoder: two dense layers, four upsamplings by 2.

    Raises:
        ValueError: if height or width is not a multiple of 16.
    """
    del is_training
    height, width, channels = output_shape
    if height % 16 or width % 16:
        raise ValueError(
            "deconv_decoder upsamples by 16, so height and width must be multiples "
            "of 16; resize the images or bind decoder.decoder_fn = @fc_decoder. "
            f"Received: output_shape={list(output_shape)}"
        )
    height, width = height // 16, width // 16
    x = layers.Dense(256, activation="relu", name="dense")(latent_tensor)
    x = layers.Dense(height * width * 64, activation="relu", name="dense_1")(x)
    x = layers.Reshape((height, width, 64), name="reshape")(x)
    for name, filters, activation in (
        ("conv2d_transpose", 64, "relu"),
        ("conv2d_transpose_1", 32, "relu"),
        ("conv2d_transpose_2", 32, "relu"),
        ("conv2d_transpose_3", channels, None),
    ):
        x = Conv2DTranspose(filters, 4, 2, "same", activation=activation, name=name)(x)
    return x


@gin.configurable("fc_decoder", allowlist=[])
def fc_decoder(latent_tensor, output_shape, is_training=None):
    """Fully connected decoder: three layers of 1200 tanh units."""
    del is_training
    x = latent_tensor
    for name in ("dense", "dense_1", "dense_2"):
        x = layers.Dense(1200, activation="tanh", name=name)(x)
    x = layers.Dense(math.prod(output_shape), name="dense_3")(x)
    return layers.Reshape(output_shape, name="reshape")(x)


@gin.configurable("test_decoder", allowlist=[])
def test_decoder(latent_tensor, output_shape, is_training=None):
    """One linear layer: the smallest decoder."""
    del is_training
    x = layers.Dense(math.prod(output_shape), name="d1")(latent_tensor)
    return layers.Reshape(output_shape, name="reshape")(x)


@gin.configurable(
    "simple_conv64_encoder", allowlist=["activation", "kernel_initializer"]
)
def simple_conv64_encoder(
    input_tensor, num_latent, activation="relu", kernel_initializer="glorot_uniform"
):
    """Convolutions of stride 2 down to one pixel, and one linear layer.

    The encoder of Maziarka et al. (2021) for 64x64 images. For 32x32 images, it has one
    convolution of 256 filters less, and so on.

    Args:
        input_tensor: images (batch, height, width, channels).
        num_latent: number of codes.
        activation: activation of the convolutions, for example "relu" or "tanh".
        kernel_initializer: a name that Keras knows, or "fan_in_uniform", U(-a, a) with
            a = fan_in^-1/2, the default of the paper's framework.

    Raises:
        ValueError: if images are not square, or their side is not one of 8, 16, 32, 64.
    """
    initializer = make_initializer(kernel_initializer)
    x = input_tensor
    filters = (32, 32, 64, 128, 256, 256)[: _num_halvings(input_tensor.shape[1:])]
    for i, number in enumerate(filters, start=1):
        options = {"kernel_initializer": initializer(), "name": f"e{i}"}
        x = Conv2D(number, 4, 2, "same", activation=activation, **options)(x)
    x = layers.Flatten(name="flatten")(x)
    return _gaussian(x, num_latent, ("means", "log_var"), initializer)


@gin.configurable(
    "simple_conv64_decoder", allowlist=["activation", "kernel_initializer"]
)
def simple_conv64_decoder(
    latent_tensor, output_shape, activation="relu", kernel_initializer="glorot_uniform"
):
    """The decoder for `simple_conv64_encoder`, with the same parameters."""
    initializer = make_initializer(kernel_initializer)
    num_upsamplings = _num_halvings(output_shape) - 1
    x = layers.Reshape((1, 1, latent_tensor.shape[-1]), name="pixel")(latent_tensor)
    options = {"kernel_initializer": initializer(), "name": "d0"}
    x = Conv2D(256, 1, activation=activation, **options)(x)
    for i, number in enumerate((256, 128, 128, 64, 64)[:num_upsamplings], start=1):
        padding = "same" if i == 1 else "valid"
        options = {"kernel_initializer": initializer(), "name": f"d{i}"}
        x = Conv2DTranspose(number, 4, 2, padding, activation=activation, **options)(x)
    options = {"kernel_initializer": initializer(), "name": "images"}
    return Conv2DTranspose(output_shape[-1], 3, **options)(x)


def _num_halvings(shape):
    height, width, _ = shape
    if height != width or height not in (8, 16, 32, 64):
        raise ValueError(
            "simple_conv64_encoder and simple_conv64_decoder need square images whose "
            "side is 8, 16, 32 or 64; bind encoder.encoder_fn and decoder.decoder_fn "
            f"to others. Received: shape={list(shape)}"
        )
    return height.bit_length() - 1


def make_initializer(name):
    """Returns a function that makes initialisers; each has its own seed.

    `name` is one that Keras knows, or "fan_in_uniform". The function raises a
    ValueError if there is no such initialiser.
    """
    if name == "fan_in_uniform":
        return lambda: keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    return lambda: keras.initializers.get(name)


@gin.configurable("fc_discriminator", allowlist=[])
def fc_discriminator(input_tensor, is_training=None):
    """Six layers of 1000 leaky ReLU units (slope 0.2) and two logits.

    Returns:
        Logits and probabilities, each (batch, 2).
    """
    del is_training
    x = layers.Flatten(name="flatten")(input_tensor)
    for i in range(1, 7):
        x = layers.Dense(1000, activation="leaky_relu", name=f"d{i}")(x)
    logits = layers.Dense(2, name="logits")(x)
    return logits, ops.softmax(logits)
