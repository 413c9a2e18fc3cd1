"""disentanglement_lib's path of semi-supervised models and their losses.

Losses are functions of tensors here. `dmt.methods.semi_supervised.losses` has them as
layers, which keep their variables.
"""

import functools

import gin
import numpy as np

from dmt.methods.semi_supervised import losses
from dmt.methods.semi_supervised.losses import make_annealer
from dmt.methods.semi_supervised.vae import (
    S2DIPVAE,
    MineVAE,
    S2BetaTCVAE,
    S2BetaVAE,
    S2FactorVAE,
    SemiSupervised,
    SupervisedVAE,
)
from dmt.methods.shared.layers import sample_gaussian
from dmt.methods.unsupervised import vae
from dmt.methods.unsupervised.vae import compute_gaussian_kl

__all__ = [
    "BaseS2VAE",
    "MineVAE",
    "S2BetaTCVAE",
    "S2BetaVAE",
    "S2DIPVAE",
    "S2FactorVAE",
    "SupervisedVAE",
    "annealed_annealer",
    "compute_gaussian_kl",
    "fine_tune_annealer",
    "fixed_annealer",
    "make_annealer",
    "make_supervised_loss",
    "normalize_labels",
    "sample_from_latent_distribution",
    "supervised_regularizer_cov",
    "supervised_regularizer_embed",
    "supervised_regularizer_l2",
    "supervised_regularizer_xent",
]

annealed_annealer = losses.anneal
fine_tune_annealer = losses.fine_tune
fixed_annealer = losses.fixed


class BaseS2VAE(SemiSupervised, vae.BaseVAE):
    """Base class of semi-supervised models.

    A subclass defines `unsupervised_regularizer`, see `SemiSupervised`, and sets
    `gamma_sup`, the weight of the supervised loss.

    Args:
        factor_sizes: number of values of each label; training gives it.
    """

    result_keys = (*vae.BaseVAE.result_keys, "supervised_loss")

    def __init__(self, factor_sizes):
        # A subclass may have set its weight before.
        super().__init__(factor_sizes, getattr(self, "gamma_sup", 1.0))


def sample_from_latent_distribution(z_mean, z_logvar):
    """Codes drawn by the reparametrisation trick, (batch, num_latent)."""
    return sample_gaussian(z_mean, z_logvar, None)


def make_supervised_loss(
    representation, labels, factor_sizes=None, loss_fn=gin.REQUIRED
):
    """The supervised loss that gin or the caller chooses, a scalar.

    Args:
        representation: mean codes (batch, num_latent).
        labels: (batch, num_labels), integers as float32.
        factor_sizes: number of values of each label.
        loss_fn: function of these three, or a `SupervisedLoss`.
    """
    loss = losses.make_supervised_loss(
        representation.shape[1], _sizes(labels, factor_sizes), loss_fn
    )
    return loss(representation, labels)


def normalize_labels(labels, factors_num_values):
    """Labels (n, num_labels) divided by their numbers of values (num_labels,)."""
    return labels / np.float32(factors_num_values)


def supervised_regularizer_l2(
    representation, labels, factor_sizes=None, learn_scale=True
):
    """Squared distance of codes and labels; see `L2`.

    Calls with the same sizes and settings share one learned number.
    """
    return _value(
        losses.L2, representation, labels, factor_sizes, learn_scale=learn_scale
    )


def supervised_regularizer_xent(representation, labels, factor_sizes=None):
    """Cross-entropy of codes and labels, summed over the batch; see `CrossEntropy`."""
    return _value(losses.CrossEntropy, representation, labels, factor_sizes)


def supervised_regularizer_cov(representation, labels, factor_sizes=None):
    """Squared covariances of labels with codes that are not theirs."""
    return _value(losses.Covariance, representation, labels, factor_sizes)


def supervised_regularizer_embed(
    representation, labels, factor_sizes, sigma=gin.REQUIRED, use_order=False
):
    """Cross-entropy of labels, predicted from distances to places; see `Embedding`.

    Calls with the same sizes and settings share the learned places.
    """
    settings = {"sigma": sigma, "use_order": use_order}
    return _value(losses.Embedding, representation, labels, factor_sizes, **settings)


def _value(kind, representation, labels, factor_sizes, **settings):
    num_latent, num_labels = representation.shape[1], labels.shape[1]
    if kind.codes_are_matched and num_latent < num_labels:
        raise ValueError(
            "The loss needs a code for each label. Received: "
            f"representation.shape={tuple(representation.shape)}, "
            f"labels.shape={tuple(labels.shape)}"
        )
    sizes = _sizes(labels, factor_sizes)
    return _layer(kind, sizes, **settings)(representation, labels)


@functools.cache
def _layer(kind, sizes, **settings):
    return kind(sizes, **settings)


def _sizes(labels, factor_sizes):
    """Numbers of values; losses that do not use them may be given None."""
    if factor_sizes is None:
        return (1,) * labels.shape[1]
    return tuple(int(size) for size in factor_sizes)
