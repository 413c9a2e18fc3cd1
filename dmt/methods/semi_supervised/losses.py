"""Losses of codes and labels, and the schedules of their weight.

Locatello et al. (2020), "Disentangling factors of variation using few labels",
https://arxiv.org/abs/1905.01258. Label i is compared with code i. As in
disentanglement_lib, most losses are sums over the batch, and are added to a
reconstruction loss that is a mean. Their relative weight therefore depends on the batch
size, except with `supervised_loss.reduction = "mean"`.
"""

import inspect
from collections.abc import Callable
from typing import Literal

import gin
import keras
import numpy as np
from keras import ops

from dmt.methods.shared import own_code
from dmt.methods.unsupervised.vae import anneal as grow
from dmt.utils import checks, resolution


class SupervisedLoss(keras.layers.Layer):
    """Base class of losses of codes and labels, which may have variables.

    A subclass defines `terms` and is registered by `@gin.register`.

    Args:
        factor_sizes: number of values of each label, 0 for a continuous label.
    """

    reduction = "sum"
    # Whether there must be a code for each label.
    codes_are_matched = True

    def __init__(self, factor_sizes):
        super().__init__(dtype="float32")
        self.factor_sizes = tuple(factor_sizes)
        self.built = True

    def call(self, codes, labels):
        """The loss, a scalar.

        Args:
            codes: (batch, num_latent), means of the codes.
            labels: (batch, num_labels), float32: integers, or numbers in [0, 1] of a
                continuous label.
        """
        terms = self.terms(codes, labels)
        return ops.mean(terms) if self.reduction == "mean" else ops.sum(terms)

    def terms(self, codes, labels):
        """The terms whose sum or mean is the loss of the batch; see `call`.

        They are losses of examples (batch,) or of pairs of examples (number of pairs,),
        or a scalar if the loss is not a sum over examples.
        """
        raise own_code.MissingHook(self, "terms")

    def matched(self, codes):
        """The codes that have a label, (batch, num_labels)."""
        return codes[:, : len(self.factor_sizes)]

    def normalized(self, labels):
        """Labels in [0, 1]: classes are divided by their number of values."""
        return labels / np.maximum(self.factor_sizes, 1).astype("float32")


@gin.configurable("supervised_loss", denylist=["num_latent"])
def make_supervised_loss(
    num_latent, factor_sizes=None, loss_fn=gin.REQUIRED, reduction="sum"
):
    """Makes the supervised loss.

    Args:
        num_latent: number of codes.
        factor_sizes: number of values of each label; models give it.
        loss_fn: `xent`, `l2`, `cov`, `embed` or another `SupervisedLoss`; or a function
            of codes, labels and factor_sizes that returns the loss of the batch.
        reduction: "sum" over the batch, as in disentanglement_lib; or "mean", which
            does not depend on the batch size. `cov` and `embed` are the same in both:
            they are made of means.

    Returns:
        A `SupervisedLoss`.

    Raises:
        ValueError: if the reduction is unknown, or codes are fewer than labels and the
            loss needs one for each.
    """
    checks.one_of("supervised_loss.reduction", reduction, ("sum", "mean"))
    if inspect.isclass(loss_fn):
        loss = loss_fn(factor_sizes)
    else:
        loss = OfFunction(factor_sizes, loss_fn)
    if loss.codes_are_matched and num_latent < len(factor_sizes):
        raise ValueError(
            "supervised_loss.loss_fn needs a code for each label; raise "
            f"encoder.num_latent or bind @cov. Received: num_latent={num_latent}, "
            f"labels={len(factor_sizes)}"
        )
    loss.reduction = reduction
    return loss


@gin.register("xent")
class CrossEntropy(SupervisedLoss):
    """Cross-entropy of sigmoid(code) and normalised label (Eq. 3), summed over labels.

    The targets are not classes: a label in [0, 1) is the probability of a 1.
    """

    def terms(self, codes, labels):
        """See `SupervisedLoss.terms`."""
        codes = self.matched(codes)
        # -t log(sigmoid(c)) - (1 - t) log(1 - sigmoid(c))
        losses = ops.softplus(codes) - self.normalized(labels) * codes
        return ops.sum(losses, axis=1)


@gin.register("l2")
class L2(SupervisedLoss):
    """Squared distance of codes and labels, summed over labels.

    Args:
        factor_sizes: number of values of each label.
        learn_scale: whether codes are multiplied by a learned number, 1 at first, and
            compared with the labels. Otherwise sigmoid(code) is compared with the
            normalised labels; as in disentanglement_lib, the codes of every image are
            then compared with the labels of every image.
    """

    def __init__(self, factor_sizes, learn_scale=True):
        super().__init__(factor_sizes)
        self.learn_scale = learn_scale
        if learn_scale:
            self.b = self.add_weight(shape=(), initializer="ones", name="b")

    def terms(self, codes, labels):
        """See `SupervisedLoss.terms`."""
        codes = self.matched(codes)
        if self.learn_scale:
            return ops.sum(ops.square(codes * self.b - labels), axis=1)
        pairs = ops.sigmoid(codes)[:, None] - self.normalized(labels)
        return ops.reshape(ops.sum(ops.square(pairs), axis=2), (-1,))


