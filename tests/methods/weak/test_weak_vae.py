"""Weakly supervised models against the reference's numbers, and trained."""

import gin
import numpy as np
import pytest
from keras import ops

from dmt.data import pairs, pipeline
from dmt.data.ground_truth import named_data
from dmt.methods.shared.losses import reconstruction_loss
from dmt.methods.train import train_with_gin
from dmt.methods.weak import weak_vae
from tests.helpers.backend import gradients
from tests.helpers.losses import check, load
from tests.helpers.runs import TINY, bindings, history, results, state

CASES = load("losses_weak")
MODELS = {
    "group_vae_argmax": weak_vae.GroupVAEArgmax,
    "group_vae_labels": weak_vae.GroupVAELabels,
    "mlvae_argmax": weak_vae.MLVAEArgmax,
    "mlvae_labels": weak_vae.MLVAELabels,
}
CODES = ("z_mean", "z_logvar", "z_mean_2", "z_logvar_2")


def cases(prefix):
    return pytest.mark.parametrize("name", [n for n in CASES if n.startswith(prefix)])


@cases("discretize_in_bins/")
def test_upper_half(name):
    case = CASES[name]
    own = weak_vae.is_in_upper_half(ops.convert_to_tensor(case["in"]["x"]))
    np.testing.assert_array_equal(ops.convert_to_numpy(own), case["out"]["bins"] == 1)


@cases("weak_functions/")
def test_weak_functions(name):
    inputs, expected = CASES[name]["in"], CASES[name]["out"]
    codes = [ops.convert_to_tensor(inputs[key]) for key in CODES]
    kl = weak_vae.compute_kl(*codes[::2], *codes[1::2])
    check(kl, expected["kl_per_point"])
    own = ops.convert_to_numpy(weak_vae.is_in_upper_half(kl))
    np.testing.assert_array_equal(own, expected["bins"] == 1)
    labels = ops.one_hot(inputs["labels"][:, 0], codes[0].shape[1])
    for kind in ("argmax", "labels"):
        model = MODELS[f"group_vae_{kind}"](beta=1.0)
        for image, (mean, logvar) in enumerate((codes[:2], codes[2:]), start=1):
            new_mean, new_logvar = model.aggregate(
                mean, logvar, 0.5 * mean, logvar - 1.0, labels, kl
            )
            check(new_mean, expected[f"{kind}_mean_{image}"])
            check(new_logvar, expected[f"{kind}_logvar_{image}"])


@cases("model/weak/")
def test_whole_loss(name):
    case = CASES[name]
    inputs, expected = case["in"], case["out"]
    model = MODELS[name.split("/")[-1]](beta=case["params"]["beta"])
    model.sample_from_latent_distribution = lambda mean, logvar: mean
    both = [inputs["reconstructions"], inputs["reconstructions_2"]]
    reconstructions = np.stack(both, axis=1).reshape(-1, *both[0].shape[1:])
    object.__setattr__(model, "decoder", lambda codes: reconstructions)
    gin.parse_config("reconstruction_loss.loss_fn = @bernoulli_loss")
    model.reconstruction_loss = reconstruction_loss()
    y_pred = [np.stack([inputs[key], inputs[f"{key}_2"]], axis=1) for key in CODES[:2]]
    loss = model.compute_loss(
        inputs["features"], inputs["labels"], y_pred, training=False
    )
    check(loss, expected["loss"])
    for key, tracker in model.trackers.items():
        check(tracker.result(), expected[f"metric_{key}"])


def test_images_of_a_pair_are_separated():
    images = np.random.RandomState(0).rand(3, 2, 4, 5, 1).astype("float32")
    stacked = np.concatenate([images[:, 0], images[:, 1]], axis=1)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(weak_vae._images(stacked)), images.reshape(6, 4, 5, 1)
    )


def test_symmetric_kl_is_the_same_for_both_images():
    rng = np.random.RandomState(0)
    codes = rng.normal(size=(2, 4, 2, 6)).astype("float32")

    def aggregated(model, codes):
        seen = []
        model.aggregate = lambda *args: seen.append(args[-1]) or args[:2]
        model.sample_from_latent_distribution = lambda mean, logvar: mean
        model.reconstruction_loss = reconstruction_loss()
        object.__setattr__(model, "decoder", lambda z: np.zeros((8, 2, 2, 1), "f4"))
        x, y = np.zeros((4, 4, 2, 1), "float32"), np.zeros((4, 1), "int32")
        model.compute_loss(x, y, list(codes), training=False)
        return ops.convert_to_numpy(seen[0])

    gin.parse_config("reconstruction_loss.loss_fn = @l2_loss")
    for symmetric in (True, False):
        kl = [
            aggregated(weak_vae.GroupVAEArgmax(1.0, symmetric), codes[:, :, order])
            for order in ([0, 1], [1, 0])
        ]
        assert np.allclose(*kl, rtol=1e-4) == symmetric


def test_codes_that_are_all_alike_have_finite_gradients():
    model = weak_vae.GroupVAEArgmax(beta=1.0)
    zeros = np.zeros((2, 3), "float32")

    def total(mean, logvar):
        kl = weak_vae.compute_kl(mean, mean, logvar, logvar)
        shared = model.average(mean, logvar, mean, logvar)
        parts = model.aggregate(mean, logvar, *shared, None, kl)
        return ops.sum(parts[0] + ops.exp(parts[1]))

    for gradient in gradients(total, zeros, zeros):
        np.testing.assert_allclose(gradient, 1.0)


