"""Heads that predict tasks from codes, all of them as one batched computation."""

import gin
import keras
from keras import ops

from dmt.methods.shared.architectures import make_initializer


@keras.saving.register_keras_serializable("dmt")
class BatchedDense(keras.layers.Layer):
    """A dense layer for each of several heads, as one batched matrix product.

    Args:
        num_heads: number of heads.
        units: outputs of each head's layer.
        activation: as in `keras.layers.Dense`.
        kernel_initializer: see `make_initializer`; the kernel of each head is drawn
            separately.
    """

    def __init__(
        self,
        num_heads,
        units,
        activation=None,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.units = units
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = kernel_initializer

    def build(self, input_shape):
        """Makes kernels (num_heads, inputs, units) and biases (num_heads, 1, units)."""
        initializer = make_initializer(self.kernel_initializer)

        def each_on_its_own(shape, dtype=None):
            return ops.stack([initializer()(shape[1:], dtype) for _ in range(shape[0])])

        shape = (self.num_heads, input_shape[-1], self.units)
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=each_on_its_own
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.num_heads, 1, self.units), initializer="zeros"
        )

    def call(self, inputs):
        """Outputs (num_heads, batch, units).

        Args:
            inputs: (batch, inputs), which all heads get, or (num_heads, batch, inputs).
        """
        if len(inputs.shape) == 2:
            # One product for all heads is faster than a broadcast of the inputs.
            kernel = ops.transpose(self.kernel, (1, 0, 2))
            kernel = ops.reshape(kernel, (-1, self.num_heads * self.units))
            outputs = ops.matmul(inputs, kernel)
            outputs = ops.reshape(outputs, (-1, self.num_heads, self.units))
            outputs = ops.transpose(outputs, (1, 0, 2))
        else:
            outputs = ops.matmul(inputs, self.kernel)
        return self.activation(outputs + self.bias)

    def compute_output_shape(self, input_shape):
        """(num_heads, batch, units)."""
        return (self.num_heads, input_shape[-2], self.units)

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": self.kernel_initializer,
        }


@gin.configurable("heads", denylist=["num_codes", "num_heads", "num_outputs"])
def make_heads(
    num_codes,
    num_heads,
    num_outputs,
    hidden_units=(300, 300, 300),
    activation="relu",
    kernel_initializer="glorot_uniform",
):
    """Builds heads: fully connected networks on the same codes.

    Args:
        num_codes: number of codes.
        num_heads: number of heads.
        num_outputs: linear outputs of each head.
        hidden_units: units of the hidden layers (Maziarka et al., 2021, appendix).
        activation: activation of the hidden layers.
        kernel_initializer: see `make_initializer`.

    Returns:
        keras.Model from codes (batch, num_codes) to predictions
        (batch, num_heads, num_outputs).
    """
    codes = keras.Input((num_codes,), name="codes")
    x = codes
    with keras.name_scope("heads"):
        for i, units in enumerate(hidden_units, start=1):
            x = BatchedDense(
                num_heads, units, activation, kernel_initializer, name=f"h{i}"
            )(x)
        x = BatchedDense(
            num_heads, num_outputs, None, kernel_initializer, name="predictions"
        )(x)
    return keras.Model(codes, ops.transpose(x, (1, 0, 2)), name="heads")


def task_losses(targets, predictions, num_classes):
    """Loss of each task, mean over the batch.

    Args:
        targets: (batch, num_tasks), numbers or classes from 0 on.
        predictions: (batch, num_tasks, num_outputs); a regression reads the first
            output, a classification of k classes the first k as logits.
        num_classes: list of numbers of classes, 0 for a regression.

    Returns:
        (num_tasks,): squared errors and cross-entropies in nats.
    """
    targets = ops.cast(targets, "float32")
    squares = ops.square(predictions[:, :, 0] - targets)
    if not any(num_classes):
        return ops.mean(squares, axis=0)
    columns = []
    for task, number in enumerate(num_classes):
        if number:
            logits = ops.log_softmax(predictions[:, task, :number], axis=-1)
            chosen = ops.one_hot(ops.cast(targets[:, task], "int32"), number)
            columns.append(-ops.sum(logits * chosen, axis=-1))
        else:
            columns.append(squares[:, task])
    return ops.mean(ops.stack(columns, axis=1), axis=0)
