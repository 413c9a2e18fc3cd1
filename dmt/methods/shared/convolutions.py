"""Convolutions of stride 2 in the forms that are fast on a processor.

A convolution, the gradient of its input and that of its kernel are three operations of
the same size, but a framework is fast at only some of them. Here each is computed by an
operation that is fast. The results are those of the frameworks' own convolutions, up to
rounding.

Images are (batch, height, width, channels) with even height and width, kernels 4x4, and
the padding is "same".
"""

import functools
import itertools

import keras
from keras import ops

# Convolutions to fewer channels than this are slow where others are fast.
_FEW = 8


def upsampled(images, kernel):
    """A transposed convolution of stride 2 on a processor.

    TensorFlow is slow at few output channels, where it does not use the widest vectors.
    JAX is slow at all gradients of transposed convolutions.

    Args:
        images: (batch, height, width, channels).
        kernel: (4, 4, filters, channels).

    Returns:
        (batch, 2 * height, 2 * width, filters).
    """
    if keras.backend.backend() == "jax":
        return _jax_upsampled()(images, kernel)
    if keras.backend.backend() == "tensorflow" and kernel.shape[2] < _FEW:
        return _tensorflow_upsampled()(images, kernel)
    return ops.conv_transpose(images, kernel, 2, "same")


def halved(images, kernel):
    """A convolution of stride 2 on a processor with JAX.

    JAX is slow at the gradient of the images, which is a transposed convolution.

    Args:
        images: (batch, height, width, channels).
        kernel: (4, 4, channels, filters).

    Returns:
        (batch, height / 2, width / 2, filters).
    """
    return _jax_halved()(images, kernel)


@functools.cache
def _tensorflow_upsampled():
    import tensorflow as tf

    @tf.custom_gradient
    def of_tensors(images, kernel):
        def gradients(upstream):
            of_kernel = tf.raw_ops.Conv2DBackpropFilter(
                input=upstream,
                filter_sizes=kernel.shape,
                out_backprop=images,
                strides=[1, 2, 2, 1],
                padding="SAME",
            )
            return tf.nn.conv2d(upstream, kernel, 2, "SAME"), of_kernel

        padded = ops.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
        filters, channels = kernel.shape[2:]
        patches = ops.conv(
            padded,
            ops.reshape(_patch_kernel(kernel), (2, 2, channels, 4 * filters)),
            1,
            "valid",
        )
        return joined_patches(patches, filters), gradients

    def function(images, kernel):
        # A variable would be watched by the function itself.
        return of_tensors(images, tf.convert_to_tensor(kernel))

    return function


@functools.cache
def _jax_upsampled():
    import jax

    def forward(images, kernel):
        return _jax_transposed(images, kernel), (images, kernel)

    def backward(saved, upstream):
        images, kernel = saved
        return _halved(upstream, kernel), _jax_kernel_gradient(upstream, images, kernel)

    function = jax.custom_vjp(_jax_transposed)
    function.defvjp(forward, backward)
    return function


@functools.cache
def _jax_halved():
    import jax

    def forward(images, kernel):
        return _halved(images, kernel), (images, kernel)

    def backward(saved, upstream):
        images, kernel = saved
        return (
            _jax_transposed(upstream, kernel),
            _jax_kernel_gradient(images, upstream, kernel),
        )

    function = jax.custom_vjp(_halved)
    function.defvjp(forward, backward)
    return function


def _halved(images, kernel):
    return ops.conv(images, kernel, 2, "same")


def _jax_transposed(images, kernel):
    """`upsampled`, and the gradient of the images of `halved`; without gradients."""
    if kernel.shape[2] < _FEW:
        return ops.conv_transpose(images, kernel, 2, "same")
    return as_product(images, kernel)


def _jax_kernel_gradient(images, upstream, kernel):
    """Gradient of the kernel of `halved`, from its input and the gradient after it."""
    import jax

    of_kernel = jax.linear_transpose(functools.partial(_halved, images), kernel)
    return of_kernel(upstream)[0]


def as_product(images, kernel, padding="same"):
    """A transposed convolution of stride 2 as a product of matrices.

    Each 2x2 neighbourhood of the input gives a 2x2 patch of the output.

    Args:
        images: (batch, height, width, channels).
        kernel: (4, 4, filters, channels).
        padding: "same"; or "valid", which adds a pixel on every side.

    Returns:
        (batch, 2 * height, 2 * width, filters).
    """
    padded = ops.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    patches = ops.matmul(neighbourhoods(padded, 2, 2), _patch_kernel(kernel))
    return joined_patches(patches, kernel.shape[2], padding)


def _patch_kernel(kernel):
    """The matrix (4 * channels, 4 * filters) from a neighbourhood to a patch."""
    filters, channels = kernel.shape[2:]
    # Kernel row 2 * q + s maps neighbour 1 - q to output row s of a patch.
    kernel = ops.reshape(kernel, (2, 2, 2, 2, filters, channels))
    kernel = ops.transpose(ops.flip(kernel, axis=(0, 2)), (0, 2, 5, 1, 3, 4))
    return ops.reshape(kernel, (4 * channels, 4 * filters))


def joined_patches(patches, filters, padding="same"):
    """Images of 2x2 patches: (batch, h, w, 4 * filters) to (batch, 2h, 2w, filters).

    Padding "same" leaves out the outermost pixels.
    """
    _, height, width, _ = patches.shape
    y = ops.reshape(patches, (-1, height, width, 2, 2, filters))
    y = ops.transpose(y, (0, 1, 3, 2, 4, 5))
    y = ops.reshape(y, (-1, 2 * height, 2 * width, filters))
    return y if padding == "valid" else y[:, 1:-1, 1:-1]


def neighbourhoods(x, rows, columns):
    """Channels of the pixels of each window: (batch, h, w, rows * columns * channels).

    `x` is (batch, h + rows - 1, w + columns - 1, channels).
    """
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    corners = itertools.product(range(rows), range(columns))
    windows = [x[:, i : i + height, j : j + width] for i, j in corners]
    return ops.concatenate(windows, axis=-1)
