"""VAEs that learn from pairs of images which differ in few factors of variation.

Locatello et al. (2020), "Weakly-supervised disentanglement without compromises",
https://arxiv.org/abs/2002.02886. Codes that the images of a pair share are replaced by
an average of both; Group-VAE averages means and variances (Hosoya, 2019), ML-VAE
multiplies densities (Bouchacourt et al., 2018). Which codes are shared is given
(`*_labels`) or estimated (`*_argmax`, Ada-GVAE and Ada-ML-VAE in the paper).

These models are `@gin.configurable`, not `@gin.register` as the others, so that the
bindings of `group_vae` and `mlvae` apply to their subclasses.
"""

import os

import gin
import numpy as np
from keras import ops

from dmt.data.pairs import make_pairs
from dmt.methods.shared import own_code
from dmt.methods.unsupervised.vae import BetaVAE
from dmt.utils import pictures


class WeakVAE(BetaVAE):
    """A VAE of pairs: the loss is that of a beta-VAE whose shared codes are averages.

    Subclasses define `average` and `own_codes`. Images are pairs, one above the other:
    (batch, 2 * height, width, channels).

    Args:
        beta: weight of the KL divergence, >= 0.
        symmetric_kl: whether shared codes are estimated from the mean of the
            divergences in both directions (Dittadi et al., 2021,
            https://arxiv.org/abs/2010.14407), instead of the divergence of the first
            image from the second.
    """

    def __init__(self, beta, symmetric_kl=False):
        super().__init__(beta)
        self.symmetric_kl = symmetric_kl

    def examples(self, data):
        """See `TrainableModel.examples`: pairs, to train and to evaluate on."""
        pairs = make_pairs(data)
        return pairs, pairs

    def export(self, model_dir, training_data):
        """Writes an animation of pairs too; see `TrainableEncoder.export`."""
        super().export(model_dir, training_data)
        path = os.path.join(model_dir, "visualizations", "weak", "animation.gif")
        write_pairs_animation(training_data, path)

    def average(self, z_mean, z_logvar, z_mean_2, z_logvar_2):
        """Mean and log-variance of shared codes; all arrays (batch, num_latent)."""
        raise own_code.MissingHook(self, "average")

    def aggregate(self, z_mean, z_logvar, new_mean, new_log_var, labels, kl_per_point):
        """Mean and log-variance of the codes of one image of each pair.

        Args:
            z_mean: (batch, num_latent), of the image.
            z_logvar: (batch, num_latent), of the image.
            new_mean: (batch, num_latent), `average` of both images.
            new_log_var: (batch, num_latent), `average` of both images.
            labels: (batch, num_latent), 1 for the number of the factor that changed.
            kl_per_point: (batch, num_latent), see `compute_kl`.
        """
        own = self.own_codes(labels, kl_per_point)
        return ops.where(own, z_mean, new_mean), ops.where(own, z_logvar, new_log_var)

    def own_codes(self, labels, kl_per_point):
        """Which codes are not shared, bool; see `aggregate` for the arguments."""
        raise own_code.MissingHook(self, "own_codes")

    def call(self, pairs):
        """Mean and log-variance, (batch, 2, num_latent) each."""
        codes = self.encode(_images(pairs))
        return [ops.reshape(c, (-1, 2, c.shape[-1])) for c in codes]

    def batch_loss(self, x, y, y_pred, sample_weight, training):
        """The mean loss of the images of a batch; see `BaseVAE.batch_loss`.

        `x` are pairs (batch, 2 * height, width, channels), float in [0, 1] or uint8;
        `y` are int labels (batch, 1), the number of a factor that changed.
        """
        del sample_weight
        mean, logvar = y_pred
        first, second = ((mean[:, i], logvar[:, i]) for i in (0, 1))
        (mean_1, logvar_1), (mean_2, logvar_2) = first, second
        kl_per_point = compute_kl(mean_1, mean_2, logvar_1, logvar_2)
        if self.symmetric_kl:
            reverse = compute_kl(mean_2, mean_1, logvar_2, logvar_1)
            kl_per_point = 0.5 * (kl_per_point + reverse)
        shared = self.average(*first, *second)
        labels = ops.one_hot(y[:, 0], mean.shape[-1])
        codes = [
            self.aggregate(*own, *shared, labels, kl_per_point)
            for own in (first, second)
        ]
        outputs = self.sample_and_decode(
            *(
                ops.reshape(ops.stack(part, axis=1), (-1, mean.shape[-1]))
                for part in zip(*codes, strict=True)
            )
        )
        return super().batch_loss(_images(x), None, outputs, None, training)


