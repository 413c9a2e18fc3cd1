"""Supervised losses and whole semi-supervised losses against golden numbers."""

import gin
import numpy as np
import pytest
from keras import ops

from dmt.methods.semi_supervised import losses, mine, vae
from dmt.methods.shared.losses import reconstruction_loss
from tests.helpers.backend import gradients
from tests.helpers.losses import ConstantDiscriminator, check, load

CASES = load("losses_semi_supervised")
LOSSES = {
    "s2_l2_scale": "l2",
    "s2_l2_noscale": "l2",
    "s2_xent": "xent",
    "s2_cov": "cov",
    "s2_embed": "embed",
}
MODELS = {
    "model/s2_vae": vae.S2BetaVAE,
    "model/s2_dip_vae": vae.S2DIPVAE,
    "model/s2_beta_tc_vae": vae.S2BetaTCVAE,
    "model/s2_factor_vae": vae.S2FactorVAE,
    "model/supervised": vae.SupervisedVAE,
}


def cases(*prefixes, fails=False):
    names = [
        name
        for name, case in CASES.items()
        if name.startswith(prefixes) and case["fails"] == fails
    ]
    return pytest.mark.parametrize("name", names)


def make_loss(name, reduction="sum"):
    case = CASES[name]
    loss_name, params = LOSSES[name.split("/")[0]], dict(case["params"])
    factor_sizes = params.pop("factor_sizes")
    params.pop("b", None)
    for key, value in params.items():
        gin.parse_config(f"{loss_name}.{key} = {value!r}")
    gin.parse_config(f"supervised_loss.loss_fn = @{loss_name}")
    loss = losses.make_supervised_loss(
        case["in"]["representation"].shape[1], factor_sizes, reduction=reduction
    )
    for variable in loss.trainable_variables:
        kind, _, factor = variable.name.partition("_")
        key = f"{factor}.{kind}" if factor else kind
        variable.assign(case["in"][f"variable:{key}"])
    given = [key for key in case["in"] if key.startswith("variable:")]
    assert len(given) == len(loss.trainable_variables)
    return loss


@cases(*LOSSES)
def test_supervised_loss(name):
    case = CASES[name]
    loss = make_loss(name)
    codes, labels = case["in"]["representation"], case["in"]["labels"]
    check(loss(codes, labels), case["out"]["loss"])
    (gradient,) = gradients(lambda codes: loss(codes, labels), codes)
    check(gradient, case["out"]["grad_loss_wrt_representation"], atol=2e-5)


@cases(*LOSSES, fails=True)
def test_too_few_codes_are_refused(name):
    with pytest.raises(ValueError, match="Received: num_latent=4, labels=5"):
        make_loss(name)


@pytest.mark.parametrize(
    "name",
    ["s2_xent/more", "s2_l2_noscale/more", "s2_l2_scale/more/b1.7", "s2_cov/more"],
)
def test_means_do_not_depend_on_the_batch_size(name):
    loss = make_loss(name, "mean")
    batch = [CASES[name]["in"][key] for key in ("representation", "labels")]
    twice = [np.concatenate([array, array]) for array in batch]
    np.testing.assert_allclose(loss(*twice), loss(*batch), rtol=1e-5)


def test_normalized_labels():
    case = CASES["s2_normalize_labels"]
    loss = losses.CrossEntropy(case["params"]["factor_sizes"])
    check(loss.normalized(case["in"]["labels"]), case["out"]["normalized"])


@cases("s2_annealer/")
def test_annealer(name):
    case = CASES[name]
    annealer = name.split("/")[1]
    threshold = case["params"]["iteration_threshold"]
    gin.parse_config(f"annealer.anneal_fn = @{annealer}")
    gin.parse_config(f"annealer.iteration_threshold = {threshold}")
    for weight in (losses.make_annealer, losses.annealer()):
        values = [
            weight(case["params"]["gamma"], int(step)) for step in case["in"]["steps"]
        ]
        check(np.array([float(value) for value in values]), case["out"]["gamma"])


def test_mutual_information():
    case = CASES["s2_mine"]
    x, z, z_shuffled = (case["in"][key] for key in ("x", "z", "z_shuffled"))
    networks = mine.EstimatorNetworks(1, 1)
    weights = [
        case["in"][f"variable:estimator_network_0_0.{layer}.{kind}"]
        for layer in ("d1_x", "d1_z", "d2")
        for kind in ("kernel", "bias")
    ]
    for variable, weight in zip(networks.trainable_variables, weights, strict=True):
        variable.assign(weight.reshape(variable.shape))
    information = mine.mutual_information(
        networks.trainable_variables, x, z[:, None], z_shuffled[:, None]
    )
    check(ops.reshape(information, (1,)), case["out"]["mi"])