@gin.register("cov")
class Covariance(SupervisedLoss):
    """Squared covariances of each label with the codes that are not its own."""

    codes_are_matched = False

    def terms(self, codes, labels):
        """See `SupervisedLoss.terms`."""
        codes = codes - ops.mean(codes, axis=0)
        labels = labels - ops.mean(labels, axis=0)
        covariances = ops.mean(codes[:, :, None] * labels[:, None], axis=0)
        others = 1 - np.eye(*covariances.shape, dtype="float32")
        return ops.sum(ops.square(covariances * others))


@gin.register("embed")
class Embedding(SupervisedLoss):
    """Cross-entropy of labels, predicted from distances of codes to learned places.

    Each value of a label has a learned place. The closer the code is to the place, the
    more probable is the value. The loss is a mean over the batch and a sum over labels.

    Args:
        factor_sizes: number of values of each label.
        sigma: factor of the distances; a number, or "learn" for a learned number for
            each label.
        use_order: whether the places of the values of a label are in order, at equal
            distances; otherwise each is learned separately.

    Raises:
        ValueError: if sigma is neither.
    """

    def __init__(self, factor_sizes, sigma: float | Literal["learn"], use_order=False):
        if sigma != "learn" and not checks.is_number(sigma):
            raise ValueError(
                f'embed.sigma must be a number or "learn". Received: sigma={sigma!r}'
            )
        if 0 in factor_sizes:
            raise ValueError(
                "embed needs labels with classes: bind another supervised_loss.loss_fn "
                "or labeller.labeller_fn = @bin_labeller. Received: a continuous label"
            )
        super().__init__(factor_sizes)
        self.sigma = sigma
        self.use_order = use_order

        def learned(name, *shape):
            # The default of TensorFlow 1.
            return self.add_weight(shape=shape, initializer="glorot_uniform", name=name)

        self.places: list[tuple] = []
        self.sigmas: list = []
        for i, size in enumerate(self.factor_sizes):
            if use_order:
                self.places.append((learned(f"bias_{i}"), learned(f"slope_{i}")))
            else:
                self.places.append((learned(f"embedding_{i}", size),))
            if sigma == "learn":
                self.sigmas.append(learned(f"sigma_{i}", 1))

    def terms(self, codes, labels):
        """See `SupervisedLoss.terms`."""
        losses = []
        for i, size in enumerate(self.factor_sizes):
            places = self.places[i][0]
            if self.use_order:
                bias, slope = self.places[i]
                places = slope * np.arange(size, dtype="float32") + bias
            sigma = self.sigmas[i] if self.sigmas else self.sigma
            logits = -ops.square((codes[:, i : i + 1] - places) * sigma)
            label = ops.one_hot(ops.cast(labels[:, i], "int32"), size)
            log_likelihood = ops.sum(label * ops.log_softmax(logits), axis=1)
            losses.append(-ops.mean(log_likelihood))
        return ops.sum(ops.stack(losses))


class OfFunction(SupervisedLoss):
    """The loss that a function computes, as disentanglement_lib's users write it.

    Args:
        factor_sizes: number of values of each label.
        function: function of codes (batch, num_latent), labels (batch, num_labels) and
            factor_sizes, that returns the loss of the batch, a scalar.
    """

    codes_are_matched = False

    def __init__(self, factor_sizes, function):
        super().__init__(factor_sizes)
        self.function = resolution.resolved(function, 3)

    def terms(self, codes, labels):
        """See `SupervisedLoss.terms`."""
        return self.function(codes, labels, self.factor_sizes)


@gin.configurable("annealer", denylist=["gamma", "step"])
def make_annealer(
    gamma, step, iteration_threshold=gin.REQUIRED, anneal_fn=gin.REQUIRED
):
    """The weight of the supervised loss after a number of steps.

    Args:
        gamma: its final value.
        step: number of steps made.
        iteration_threshold: number of steps, which the annealer interprets.
        anneal_fn: the annealer, for example `fixed`.
    """
    return anneal_fn(gamma, step, iteration_threshold)


def annealer() -> Callable:
    """`make_annealer` as a function of gamma and step that does not read gin."""
    return resolution.resolved(make_annealer, 2, anneal_fn=3)


@gin.configurable("fixed", denylist=["gamma", "step"])
def fixed(gamma, step, iteration_threshold):
    """Always gamma; see `make_annealer`."""
    del step, iteration_threshold
    return gamma


@gin.configurable("anneal", denylist=["gamma", "step"])
def anneal(gamma, step, iteration_threshold):
    """Grows linearly to gamma at the threshold; see `make_annealer`."""
    return grow(gamma, step, iteration_threshold)


@gin.configurable("fine_tune", denylist=["gamma", "step"])
def fine_tune(gamma, step, iteration_threshold):
    """0 up to and including the threshold, then gamma; see `make_annealer`."""
    return gamma * ops.clip(ops.cast(step, "float32") - iteration_threshold, 0.0, 1.0)
