"""The layers, compared with NumPy in float64."""

import keras
import numpy as np
import pytest

from dmt.methods.evidence.encoder import RandomEncoder
from dmt.methods.evidence.recurrent import LSTM, LeakyRNN
from dmt.methods.evidence.transformer import CausalTransformer

LAYERS = [
    RandomEncoder((7, 5), "quadratic"),
    LeakyRNN(6),
    LeakyRNN(6, alpha=0.3, activation="tanh"),
    LeakyRNN(6, alpha=0.3, leaky=False, recurrent_init="orthogonal"),
    LSTM(6),
    CausalTransformer(8, 2),
]


def draw(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype("float32")


def weights(layer):
    return [
        np.asarray(v, "float64") for v in map(keras.ops.convert_to_numpy, layer.weights)
    ]


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def encoder_reference(layer, x):
    kernel_1, bias_1, kernel_2, bias_2 = weights(layer)
    return np.square(x @ kernel_1 + bias_1) @ kernel_2 + bias_2


def rnn_reference(layer, x):
    kernel, bias, recurrent_kernel, recurrent_bias = weights(layer)
    functions = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}
    state, states = np.zeros((len(x), layer.units)), []
    for t in range(x.shape[1]):
        new = functions[layer.activation](
            x[:, t] @ kernel + bias + state @ recurrent_kernel + recurrent_bias
        )
        kept = 1 - layer.alpha if layer.leaky else 1
        state = kept * state + layer.alpha * new
        states.append(state)
    return np.stack(states, axis=1)


def lstm_reference(layer, x):
    kernel, bias, recurrent_kernel, recurrent_bias = weights(layer)
    hidden = cell = np.zeros((len(x), layer.units))
    states = []
    for t in range(x.shape[1]):
        gates = x[:, t] @ kernel + bias + hidden @ recurrent_kernel + recurrent_bias
        enter, forget, new, leave = np.split(gates, 4, axis=1)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
        hidden = sigmoid(leave) * np.tanh(cell)
        states.append(hidden)
    return np.stack(states, axis=1)


def transformer_reference(layer, x):
    values = {
        v.path.split("/", 1)[1]: value
        for v, value in zip(layer.weights, weights(layer), strict=True)
    }

    def dense(x, name):
        return x @ values[f"{name}/kernel"] + values[f"{name}/bias"]

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt(np.square(x).mean(-1, keepdims=True) + 1e-5)
        return x * values[f"{name}/gamma"] + values[f"{name}/beta"]

    def gelu(x):
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    x = dense(x, "embedding")
    parts = np.split(dense(norm(x, "attention_norm"), "queries_keys_values"), 3, -1)
    size = layer.units // layer.heads
    attended = np.zeros_like(x)
    for head in range(layer.heads):
        columns = slice(head * size, (head + 1) * size)
        queries, keys, vectors = (part[..., columns] for part in parts)
        for t in range(x.shape[1]):
            scores = np.einsum("bd,bsd->bs", queries[:, t], keys[:, : t + 1])
            scores = np.exp(scores / np.sqrt(size))
            scores /= scores.sum(axis=1, keepdims=True)
            attended[:, t, columns] = np.einsum(
                "bs,bsd->bd", scores, vectors[:, : t + 1]
            )
    x = x + dense(attended, "attention_output")
    hidden = gelu(dense(norm(x, "perceptron_norm"), "hidden"))
    return norm(x + dense(hidden, "perceptron_output"), "final_norm")


REFERENCES = {
    RandomEncoder: encoder_reference,
    LeakyRNN: rnn_reference,
    LSTM: lstm_reference,
    CausalTransformer: transformer_reference,
}


def described(layer):
    return f"{type(layer).__name__}-{getattr(layer, 'alpha', '')}"


@pytest.mark.parametrize("layer", LAYERS, ids=described)
def test_layer_is_its_definition(layer):
    layer = type(layer).from_config(layer.get_config())
    x = draw(3, 7, 4)
    layer(x)
    for number, variable in enumerate(layer.weights):
        # Biases of 0 and factors of 1 would hide mistakes.
        variable.assign(variable + 0.3 * draw(*variable.shape, seed=number))
    expected = REFERENCES[type(layer)](layer, np.asarray(x, "float64"))
    np.testing.assert_allclose(numpy_of(layer(x)), expected, rtol=2e-5, atol=5e-6)


@pytest.mark.parametrize("layer", LAYERS, ids=described)
def test_layer_is_saved_with_its_weights(layer, tmp_path):
    inputs = keras.Input((None, 4))
    network = keras.Model(inputs, layer(inputs))
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    assert again.layers[1].get_config() == layer.get_config()
    for steps in (2, 5):
        x = draw(2, steps, 4)
        np.testing.assert_array_equal(numpy_of(again(x)), numpy_of(network(x)))


@pytest.mark.parametrize("layer", LAYERS, ids=described)
def test_number_of_steps_may_be_unknown(layer):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Shapes are known when functions are compiled.")
    import tensorflow as tf

    x = draw(2, 5, 4)
    unknown = tf.TensorSpec((None, None, 4))
    found = tf.function(lambda x: layer(x), input_signature=[unknown])(x)
    np.testing.assert_allclose(found, layer(x), rtol=1e-5, atol=1e-6)


def test_numbers_of_weights():
    def number(layer, features):
        layer.build((None, None, features))
        return layer.count_params()

    assert number(LeakyRNN(), 41) == 2688 + 4160
    assert number(LSTM(), 41) == 4 * (2688 + 4160)
    assert number(RandomEncoder(), 2) == 300 + 10100 + 4040
    block = 64 * 192 + 192 + 64 * 65 + 64 * 256 + 256 + 256 * 64 + 64
    assert number(CausalTransformer(), 41) == 42 * 64 + 3 * 128 + block


