"""Mutual information of labels and codes, estimated by small networks.

Belghazi et al. (ICML 2018), "Mutual information neural estimation", Eq. 5.
"""

import math

import keras
from keras import ops

from dmt.methods.unsupervised.vae import shuffle_codes

HIDDEN_UNITS = 20


class EstimatorNetworks(keras.layers.Layer):
    """A network with one hidden layer for every pair of a label and a code.

    Args:
        num_labels: number of labels.
        num_latent: number of codes.
    """

    def __init__(self, num_labels, num_latent):
        # Its optimiser is found by this name.
        super().__init__(name="estimator_networks", dtype="float32")
        # Glorot's limit of each single network.
        limit = math.sqrt(6 / (1 + HIDDEN_UNITS))

        pairs = (num_labels, num_latent)
        hidden = (*pairs, HIDDEN_UNITS)
        for name, bias_shape in (
            ("codes", hidden),
            ("labels", hidden),
            ("output", pairs),
        ):
            # An initialiser that is used twice gives the same numbers.
            kernels = keras.initializers.RandomUniform(-limit, limit)
            self.add_weight(hidden, kernels, name=f"{name}_kernel")
            self.add_weight(bias_shape, "zeros", name=f"{name}_bias")
        self.built = True

    def call(self, codes, labels, seed):
        """Estimates of the mutual information, with two kinds of gradients.

        Args:
            codes: (batch, num_latent).
            labels: (batch, num_labels).
            seed: `keras.random.SeedGenerator`, of the shuffled labels.

        Returns:
            (num_labels, num_latent) in nats, with gradients for the codes only; and the
            same numbers with gradients for the networks only.
        """
        num_labels, num_latent = self.trainable_variables[0].shape[:2]
        labels = ops.repeat(labels, num_latent, axis=1)
        shape = (-1, num_labels, num_latent)
        pairs = [ops.reshape(x, shape) for x in (labels, shuffle_codes(labels, seed))]
        variables, fixed_codes = self.trainable_variables, ops.stop_gradient(codes)
        fixed_variables = [ops.stop_gradient(v) for v in variables]
        return (
            mutual_information(fixed_variables, codes, *pairs),
            mutual_information(variables, fixed_codes, *pairs),
        )


def make_optimizer():
    """The optimiser of `EstimatorNetworks`."""
    return keras.optimizers.Adam(0.01, epsilon=1e-8, name="estimators")


def mutual_information(variables, codes, labels, labels_shuffled):
    """Lower bounds (num_labels, num_latent) of the mutual information, in nats.

    Args:
        variables: variables of `EstimatorNetworks`, in its order.
        codes: (batch, num_latent).
        labels: (batch, num_labels, num_latent), the same for each code.
        labels_shuffled: labels of other images, of the same shape.
    """
    codes_kernel, codes_bias, labels_kernel, labels_bias, kernel, bias = variables
    codes = ops.reshape(codes, (-1, 1, codes.shape[1], 1)) * codes_kernel + codes_bias

    def statistics(labels):
        labels = ops.expand_dims(labels, 3) * labels_kernel + labels_bias
        return ops.sum(ops.elu(codes + labels) * kernel, axis=3) + bias

    batch_size = ops.cast(ops.shape(labels)[0], "float32")
    return (
        ops.mean(statistics(labels), axis=0)
        + ops.log(batch_size)
        - ops.logsumexp(statistics(labels_shuffled), axis=0)
    )
