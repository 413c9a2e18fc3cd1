"""Old names of models and losses, and models as disentanglement_lib's users write."""

import gin
import keras
import numpy as np
import pytest
from keras import layers, ops

from dmt.methods.semi_supervised import (
    losses,
    semi_supervised_vae,
    train_semi_supervised_lib,
)
from dmt.methods.shared import architectures, optimizers
from dmt.methods.unsupervised import train, vae
from dmt.methods.weak import weak_vae
from tests.helpers.runs import SUPERVISED, TINY, bindings, results

RANDOM = np.random.RandomState(0)
CODES = RANDOM.normal(size=(4, 3)).astype("float32")
LABELS = RANDOM.randint(3, size=(4, 2)).astype("float32")
SIZES = [3, 3]


@pytest.mark.parametrize("kind", ["labels", "argmax"])
def test_aggregation_of_pairs(kind):
    own, own_log_var, shared, shared_log_var = RANDOM.normal(size=(4, 5, 3))
    labels, divergence = np.eye(3)[[0, 1, 2, 0, 1]], RANDOM.uniform(size=(5, 3))
    arguments = (own, own_log_var, shared, shared_log_var, labels, divergence)
    arguments = [ops.convert_to_tensor(array, "float32") for array in arguments]
    model = {"labels": weak_vae.MLVaeLabels, "argmax": weak_vae.MLVaeArgmax}[kind](1.0)
    aggregate = getattr(weak_vae, f"aggregate_{kind}")
    np.testing.assert_array_equal(aggregate(*arguments), model.aggregate(*arguments))


def test_divergence_takes_both_means_first():
    means, log_vars = np.array([[0.0, 1.0]]), np.log([[1.0, 4.0]])
    divergence = weak_vae.compute_kl(means, means + 2, log_vars, log_vars)
    np.testing.assert_allclose(divergence, [[4.0, 1.0]], rtol=1e-6)
    np.testing.assert_array_equal(weak_vae.discretize_in_bins([1.0, 2, 3]), [0, 1, 1])


@pytest.mark.parametrize("name", ["l2", "xent", "cov", "embed"])
def test_supervised_losses(name):
    kind = {
        "l2": losses.L2,
        "xent": losses.CrossEntropy,
        "cov": losses.Covariance,
        "embed": losses.Embedding,
    }[name]
    settings = {"sigma": 2.0} if name == "embed" else {}
    layer = kind(SIZES, **settings)
    loss = getattr(semi_supervised_vae, f"supervised_regularizer_{name}")
    value = loss(CODES, LABELS, SIZES, **settings)
    assert np.shape(value) == ()
    if name == "embed":  # Its places are random, but the same in each call.
        assert value == loss(CODES, LABELS, SIZES, **settings)
    else:
        np.testing.assert_allclose(value, layer(CODES, LABELS), rtol=1e-6)
    if kind.codes_are_matched:
        with pytest.raises(ValueError, match=r"labels.shape=\(4, 4\)"):
            loss(CODES, np.hstack([LABELS, LABELS]), SIZES * 2, **settings)


def test_supervised_loss_that_gin_chooses():
    gin.parse_config("supervised_loss.loss_fn = @cov")
    value = semi_supervised_vae.make_supervised_loss(CODES, LABELS, SIZES)
    expected = semi_supervised_vae.supervised_regularizer_cov(CODES, LABELS)
    np.testing.assert_allclose(value, expected)
    shares = semi_supervised_vae.normalize_labels(LABELS, SIZES)
    np.testing.assert_allclose(shares, LABELS / 3)


def test_codes_are_drawn_around_their_means():
    means, log_vars = np.zeros((2000, 1), "float32"), np.full((2000, 1), np.log(4.0))
    codes = semi_supervised_vae.sample_from_latent_distribution(
        means, log_vars.astype("float32")
    )
    assert np.std(codes) == pytest.approx(2, rel=0.1)
    shuffled = ops.convert_to_numpy(vae.shuffle_codes(CODES))
    np.testing.assert_array_equal(np.sort(shuffled, 0), np.sort(CODES, 0))


class OldStyleModel(semi_supervised_vae.BaseS2VAE):
    def __init__(self, factor_sizes):
        super().__init__(factor_sizes)
        self.gamma_sup = 2.0

    def unsupervised_regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        return 2 * kl_loss


@gin.configurable("old_style_loss", denylist=["representation", "labels"])
def old_style_loss(representation, labels, factor_sizes=None, weight=1.0):
    matched = representation[:, : len(factor_sizes)]
    return weight * ops.sum(ops.square(matched - labels))


@gin.configurable("old_style_encoder", allowlist=[])
def old_style_encoder(input_tensor, num_latent, is_training):
    x = layers.Dropout(0.5)(layers.Flatten()(input_tensor), training=is_training)
    return layers.Dense(num_latent)(x), layers.Dense(num_latent)(x)


def test_own_semi_supervised_model_and_loss(tmp_path):
    lines = {k: v for k, v in SUPERVISED.items() if not k.startswith("s2_vae")}
    changes = {
        "supervised_loss__loss_fn": "@old_style_loss",
        "old_style_loss__weight": "3.0",
    }
    of_gin = bindings(lines, **changes)
    gin.parse_config([line for line in of_gin if not line.startswith("model.model =")])
    train_semi_supervised_lib.train(str(tmp_path / "model"), False, OldStyleModel, 3)
    values = results(tmp_path / "model")
    supervised = values["regularizer"] - 2 * values["kl_loss"]
    assert supervised == pytest.approx(2 * values["supervised_loss"], rel=1e-4)


def test_train_with_arguments_in_the_original_order(tmp_path):
    lines = bindings(TINY, encoder__encoder_fn="@old_style_encoder")
    gin.parse_config([line for line in lines if "training_steps" not in line])
    train.train(str(tmp_path / "model"), False, vae.BetaVAE(1.0), 2)
    assert results(tmp_path / "model")["global_step"] == 2


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow")
def test_training_in_a_graph_is_refused(tmp_path):
    import tensorflow as tf

    # As after tf.disable_eager_execution().
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Remove tf.disable"):
        train.train_with_gin(str(tmp_path / "model"), False, [], bindings(TINY))
    assert not list(tmp_path.iterdir())


def test_architectures_on_tensors():
    images = np.zeros((2, 16, 16, 1), "float32")
    means, log_vars = architectures.conv_encoder(images, 3, is_training=True)
    assert means.shape == log_vars.shape == (2, 3)
    assert architectures.deconv_decoder(means, [16, 16, 1], True).shape == images.shape
    logits, probabilities = architectures.fc_discriminator(means, True)
    np.testing.assert_allclose(ops.softmax(logits), probabilities, rtol=1e-6)


def test_optimizer():
    optimizer = optimizers.make_optimizer(optimizers.AdamOptimizer, 0.25)
    assert float(optimizer.learning_rate) == 0.25


def test_an_encoder_without_effect_is_refused():
    with pytest.raises(ValueError, match="Old defines gaussian_encoder.*moving_over"):
        type("Old", (vae.BaseVAE,), {"gaussian_encoder": lambda self: None})
