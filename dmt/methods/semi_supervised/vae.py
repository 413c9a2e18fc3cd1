"""Variational auto-encoders that are given the labels of a few images.

Locatello et al. (2020), "Disentangling factors of variation using few labels",
https://arxiv.org/abs/1905.01258. Each is the unsupervised model of the same name plus
a supervised loss of the mean codes of labelled images. A gin file binds the class
(`model.model = @s2_vae`, without parentheses), because labels are drawn before the
model is made.

Variables of a supervised loss (`l2.learn_scale`, `embed`) are trained in every model;
in disentanglement_lib, those of `s2_factor_vae` keep their initial values.
"""

import gin
import keras
from keras import ops

from dmt.data.ground_truth import named_data
from dmt.methods.semi_supervised import losses, mine
from dmt.methods.semi_supervised.examples import semi_supervised_data
from dmt.methods.shared.training import seed_generator
from dmt.methods.unsupervised import vae
from dmt.utils import checks


class SemiSupervised:
    """Mixin for a `BaseVAE`: adds gamma_sup * annealer * supervised loss.

    Args:
        factor_sizes: number of values of each label; training gives it.
        gamma_sup: weight of the supervised loss.
        **parameters: arguments of the unsupervised model.
    """

    takes_labels = True

    def __init__(self, factor_sizes, gamma_sup, **parameters):
        super().__init__(**parameters)
        self.factor_sizes = tuple(factor_sizes)
        self.gamma_sup = checks.number("gamma_sup", gamma_sup)

    @classmethod
    def of_labelled_data(cls, seed, num_labelled_samples, train_percentage):
        """See `TrainableModel.of_labelled_data`."""
        *examples, factor_sizes = semi_supervised_data(
            named_data.get_named_ground_truth_data(),
            seed,
            num_labelled_samples,
            train_percentage,
        )
        model = cls(factor_sizes)
        model.labelled_examples = tuple(examples)
        return model

    def open_data(self):
        """The dataset that the labelled images are from."""
        return self.labelled_examples[0].dataset

    def examples(self, data):
        """See `TrainableModel.examples`; each has unlabelled and labelled images."""
        del data
        return self.labelled_examples

    def initialize(self, data, seed):
        """See `BaseVAE.initialize`."""
        super().initialize(data, seed)
        self.annealer = self.make_annealer()

    def make_annealer(self):
        """A function of gamma_sup and a step: the weight of the supervised loss."""
        return losses.annealer()

    def make_networks(self, data):
        """Makes the networks and the supervised loss from the gin configuration."""
        super().make_networks(data)
        self.supervised_loss = self.make_supervised_loss()

    def make_supervised_loss(self):
        """The loss of labels, a layer; see `make_networks`."""
        return losses.make_supervised_loss(self.num_latent, self.factor_sizes)

    def call(self, images):
        """Outputs of `BaseVAE.call` for unlabelled images, and codes of labelled ones.

        The second half of `images`, (2 * batch, height, width, channels), is labelled.
        "z_mean_labelled" holds the mean codes (batch, num_latent) of this half.
        """
        batch_size = ops.shape(images)[0] // 2
        return {
            **super().call(images[:batch_size]),
            "z_mean_labelled": self.encode(images[batch_size:])[0],
        }

    def batch_loss(self, x, y, y_pred, sample_weight, training):
        """See `BaseVAE.batch_loss`.

        `x` are the images that `call` takes, and `y` are labels (batch, num_labels).
        """
        unlabelled = x[: ops.shape(y)[0]]
        return super().batch_loss(unlabelled, y, y_pred, sample_weight, training)

    def regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        """See `BaseVAE.regularizer`."""
        return self.unsupervised_regularizer(kl_loss, z_mean, z_logvar, z_sampled)

    def unsupervised_regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        """The regulariser of the unsupervised model; see `BaseVAE.regularizer`."""
        return super().regularizer(kl_loss, z_mean, z_logvar, z_sampled)

    def label_loss(self, y, y_pred, training):
        """See `BaseVAE.label_loss`."""
        supervised_loss = self.supervised_loss(y_pred["z_mean_labelled"], y)
        self.record(ops.shape(y)[0], supervised_loss=supervised_loss)
        return self.annealer(self.gamma_sup, self.step.value) * supervised_loss


@gin.register("s2_vae")
class S2BetaVAE(SemiSupervised, vae.BetaVAE):
    """Semi-supervised beta-VAE."""

    result_keys = (*vae.BetaVAE.result_keys, "supervised_loss")

    def __init__(self, factor_sizes, beta, gamma_sup):
        super().__init__(factor_sizes, gamma_sup, beta=beta)


