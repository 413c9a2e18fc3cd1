"""Layers and gradients that are computed in faster forms."""

import keras
import numpy as np
import pytest
from keras import ops

from dmt.methods.evidence import recurrent
from dmt.methods.evidence.fast import Dense, Dropout


def draw(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype("float32")


def gradients(function, *arrays):
    """Gradients of the sum of a function of tensors, weighted by random numbers."""

    def loss(*tensors):
        outputs = function(*tensors)
        return ops.sum(outputs * draw(*outputs.shape, seed=1))

    tensors = [ops.convert_to_tensor(array) for array in arrays]
    if keras.backend.backend() == "jax":
        import jax

        found = jax.jit(jax.grad(loss, argnums=tuple(range(len(arrays)))))(*tensors)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = loss(*tensors)
        found = tape.gradient(value, tensors)
    return [ops.convert_to_numpy(gradient) for gradient in found]


@pytest.mark.parametrize(("features", "units"), [(3, 7), (7, 3)])
def test_gradients_of_dense_are_those_of_keras(features, units):
    found, expected = (
        gradients(applied(layer, features), draw(2, 5, features), kernel)
        for kernel in [draw(features, units)]
        for layer in (Dense(units, "tanh"), keras.layers.Dense(units, "tanh"))
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def applied(layer, features):
    layer.build((None, None, features))

    def function(inputs, kernel):
        with keras.StatelessScope([(layer.kernel, kernel)]):
            return layer(inputs)

    return function


@pytest.mark.parametrize("parts", [1, 2])
def test_gradients_of_a_recurrence_are_those_of_its_steps(parts):
    def step(state, total):
        return (ops.tanh(total) + 0.3 * state[-1], ops.sin(total))[:parts]

    def in_turn(inputs, kernel):
        state, states = (ops.zeros((2, 3)),) * parts, []
        for t in range(4):
            state = step(state, inputs[:, t] + ops.matmul(state[0], kernel))
            states.append(state[0])
        return ops.stack(states, axis=1)

    def whole(inputs, kernel):
        return recurrent.recurrence(step, parts, inputs, kernel)

    arrays = draw(2, 4, 3), draw(3, 3)
    found, expected = gradients(whole, *arrays), gradients(in_turn, *arrays)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_dropout_drops_its_share_and_keeps_the_mean():
    layer = Dropout(0.1, seed=3)
    ones = np.ones((100, 1001), "float32")
    first, second = (ops.convert_to_numpy(layer(ones, training=True)) for _ in range(2))
    assert np.mean(first == 0) == pytest.approx(0.1, abs=0.005)
    assert np.mean(first) == pytest.approx(1, abs=0.005)
    assert len(np.unique(first)) == 2
    # Independent masks agree where both drop or both keep.
    assert np.mean(first == second) == pytest.approx(0.82, abs=0.01)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(ones)), ones)
