"""Reconstruction losses: how far pre-activation images are from the true images."""

from collections.abc import Callable

import gin
from keras import ops

from dmt.utils import checks, resolution

ACTIVATIONS = {
    "logits": ops.sigmoid,
    "tanh": lambda images: ops.tanh(images) / 2 + 0.5,
    "linear": lambda images: images,
}

# float32 cannot hold probabilities closer to 0 or 1 than this inside a logarithm.
EPSILON = 1e-6


def _pixel_sum(values):
    return ops.sum(ops.reshape(values, (ops.shape(values)[0], -1)), axis=1)


def _cross_entropy(labels, probabilities):
    p = ops.clip(probabilities, EPSILON, 1 - EPSILON)
    return -(labels * ops.log(p) + (1 - labels) * ops.log(1 - p))


def activate(images, activation):
    """Turns pre-activation images into images, to compare with pixels in [0, 1].

    Args:
        images: tensor of any shape, pre-activation pixels.
        activation: "logits" (logistic function), "tanh" (rescaled to [0, 1]) or
            "linear" (the images as they are, which may leave [0, 1]).

    Raises:
        ValueError: if the activation is unknown.
    """
    checks.one_of("reconstruction_loss.activation", activation, ACTIVATIONS)
    return ACTIVATIONS[activation](images)


@gin.configurable("bernoulli_loss", allowlist=["subtract_true_image_entropy"])
def bernoulli_loss(
    true_images, reconstructed_images, activation, subtract_true_image_entropy=False
):
    """Negative log-likelihood of pixels under independent Bernoulli variables.

    Args:
        true_images: (batch, height, width, channels) in [0, 1].
        reconstructed_images: same shape, pre-activation.
        activation: "logits", "tanh" or "linear", see `activate`.
        subtract_true_image_entropy: whether to subtract the entropy of the true
            pixels, so that a perfect reconstruction has loss zero.

    Returns:
        (batch,) losses in nats, summed over pixels and channels.
    """
    if activation == "logits":
        losses = ops.softplus(reconstructed_images) - reconstructed_images * true_images
    else:
        losses = _cross_entropy(true_images, activate(reconstructed_images, activation))
    if subtract_true_image_entropy:
        clipped = ops.clip(true_images, EPSILON, 1 - EPSILON)
        losses = losses - _cross_entropy(clipped, clipped)
    return _pixel_sum(losses)


@gin.configurable("l2_loss", allowlist=[])
def l2_loss(true_images, reconstructed_images, activation):
    """Squared error of the activated images, (batch,), summed over pixels."""
    errors = true_images - activate(reconstructed_images, activation)
    return _pixel_sum(ops.square(errors))


@gin.configurable(
    "reconstruction_loss", denylist=["true_images", "reconstructed_images"]
)
def make_reconstruction_loss(
    true_images, reconstructed_images, loss_fn=gin.REQUIRED, activation="logits"
):
    """Reconstruction losses of images, (batch,), by the bound loss function.

    Args:
        true_images: (batch, height, width, channels) in [0, 1].
        reconstructed_images: same shape, pre-activation.
        loss_fn: `bernoulli_loss`, `l2_loss` or a function of the same arguments.
        activation: "logits", "tanh" or "linear", see `activate`.
    """
    return loss_fn(true_images, reconstructed_images, activation)


def reconstruction_loss() -> Callable:
    """`make_reconstruction_loss` as a function of images that does not read gin.

    Raises:
        ValueError: if the loss is not a function, or the activation is unknown.
    """
    loss = resolution.resolved(make_reconstruction_loss, 2, loss_fn=3)
    activation = loss.keywords.get("activation", "logits")
    checks.one_of("reconstruction_loss.activation", activation, ACTIVATIONS)
    if not callable(loss.keywords["loss_fn"]):
        raise ValueError(
            "reconstruction_loss.loss_fn must be a function, as in @bernoulli_loss. "
            f"Received: loss_fn={loss.keywords['loss_fn']!r}"
        )
    return loss
