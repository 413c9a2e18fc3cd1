"""Variational auto-encoders: one training step, seven regularisers.

A new VAE is a subclass of `BaseVAE` that overrides `regularizer` and is registered with
`@gin.register` or `@gin.configurable`. Numbers that a sweep varies are attributes with
the names of the arguments.
"""

import math

import gin
import keras
from keras import ops

from dmt.methods.encoders import TrainableEncoder
from dmt.methods.shared import architectures, losses, optimizers, own_code
from dmt.methods.shared.layers import as_images, sample_gaussian
from dmt.methods.shared.training import seed_generator
from dmt.utils import checks

# Parts of the loss that every VAE records.
VAE_KEYS: tuple[str, ...] = ("reconstruction_loss", "kl_loss", "regularizer")


class BaseVAE(TrainableEncoder):
    """A VAE whose loss is reconstruction + `regularizer`."""

    result_keys = (*VAE_KEYS, "elbo")

    def initialize(self, data, seed):
        """Makes networks, loss and noise; see `TrainableModel.initialize`."""
        super().initialize(data, seed)
        self.noise = seed_generator(seed, "noise")
        self.reconstruction_loss = losses.reconstruction_loss()

    def make_networks(self, data):
        """Makes encoder and decoder from the gin configuration."""
        shape = tuple(data.observation_shape)
        self.encoder = architectures.make_gaussian_encoder(shape)
        self.decoder = architectures.make_decoder(self.num_latent, shape)

    def sample_from_latent_distribution(self, z_mean, z_logvar):
        """Codes drawn by the reparametrisation trick, (batch, num_latent)."""
        return sample_gaussian(z_mean, z_logvar, self.noise)

    def call(self, images):
        """Encodes, samples and decodes; the input of `batch_loss`."""
        return self.sample_and_decode(*self.encode(images))

    def sample_and_decode(self, z_mean, z_logvar):
        """Outputs of `call` for parameters of codes, each (batch, num_latent)."""
        z_sampled = self.sample_from_latent_distribution(z_mean, z_logvar)
        return {
            "z_mean": z_mean,
            "z_logvar": z_logvar,
            "z_sampled": z_sampled,
            "reconstructions": self.decode(z_sampled),
        }

    def batch_loss(self, x, y, y_pred, sample_weight, training):
        """The mean loss of a batch; see `TrainableModel.batch_loss`.

        `x` are images (batch, height, width, channels), float in [0, 1] or uint8, and
        `y` their labels, for models that have a `label_loss`.
        """
        del sample_weight
        reconstruction_loss = ops.mean(
            self.reconstruction_loss(as_images(x), y_pred["reconstructions"])
        )
        codes = y_pred["z_mean"], y_pred["z_logvar"], y_pred["z_sampled"]
        kl_loss = compute_gaussian_kl(*codes[:2])
        name = f"{type(self).__name__}.regularizer"
        regularizer = own_code.scalar(self.regularizer(kl_loss, *codes), name)
        regularizer = regularizer + self.label_loss(y, y_pred, training)
        self.record(
            ops.shape(x)[0],
            reconstruction_loss=reconstruction_loss,
            kl_loss=kl_loss,
            regularizer=regularizer,
            elbo=-(reconstruction_loss + kl_loss),
        )
        loss = reconstruction_loss + regularizer
        return loss + self.auxiliary_loss(y_pred["z_sampled"], training)

    def regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        """The term added to the reconstruction loss, a scalar.

        Args:
            kl_loss: scalar, mean divergence of the codes from the prior, in nats.
            z_mean: (batch, num_latent).
            z_logvar: (batch, num_latent).
            z_sampled: (batch, num_latent).
        """
        raise own_code.MissingHook(
            self, "regularizer(self, kl_loss, z_mean, z_logvar, z_sampled)"
        )

    def label_loss(self, y, y_pred, training):
        """What labels add to the regulariser, a scalar; by default nothing.

        The arguments are those of `batch_loss`.
        """
        del y, y_pred, training
        return 0.0

    def auxiliary_loss(self, z_sampled, training):
        """The loss of networks other than encoder and decoder; by default 0."""
        del z_sampled, training
        return 0.0


@gin.register("vae")
class BetaVAE(BaseVAE):
    """beta-VAE: beta * KL (Higgins et al., ICLR 2017, Eq. 4).

    Args:
        beta: weight of the KL divergence, >= 0.
    """

    def __init__(self, beta):
        super().__init__()
        self.beta = checks.number("beta", beta)

    def regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        """See `BaseVAE.regularizer`."""
        return self.beta * kl_loss


@gin.register("autoencoder")
class Autoencoder(BaseVAE):
    """A plain auto-encoder: the code is the mean, nothing is regularised."""

    def sample_from_latent_distribution(self, z_mean, z_logvar):
        """The mean itself."""
        return z_mean

    def regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        """Zero; written so that the unused log-variances have a gradient."""
        return 0.0 * ops.mean(z_logvar)


