"""Semi-supervised training as users run it: by bindings, on either backend."""

import gin
import numpy as np
import pytest

from dmt.data import labellers
from dmt.data.ground_truth import named_data
from dmt.methods import gaussian_encoder_model
from dmt.methods.semi_supervised.examples import semi_supervised_data
from dmt.methods.train import train_with_gin
from dmt.utils import configuration
from tests.helpers.runs import ROOT, SUPERVISED, TINY, bindings, history, results

GIN_FILES = ROOT / "gin_configs" / "semi_supervised"
GAMMA_SUP = 50
FAMILIES = {
    "s2_vae": {},
    "s2_factor_vae": {
        "s2_factor_vae__gamma": "2.0",
        "s2_factor_vae__gamma_sup": "50.0",
    },
    "s2_dip_vae": {
        "s2_dip_vae__lambda_od": "1.0",
        "s2_dip_vae__lambda_d_factor": "1.0",
        "s2_dip_vae__gamma_sup": "50.0",
    },
    "s2_beta_tc_vae": {
        "s2_beta_tc_vae__beta": "2.0",
        "s2_beta_tc_vae__gamma_sup": "50",
    },
    "s2_mine_vae": {"s2_mine_vae__beta": "1.0", "s2_mine_vae__gamma_sup": "50.0"},
    "supervised": {},
}


def lines(**changes):
    without = [name for name, value in changes.items() if value is None]
    kept = {k: v for k, v in SUPERVISED.items() if k.replace(".", "__") not in without}
    return bindings(kept, **{k: v for k, v in changes.items() if k not in without})


def train(model_dir, resume=False, **changes):
    train_with_gin(str(model_dir), gin_bindings=lines(**changes), resume=resume)


def state(model_dir):
    with np.load(model_dir / "tf_checkpoint" / "checkpoint.npz") as checkpoint:
        return [checkpoint[name] for name in checkpoint.files]


