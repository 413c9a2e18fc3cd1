"""Members of a population are the models that would have been trained alone."""

import csv
import json

import gin
import keras
import numpy as np
import pytest

from dmt.data import pipeline
from dmt.data.ground_truth.dsprites import DSprites
from dmt.methods.population import train_population
from dmt.methods.population.population import Population, make_optimizer
from dmt.methods.population.train_population import train_population_with_gin
from dmt.methods.semi_supervised import mine
from dmt.methods.train import train_with_gin
from dmt.utils import configuration
from tests.helpers.runs import TINY, bindings

# Large, so that Adam does not blow up gradients that are nearly 0.
SMALL = {**TINY, "AdamOptimizer.epsilon": "1e-3"}
SEMI_SUPERVISED = {
    "model.random_seed": "None",
    "model.supervised_data_seed": "0",
    "model.num_labelled_samples": "20",
    "model.train_percentage": "0.8",
    "encoder.num_latent": "5",
    "labeller.labeller_fn": "@perfect_labeller",
    "supervised_loss.loss_fn": "@l2",
    "annealer.anneal_fn": "@anneal",
    "annealer.iteration_threshold": "4",
}
FAMILIES = {
    "vae": lambda k: {"vae.beta": f"{1 + k}.0"},
    "annealed_vae": lambda k: {
        "annealed_vae.gamma": f"{10 + k}.0",
        "annealed_vae.c_max": f"{5 + k}.0",
        "annealed_vae.iteration_threshold": f"{3 + k}",
    },
    "bottleneck_vae": lambda k: {
        "bottleneck_vae.gamma": f"{10 + k}.0",
        "bottleneck_vae.target": f"{5 + k}.0",
    },
    "factor_vae": lambda k: {"factor_vae.gamma": f"{2 + k}.0"},
    "dip_vae": lambda k: {
        "dip_vae.lambda_od": f"{2 + k}.0",
        "dip_vae.lambda_d_factor": f"{10 + k}.0",
        "dip_vae.dip_type": "'ii'",
    },
    "beta_tc_vae": lambda k: {"beta_tc_vae.beta": f"{2 + k}.0"},
    "autoencoder": lambda k: {},
    "multi_task": lambda k: {
        "multi_task.tasks": "@random_tasks()",
        "random_tasks.num_tasks": "3",
        "random_tasks.depth": "1",
        "random_tasks.width": "5",
        "heads.hidden_units": "(8,)",
    },
    "s2_vae": lambda k: {
        **SEMI_SUPERVISED,
        "model.model": "@s2_vae",
        "model.model_seed": f"{k}",
        "model.unsupervised_data_seed": f"{10 + k}",
        "s2_vae.beta": f"{1 + k}.0",
        "s2_vae.gamma_sup": f"{2 + k}.0",
    },
    "s2_factor_vae": lambda k: {
        **SEMI_SUPERVISED,
        "model.model": "@s2_factor_vae",
        "model.model_seed": f"{k}",
        "model.unsupervised_data_seed": f"{10 + k}",
        "model.supervised_data_seed": f"{k}",
        "s2_factor_vae.gamma": f"{2 + k}.0",
        "s2_factor_vae.gamma_sup": f"{2 + k}.0",
    },
    "s2_mine_vae": lambda k: {
        **SEMI_SUPERVISED,
        "model.model": "@s2_mine_vae",
        "model.model_seed": f"{k}",
        "model.unsupervised_data_seed": f"{10 + k}",
        "s2_mine_vae.beta": f"{1 + k}.0",
        "s2_mine_vae.gamma_sup": f"{2 + k}.0",
    },
    "group_vae_argmax": lambda k: {"group_vae.beta": f"{1 + k}.0", "dynamics.k": "-1"},
    "group_vae_labels": lambda k: {
        "group_vae_labels.beta": f"{1 + k}.0",
        "dynamics.k": "1",
    },
    "mlvae_argmax": lambda k: {
        "mlvae.beta": f"{1 + k}.0",
        "mlvae_argmax.symmetric_kl": "True",
        "dynamics.k": "2",
    },
    "mlvae_labels": lambda k: {"mlvae.beta": f"{1 + k}.0", "dynamics.k": "1"},
}


