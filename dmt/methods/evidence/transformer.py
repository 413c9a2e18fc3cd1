"""A causal transformer of one block, without positional embeddings."""

import gin
import keras
from keras import layers, ops

from dmt.methods.evidence.fast import Dense, Dropout
from dmt.utils import checks


@gin.register("causal_transformer")
@keras.saving.register_keras_serializable("dmt")
class CausalTransformer(keras.layers.Layer):
    """One block of GPT-2 (Radford et al., 2019) on sequences of numbers.

    The inputs are projected linearly. The block normalises before attention and before
    the perceptron of 4 * units GELU units (tanh approximation), and adds each to its
    input. A last normalisation gives the states. There are no positional embeddings, so
    a state does not depend on the order of earlier steps: evidence is exchangeable.
    Kernels are drawn from N(0, 0.02^2), biases are zeros.

    Source: Vafidis, Bhargava and Rangel, "Disentangling Representations through
    Multi-task Learning" (ICLR 2025).

    Args:
        units: number of units, a multiple of `heads`.
        heads: number of attention heads.
        dropout: share of the embeddings, of the attention weights and of the outputs of
            attention and perceptron that are dropped in training, in [0, 1).
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, units=64, heads=8, dropout=0.1, **kwargs):
        super().__init__(**kwargs)
        self.units = checks.integer("causal_transformer.units", units, low=1)
        self.heads = checks.integer("causal_transformer.heads", heads, low=1)
        self.dropout = checks.number(
            "causal_transformer.dropout", dropout, low=0, below=1
        )
        if units % heads:
            raise ValueError(
                "causal_transformer.units must be a multiple of causal_transformer."
                f"heads. Received: units={units}, heads={heads}"
            )

        def dense(size, name, activation=None):
            initializer = keras.initializers.RandomNormal(0.0, 0.02)
            return Dense(size, activation, kernel_initializer=initializer, name=name)

        def normalization(name):
            return layers.LayerNormalization(epsilon=1e-5, name=name)

        self.embedding = dense(units, "embedding")
        self.attention_norm = normalization("attention_norm")
        self.queries_keys_values = dense(3 * units, "queries_keys_values")
        self.attention_output = dense(units, "attention_output")
        self.perceptron_norm = normalization("perceptron_norm")
        self.hidden = dense(4 * units, "hidden")
        self.perceptron_output = dense(units, "perceptron_output")
        self.final_norm = normalization("final_norm")
        places = ("embedding", "weights", "attention", "perceptron")
        self.dropouts = [Dropout(dropout, name=f"drop_{p}") for p in places]

    def build(self, input_shape):
        """Makes the weights of all parts."""
        shape = (*input_shape[:2], self.units)
        self.embedding.build(input_shape)
        for part in (
            self.attention_norm,
            self.queries_keys_values,
            self.attention_output,
            self.perceptron_norm,
            self.hidden,
            self.final_norm,
        ):
            part.build(shape)
        self.perceptron_output.build((*input_shape[:2], 4 * self.units))

    def call(self, inputs, training=None):
        """States (batch, steps, units) of inputs (batch, steps, features)."""
        embedding, weights, attention, perceptron = (
            lambda x, drop=drop: drop(x, training=training) for drop in self.dropouts
        )
        x = embedding(self.embedding(inputs))
        attended = self._attend(self.attention_norm(x), weights)
        x = x + attention(self.attention_output(attended))
        hidden = ops.gelu(self.hidden(self.perceptron_norm(x)), approximate=True)
        x = x + perceptron(self.perceptron_output(hidden))
        return self.final_norm(x)

    def _attend(self, x, drop):
        """Values (batch, steps, units), weighted by each step's causal attention."""
        steps, size = ops.shape(x)[1], self.units // self.heads
        parts = ops.reshape(
            self.queries_keys_values(x), (-1, steps, 3, self.heads, size)
        )
        queries, keys, values = ops.unstack(parts, axis=2)
        # Steps on the last axis make all products of matrices fast on a CPU, those of
        # the gradients included.
        queries = ops.transpose(queries, (0, 2, 1, 3)) * size**-0.5
        keys, values = (ops.transpose(x, (0, 2, 3, 1)) for x in (keys, values))
        scores = ops.matmul(queries, keys)
        numbers = ops.arange(steps)
        is_earlier = numbers[None, :] <= numbers[:, None]
        # Cast, because bfloat16 has the range of float32.
        scores = ops.where(is_earlier, scores, ops.cast(-1e30, scores.dtype))
        weights = drop(ops.softmax(scores, axis=-1))
        attended = ops.matmul(values, ops.transpose(weights, (0, 1, 3, 2)))
        return ops.reshape(
            ops.transpose(attended, (0, 3, 1, 2)), (-1, steps, self.units)
        )

    def compute_output_shape(self, input_shape):
        """(batch, steps, units)."""
        return (*input_shape[:2], self.units)

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "heads": self.heads,
            "dropout": self.dropout,
        }