def anneal(c_max, step, iteration_threshold):
    """Grows linearly with `step` from 0 to `c_max` at `iteration_threshold`."""
    return ops.minimum(
        c_max * 1.0, c_max * 1.0 * ops.cast(step, "float32") / iteration_threshold
    )


@gin.register("annealed_vae")
class AnnealedVAE(BaseVAE):
    """Annealed VAE: gamma * |KL - C| with growing C (Burgess et al., 2018, Eq. 8).

    Args:
        gamma: weight of the distance from the capacity.
        c_max: final capacity C in nats.
        iteration_threshold: number of steps until C reaches c_max.
    """

    def __init__(self, gamma, c_max, iteration_threshold):
        super().__init__()
        self.gamma = checks.number("gamma", gamma)
        self.c_max = checks.number("c_max", c_max)
        self.iteration_threshold = checks.number(
            "iteration_threshold", iteration_threshold
        )

    def regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        """See `BaseVAE.regularizer`."""
        capacity = anneal(self.c_max, self.step.value, self.iteration_threshold)
        return self.gamma * ops.abs(kl_loss - capacity)


@gin.register("bottleneck_vae")
class BottleneckVAE(BaseVAE):
    """VAE with a fixed target for the KL divergence: gamma * |KL - target|.

    Args:
        gamma: weight of the distance from the target.
        target: desired KL divergence in nats.
    """

    def __init__(self, gamma, target):
        super().__init__()
        self.gamma = checks.number("gamma", gamma)
        self.target = checks.number("target", target)

    def regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        """See `BaseVAE.regularizer`."""
        return self.gamma * ops.abs(kl_loss - self.target)


@gin.register("factor_vae")
class FactorVAE(BaseVAE):
    """FactorVAE (Kim and Mnih, ICML 2018, Eq. 2): KL + gamma * total correlation.

    A discriminator distinguishes codes of q(z) from codes shuffled over the batch; its
    logits estimate the total correlation. VAE and discriminator use the same batch and
    forward pass, and are updated together, each by its own optimiser, as in
    disentanglement_lib.

    Args:
        gamma: weight of the total correlation.
        steps_per_update: number of steps that an update counts. It is 2 in
            disentanglement_lib, so that `training_steps = 300000` of its studies are
            150,000 updates.
    """

    # As in disentanglement_lib, without "elbo". The discriminator's keys are new.
    result_keys = (*VAE_KEYS, "discriminator_loss", "discriminator_accuracy")

    def __init__(self, gamma, steps_per_update=1):
        super().__init__()
        self.gamma = checks.number("gamma", gamma)
        self.steps_per_update = checks.integer(
            "steps_per_update", steps_per_update, low=1
        )

    def initialize(self, data, seed):
        """See `BaseVAE.initialize`."""
        super().initialize(data, seed)
        self.shuffle = seed_generator(seed, "shuffle")

    def make_networks(self, data):
        """Makes encoder, decoder and discriminator from the gin configuration."""
        super().make_networks(data)
        self.discriminator = architectures.make_discriminator(self.num_latent)

    def make_optimizer(self):
        """One optimiser for the VAE, another for the discriminator."""
        return keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(
                super().make_optimizer(),
                {"(.*/)?discriminator/.*": optimizers.make_discriminator_optimizer()},
            )
        )

    def regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        """See `BaseVAE.regularizer`."""
        # The VAE learns through the discriminator without changing its weights.
        logits, _ = self.discriminator.stateless_call(
            [ops.stop_gradient(v) for v in self.discriminator.trainable_variables],
            self.discriminator.non_trainable_variables,
            z_sampled,
        )
        logits = ops.cast(logits, "float32")
        return kl_loss + self.gamma * ops.mean(logits[:, 0] - logits[:, 1])

    def auxiliary_loss(self, z_sampled, training):
        """The discriminator's cross-entropy, whose gradients do not reach the VAE."""
        joint = ops.stop_gradient(z_sampled)
        logits = self.discriminator(
            ops.concatenate([joint, shuffle_codes(joint, self.shuffle)])
        )
        logits = ops.cast(logits, "float32")
        batch_size = ops.shape(joint)[0]
        probabilities = architectures.class_probabilities(logits)
        loss = -0.5 * (
            ops.mean(ops.log(probabilities[:batch_size, 0]))
            + ops.mean(ops.log(probabilities[batch_size:, 1]))
        )
        guesses_joint = ops.cast(logits[:, 0] > logits[:, 1], "float32")
        accuracy = 0.5 * (
            ops.mean(guesses_joint[:batch_size])
            + ops.mean(1 - guesses_joint[batch_size:])
        )
        self.record(
            batch_size, discriminator_loss=loss, discriminator_accuracy=accuracy
        )
        # Evaluation reports the loss of the VAE, as in disentanglement_lib.
        return loss if training else 0.0