@gin.register("s2_dip_vae")
class S2DIPVAE(SemiSupervised, vae.DIPVAE):
    """Semi-supervised DIP-VAE."""

    result_keys = (*vae.DIPVAE.result_keys, "supervised_loss")

    def __init__(
        self, factor_sizes, lambda_od, lambda_d_factor, gamma_sup, dip_type="i"
    ):
        lambdas = {"lambda_od": lambda_od, "lambda_d_factor": lambda_d_factor}
        super().__init__(factor_sizes, gamma_sup, **lambdas, dip_type=dip_type)


@gin.register("s2_beta_tc_vae")
class S2BetaTCVAE(SemiSupervised, vae.BetaTCVAE):
    """Semi-supervised beta-TC-VAE."""

    result_keys = (*vae.BetaTCVAE.result_keys, "supervised_loss")

    def __init__(self, factor_sizes, beta, gamma_sup):
        super().__init__(factor_sizes, gamma_sup, beta=beta)


@gin.register("s2_factor_vae")
class S2FactorVAE(SemiSupervised, vae.FactorVAE):
    """Semi-supervised FactorVAE."""

    result_keys = (*vae.FactorVAE.result_keys, "supervised_loss")

    def __init__(self, factor_sizes, gamma, gamma_sup, steps_per_update=1):
        parameters = {"gamma": gamma, "steps_per_update": steps_per_update}
        super().__init__(factor_sizes, gamma_sup, **parameters)

    def batch_loss(self, x, y, y_pred, sample_weight, training):
        """See `SemiSupervised.batch_loss`."""
        # As in disentanglement_lib, "regularizer" is reported without this term.
        label_loss = super().label_loss(y, y_pred, training)
        loss = super().batch_loss(x, y, y_pred, sample_weight, training)
        return label_loss + loss

    def label_loss(self, y, y_pred, training):
        """Zero, because `batch_loss` adds the loss of labels."""
        return 0.0


@gin.register("s2_mine_vae")
class MineVAE(SemiSupervised, vae.BetaVAE):
    """Semi-supervised beta-VAE that penalises information of codes about other labels.

    The supervised loss is the sum of the squared mutual informations of each label with
    each code except its own. They are estimated by `EstimatorNetworks`, which another
    optimiser trains at the same time. `supervised_loss.*` is not used.
    """

    result_keys = ("reconstruction_loss", "supervised_loss", "kl_loss")

    def __init__(self, factor_sizes, gamma_sup, beta):
        super().__init__(factor_sizes, gamma_sup, beta=beta)

    def initialize(self, data, seed):
        """See `BaseVAE.initialize`."""
        super().initialize(data, seed)
        self.shuffle = seed_generator(seed, "shuffle")

    def make_supervised_loss(self):
        """The networks that estimate mutual informations."""
        return mine.EstimatorNetworks(len(self.factor_sizes), self.num_latent)

    def make_optimizer(self):
        """One optimiser for the VAE, another for the networks that estimate."""
        return keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(
                super().make_optimizer(),
                {"(.*/)?estimator_networks/.*": mine.make_optimizer()},
            )
        )

    def label_loss(self, y, y_pred, training):
        """See `BaseVAE.label_loss`."""
        information, information_to_raise = self.supervised_loss(
            y_pred["z_mean_labelled"], y, seed=self.shuffle
        )
        others = 1 - ops.eye(*information.shape)
        supervised_loss = ops.sum(ops.square(information) * others)
        self.record(ops.shape(y)[0], supervised_loss=supervised_loss)
        loss = self.annealer(self.gamma_sup, self.step.value) * supervised_loss
        return loss - ops.sum(information_to_raise) if training else loss


@gin.register("supervised")
class SupervisedVAE(SemiSupervised, vae.BaseVAE):
    """An encoder that learns from labels only, and a decoder of its codes.

    Images without labels train the decoder, on sampled codes; its gradients do not
    reach the encoder. The log-variances of the codes are not trained.
    """

    result_keys = ("reconstruction_loss", "regularizer", "supervised_loss")

    def __init__(self, factor_sizes):
        super().__init__(factor_sizes, gamma_sup=1.0)

    def sample_from_latent_distribution(self, z_mean, z_logvar):
        """Sampled codes that pass no gradients on to the encoder."""
        z_sampled = super().sample_from_latent_distribution(z_mean, z_logvar)
        return ops.stop_gradient(z_sampled)

    def regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        """Zero; written so that the unused log-variances have a gradient."""
        return 0.0 * ops.mean(z_logvar)

    def make_annealer(self):
        """The weight is always gamma_sup, which is 1."""
        return lambda gamma_sup, step: gamma_sup