def make_model(family, **changes):
    """A model after one update, and the variables of its supervised loss before."""
    changes = {"model__model": f"@{family}", **FAMILIES[family], **changes}
    with configuration.gin_configuration([], lines(**changes)):
        dataset = named_data.get_named_ground_truth_data()
        data, _, factor_sizes = semi_supervised_data(dataset, 2, 40, 0.9)
        model = gin.query_parameter("model.model").scoped_configurable_fn(factor_sizes)
        model.initialize(dataset, 3)
        model.compile(optimizer=model.make_optimizer(), jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        before = [v.numpy() for v in model.supervised_loss.trainable_variables]
        model.train_on_batch(*data.load_batch(1, 0, 8))
        return model, before


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_trains(family, tmp_path):
    train(
        tmp_path / "run",
        model__model=f"@{family}",
        model__training_steps="80",
        model__log_steps="20",
        **FAMILIES[family],
    )
    rows = history(tmp_path / "run")
    # Mutual informations are underestimated until the networks have learned.
    falling = ["loss"] if family == "s2_mine_vae" else ["loss", "supervised_loss"]
    for key in falling:
        assert float(rows[-1][key]) < 0.95 * float(rows[0][key]), key
    found = results(tmp_path / "run")
    expected = found["reconstruction_loss"]
    expected += found["kl_loss" if family == "s2_mine_vae" else "regularizer"]
    if family in ("s2_factor_vae", "s2_mine_vae"):
        expected += GAMMA_SUP * found["supervised_loss"]
    assert found["loss"] == pytest.approx(expected, rel=1e-4)
    assert found["global_step"] == 80
    model = gaussian_encoder_model.load_model(tmp_path / "run")
    assert model.num_latent == 6


@pytest.mark.parametrize("path", sorted(GIN_FILES.glob("*.gin")), ids=lambda p: p.stem)
@pytest.mark.slow
def test_gin_files_train(path, tmp_path):
    kept = ("dataset.name", "training_steps", "eval_steps", "batch_size", "log_steps")
    short = [f"{k} = {v}" for k, v in TINY.items() if k.endswith(kept)]
    train_with_gin(str(tmp_path / "run"), False, [str(path)], short)
    assert np.isfinite(results(tmp_path / "run")["supervised_loss"])


@pytest.mark.parametrize("family", ["s2_vae", "s2_factor_vae", "supervised"])
@pytest.mark.parametrize(
    "loss",
    [
        {"supervised_loss__loss_fn": "@l2"},
        {"supervised_loss__loss_fn": "@embed", "embed__sigma": "'learn'"},
        {
            "supervised_loss__loss_fn": "@embed",
            "embed__sigma": "1.0",
            "embed__use_order": "True",
        },
    ],
)
def test_variables_of_the_loss_are_trained(family, loss):
    model, before = make_model(family, **loss)
    after = [v.numpy() for v in model.supervised_loss.trainable_variables]
    assert after
    for a, b in zip(before, after, strict=True):
        assert not np.array_equal(a, b)


def test_networks_of_mine_have_an_optimiser_of_their_own():
    model, before = make_model("s2_mine_vae")
    networks = model.supervised_loss.trainable_variables
    # The first step of Adam is the learning rate, up to its epsilon; the last variable
    # is a bias that cancels.
    for variable, first in zip(networks[:-1], before[:-1], strict=True):
        steps = np.abs(variable.numpy() - first)
        assert np.median(steps) == pytest.approx(0.01, rel=1e-3)
    own, default = model.optimizer.optimizers
    assert float(default.learning_rate) == pytest.approx(0.001)
    assert float(own.learning_rate) == pytest.approx(0.01)


def test_encoder_of_the_supervised_model_learns_from_labels_alone(tmp_path):
    # Other images without labels change the decoder, and nothing else.
    for seed in "12":
        train(
            tmp_path / seed,
            model__model="@supervised",
            model__unsupervised_data_seed=seed,
        )
    a, b = (gaussian_encoder_model.load_model(tmp_path / seed) for seed in "12")
    for x, y in zip(a.encoder.weights, b.encoder.weights, strict=True):
        np.testing.assert_array_equal(x, y)
    assert not np.array_equal(a.decoder.weights[0], b.decoder.weights[0])


def test_weight_0_is_the_unsupervised_model(tmp_path):
    train(tmp_path / "s2", s2_vae__gamma_sup="0.0")
    train(tmp_path / "vae", model__model="@vae", vae__beta="1.0")
    a, b = (
        gaussian_encoder_model.load_model(tmp_path / name) for name in ("s2", "vae")
    )
    for x, y in zip(a.weights, b.weights, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "seed", ["unsupervised_data_seed", "supervised_data_seed", "model_seed"]
)
def test_run_follows_from_its_three_seeds(seed, tmp_path):
    train(tmp_path / "a")
    train(tmp_path / "b")
    train(tmp_path / "c", **{f"model__{seed}": "7"})
    assert results(tmp_path / "a") == results(tmp_path / "b")
    assert results(tmp_path / "a")["loss"] != results(tmp_path / "c")["loss"]


def test_killed_run_resumes_bit_by_bit(tmp_path):
    train(tmp_path / "whole", annealer__anneal_fn="@anneal")
    train(tmp_path / "parts", annealer__anneal_fn="@anneal", model__training_steps="2")
    # What a killed run leaves is a checkpoint, without results.
    config = tmp_path / "parts" / "tf_checkpoint" / "config.gin"
    config.write_text((tmp_path / "whole/tf_checkpoint/config.gin").read_text())
    for path in sorted((tmp_path / "parts" / "results").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "parts" / "results").rmdir()
    train(tmp_path / "parts", resume=True, annealer__anneal_fn="@anneal")
    for x, y in zip(state(tmp_path / "whole"), state(tmp_path / "parts"), strict=True):
        np.testing.assert_array_equal(x, y)


def test_partial_labels_of_images_without_an_index(tmp_path):
    train(
        tmp_path / "run",
        dataset__name="'dummy_data'",
        labeller__labeller_fn="@partial_labeller",
        model__dtype_policy="'mixed_bfloat16'",
    )
    assert np.isfinite(results(tmp_path / "run")["supervised_loss"])


def test_batches_hold_random_images_and_labelled_ones_in_turn():
    gin.parse_config("labeller.labeller_fn = @perfect_labeller")
    dataset = named_data.get_named_ground_truth_data("dsprites_rendered_small")
    train_data, test_data, sizes = semi_supervised_data(dataset, 2, 10, 0.65)
    observations, labels, _ = labellers.sample_supervised_data(2, dataset, 10)
    images = np.rint(observations * 255).astype("uint8")
    assert sizes == dataset.factors_num_values
    for data, start, stop in ((train_data, 0, 7), (test_data, 7, 10)):
        for step in range(3):
            rows = start + (np.arange(4) + 4 * step) % (stop - start)
            batch = data.load_batch(0, step, 4)
            assert batch[0].shape == (8, *dataset.observation_shape)
            assert batch[0].dtype == "uint8"
            assert batch[1].shape == (4, dataset.num_factors)
            assert batch[1].dtype == "float32"
            np.testing.assert_array_equal(batch[0][4:], images[rows])
            np.testing.assert_array_equal(batch[1], labels[rows])
    unlabelled = [train_data.load_batch(seed, 0, 4)[0][:4] for seed in (0, 1)]
    assert not np.array_equal(*unlabelled)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__model_seed": None}, "all for semi-supervised.*: model.model_seed"),
        ({"model__random_seed": "0"}, "in place of model.random_seed.*random_seed=0"),
        ({"model__model": "@vae()", "vae__beta": "1.0"}, "without parentheses"),
        ({"model__model": "@s2_vae()"}, "s2_vae.factor_sizes.*without parentheses"),
        (
            {"model__model": "@s2_vae()", "s2_vae__factor_sizes": "[3]"},
            "without parentheses",
        ),
        (
            {f"model__{name}": None for name in ("model_seed", "train_percentage")},
            "model.model_seed, model.train_percentage",
        ),
        (
            {
                "model__random_seed": "0",
                **{
                    key.replace(".", "__"): None
                    for key in SUPERVISED
                    if key.endswith(
                        ("_data_seed", "model_seed", "samples", "percentage")
                    )
                },
            },
            "in place of model.random_seed",
        ),
        ({"model__train_percentage": "1.0"}, "train_percentage=1.0 of 40"),
        ({"model__train_percentage": "'x'"}, "train_percentage='x'"),
        ({"model__num_labelled_samples": "0"}, "num_labelled_samples=0"),
        ({"model__model_seed": "4294967296"}, "model_seed=4294967296"),
        ({"model__resident": "True"}, "resident = False"),
        ({"encoder__num_latent": "4"}, "num_latent=4, labels="),
        ({"labeller__labeller_fn": None}, "labeller.labeller_fn"),
        ({"annealer__anneal_fn": None}, "annealer.anneal_fn"),
        ({"supervised_loss__loss_fn": None}, "supervised_loss.loss_fn"),
        ({"supervised_loss__reduction": "'max'"}, "reduction='max'"),
        (
            {"supervised_loss__loss_fn": "@embed", "embed__sigma": "'x'"},
            "sigma='x'",
        ),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_measured_factors_are_labels_that_are_regressed(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path / "root"))
    random_state = np.random.RandomState(0)
    images = random_state.randint(256, size=(60, 64, 64)).astype(np.uint8)
    factors = np.stack([np.arange(60) % 3, 10 * random_state.random_sample(60)], axis=1)
    np.savez(tmp_path / "mine.npz", images=images, factors=factors)
    own = {
        "dataset__name": "'npz_images'",
        "npz_images__path": repr(str(tmp_path / "mine.npz")),
    }
    for number, loss in enumerate(("@xent", "@l2")):
        train(tmp_path / str(number), supervised_loss__loss_fn=loss, **own)
        assert np.isfinite(results(tmp_path / str(number))["supervised_loss"])
    classes = {"supervised_loss__loss_fn": "@embed", "embed__sigma": "1.0", **own}
    with pytest.raises(ValueError, match="embed needs .*bin_labeller.*continuous"):
        train(tmp_path / "2", **classes)
    with pytest.raises(ValueError, match="at most 60. .*num_labelled_samples=61"):
        train(tmp_path / "2", model__num_labelled_samples="61", **own)
    with pytest.raises(ValueError, match="images of a batch .*batch_size=1000000000"):
        train(tmp_path / "2", model__batch_size="1000000000", **own)
