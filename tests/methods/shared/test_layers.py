"""Convolutions as products of matrices are convolutions."""

import keras
import numpy as np
import pytest
from keras import ops

from dmt.methods.shared import layers
from tests.helpers.backend import gradients

CASES = {
    "conv 4x4": (layers.Conv2D(5, 4, strides=2, padding="same"), (8, 12, 3)),
    "conv 2x2": (layers.Conv2D(5, 2, strides=2, padding="same"), (8, 4, 3)),
    "conv 2x2 valid": (layers.Conv2D(5, 2, strides=2), (8, 4, 3)),
    "conv 1x1": (layers.Conv2D(5, 1), (3, 2, 4)),
    "conv odd": (layers.Conv2D(5, 4, strides=2, padding="same"), (7, 8, 3)),
    "conv 3x3": (layers.Conv2D(5, 3), (7, 8, 3)),
    "conv no bias": (
        layers.Conv2D(5, 4, strides=2, padding="same", use_bias=False),
        (6, 6, 2),
    ),
    "transpose": (layers.Conv2DTranspose(4, 4, strides=2, padding="same"), (4, 6, 3)),
    "transpose valid": (layers.Conv2DTranspose(4, 4, strides=2), (4, 6, 3)),
    "transpose 3x3": (layers.Conv2DTranspose(4, 3), (5, 4, 3)),
    "transpose 3x2": (layers.Conv2DTranspose(4, (3, 2), activation="relu"), (5, 4, 3)),
    "transpose same": (layers.Conv2DTranspose(4, 3, padding="same"), (5, 4, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_products_are_convolutions(name):
    layer, shape = CASES[name]
    random_state = np.random.RandomState(0)
    images = random_state.normal(size=(2, *shape)).astype("float32")
    stock = getattr(keras.layers, type(layer).__name__).from_config(layer.get_config())
    layer.build(images.shape)
    stock.build(images.shape)
    weights = [random_state.normal(size=v.shape) for v in layer.variables]
    layer.set_weights(weights)
    stock.set_weights(weights)
    expected = ops.convert_to_numpy(stock(images))
    with layers.convolutions_as("products"):
        found = ops.convert_to_numpy(layer(images))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["conv 4x4", "conv 2x2", "conv 1x1", "transpose"])
def test_products_do_without_convolutions(name, monkeypatch):
    layer, shape = CASES[name]
    layer(np.ones((1, *shape), "float32"))

    def refuse(*args):
        raise AssertionError("a native convolution")

    monkeypatch.setattr(type(layer).__base__, "call", refuse)
    with layers.convolutions_as("products"):
        layer(np.ones((1, *shape), "float32"))


@pytest.mark.parametrize("channels", [1, 3, 12])
@pytest.mark.parametrize("kind", ["Conv2D", "Conv2DTranspose"])
def test_gradients_are_those_of_keras(kind, channels):
    transposed = kind == "Conv2DTranspose"
    filters, inputs = (channels, 12) if transposed else (12, channels)
    settings = {"filters": filters, "kernel_size": 4, "strides": 2, "padding": "same"}
    random_state = np.random.RandomState(0)
    images = random_state.normal(size=(2, 8, 6, inputs)).astype("float32")
    found = []
    for module in (layers, keras.layers):
        layer = getattr(module, kind)(**settings)
        layer.build(images.shape)

        def loss(images, kernel, bias, layer=layer):
            output, _ = layer.stateless_call([kernel, bias], [], images)
            # Not all pixels count alike.
            return ops.sum(ops.cos(output) * ops.cumsum(output, axis=1))

        kernel, bias = (
            np.random.RandomState(1).normal(size=v.shape).astype("float32")
            for v in layer.variables
        )
        found.append(gradients(loss, images, kernel, bias))
    for ours, expected in zip(*found, strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5 * scale)
