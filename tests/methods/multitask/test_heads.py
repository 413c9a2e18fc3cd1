"""Heads: one batched computation equals many separate ones, and so do its losses."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from dmt.methods.multitask.heads import BatchedDense, make_heads, task_losses
from tests.helpers.backend import gradients


def random(*shape, seed=0):
    return np.random.RandomState(seed).standard_normal(shape).astype("float32")


def fill(network, seed=0):
    """Gives every weight, biases too, random values."""
    for i, weight in enumerate(network.weights):
        weight.assign(random(*weight.shape, seed=seed + i) / np.sqrt(weight.shape[-2]))


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
def test_each_head_is_a_dense_layer(is_shared, activation):
    batched = BatchedDense(3, 4, activation)
    inputs = random(7, 5) if is_shared else random(3, 7, 5)
    batched.build(inputs.shape)
    fill(batched)
    outputs = ops.convert_to_numpy(batched(inputs))
    assert outputs.shape == batched.compute_output_shape(inputs.shape) == (3, 7, 4)
    for head in range(3):
        alone = layers.Dense(4, activation)
        alone.build((None, 5))
        alone.kernel.assign(batched.kernel[head])
        alone.bias.assign(batched.bias[head, 0])
        expected = alone(inputs if is_shared else inputs[head])
        np.testing.assert_allclose(
            outputs[head], ops.convert_to_numpy(expected), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal", "fan_in_uniform"])
def test_kernels_begin_as_those_of_layers_that_stand_alone(name):
    keras.utils.set_random_seed(1)
    batched = BatchedDense(8, 300, kernel_initializer=name)
    batched.build((None, 100))
    kernels = batched.kernel.numpy()
    assert kernels.shape == (8, 100, 300)
    limit = {
        "glorot_uniform": np.sqrt(6 / 400),
        "he_normal": np.inf,
        "fan_in_uniform": np.sqrt(1 / 100),
    }[name]
    std = np.sqrt(2 / 100) if name == "he_normal" else limit / np.sqrt(3)
    for kernel in kernels:
        assert kernel.std() == pytest.approx(std, rel=0.03)
        assert 0.99 * min(limit, 2 * std) < np.abs(kernel).max() < limit * 1.0001
    correlations = np.corrcoef(kernels.reshape(8, -1)) - np.eye(8)
    assert np.abs(correlations).max() < 0.05
    assert not batched.bias.numpy().any()


def make_network():
    return make_heads(5, 3, 2, hidden_units=(6, 4), activation="tanh")


def test_heads_are_separate_networks():
    network = make_network()
    fill(network)
    codes = random(9, 5)
    predictions = ops.convert_to_numpy(network(codes))
    assert predictions.shape == (9, 3, 2)
    kernels = [w.numpy() for w in network.weights[::2]]
    biases = [w.numpy() for w in network.weights[1::2]]
    for head in range(3):
        x = codes.astype(float)
        for i in range(3):
            x = x @ kernels[i][head] + biases[i][head]
            x = np.tanh(x) if i < 2 else x
        np.testing.assert_allclose(predictions[:, head], x, rtol=1e-4, atol=1e-5)


def test_heads_without_hidden_layers():
    network = make_heads(5, 3, 2, hidden_units=())
    fill(network)
    kernel, bias = (w.numpy() for w in network.weights)
    codes = random(4, 5)
    expected = np.einsum("bi,hio->bho", codes, kernel) + bias.transpose(1, 0, 2)
    np.testing.assert_allclose(
        ops.convert_to_numpy(network(codes)), expected, rtol=1e-4, atol=1e-5
    )


def test_heads_are_those_of_the_paper():
    shapes = [tuple(weight.shape) for weight in make_heads(8, 10, 1).weights]
    assert shapes[::2] == [(10, 8, 300), *[(10, 300, 300)] * 2, (10, 300, 1)]
    assert shapes[1::2] == [(10, 1, 300)] * 3 + [(10, 1, 1)]


def test_heads_are_saved_and_loaded(tmp_path):
    network = make_network()
    fill(network)
    network.save(tmp_path / "heads.keras")
    loaded = keras.saving.load_model(tmp_path / "heads.keras")
    codes = random(4, 5)
    np.testing.assert_allclose(
        ops.convert_to_numpy(loaded(codes)),
        ops.convert_to_numpy(network(codes)),
        rtol=1e-6,
        atol=1e-6,
    )
    config = BatchedDense(2, 3, "tanh", "fan_in_uniform", name="h").get_config()
    again = BatchedDense.from_config(config)
    assert again.get_config() == config
    assert (again.num_heads, again.units, again.name) == (2, 3, "h")
    assert again.activation is keras.activations.tanh


def test_other_targets_move_the_encoder_but_not_a_head():
    network = make_network()
    fill(network)
    kernels = [weight.numpy() for weight in network.weights]
    images, encoder = random(6, 8, seed=20), random(8, 5, seed=21) / 3

    def loss_of(targets):
        def loss(encoder, *weights):
            predictions, _ = network.stateless_call(
                list(weights), [], ops.matmul(images, encoder)
            )
            return ops.sum(task_losses(targets, predictions, [0] * 3))

        return loss

    targets = random(6, 3, seed=22)
    others = targets.copy()
    others[:, 2] += 1
    before, after = (
        gradients(loss_of(values), encoder, *kernels) for values in (targets, others)
    )
    for a, b in zip(before[1:], after[1:], strict=True):
        np.testing.assert_array_equal(a[:2], b[:2])
        assert np.abs(a[2, ..., 0] - b[2, ..., 0]).max() > 1e-3
        assert np.abs(a[:2]).max() > 1e-3
    assert np.abs(before[0] - after[0]).max() > 1e-3


def test_losses_are_squares_and_cross_entropies():
    num_classes = [0, 3, 0, 2, 4]
    predictions = random(50, 5, 4) * 3
    targets = np.random.RandomState(1).standard_normal((50, 5))
    for task, number in enumerate(num_classes):
        if number:
            classes = np.random.RandomState(2).randint(number, size=50)
            targets[:, task] = classes
    found = task_losses(targets.astype("float32"), predictions, num_classes)
    expected = []
    for task, number in enumerate(num_classes):
        if number:
            weights = np.exp(predictions[:, task, :number].astype(float))
            shares = weights / weights.sum(axis=1, keepdims=True)
            chosen = shares[np.arange(50), targets[:, task].astype(int)]
            expected.append(-np.log(chosen).mean())
        else:
            errors = predictions[:, task, 0].astype(float) - targets[:, task]
            expected.append((errors**2).mean())
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-5)
    regressions = task_losses(
        targets[:, [0, 2]].astype("float32"), predictions[:, [0, 2]], [0, 0]
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(regressions), np.array(expected)[[0, 2]], rtol=1e-5
    )


def test_losses_of_classes_stay_finite():
    logits = np.array([[[1e4, -1e4]], [[-1e4, 1e4]]], dtype="float32")
    (loss,) = ops.convert_to_numpy(task_losses(np.array([[0.0], [0.0]]), logits, [2]))
    assert loss == pytest.approx(1e4)