@gin.configurable("group_vae")
class GroupVAE(WeakVAE):
    """Group-VAE: shared codes have the average mean and the average variance."""

    def average(self, z_mean, z_logvar, z_mean_2, z_logvar_2):
        """See `WeakVAE.average`."""
        variance = 0.5 * (ops.exp(z_logvar) + ops.exp(z_logvar_2))
        return 0.5 * (z_mean + z_mean_2), ops.log(variance)


@gin.configurable("mlvae")
class MLVAE(WeakVAE):
    """ML-VAE: the density of shared codes is the product of both densities.

    As in disentanglement_lib, the variance is twice that of the product.
    """

    def average(self, z_mean, z_logvar, z_mean_2, z_logvar_2):
        """See `WeakVAE.average`."""
        var, var_2 = ops.exp(z_logvar), ops.exp(z_logvar_2)
        new_var = 2 * var * var_2 / (var + var_2)
        new_mean = 0.5 * new_var * (z_mean / var + z_mean_2 / var_2)
        return new_mean, ops.log(new_var)


class _Labels:
    """The code with the number of the factor that changed is not shared.

    If there is no code of that number, no code is shared, as in disentanglement_lib.
    """

    def examples(self, data):
        pairs, evaluation_pairs = super().examples(data)
        if not pairs.has_labels:
            raise ValueError(
                f"{type(self).__name__} needs pairs with the factor that changed: give "
                "the file pairs.path a third column, or bind model.model to "
                "@group_vae_argmax() or @mlvae_argmax()."
            )
        return pairs, evaluation_pairs

    def own_codes(self, labels, kl_per_point):
        return ops.equal(labels, ops.max(labels, axis=1, keepdims=True))


class _Argmax:
    """Codes whose divergence is in the upper half of its range are not shared."""

    def own_codes(self, labels, kl_per_point):
        return is_in_upper_half(kl_per_point)


@gin.configurable("group_vae_labels", denylist=["symmetric_kl"])
class GroupVAELabels(_Labels, GroupVAE):
    """Group-VAE that is given which factor changed."""


@gin.configurable("group_vae_argmax")
class GroupVAEArgmax(_Argmax, GroupVAE):
    """Ada-GVAE: Group-VAE that estimates which codes are shared."""


@gin.configurable("mlvae_labels", denylist=["symmetric_kl"])
class MLVAELabels(_Labels, MLVAE):
    """ML-VAE that is given which factor changed."""


@gin.configurable("mlvae_argmax")
class MLVAEArgmax(_Argmax, MLVAE):
    """Ada-ML-VAE: ML-VAE that estimates which codes are shared."""


@gin.configurable("weak_loss", denylist=["z1", "z2", "labels"])
def make_weak_loss(z1, z2, labels, loss_fn=gin.REQUIRED):
    """A loss of the codes of pairs. As in disentanglement_lib, no model uses it."""
    return loss_fn(z1, z2, labels)


def compute_kl(z_1, z_2, logvar_1, logvar_2):
    """Twice the KL divergence of each code's first Gaussian from its second.

    Takes two means, then two log-variances, as disentanglement_lib. All are (batch,
    num_latent). Returns divergences of this shape, in half nats, >= 0.
    """
    return (
        ops.exp(logvar_1 - logvar_2)
        + ops.square(z_2 - z_1) * ops.exp(-logvar_2)
        - 1
        + logvar_2
        - logvar_1
    )


def is_in_upper_half(values):
    """Whether values are nearer to the largest of their row than to the smallest.

    Args:
        values: (..., n).

    Returns:
        bool (..., n), True for the middle, False in rows whose values are all equal.
    """
    low = ops.min(values, axis=-1, keepdims=True)
    extent = ops.max(values, axis=-1, keepdims=True) - low
    return (values - low) / ops.where(extent > 0, extent, 1.0) >= 0.5


def write_pairs_animation(examples, path, num_pairs=10):
    """Writes a GIF that shows first and second images of `PairExamples` in turn."""
    pairs, _ = examples.load_batch(0, 0, num_pairs)
    pairs = pairs / np.float32(255) if pairs.dtype == np.uint8 else pairs
    frames = [
        pictures.image_grid(images, num_pairs) for images in np.split(pairs, 2, axis=1)
    ]
    pictures.save_animation(frames, path, fps=1)


def _images(pairs):
    """Images (2 * batch, height, width, channels), pair after pair."""
    _, height, width, channels = pairs.shape
    return ops.reshape(pairs, (-1, height // 2, width, channels))