@gin.configurable("tanh_encoder", allowlist=[])
def tanh_encoder(input_tensor, num_latent):
    x = keras.layers.Flatten()(input_tensor)
    for _ in range(2):
        x = keras.layers.Dense(1200, activation="tanh")(x)
    return keras.layers.Dense(num_latent)(x), keras.layers.Dense(num_latent)(x)


@pytest.fixture(autouse=True)
def root(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path_factory.getbasetemp()))


@pytest.fixture
def sizes(monkeypatch):
    """Numbers of members of the populations that are trained."""
    sizes = []

    def spy(members, **settings):
        sizes.append(len(members))
        return Population(members, **settings)

    monkeypatch.setattr(train_population, "Population", spy)
    return sizes


def lines(family, k, **changes):
    return bindings(
        {
            **SMALL,
            "model.model": f"@{family}()",
            "model.random_seed": str(k),
            "AdamOptimizer.learning_rate": f"{0.001 * (k + 1)}",
            **FAMILIES[family](k),
        },
        **changes,
    )


def runs(root, family, numbers, **changes):
    return [
        (str(root / f"member_{k}"), [], lines(family, k, **changes)) for k in numbers
    ]


def state(model_dir):
    with np.load(f"{model_dir}/tf_checkpoint/checkpoint.npz") as checkpoint:
        return [checkpoint[name] for name in checkpoint.files]


def history(model_dir):
    with open(f"{model_dir}/history.csv") as file:
        return list(csv.DictReader(file))


def check_same(found_dir, expected_dir):
    for found, expected in zip(state(found_dir), state(expected_dir), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-6)
    for found, expected in zip(history(found_dir), history(expected_dir), strict=True):
        assert list(found) == list(expected)
        for key in set(found) - {"elapsed_time", "steps_per_second"}:
            np.testing.assert_allclose(
                float(found[key]), float(expected[key]), rtol=1e-4, atol=1e-4
            )
    found, expected = (
        json.loads(open(f"{path}/results/aggregate/train.json").read())
        for path in (found_dir, expected_dir)
    )
    assert list(found) == list(expected)
    for key, value in expected.items():
        if key.endswith((".uuid", ".elapsed_time", "model.resident")):
            continue
        if found[key] != value:
            np.testing.assert_allclose(found[key], value, rtol=1e-3)


@pytest.mark.parametrize(
    ("family", "form"),
    [
        *[(family, "stacked") for family in FAMILIES],
        ("vae", "unrolled"),
        ("factor_vae", "unrolled"),
    ],
)
def test_member_is_the_single_run(family, form, tmp_path, monkeypatch, sizes):
    monkeypatch.setattr(
        mine,
        "make_optimizer",
        lambda: keras.optimizers.Adam(0.01, epsilon=1e-3, name="m"),
    )
    changes = {"population__form": f"'{form}'"}
    together = runs(tmp_path / "together", family, range(2), **changes)
    train_population_with_gin(together)
    assert sizes == [2]
    for (found, _, _), k in zip(together, range(2), strict=True):
        alone = tmp_path / f"alone_{k}"
        train_with_gin(alone, gin_bindings=lines(family, k))
        check_same(found, alone)
        assert {p.name for p in alone.iterdir()} == {
            p.name for p in (tmp_path / "together" / f"member_{k}").iterdir()
        }


def test_population_of_one(tmp_path):
    train_population_with_gin(runs(tmp_path / "together", "vae", [1]))
    train_with_gin(tmp_path / "alone", gin_bindings=lines("vae", 1))
    check_same(tmp_path / "together" / "member_1", tmp_path / "alone")


