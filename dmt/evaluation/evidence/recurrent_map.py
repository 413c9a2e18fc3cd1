"""One step of a recurrent layer with constant inputs, and its Jacobian, in float64."""

import keras
import numpy as np
from scipy import special

from dmt.methods.evidence.recurrent import LSTM, LeakyRNN


class _Weights:
    """The weights of a layer in float64.

    Args:
        layer: `LeakyRNN` or `LSTM` that was built.
    """

    def __init__(self, layer):
        kernel, bias, self.recurrent, recurrent_bias = (
            np.asarray(keras.ops.convert_to_tensor(weight), dtype=np.float64)
            for weight in (
                layer.kernel,
                layer.bias,
                layer.recurrent_kernel,
                layer.recurrent_bias,
            )
        )
        self.kernel, self.bias = kernel, bias + recurrent_bias

    def project(self, features):
        """The part of the units' inputs that does not come from the states."""
        return np.asarray(features, dtype=np.float64) @ self.kernel + self.bias


class _LeakyRNNStep(_Weights):
    """Steps of `LeakyRNN`; its state is that of the units."""

    def __init__(self, layer):
        super().__init__(layer)
        self.size = layer.units
        self.alpha = float(layer.alpha)
        self.kept = 1 - self.alpha if layer.leaky else 1.0
        self.is_relu = layer.activation == "relu"
        # States with ReLUs have no upper limit.
        self.is_unbounded = self.is_relu

    def advance(self, states, drive):
        z = drive + states @ self.recurrent
        new = np.maximum(z, 0) if self.is_relu else np.tanh(z)
        return self.kept * states + self.alpha * new

    def pull_back(self, states, drive, vectors):
        slopes = self._slopes(states, drive)
        return self.kept * vectors + (slopes * vectors) @ self.recurrent.T

    def jacobian(self, states, drive):
        slopes = self._slopes(states, drive)
        return self.kept * np.eye(self.size) + slopes[..., None] * self.recurrent.T

    def _slopes(self, states, drive):
        z = drive + states @ self.recurrent
        return self.alpha * (z > 0 if self.is_relu else 1 - np.square(np.tanh(z)))


class _LSTMStep(_Weights):
    """Steps of `LSTM`; its state is that of the hidden units and of the cells."""

    alpha = 1.0
    is_unbounded = False

    def __init__(self, layer):
        super().__init__(layer)
        self.units = layer.units
        self.size = 2 * layer.units

    def advance(self, states, drive):
        _, cells, (enter, forget, new, leave) = self._parts(states, drive)
        cells = forget * cells + enter * new
        return np.concatenate([leave * np.tanh(cells), cells], axis=-1)

    def pull_back(self, states, drive, vectors):
        to_hidden, to_cells = np.split(vectors, 2, axis=-1)
        slopes, kept, cell_slopes = self._slopes(states, drive)
        to_cells = to_cells + cell_slopes * to_hidden
        gates = slopes * np.concatenate([to_cells] * 3 + [to_hidden], axis=-1)
        return np.concatenate([gates @ self.recurrent.T, kept * to_cells], axis=-1)

    def jacobian(self, states, drive):
        slopes, kept, cell_slopes = self._slopes(states, drive)
        by_gate = np.split(slopes[..., None] * self.recurrent.T, 4, axis=-2)
        cells = np.concatenate(
            [by_gate[0] + by_gate[1] + by_gate[2], _diagonal(kept)], axis=-1
        )
        hidden = cell_slopes[..., None] * cells
        hidden[..., : self.units] += by_gate[3]
        return np.concatenate([hidden, cells], axis=-2)

    def _parts(self, states, drive):
        """Hidden units, cells, and the values of the four gates."""
        hidden, cells = np.split(states, 2, axis=-1)
        parts = np.split(drive + hidden @ self.recurrent, 4, axis=-1)
        functions = (special.expit, special.expit, np.tanh, special.expit)
        return hidden, cells, [f(z) for f, z in zip(functions, parts, strict=True)]

    def _slopes(self, states, drive):
        """Derivatives of the new cells and hidden units.

        Returns:
            Derivatives with respect to the inputs of the gates (n, 4 units), of new
            cells for three gates and of hidden units for the last; of new cells with
            respect to cells; and of hidden units with respect to new cells.
        """
        _, cells, (enter, forget, new, leave) = self._parts(states, drive)
        squashed = np.tanh(forget * cells + enter * new)
        slopes = [
            enter * (1 - enter) * new,
            forget * (1 - forget) * cells,
            enter * (1 - np.square(new)),
            leave * (1 - leave) * squashed,
        ]
        cell_slopes = leave * (1 - np.square(squashed))
        return np.concatenate(slopes, axis=-1), forget, cell_slopes


