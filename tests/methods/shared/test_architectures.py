"""Networks against the reference's variables and forward passes."""

import json

import gin
import keras
import numpy as np
import pytest
from keras import ops

from dmt.methods.shared import architectures
from tests.helpers.losses import GOLDEN as FOLDER

GOLDEN = np.load(FOLDER / "architectures.npz")
NETWORKS = json.loads(GOLDEN["networks"].tobytes())
SEED = 1000


def build(name):
    function, _, shape = name.partition("/")
    function = getattr(architectures, function)
    shape = tuple(map(int, shape.split("x"))) if shape else None
    kind = NETWORKS[name]["kind"]
    if kind == "encoder":
        return architectures.make_gaussian_encoder(shape, 10, function)
    if kind == "decoder":
        return architectures.make_decoder(10, shape, function)
    return architectures.make_discriminator(10, function)


def set_golden_weights(network, variables):
    for i, (variable, (_, shape)) in enumerate(
        zip(network.trainable_variables, variables, strict=True)
    ):
        scale = 1 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.1
        values = np.random.RandomState(SEED + i).standard_normal(shape) * scale
        variable.assign(values.astype("float32"))


@pytest.mark.parametrize("name", NETWORKS)
def test_variables(name):
    golden = NETWORKS[name]
    network = build(name)
    assert network.count_params() == golden["num_parameters"]
    found = {v.path: list(v.shape) for v in network.trainable_variables}
    assert found == dict(golden["variables"])


@pytest.mark.parametrize("name", NETWORKS)
def test_forward_pass(name):
    golden = NETWORKS[name]
    network = build(name)
    order = {v.path: v for v in network.trainable_variables}
    # Keras may list variables in another order than the reference created them.
    for i, (path, shape) in enumerate(golden["variables"]):
        scale = 1 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.1
        values = np.random.RandomState(SEED + i).standard_normal(shape) * scale
        order[path].assign(values.astype("float32"))
    if golden["kind"] == "encoder":
        shape = network.inputs[0].shape[1:]
        inputs = np.random.RandomState(SEED + 500).uniform(size=(3, *shape))
        mean, log_var = network(inputs.astype("float32"))
        outputs = {"mean": mean, "log_var": log_var}
    elif golden["kind"] == "decoder":
        inputs = np.random.RandomState(SEED + 501).standard_normal((3, 10))
        images = network(inputs.astype("float32"))
        outputs = {"output": images[:, ::3, ::3]}
    else:
        inputs = np.random.RandomState(SEED + 502).standard_normal((5, 10))
        logits = network(inputs.astype("float32"))
        outputs = {
            "logits": logits,
            "clipped_probs": architectures.class_probabilities(logits),
        }
    for key, value in outputs.items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(value), GOLDEN[f"{name}/{key}"], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("shape", [(32, 32, 3), (128, 64, 2), (48, 80, 4)])
def test_other_image_sizes(shape):
    encoder = architectures.make_gaussian_encoder(shape, 7, architectures.conv_encoder)
    decoder = architectures.make_decoder(7, shape, architectures.deconv_decoder)
    mean, _ = encoder(np.zeros((2, *shape), "float32"))
    assert mean.shape == (2, 7)
    assert decoder(mean).shape == (2, *shape)


def test_impossible_image_size_is_named():
    with pytest.raises(ValueError, match=r"multiples of 16.*\[60, 60, 1\]"):
        architectures.make_decoder(5, (60, 60, 1), architectures.deconv_decoder)


def make_simple_conv64(side, **changes):
    gin.parse_config(
        [
            f"simple_conv64_{network}.{name} = {value!r}"
            for network in ("encoder", "decoder")
            for name, value in changes.items()
        ]
    )
    shape = (side, side, 3)
    get = gin.get_configurable
    return (
        architectures.make_gaussian_encoder(shape, 8, get("simple_conv64_encoder")),
        architectures.make_decoder(8, shape, get("simple_conv64_decoder")),
    )


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("side", [8, 16, 32, 64])
def test_simple_conv64(side, activation):
    encoder, decoder = make_simple_conv64(side, activation=activation)
    num_halvings = {8: 3, 16: 4, 32: 5, 64: 6}[side]
    filters = (32, 32, 64, 128, 256, 256)[:num_halvings]
    options = {"strides": 2, "activation": activation}
    expected = [
        *(keras.layers.Conv2D(n, 4, padding="same", **options) for n in filters),
        keras.layers.Flatten(),
        keras.layers.Dense(8),
    ]
    images = np.random.RandomState(0).uniform(size=(2, side, side, 3))
    mean, log_var = encoder(images.astype("float32"))
    assert mean.shape == log_var.shape == (2, 8)
    outputs = expected_outputs(expected, images, encoder.trainable_variables)
    np.testing.assert_allclose(mean, outputs, rtol=1e-4, atol=1e-5)

    filters = (256, 128, 128, 64, 64)[: num_halvings - 1]
    expected = [
        keras.layers.Reshape((1, 1, 8)),
        keras.layers.Conv2D(256, 1, **options),
        *(
            keras.layers.Conv2DTranspose(
                n, 4, padding="same" if i == 0 else "valid", **options
            )
            for i, n in enumerate(filters)
        ),
        keras.layers.Conv2DTranspose(3, 3),
    ]
    codes = np.random.RandomState(1).standard_normal((2, 8))
    images = decoder(codes.astype("float32"))
    assert images.shape == (2, side, side, 3)
    outputs = expected_outputs(expected, codes, decoder.trainable_variables)
    np.testing.assert_allclose(images, outputs, rtol=1e-4, atol=1e-5)


def expected_outputs(stack, inputs, variables):
    """Outputs of stock layers that have these variables, in this order."""
    x = ops.convert_to_tensor(inputs.astype("float32"))
    variables = iter(variables)
    for layer in stack:
        layer.build(x.shape)
        for weight in layer.weights:
            weight.assign(next(variables))
        x = layer(x)
    return ops.convert_to_numpy(x)


def test_simple_conv64_has_the_papers_initial_weights_if_bound():
    limits = {"fan_in_uniform": lambda fan_in, _: fan_in**-0.5}
    limits["glorot_uniform"] = lambda *fans: (6 / sum(fans)) ** 0.5
    for name, limit in limits.items():
        encoder, _ = make_simple_conv64(64, kernel_initializer=name)
        for kernel in encoder.trainable_variables[::2]:
            receptive = np.prod(kernel.shape[:-2])
            bound = limit(receptive * kernel.shape[-2], receptive * kernel.shape[-1])
            values = kernel.numpy()
            assert 0.97 * bound < np.abs(values).max() <= bound * 1.0001
            assert values.std() == pytest.approx(bound / 3**0.5, rel=0.06)
    with pytest.raises(ValueError, match="no_such"):
        make_simple_conv64(64, kernel_initializer="no_such")


@pytest.mark.parametrize("shape", [(48, 48, 1), (64, 32, 1), (128, 128, 3), (4, 4, 1)])
def test_simple_conv64_names_an_impossible_image_size(shape):
    message = rf"square images .*Received: shape=\[{shape[0]}, {shape[1]}, {shape[2]}\]"
    with pytest.raises(ValueError, match=message):
        architectures.make_gaussian_encoder(
            shape, 8, architectures.simple_conv64_encoder
        )
    with pytest.raises(ValueError, match=message):
        architectures.make_decoder(8, shape, architectures.simple_conv64_decoder)