@pytest.mark.parametrize("form", ["stacked", "unrolled"])
@pytest.mark.slow
def test_convolutions_and_resident_images(form, tmp_path):
    changes = {
        "encoder__encoder_fn": "@conv_encoder",
        "decoder__decoder_fn": "@deconv_decoder",
        "model__steps_per_execution": "2",
    }
    own = {"model__resident": "True", "population__form": f"'{form}'"}
    together = runs(tmp_path, "vae", range(2), **own, **changes)
    train_population_with_gin(together)
    for k in range(2):
        alone = tmp_path / f"alone_{k}"
        train_with_gin(alone, gin_bindings=lines("vae", k, **changes))
        for found, expected in zip(
            state(tmp_path / f"member_{k}"), state(alone), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-5)


def test_resident_images_are_read_once(tmp_path, monkeypatch):
    read, images_at = [], DSprites.images_at

    def counted(self, indices):
        read.append(len(indices))
        return images_at(self, indices)

    monkeypatch.setattr(DSprites, "images_at", counted)
    train_population_with_gin(runs(tmp_path, "vae", range(3), model__resident="True"))
    assert read.count(4608) == 1


@pytest.mark.parametrize("resident", [False, True])
def test_members_with_tasks_of_their_own(resident, tmp_path, sizes):
    together = runs(tmp_path, "multi_task", range(3), model__resident=str(resident))
    for k, (_, _, gin_lines) in enumerate(together):
        gin_lines.append(f"multi_task.only_task = {k}")
    train_population_with_gin(together)
    assert sizes == [3]
    for k in range(3):
        alone = tmp_path / f"alone_{k}"
        gin_lines = [*lines("multi_task", k), f"multi_task.only_task = {k}"]
        train_with_gin(alone, gin_bindings=gin_lines)
        check_same(tmp_path / f"member_{k}", alone)


def test_other_architectures_are_trained_beside(tmp_path, sizes):
    together = runs(tmp_path / "together", "multi_task", range(3))
    together[1][2].append("multi_task.only_task = 1")
    train_population_with_gin(together)
    assert sizes == [2, 1]
    for k in range(3):
        alone = tmp_path / f"alone_{k}"
        train_with_gin(alone, gin_bindings=together[k][2])
        check_same(together[k][0], alone)


@pytest.mark.slow
def test_decoders_on_encoders_of_their_own(tmp_path, sizes):
    for k in range(3):
        # The last has weights of the same shapes, but is another function.
        kind = "@fc_encoder" if k < 2 else "@tanh_encoder"
        train_with_gin(
            tmp_path / f"encoder_{k}",
            gin_bindings=lines("vae", k, encoder__encoder_fn=kind),
        )
    shared = {k: v for k, v in SMALL.items() if not k.startswith(("encoder.", "vae."))}
    shared |= {"model.model": "@decoder_on_frozen_encoder()"}
    own = [
        bindings({**shared, "decoder_on_frozen_encoder.encoder_dir": f"'{path}'"})
        for path in (tmp_path / f"encoder_{k}" for k in range(3))
    ]
    train_population_with_gin(
        [(str(tmp_path / f"member_{k}"), [], own[k]) for k in range(3)]
    )
    assert sizes == [2, 1]
    for k in range(3):
        train_with_gin(tmp_path / f"alone_{k}", gin_bindings=own[k])
        check_same(tmp_path / f"member_{k}", tmp_path / f"alone_{k}")


