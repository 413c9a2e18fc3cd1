"""Recurrent networks that accumulate evidence, with PyTorch's equations and weights.

Each is a layer from sequences (batch, steps, features) to the states after every step,
(batch, steps, units). States begin with zeros. The inputs of all steps are projected in
one product of matrices, so that the loop over steps has one small product per step.

Source: Vafidis, Bhargava and Rangel, "Disentangling Representations through Multi-task
Learning" (ICLR 2025).
"""

import functools
import math

import gin
import keras
from keras import ops

from dmt.methods.evidence.encoder import fan_in_uniform
from dmt.utils import checks

# Share of a unit's outputs that is not zero, if recurrent kernels are sparse.
DENSITY = 0.15


def recurrence(step, num_parts, inputs, kernel):
    """The first parts of the states after every step of sequences.

    States begin with zeros.

    Args:
        step: function of a state and of what its units get, (batch, features): the
            inputs of the step, plus the product of the state's first part with the
            kernel. It returns the next state, a tuple of tensors (batch, units).
        num_parts: number of tensors of a state.
        inputs: (batch, steps, features).
        kernel: (units, features).

    Returns:
        (batch, steps, units).
    """
    run = functools.partial(_run, step, num_parts)
    if keras.backend.backend() == "jax":
        return _with_one_product(run)(inputs, kernel)
    return run(inputs, kernel)


def _run(step, num_parts, inputs, kernel):
    state = (ops.zeros_like(inputs[:, 0, : kernel.shape[0]]),) * num_parts
    if keras.backend.backend() == "jax" or inputs.shape[1] is None:

        def scanned(state, row):
            state = step(state, row + ops.matmul(state[0], kernel))
            # TensorFlow's outputs must have the structure of the state.
            return state, state

        _, (outputs, *_) = ops.scan(scanned, state, ops.moveaxis(inputs, 1, 0))
        return ops.moveaxis(outputs, 0, 1)
    outputs = []
    # TensorFlow's loops cost more than a step, and `unstack` has a cheaper gradient
    # than slices.
    for row in ops.unstack(inputs, axis=1):
        state = step(state, row + ops.matmul(state[0], kernel))
        outputs.append(state[0])
    return ops.stack(outputs, axis=1)


def _with_one_product(run):
    """`run` of inputs and a kernel, with a faster gradient of the kernel on JAX.

    The gradient is a sum of products over steps. JAX would add one product in each step
    of the loop. All steps in one product after the loop are faster.
    """
    import jax

    def forward(inputs, kernel):
        states, pull_back = jax.vjp(lambda inputs: run(inputs, kernel), inputs)
        return states, (states, pull_back)

    def backward(saved, upstream):
        states, pull_back = saved
        # It is also the gradient of the products of states and kernel.
        (of_inputs,) = pull_back(upstream)
        before = ops.pad(states[:, :-1], [[0, 0], [1, 0], [0, 0]])
        rows, columns = (
            ops.reshape(tensor, (-1, tensor.shape[-1]))
            for tensor in (before, of_inputs)
        )
        return of_inputs, ops.matmul(ops.transpose(rows), columns)

    function = jax.custom_vjp(run)
    function.defvjp(forward, backward)
    return function


def sparse(shape, dtype=None):
    """Recurrent kernel in which units have a share `DENSITY` of their connections.

    The rows have equally many entries that are not zero, at random places. These are
    drawn from N(0, 2 / (DENSITY * units)).

    Args:
        shape: (units, units).
        dtype: type of the kernel.
    """
    units = shape[0]
    stddev = math.sqrt(2 / (DENSITY * units))
    values = keras.initializers.RandomNormal(0.0, stddev)(shape, dtype)
    scores = keras.initializers.RandomUniform(0.0, 1.0)(shape)
    ranks = ops.argsort(ops.argsort(scores, axis=1), axis=1)
    kept = units - math.ceil((1 - DENSITY) * units)
    return values * ops.cast(ranks < kept, values.dtype)


_RECURRENT = {
    "default": lambda units: fan_in_uniform(units),
    "sparse": lambda units: sparse,
    "orthogonal": lambda units: keras.initializers.Orthogonal(),
}