def test_mutual_information_of_each_pair_is_that_of_its_network():
    random = np.random.RandomState(0)
    codes = random.normal(size=(16, 3)).astype("float32")
    labels = random.randint(4, size=(16, 2)).astype("float32")
    networks = mine.EstimatorNetworks(2, 3)
    kernels = [ops.convert_to_numpy(v) for v in networks.trainable_variables[::2]]
    assert len(np.unique(kernels)) == 3 * 2 * 3 * mine.HIDDEN_UNITS
    weights = [random.normal(size=v.shape) for v in networks.trainable_variables]
    networks.set_weights(weights)
    information, same = networks(codes, labels, seed=0)
    np.testing.assert_allclose(information, same, rtol=1e-6)
    every = [
        np.repeat(array[:, :, None], 3, axis=2) for array in (labels, labels[::-1])
    ]
    information = mine.mutual_information(networks.trainable_variables, codes, *every)
    for label in range(2):
        for code in range(3):
            alone = mine.mutual_information(
                [w[label : label + 1, code : code + 1].astype("f4") for w in weights],
                codes[:, code : code + 1],
                *[a[:, label : label + 1, code : code + 1] for a in every],
            )
            np.testing.assert_allclose(
                information[label, code], alone[0, 0], rtol=1e-4, atol=1e-5
            )


@cases(*MODELS)
def test_whole_loss(name):
    case = CASES[name]
    inputs, expected, params = case["in"], case["out"], dict(case["params"])
    (model_class,) = [m for prefix, m in MODELS.items() if name.startswith(prefix)]
    step = params.pop("step")
    model = model_class(**params)
    model.step.assign(step)
    for line in (
        "reconstruction_loss.loss_fn = @bernoulli_loss",
        "supervised_loss.loss_fn = @xent",
        "annealer.anneal_fn = @anneal",
        "annealer.iteration_threshold = 10",
    ):
        gin.parse_config(line)
    model.supervised_loss = losses.make_supervised_loss(10, model.factor_sizes)
    model.reconstruction_loss = reconstruction_loss()
    model.annealer = model.make_annealer()
    gin.clear_config()
    if model_class is vae.S2FactorVAE:
        discriminator = ConstantDiscriminator(
            inputs["discriminator_logits"], inputs["discriminator_logits_shuffled"]
        )
        object.__setattr__(model, "discriminator", discriminator)
        model.shuffle = 0
    images = inputs["features"]
    loss = model.compute_loss(
        np.concatenate([images, np.zeros_like(images)]),
        inputs["labels"],
        {
            "z_mean": inputs["z_mean"],
            "z_logvar": inputs["z_logvar"],
            "z_sampled": inputs["z_sampled_0"],
            "reconstructions": inputs["reconstructions"],
            "z_mean_labelled": inputs["z_mean_labelled"],
        },
        training=False,
    )
    check(loss, expected["loss"])
    found = {f"metric_{k}": t.result() for k, t in model.trackers.items()}
    if "discriminator_loss" in expected:
        check(
            -found.pop("metric_discriminator_loss"),
            expected["discriminator_loss"],
            rtol=1e-4,
        )
        del found["metric_discriminator_accuracy"]
    expected = {k: v for k, v in expected.items() if k.startswith("metric_")}
    assert set(found) == set(expected)
    for key, value in found.items():
        check(value, expected[key])


def test_mine_penalty_leaves_out_each_codes_own_label():
    gin.parse_config("annealer.anneal_fn = @fixed")
    gin.parse_config("annealer.iteration_threshold = 1")
    model = vae.MineVAE([3, 4], beta=1.0, gamma_sup=2.0)
    model.annealer = model.make_annealer()
    information = np.arange(6, dtype="float32").reshape(2, 3)
    model.supervised_loss = lambda codes, labels, seed: (information, information)
    model.shuffle = 0
    y_pred = {"z_mean_labelled": np.zeros((5, 3), "float32")}
    labels = np.zeros((5, 2), "float32")
    penalty = 2.0 * (1 + 4 + 9 + 25)
    assert float(model.label_loss(labels, y_pred, False)) == penalty
    assert float(model.label_loss(labels, y_pred, True)) == penalty - 15