@pytest.mark.parametrize("epochs", [1, 3])
def test_members_that_fail_leave_the_others_to_go_on(epochs, tmp_path):
    # In the last epoch too, when nothing is left to be trained.
    changes = {
        "model__log_steps": str(6 // epochs),
        "model__checkpoint_seconds": "1000.0",
    }
    together = runs(tmp_path / "together", "vae", range(3), **changes)
    together[1][2].append("AdamOptimizer.learning_rate = 1e30")
    with pytest.raises(ValueError, match="1 of 3 models failed.*member_1: The loss is"):
        train_population_with_gin(together)
    for k in (0, 2):
        alone = tmp_path / f"alone_{k}"
        train_with_gin(alone, gin_bindings=lines("vae", k, **changes))
        check_same(together[k][0], alone)
    assert not (tmp_path / "together" / "member_1" / "results").exists()


@pytest.mark.slow
def test_killed_population_resumes_alone_or_together(tmp_path, monkeypatch):
    expected = runs(tmp_path / "expected", "factor_vae", range(3))
    train_population_with_gin(expected)
    load = pipeline.load_batch

    def load_or_fail(dataset, seed, step, batch_size):
        if step == 5:
            raise KeyboardInterrupt
        return load(dataset, seed, step, batch_size)

    killed = runs(tmp_path / "killed", "factor_vae", range(3))
    monkeypatch.setattr(pipeline, "load_batch", load_or_fail)
    with pytest.raises(BaseException):  # noqa: B017 (as the backend wraps it)
        train_population_with_gin(killed)
    monkeypatch.setattr(pipeline, "load_batch", load)
    assert len(history(killed[0][0])) == 2
    # One is finished alone, so that the others resume without it.
    train_with_gin(killed[1][0], gin_bindings=killed[1][2], resume=True)
    train_population_with_gin(killed, resume=True)
    for (found, *_), (path, *_) in zip(killed, expected, strict=True):
        check_same(found, path)


def test_shared_batches_are_those_of_the_first(tmp_path):
    changes = {"population__share_batches": "True"}
    first, second = runs(tmp_path, "vae", range(2), **changes)
    same = (second[0], [], lines("vae", 0, **changes))
    train_population_with_gin([first, same])
    for found, expected in zip(state(first[0]), state(second[0]), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def make_members(family, numbers, **changes):
    from dmt.data.ground_truth import named_data
    from dmt.methods import train  # noqa: F401 (registers the models)

    members = []
    for k in numbers:
        with configuration.gin_configuration([], lines(family, k, **changes)):
            model = gin.query_parameter("model.model").scoped_configurable_fn()
            dataset = named_data.get_named_ground_truth_data()
            model.initialize(dataset, k)
            model.compile(optimizer=model.make_optimizer())
            model.optimizer.build(model.trainable_variables)
            members.append(model)
    return members


def test_members_of_another_architecture_are_refused():
    members = make_members("vae", [0]) + make_members(
        "vae", [1], encoder__num_latent="5"
    )
    with pytest.raises(ValueError, match="one class and architecture"):
        Population(members)


def test_members_that_differ_in_more_than_numbers_are_refused():
    members = make_members("dip_vae", [0])
    members += make_members("dip_vae", [1], dip_vae__dip_type="'i'")
    with pytest.raises(ValueError, match="Received: other values of.*dip_type"):
        Population(members)


def test_optimizers_that_differ_in_more_than_the_rate_are_refused():
    optimizers = [keras.optimizers.Adam(beta_1=beta) for beta in (0.8, 0.9)]
    with pytest.raises(ValueError, match="differ in learning rates only"):
        make_optimizer(optimizers)


def test_runs_with_other_tasks_are_refused(tmp_path):
    first, second = runs(tmp_path, "multi_task", range(2))
    second[2].append("random_tasks.seed = 1")
    with pytest.raises(ValueError, match="Received: other .'random_tasks.seed'."):
        train_population_with_gin([first, second])
    assert not list(tmp_path.iterdir())


def test_runs_that_differ_in_steps_are_refused(tmp_path):
    first, second = runs(tmp_path, "vae", range(2))
    second[2].append("model.training_steps = 4")
    with pytest.raises(ValueError, match="Received: other .'model.training_steps'."):
        train_population_with_gin([first, second])