def check_uniform(values, fan_in):
    limit = fan_in**-0.5
    assert np.abs(values).max() <= limit
    assert np.abs(values).max() > 0.9 * limit
    if values.size > 1000:
        assert values.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)


def test_weights_begin_as_in_pytorch():
    encoder, rnn, lstm = RandomEncoder(), LeakyRNN(), LSTM()
    encoder.build((None, None, 2))
    for values, fan_in in zip(
        weights(encoder), (2, 2, 100, 100, 100, 100), strict=True
    ):
        check_uniform(values, fan_in)
    for layer, fan_ins in ((rnn, (41, 41, 64, 64)), (lstm, 4 * (64,))):
        layer.build((None, None, 41))
        for values, fan_in in zip(weights(layer), fan_ins, strict=True):
            check_uniform(values, fan_in)


def test_weights_of_the_transformer_begin_as_in_gpt_2():
    layer = CausalTransformer()
    layer.build((None, None, 41))
    for variable, values in zip(layer.weights, weights(layer), strict=True):
        if variable.name == "kernel":
            assert values.std() == pytest.approx(0.02, rel=0.06)
        else:
            np.testing.assert_array_equal(values, float(variable.name == "gamma"))


def test_sparse_recurrent_kernel():
    layer = LeakyRNN(recurrent_init="sparse")
    layer.build((None, None, 41))
    values = weights(layer)[2]
    np.testing.assert_array_equal((values != 0).sum(axis=1), 9)
    assert len(set((values != 0).sum(axis=0))) > 1
    stddev = np.sqrt(2 / (0.15 * 64))
    assert values[values != 0].std() == pytest.approx(stddev, rel=0.1)


def test_orthogonal_recurrent_kernel():
    layer = LeakyRNN(recurrent_init="orthogonal")
    layer.build((None, None, 41))
    kernel = weights(layer)[2]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(64), atol=1e-5)


def test_noise_is_shared_by_a_batch_and_restricted_to_training():
    layer = LeakyRNN(6, noise=2.0)
    x = np.repeat(draw(1, 7, 4), 3, axis=0)
    still, first, second = (
        numpy_of(layer(x, training=training)) for training in (False, True, True)
    )
    np.testing.assert_array_equal(first, np.repeat(first[:1], 3, axis=0))
    assert np.abs(first - still).max() > 0.1
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_array_equal(still, numpy_of(layer(x)))


def test_no_state_depends_on_later_steps():
    x = draw(2, 6, 4)
    changed = x.copy()
    changed[:, 4:] += 1
    for layer in LAYERS:
        before, after = numpy_of(layer(x)), numpy_of(layer(changed))
        np.testing.assert_allclose(before[:, :4], after[:, :4], rtol=1e-5, atol=1e-6)
        assert np.abs(before[:, 4:] - after[:, 4:]).max() > 1e-3


def test_order_of_earlier_steps_does_not_matter_to_the_transformer():
    x = draw(2, 6, 4)
    permuted = x[:, [3, 1, 4, 0, 2, 5]]
    layer = CausalTransformer(8, 2)
    before, after = numpy_of(layer(x)), numpy_of(layer(permuted))
    np.testing.assert_allclose(before[:, -1], after[:, -1], rtol=1e-4, atol=1e-5)
    assert np.abs(before[:, 1] - after[:, 1]).max() > 1e-3


def test_dropout_is_restricted_to_training():
    x, layer = draw(2, 6, 4), CausalTransformer(8, 2, dropout=0.5)
    first, second = (numpy_of(layer(x, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_array_equal(numpy_of(layer(x)), numpy_of(layer(x)))


@pytest.mark.parametrize("nonlinearity", ["relu", "quadratic"])
def test_encoder_is_injective(nonlinearity):
    encoder = RandomEncoder(nonlinearity=nonlinearity)
    places = np.linspace(-0.5, 0.5, 21)
    grid = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
    features = np.asarray(numpy_of(encoder(grid.astype("float32"))), "float64")
    distances = np.linalg.norm(features[:, None] - features, axis=-1)
    np.fill_diagonal(distances, np.inf)
    # The nearest point in the space of features is one of the neighbours on the grid.
    nearest = grid[distances.argmin(axis=1)]
    assert np.linalg.norm(nearest - grid, axis=1).max() < 2.5 * 0.05
    assert distances.min() > 1e-5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomEncoder(()), "random_encoder.sizes .*Received: sizes="),
        (lambda: RandomEncoder((3, 0)), "random_encoder.sizes .*Received: sizes=0"),
        (lambda: RandomEncoder((3,), "gelu"), "'relu', 'quadratic'.*Received"),
        (lambda: LeakyRNN(0), "leaky_rnn.units"),
        (lambda: LeakyRNN(alpha=0), "leaky_rnn.alpha"),
        (lambda: LeakyRNN(alpha=1.1), "leaky_rnn.alpha"),
        (lambda: LeakyRNN(leaky=1), "leaky_rnn.leaky"),
        (lambda: LeakyRNN(activation="gelu"), "'relu', 'tanh'"),
        (lambda: LeakyRNN(recurrent_init="zeros"), "'default', 'sparse', 'orthogonal'"),
        (lambda: LeakyRNN(noise=-1), "leaky_rnn.noise"),
        (lambda: LSTM(0), "lstm.units"),
        (lambda: CausalTransformer(10, 4), "units=10, heads=4"),
        (lambda: CausalTransformer(dropout=1.0), "causal_transformer.dropout"),
    ],
)
def test_wrong_arguments_are_reported(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