@pytest.fixture(autouse=True)
def root(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path_factory.getbasetemp()))


def train(model_dir, family, resume=False, **changes):
    lines = {**TINY, "model.model": f"@{family}()", "dynamics.k": "1"}
    lines = bindings(lines, **changes)
    train_with_gin(str(model_dir), gin_bindings=lines, resume=resume)


@pytest.mark.parametrize("family", MODELS)
def test_every_family_trains(family, tmp_path):
    train(
        tmp_path / "run",
        family,
        **{f"{family.rpartition('_')[0]}__beta": "2.0"},
        model__training_steps="40",
        model__log_steps="20",
    )
    losses = [float(row["loss"]) for row in history(tmp_path / "run")]
    assert losses[-1] < 0.9 * losses[0]
    found = results(tmp_path / "run")
    assert found["loss"] == pytest.approx(
        found["reconstruction_loss"] + found["regularizer"], rel=1e-4
    )
    assert found["regularizer"] == pytest.approx(2 * found["kl_loss"], rel=1e-4)
    assert found["elbo"] == pytest.approx(
        -found["reconstruction_loss"] - found["kl_loss"], rel=1e-4
    )


def test_killed_run_ends_where_an_uninterrupted_one_ends(tmp_path, monkeypatch):
    changes = {"group_vae__beta": "1.0", "dynamics__k": "-1"}
    train(tmp_path / "expected", "group_vae_argmax", **changes)
    load = pipeline.load_batch

    def load_or_fail(dataset, seed, step, batch_size):
        if step == 5:
            raise KeyboardInterrupt
        return load(dataset, seed, step, batch_size)

    monkeypatch.setattr(pipeline, "load_batch", load_or_fail)
    with pytest.raises(BaseException):  # noqa: B017 (as the backend wraps it)
        train(tmp_path / "killed", "group_vae_argmax", **changes)
    monkeypatch.setattr(pipeline, "load_batch", load)
    assert not (tmp_path / "killed" / "results").exists()
    train(tmp_path / "killed", "group_vae_argmax", resume=True, **changes)
    assert state(tmp_path / "killed") == state(tmp_path / "expected")
    assert results(tmp_path / "killed") == results(tmp_path / "expected")


def test_beta_of_the_class_goes_before_that_of_the_base():
    gin.parse_config(["mlvae.beta = 2.0", "mlvae_argmax.beta = 3.0"])
    make = gin.get_configurable
    assert make("mlvae_argmax")().beta == 3.0
    assert make("mlvae_labels")().beta == 2.0
    assert not make("mlvae_argmax")().symmetric_kl
    gin.parse_config("mlvae_argmax.symmetric_kl = True")
    assert make("mlvae_argmax")().symmetric_kl


def test_original_names_parse():
    gin.parse_config(["dynamics.k = -1", "weak_loss.loss_fn = @l2_loss"])
    assert gin.query_parameter("dynamics.k") == -1
    z1, z2 = np.zeros((2, 1), "float32"), np.ones((2, 1), "float32")
    loss = weak_vae.make_weak_loss(z1, z2, "linear")
    np.testing.assert_array_equal(ops.convert_to_numpy(loss), [1, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "missing: group_vae.beta"),
        ({"group_vae__beta": "'x'"}, "beta='x'"),
        ({"group_vae__beta": "1.0", "dynamics__k": "6"}, "dynamics.k must be.*k=6"),
        ({"group_vae__beta": "1.0", "model__resident": "True"}, "resident = False"),
        ({"group_vae__beta": "1.0", "pairs__path": "'none.npy'"}, "path='none.npy'"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(changes, message, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as info:
        train(tmp_path / "run", "group_vae_argmax", **changes)
    # What gin adds, commands leave away.
    assert "\n" not in str(info.value).split("\n  In call to configurable")[0]
    assert not (tmp_path / "run").exists()


def test_stored_pairs_without_labels(tmp_path):
    np.save(tmp_path / "pairs.npy", np.arange(20).reshape(10, 2))
    changes = {"pairs__path": f"'{tmp_path}/pairs.npy'", "mlvae__beta": "1.0"}
    train(tmp_path / "run", "mlvae_argmax", **changes)
    with pytest.raises(ValueError, match="MLVAELabels needs pairs"):
        train(tmp_path / "other", "mlvae_labels", **changes)
    assert not (tmp_path / "other").exists()


def test_animation_shows_both_images(tmp_path):
    from PIL import Image

    gin.parse_config(["dynamics.k = 1", "group_vae.beta = 1.0"])
    dataset = named_data.get_named_ground_truth_data("dsprites_rendered_small")
    model = gin.get_configurable("group_vae_argmax")()
    path = tmp_path / "visualizations" / "weak" / "animation.gif"
    weak_vae.write_pairs_animation(model.examples(dataset)[0], str(path))
    shown, _ = pairs.make_pairs(dataset).load_batch(0, 0, 10)
    with Image.open(path) as film:
        assert film.n_frames == 2
        for number in range(2):
            film.seek(number)
            image = np.asarray(film.convert("L"))[2:66, 2:66]
            expected = shown[0, 64 * number : 64 * (number + 1), :, 0]
            np.testing.assert_array_equal(image, expected)
