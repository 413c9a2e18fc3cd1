"""Models that count each update as several steps, as the original's FactorVAE does."""

import numpy as np
import pytest

from dmt.data import pipeline
from dmt.methods import gaussian_encoder_model
from dmt.methods.population.train_population import train_population_with_gin
from dmt.methods.train import train_with_gin
from tests.helpers.runs import SUPERVISED, TINY, bindings, history, results, state

FACTOR = {**TINY, "model.model": "@factor_vae()", "factor_vae.gamma": "5.0"}
TWICE = {
    "factor_vae__steps_per_update": "2",
    "model__training_steps": "12",
    "model__log_steps": "4",
}


def train(model_dir, base=FACTOR, resume=False, **changes):
    lines = bindings(base, **changes)
    train_with_gin(str(model_dir), gin_bindings=lines, resume=resume)
    return model_dir


def weights(model_dir):
    model = gaussian_encoder_model.load_model(model_dir)
    return [weight.numpy() for weight in model.weights]


def check_same_weights(found_dir, expected_dir, **tolerances):
    for found, expected in zip(weights(found_dir), weights(expected_dir), strict=True):
        np.testing.assert_allclose(found, expected, **{"rtol": 0, **tolerances})


def steps(model_dir):
    return [int(row["step"]) for row in history(model_dir)]


@pytest.fixture(scope="module")
def twice_dir(tmp_path_factory):
    return train(tmp_path_factory.mktemp("twice") / "run", **TWICE)


def test_twice_the_steps_are_the_same_updates(twice_dir, tmp_path):
    once_dir = train(tmp_path / "once")
    check_same_weights(twice_dir, once_dir)
    assert steps(twice_dir) == [4, 8, 12] and steps(once_dir) == [2, 4, 6]
    found, expected = results(twice_dir), results(once_dir)
    assert (found.pop("global_step"), expected.pop("global_step")) == (12, 6)
    assert found == expected
    for row, expected_row in zip(history(twice_dir), history(once_dir), strict=True):
        assert row["loss"] == expected_row["loss"]


def test_killed_run_ends_where_an_uninterrupted_one_ends(
    twice_dir, tmp_path, monkeypatch
):
    load = pipeline.load_batch

    def load_or_fail(data, seed, step, batch_size):
        if step == 5:
            raise KeyboardInterrupt
        return load(data, seed, step, batch_size)

    monkeypatch.setattr(pipeline, "load_batch", load_or_fail)
    with pytest.raises(BaseException):  # noqa: B017 (as the backend wraps it)
        train(tmp_path / "run", **TWICE)
    monkeypatch.setattr(pipeline, "load_batch", load)
    assert steps(tmp_path / "run") == [4, 8]
    train(tmp_path / "run", resume=True, **TWICE)
    assert state(tmp_path / "run") == state(twice_dir)
    assert results(tmp_path / "run") == results(twice_dir)


def test_annealers_follow_the_steps(tmp_path):
    base = {
        **SUPERVISED,
        "model.model": "@s2_factor_vae",
        "s2_factor_vae.gamma": "2.0",
        "s2_factor_vae.gamma_sup": "50.0",
        "annealer.anneal_fn": "@anneal",
    }
    once_dir = train(tmp_path / "once", base, annealer__iteration_threshold="4")
    changes = {"s2_factor_vae__steps_per_update": "2", "model__training_steps": "12"}
    for name, threshold in (("same", "8"), ("other", "4")):
        train(
            tmp_path / name,
            base,
            annealer__iteration_threshold=threshold,
            model__log_steps="4",
            **changes,
        )
    check_same_weights(tmp_path / "same", once_dir)
    with pytest.raises(AssertionError):
        check_same_weights(tmp_path / "other", once_dir, atol=1e-6)


def test_steps_that_are_no_multiple_are_rounded_up(tmp_path):
    changes = {**TWICE, "model__training_steps": "9", "model__log_steps": "5"}
    train(tmp_path / "run", model__resident="True", **changes)
    assert steps(tmp_path / "run") == [6, 10]
    assert results(tmp_path / "run")["global_step"] == 10


def test_members_of_a_population_count_alike(tmp_path):
    own = [
        bindings(FACTOR, **{**TWICE, "factor_vae__gamma": f"{k}.5"}) for k in range(2)
    ]
    directories = [tmp_path / f"member_{k}" for k in range(2)]
    train_population_with_gin([(str(directories[k]), [], own[k]) for k in range(2)])
    for k in range(2):
        train_with_gin(tmp_path / f"alone_{k}", gin_bindings=own[k])
        check_same_weights(
            directories[k], tmp_path / f"alone_{k}", rtol=1e-3, atol=1e-5
        )
        assert steps(directories[k]) == [4, 8, 12]
        assert results(directories[k])["global_step"] == 12
    own[1].append("factor_vae.steps_per_update = 3")
    message = "Received: other .'factor_vae.steps_per_update'."
    with pytest.raises(ValueError, match=message):
        train_population_with_gin(
            [(str(tmp_path / f"other_{k}"), [], own[k]) for k in range(2)]
        )


def test_the_number_is_checked(tmp_path):
    with pytest.raises(ValueError, match="steps_per_update=0"):
        train(tmp_path / "run", factor_vae__steps_per_update="0")
    assert not (tmp_path / "run").exists()