@gin.register("dip_vae")
class DIPVAE(BaseVAE):
    """DIP-VAE (Kumar et al., ICLR 2018): covariance of codes close to the identity.

    Args:
        lambda_od: weight of squared off-diagonal entries.
        lambda_d_factor: weight of (diagonal - 1) squared, as a multiple of lambda_od.
        dip_type: "i", covariance of the means (Eq. 6), or "ii", covariance of the
            sampled codes (Eq. 7).

    Raises:
        ValueError: if dip_type is neither.
    """

    def __init__(self, lambda_od, lambda_d_factor, dip_type="i"):
        super().__init__()
        self.lambda_od = checks.number("lambda_od", lambda_od)
        self.lambda_d_factor = checks.number("lambda_d_factor", lambda_d_factor)
        self.dip_type = checks.one_of("dip_vae.dip_type", dip_type, ("i", "ii"))

    def regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        """See `BaseVAE.regularizer`."""
        covariance = compute_covariance_z_mean(z_mean)
        if self.dip_type == "ii":
            covariance = covariance + ops.diag(ops.mean(ops.exp(z_logvar), axis=0))
        return kl_loss + regularize_diag_off_diag_dip(
            covariance, self.lambda_od, self.lambda_d_factor * self.lambda_od
        )


@gin.register("beta_tc_vae")
class BetaTCVAE(BaseVAE):
    """beta-TC-VAE: KL + (beta - 1) * total correlation (Chen et al., NeurIPS 2018).

    Args:
        beta: weight of the total correlation.
    """

    def __init__(self, beta):
        super().__init__()
        self.beta = checks.number("beta", beta)

    def regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        """See `BaseVAE.regularizer`."""
        tc = total_correlation(z_sampled, z_mean, z_logvar)
        return kl_loss + (self.beta - 1.0) * tc


def compute_gaussian_kl(z_mean, z_logvar):
    """KL divergence of diagonal Gaussians from the standard normal.

    Args:
        z_mean: (batch, num_latent).
        z_logvar: (batch, num_latent).

    Returns:
        Scalar in nats, >= 0: the mean over the batch, summed over codes.
    """
    terms = ops.square(z_mean) + ops.exp(z_logvar) - z_logvar - 1
    return ops.mean(0.5 * ops.sum(terms, axis=1))


def gaussian_log_density(samples, mean, log_var):
    """Elementwise log density of `samples` under Gaussians, broadcasting, in nats."""
    normalized = samples - mean
    return -0.5 * (
        ops.square(normalized) * ops.exp(-log_var) + log_var + math.log(2 * math.pi)
    )


def total_correlation(z, z_mean, z_logvar):
    """Minibatch estimate of the total correlation of q(z), in nats.

    Chen et al. (2018), Eq. S5 without the constants log(N * M), which do not depend on
    the parameters; the estimate, a scalar, is therefore shifted and can be negative.

    Args:
        z: (batch, num_latent), samples.
        z_mean: (batch, num_latent).
        z_logvar: (batch, num_latent).
    """
    # (j, i, l): density of code l of sample j under the posterior of image i.
    log_qz_prob = gaussian_log_density(z[:, None], z_mean[None], z_logvar[None])
    log_qz_product = ops.sum(ops.logsumexp(log_qz_prob, axis=1), axis=1)
    log_qz = ops.logsumexp(ops.sum(log_qz_prob, axis=2), axis=1)
    return ops.mean(log_qz - log_qz_product)


def compute_covariance_z_mean(z_mean):
    """Biased covariance of the rows of z_mean, (num_latent, num_latent)."""
    mean = ops.mean(z_mean, axis=0)
    outer = z_mean[:, :, None] * z_mean[:, None]
    return ops.mean(outer, axis=0) - mean[:, None] * mean[None]


def regularize_diag_off_diag_dip(covariance_matrix, lambda_od, lambda_d):
    """Weighted squared distance of a covariance matrix from the identity, >= 0.

    Args:
        covariance_matrix: (num_latent, num_latent).
        lambda_od: weight of the off-diagonal entries.
        lambda_d: weight of the diagonal entries.
    """
    diagonal = ops.diagonal(covariance_matrix)
    off_diagonal = covariance_matrix - ops.diag(diagonal)
    return lambda_od * ops.sum(ops.square(off_diagonal)) + lambda_d * ops.sum(
        ops.square(diagonal - 1)
    )


def shuffle_codes(z, seed=None):
    """Shuffles every code over the batch by a permutation of its own.

    Args:
        z: (batch, num_latent).
        seed: integer or `keras.random.SeedGenerator`; None for Keras' global one.

    Returns:
        (batch, num_latent), a sample of the product of the marginals.
    """
    order = ops.argsort(keras.random.uniform(ops.shape(z), seed=seed), axis=0)
    return ops.take_along_axis(z, order, axis=0)
