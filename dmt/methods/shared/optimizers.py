"""Keras optimisers and learning rates under TensorFlow 1's names and defaults.

disentanglement_lib's gin files bind them, as in `AdamOptimizer.beta1`. Both libraries
use the "epsilon hat" form of Adam.
"""

import gin
import keras


@gin.configurable("AdamOptimizer", module="tf.train")
def AdamOptimizer(  # noqa: N802
    learning_rate=0.001,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-08,
    use_locking=False,
    name="Adam",
):
    """Adam (Kingma and Ba, 2015). `use_locking` is ignored."""
    del use_locking
    learning_rate = _made(learning_rate)
    return keras.optimizers.Adam(learning_rate, beta1, beta2, epsilon, name=name)


@gin.configurable("GradientDescentOptimizer", module="tf.train")
def GradientDescentOptimizer(  # noqa: N802
    learning_rate=gin.REQUIRED, use_locking=False, name="GradientDescent"
):
    """Plain gradient descent. `use_locking` is ignored."""
    del use_locking
    return keras.optimizers.SGD(learning_rate=_made(learning_rate), name=name)


@gin.configurable("exponential_decay", module="tf.train")
def exponential_decay(
    learning_rate=gin.REQUIRED,
    decay_steps=gin.REQUIRED,
    decay_rate=gin.REQUIRED,
    staircase=False,
):
    """Learning rate * decay_rate ** (step / decay_steps)."""
    return keras.optimizers.schedules.ExponentialDecay(
        learning_rate, decay_steps, decay_rate, staircase=staircase
    )


@gin.configurable("piecewise_constant", module="tf.train")
def piecewise_constant(boundaries=gin.REQUIRED, values=gin.REQUIRED):
    """`values[i]` up to and including step `boundaries[i]`, then the next."""
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        list(boundaries), list(values)
    )


def _made(learning_rate):
    """A learning rate, or what a function that makes one returns."""
    schedule = keras.optimizers.schedules.LearningRateSchedule
    if callable(learning_rate) and not isinstance(learning_rate, schedule):
        return learning_rate()
    return learning_rate


def _make_optimizer(binding, optimizer_fn, learning_rate):
    if learning_rate is None:
        optimizer = optimizer_fn()
    else:
        optimizer = optimizer_fn(learning_rate=_made(learning_rate))
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ValueError(
            f"{binding}.optimizer_fn must return a Keras optimizer. "
            f"Received: {optimizer!r}"
        )
    return optimizer


def parts_of(optimizer):
    """List of the optimisers in a `MultiOptimizer`, or of a single optimiser."""
    is_several = isinstance(optimizer, keras.optimizers.MultiOptimizer)
    return optimizer.optimizers if is_several else [optimizer]


@gin.configurable("vae_optimizer")
def make_vae_optimizer(optimizer_fn=gin.REQUIRED, learning_rate=None):
    """Builds the optimiser of encoder and decoder.

    Args:
        optimizer_fn: for example `AdamOptimizer`.
        learning_rate: None (the optimiser's own), a number, or a function that
            returns a Keras learning rate schedule, for example `exponential_decay`.
    """
    return _make_optimizer("vae_optimizer", optimizer_fn, learning_rate)


@gin.configurable("discriminator_optimizer")
def make_discriminator_optimizer(optimizer_fn=gin.REQUIRED, learning_rate=None):
    """Builds the optimiser of the discriminator; see `make_vae_optimizer`."""
    return _make_optimizer("discriminator_optimizer", optimizer_fn, learning_rate)


@gin.configurable("evidence_optimizer")
def make_evidence_optimizer(optimizer_fn=AdamOptimizer, learning_rate=0.001):
    """Builds the optimiser of networks on evidence; see `make_vae_optimizer`."""
    return _make_optimizer("evidence_optimizer", optimizer_fn, learning_rate)