@gin.register("leaky_rnn")
@keras.saving.register_keras_serializable("dmt")
class LeakyRNN(keras.layers.Layer):
    """A recurrent network whose units leak, or integrate without a leak.

    The states are r_t = (1 - alpha) r_{t-1} + alpha f(W_in u_t + b_in + W_rec r_{t-1} +
    b_rec + noise), or without the factor (1 - alpha) if the units do not leak. With
    alpha = 1, the default, a leaky network is Elman's.

    Args:
        units: number of units.
        alpha: time step divided by the time constant, in (0, 1].
        leaky: whether the units leak.
        activation: "relu" or "tanh".
        recurrent_init: "default", U(-a, a) with a = units^-1/2; "sparse", 15 % of the
            connections from N(0, 2 / (0.15 units)); or "orthogonal".
        noise: standard deviation of Gaussian noise in the input of each unit, >= 0.
            All sequences of a batch get the same noise. As with dropout, there is noise
            in training only.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        units=64,
        alpha=1.0,
        leaky=True,
        activation="relu",
        recurrent_init="default",
        noise=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = checks.integer("leaky_rnn.units", units, low=1)
        self.alpha = checks.number("leaky_rnn.alpha", alpha, above=0, high=1)
        self.leaky = checks.boolean("leaky_rnn.leaky", leaky)
        self.activation = checks.one_of(
            "leaky_rnn.activation", activation, ("relu", "tanh")
        )
        self.recurrent_init = checks.one_of(
            "leaky_rnn.recurrent_init", recurrent_init, _RECURRENT
        )
        self.noise = checks.number("leaky_rnn.noise", noise, low=0)
        if noise:
            self._draws = keras.random.SeedGenerator()

    def build(self, input_shape):
        """Makes W_in (features, units), W_rec (units, units) and two biases."""
        features, units = input_shape[-1], self.units
        recurrent = _RECURRENT[self.recurrent_init](units)
        self.kernel, self.bias, self.recurrent_kernel, self.recurrent_bias = (
            self.add_weight(name=name, shape=shape, initializer=initializer)
            for name, shape, initializer in (
                ("kernel", (features, units), fan_in_uniform(features)),
                ("bias", (units,), fan_in_uniform(features)),
                ("recurrent_kernel", (units, units), recurrent),
                ("recurrent_bias", (units,), fan_in_uniform(units)),
            )
        )

    def call(self, inputs, training=None):
        """States (batch, steps, units) of inputs (batch, steps, features)."""
        x = ops.matmul(inputs, self.kernel) + (self.bias + self.recurrent_bias)
        if self.noise and training:
            shape = (ops.shape(inputs)[1], self.units)
            x = x + self.noise * keras.random.normal(
                shape, dtype=x.dtype, seed=self._draws
            )
        recurrent_kernel = ops.convert_to_tensor(self.recurrent_kernel, x.dtype)
        activation = ops.relu if self.activation == "relu" else ops.tanh
        kept = 1 - self.alpha if self.leaky else 1.0

        def step(states, total):
            (state,) = states
            new = activation(total)
            new = new if self.alpha == 1 else self.alpha * new
            return (new + kept * state if kept else new,)

        return recurrence(step, 1, x, recurrent_kernel)

    def compute_output_shape(self, input_shape):
        """(batch, steps, units)."""
        return (*input_shape[:2], self.units)

    def get_config(self):
        """The constructor's arguments."""
        names = ("units", "alpha", "leaky", "activation", "recurrent_init", "noise")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@gin.register("lstm")
@keras.saving.register_keras_serializable("dmt")
class LSTM(keras.layers.Layer):
    """One layer of LSTM units (Hochreiter and Schmidhuber, 1997).

    Unlike `keras.layers.LSTM`, it has two bias vectors, and all weights are drawn from
    U(-a, a) with a = units^-1/2.

    Args:
        units: number of units.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: if `units` is below 1.
    """

    def __init__(self, units=64, **kwargs):
        super().__init__(**kwargs)
        self.units = checks.integer("lstm.units", units, low=1)

    def build(self, input_shape):
        """Makes kernels and biases for the input, forget, cell and output gates."""
        gates = 4 * self.units
        self.kernel, self.bias, self.recurrent_kernel, self.recurrent_bias = (
            self.add_weight(
                name=name, shape=shape, initializer=fan_in_uniform(self.units)
            )
            for name, shape in (
                ("kernel", (input_shape[-1], gates)),
                ("bias", (gates,)),
                ("recurrent_kernel", (self.units, gates)),
                ("recurrent_bias", (gates,)),
            )
        )

    def call(self, inputs):
        """Hidden states (batch, steps, units) of inputs (batch, steps, features)."""
        x = ops.matmul(inputs, self.kernel) + (self.bias + self.recurrent_bias)
        recurrent_kernel = ops.convert_to_tensor(self.recurrent_kernel, x.dtype)

        def step(states, gates):
            _, cell = states
            enter, forget, new, leave = ops.split(gates, 4, axis=-1)
            cell = ops.sigmoid(forget) * cell + ops.sigmoid(enter) * ops.tanh(new)
            return ops.sigmoid(leave) * ops.tanh(cell), cell

        return recurrence(step, 2, x, recurrent_kernel)

    def compute_output_shape(self, input_shape):
        """(batch, steps, units)."""
        return (*input_shape[:2], self.units)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "units": self.units}
