"""Losses, regularisers and their gradients against the reference's numbers."""

import gin
import keras
import numpy as np
import pytest
from keras import ops

from dmt.methods.shared import losses
from dmt.methods.unsupervised import vae
from tests.helpers.backend import gradients
from tests.helpers.losses import ConstantDiscriminator, check, load

CASES = {**load("losses"), **load("losses_64x64x3")}


def cases(*prefixes):
    names = [name for name in CASES if name.startswith(prefixes)]
    if not names:
        raise ValueError(f"No case begins with {prefixes}.")
    return pytest.mark.parametrize("name", names)


@cases("bernoulli/", "l2/")
def test_reconstruction_loss(name):
    case = CASES[name]
    params = case["params"]
    function = losses.l2_loss if name.startswith("l2") else losses.bernoulli_loss
    images, logits = case["in"]["true_images"], case["in"]["reconstructed_images"]
    # float32 cannot hold 1 - 1e-6 exactly, so saturated pixels differ more.
    rtol = 1e-3 if params["activation"] == "tanh" else 1e-5
    loss = function(images, logits, **params)
    check(loss, case["out"]["per_sample_loss"], rtol)
    check(ops.mean(loss), case["out"]["mean"], rtol)
    key = "grad_per_sample_loss_wrt_reconstructed_images"
    if key in case["out"]:
        (gradient,) = gradients(
            lambda x: ops.sum(function(images, x, **params)), logits
        )
        # 1 / (1 - p) magnifies the rounding of p, in the reference as here.
        check(gradient, case["out"][key], 10 * rtol, atol=1e-4)


@cases("kl/")
def test_kl(name):
    case = CASES[name]
    arrays = case["in"]["z_mean"], case["in"]["z_logvar"]
    check(vae.compute_gaussian_kl(*arrays), case["out"]["kl"])
    for key, gradient in zip(
        ("z_mean", "z_logvar"), gradients(vae.compute_gaussian_kl, *arrays), strict=True
    ):
        check(gradient, case["out"][f"grad_kl_wrt_{key}"])


@cases("total_correlation/")
def test_total_correlation(name):
    case = CASES[name]
    names = ("z", "z_mean", "z_logvar")
    arrays = [case["in"][key] for key in names]
    check(vae.total_correlation(*arrays), case["out"]["tc"])
    for key, gradient in zip(
        names, gradients(vae.total_correlation, *arrays), strict=True
    ):
        check(gradient, case["out"][f"grad_tc_wrt_{key}"])


@cases("gaussian_log_density/")
def test_log_density(name):
    case = CASES[name]
    density = vae.gaussian_log_density(
        *(case["in"][key] for key in ("z", "z_mean", "z_logvar"))
    )
    check(density, case["out"]["log_density"])


@cases("covariance_z_mean/")
def test_covariance(name):
    case = CASES[name]
    check(vae.compute_covariance_z_mean(case["in"]["z_mean"]), case["out"]["cov"])


@cases("regularize_diag_off_diag/")
def test_diagonal_regularizer(name):
    case = CASES[name]
    (covariance,) = case["in"].values()
    value = vae.regularize_diag_off_diag_dip(covariance, **case["params"])
    (expected,) = case["out"].values()
    check(value, expected)


@cases("anneal/")
def test_anneal(name):
    case = CASES[name]
    (steps,) = case["in"].values()
    (expected,) = case["out"].values()
    values = [vae.anneal(step=step, **case["params"]) for step in steps]
    check(ops.stack(values), expected)


MODELS = {
    "vae": vae.BetaVAE,
    "annealed_vae": vae.AnnealedVAE,
    "beta_tc_vae": vae.BetaTCVAE,
    "dip_vae": vae.DIPVAE,
    "factor_vae": vae.FactorVAE,
}


def _model(name, params):
    params = dict(params)
    step = params.pop("step", 0)
    model = MODELS[name](**params)
    model.step.assign(step)
    return model


@cases("vae/", "beta_tc_vae/", "dip_vae_", "annealed_vae/")
def test_regularizer(name):
    case = CASES[name]
    model = _model(case["what"].split(".")[0], case["params"])
    names = ("z_mean", "z_logvar", "z")
    arrays = [case["in"][key] for key in names]

    def regularizer(z_mean, z_logvar, z):
        kl = vae.compute_gaussian_kl(z_mean, z_logvar)
        return model.regularizer(kl, z_mean, z_logvar, z)

    check(regularizer(*arrays), case["out"]["regularizer"])
    for key, gradient in zip(names, gradients(regularizer, *arrays), strict=True):
        expected = case["out"].get(f"grad_regularizer_wrt_{key}")
        if expected is not None:
            # The covariance of one row is a difference of equal numbers.
            check(gradient, expected, atol=5e-5)


@cases("model/")
def test_whole_loss(name):
    case = CASES[name]
    inputs, expected = case["in"], case["out"]
    (model_name,) = [m for m in MODELS if name.startswith(f"model/{m}")]
    model = _model(model_name, case["params"])
    if model_name == "factor_vae":
        object.__setattr__(
            model,
            "discriminator",
            ConstantDiscriminator(
                inputs["discriminator_logits"], inputs["discriminator_logits_shuffled"]
            ),
        )
        model.shuffle = 0
    gin.parse_config("reconstruction_loss.loss_fn = @bernoulli_loss")
    model.reconstruction_loss = losses.reconstruction_loss()
    gin.clear_config()
    loss = model.compute_loss(
        inputs["features"],
        y_pred={
            "z_mean": inputs["z_mean"],
            "z_logvar": inputs["z_logvar"],
            "z_sampled": inputs["z_sampled_0"],
            "reconstructions": inputs["reconstructions"],
        },
        training=False,
    )
    check(loss, expected["loss"])
    for key, tracker in model.trackers.items():
        if key == "discriminator_loss":
            check(-tracker.result(), expected["discriminator_loss"], rtol=1e-4)
        elif key != "discriminator_accuracy":
            check(tracker.result(), expected[f"metric_{key}"])


def test_shuffled_codes_keep_every_code_and_break_the_rows():
    z = CASES["shuffle_codes"]["in"]["z"]
    shuffled = ops.convert_to_numpy(vae.shuffle_codes(z, seed=3))
    np.testing.assert_array_equal(np.sort(shuffled, axis=0), np.sort(z, axis=0))
    order = [np.argsort(np.argsort(column)) for column in shuffled.T]
    assert len({tuple(column) for column in order}) == z.shape[1]


def test_uint8_images_are_scaled_to_one():
    rng = np.random.RandomState(0)
    images = rng.randint(256, size=(4, 8, 8, 1)).astype("uint8")
    logits = rng.normal(size=images.shape).astype("float32")
    model = vae.BetaVAE(beta=1.0)
    zeros = np.zeros((4, 2), "float32")
    y_pred = dict.fromkeys(("z_mean", "z_logvar", "z_sampled"), zeros)
    gin.parse_config("reconstruction_loss.loss_fn = @l2_loss")
    model.reconstruction_loss = losses.reconstruction_loss()
    results = [
        model.compute_loss(x, y_pred={**y_pred, "reconstructions": logits})
        for x in (images, images.astype("float32") / 255)
    ]
    np.testing.assert_allclose(float(results[0]), float(results[1]), rtol=1e-6)


def test_unknown_activation_is_named():
    zeros = np.zeros((1, 2, 2, 1), "float32")
    with pytest.raises(ValueError, match="activation='relu'"):
        losses.bernoulli_loss(zeros, zeros, "relu")


def test_backend_is_the_one_asked_for():
    assert keras.backend.backend() in ("tensorflow", "jax")