def _diagonal(values):
    return values[..., None] * np.eye(values.shape[-1])


def _make_step(layer):
    """The class of the steps of a layer, None if they are not known."""
    # A class that extends these may have other steps.
    for kind, step in ((LeakyRNN, _LeakyRNNStep), (LSTM, _LSTMStep)):
        if isinstance(layer, kind) and type(layer).call is kind.call:
            return step
    return None


def recurrent_layer(network: keras.Model) -> keras.layers.Layer:
    """The recurrent layer of an agent's network.

    Raises:
        ValueError: if it has none whose Jacobian is known.
    """
    for layer in network.layers:
        if _make_step(layer) is not None:
            return layer
    names = ", ".join(type(layer).__name__ for layer in network.layers)
    raise ValueError(
        "Fixed points are those of agents whose network is @leaky_rnn or @lstm. "
        f"Received: a network with the layers {names}"
    )


class RecurrentMap:
    """The function F from a state of a recurrent layer to the next, at constant inputs.

    The state of `LeakyRNN` is that of its units. The state of `LSTM` is that of its
    hidden units, followed by that of its cells.

    Args:
        layer: a `LeakyRNN` or `LSTM` that was built. There is no noise.
        features: (features,), the constant inputs.

    Attributes:
        size: number of components of the state.
        alpha: time step divided by the time constant of the units; 1 for `LSTM`.
        is_unbounded: whether activations have no upper limit, as with ReLUs.

    Raises:
        ValueError: if the layer is another one.
    """

    def __init__(self, layer: keras.layers.Layer, features: np.ndarray):
        make_step = _make_step(layer)
        if make_step is None:
            raise ValueError(
                f"layer must be a LeakyRNN or an LSTM. Received: {type(layer).__name__}"
            )
        self._step = make_step(layer)
        self._drive = self._step.project(features)
        self.size, self.alpha = self._step.size, self._step.alpha
        self.is_unbounded = self._step.is_unbounded

    def __call__(self, states: np.ndarray) -> np.ndarray:
        """The next states, float64 (n, size), of states (n, size)."""
        return self._step.advance(states, self._drive)

    def pull_back(self, states: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Products J'v, float64 (n, size), of each transposed Jacobian and vector.

        Args:
            states: (n, size), where the Jacobians J of F are.
            vectors: (n, size), the vectors v.
        """
        return self._step.pull_back(states, self._drive, vectors)

    def jacobian(self, states: np.ndarray) -> np.ndarray:
        """Jacobians of F at states (n, size), float64 (n, size, size).

        Entry [:, i, j] is the derivative of component i of F by component j of the
        state. The derivative of a ReLU at 0 is 0.
        """
        return self._step.jacobian(states, self._drive)

    def trajectories(self, features: np.ndarray) -> np.ndarray:
        """States after every step of sequences of inputs, which begin with zeros.

        Args:
            features: (n, steps, features), in place of the constant inputs.

        Returns:
            float64 array (n, steps, size).
        """
        drives = self._step.project(features)
        state = np.zeros((len(drives), self.size))
        states = []
        for t in range(drives.shape[1]):
            state = self._step.advance(state, drives[:, t])
            states.append(state)
        return np.stack(states, axis=1)
