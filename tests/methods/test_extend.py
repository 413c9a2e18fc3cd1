"""Runs that are continued with more steps are the runs that had them at once."""

import shutil
import signal

import pytest

from dmt.methods import gaussian_encoder_model, train
from dmt.methods.population.train_population import train_population_with_gin
from dmt.methods.train import train_with_gin
from dmt.utils import configuration
from tests.helpers.forks import Forks
from tests.helpers.killed import KILL
from tests.helpers.runs import (
    TINY,
    bindings,
    check_mistake,
    history,
    results,
    state,
)

# Five steps end in the middle of a line of the learning curve.
LINES = {**TINY, "model.log_steps": "4"}
FACTOR = {
    **LINES,
    "model.model": "@factor_vae()",
    "factor_vae.gamma": "5.0",
    "factor_vae.steps_per_update": "2",
}
ANNEALED = {
    **LINES,
    "model.model": "@annealed_vae()",
    "annealed_vae.gamma": "10.0",
    "annealed_vae.c_max": "5.0",
    "annealed_vae.iteration_threshold": "9",
    "vae_optimizer.learning_rate": "@exponential_decay()",
    "exponential_decay.learning_rate": "0.1",
    "exponential_decay.decay_steps": "3",
    "exponential_decay.decay_rate": "0.9",
}


def make(model_dir, steps, base=LINES, resume=True, **changes):
    changes = {"model__training_steps": steps, **changes}
    train_with_gin(
        str(model_dir), gin_bindings=bindings(base, **changes), resume=resume
    )


def curve(model_dir):
    times = ("elapsed_time", "steps_per_second")
    return [
        {key: value for key, value in row.items() if key not in times}
        for row in history(model_dir)
    ]


def recorded(model_dir):
    return (model_dir / "results/json/train_config.json").read_text()


def check_same(found_dir, expected_dir):
    assert state(found_dir) == state(expected_dir)
    assert curve(found_dir) == curve(expected_dir)
    assert results(found_dir) == results(expected_dir)
    assert recorded(found_dir) == recorded(expected_dir)
    found, expected = map(
        gaussian_encoder_model.load_model, (str(found_dir), str(expected_dir))
    )
    for a, b in zip(found.get_weights(), expected.get_weights(), strict=True):
        assert (a == b).all()


@pytest.fixture(scope="module")
def at_once(tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("at_once") / "run"
    make(model_dir, "10")
    return model_dir


@pytest.mark.parametrize("base", [FACTOR, ANNEALED], ids=["factor", "annealed"])
def test_extended_run_is_the_run_at_once(base, tmp_path):
    for steps in ("0", "5", "10"):
        make(tmp_path / "extended", steps, base)
    make(tmp_path / "at_once", "10", base)
    check_same(tmp_path / "extended", tmp_path / "at_once")


@pytest.mark.parametrize("steps", ["4", "5"])
def test_line_of_the_curve_goes_on(steps, at_once, tmp_path):
    make(tmp_path / "run", steps)
    assert [int(row["step"]) for row in history(tmp_path / "run")][-1] == int(steps)
    make(tmp_path / "run", "10")
    check_same(tmp_path / "run", at_once)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "moment"),
    [
        # In the extension, with and without a new checkpoint.
        ("dmt.data.pipeline", "load_batch"),
        # When the model is written, between its files, and before the results.
        ("dmt.methods.gaussian_encoder_model", "export_saved_model"),
        ("dmt.utils.files", "move_contents"),
        ("dmt.utils.results", "update_result_directory"),
    ],
)
def test_killed_extension_goes_on(place, moment, at_once, tmp_path, forks):
    model_dir = tmp_path / "run"
    make(model_dir, "5")
    before = results(model_dir), recorded(model_dir)
    code = f"import {place} as module\n{_dying(moment)}"
    lines = bindings(LINES, model__training_steps="10")
    flags = [f"--model_dir={model_dir}", "--resume"]
    flags += [f"--gin_bindings={line}" for line in lines]
    killed = forks("dmt_train", *flags, code=code)
    assert killed.returncode == -signal.SIGKILL
    if (model_dir / "results").exists():
        # The old results are whole, and so is the model that they are of.
        assert (results(model_dir), recorded(model_dir)) == before
        assert moment != "update_result_directory"
    if moment in ("load_batch", "export_saved_model"):
        gaussian_encoder_model.load_model(str(model_dir))
        assert (model_dir / "results").exists()
    make(model_dir, "10")
    check_same(model_dir, at_once)
    assert {p.name for p in model_dir.iterdir()} == {p.name for p in at_once.iterdir()}


def _dying(moment):
    number = 9 if moment == "load_batch" else 1
    return (
        f"original, calls = module.{moment}, []\n"
        "def die(*args, **kwargs):\n"
        "    calls.append(args)\n"
        f"    if len(calls) == {number} or (len(args) > 2 and args[2] == {number}):\n"
        f"        import time; time.sleep(1); {KILL}\n"
        "    return original(*args, **kwargs)\n"
        f"module.{moment} = die\n"
    )


@pytest.fixture(scope="module")
def forks():
    with Forks() as server:
        yield server


def test_unfinished_run_is_extended(at_once, tmp_path):
    lines = bindings(LINES, model__training_steps="8")
    with configuration.gin_configuration([], lines):
        run = train.prepare(str(tmp_path / "run"))
    train.fit(run, run.model, run.state, run.training_data, run.data_seed)
    make(tmp_path / "run", "10")
    check_same(tmp_path / "run", at_once)


def test_fewer_steps_and_other_changes_are_refused(at_once, tmp_path):
    shutil.copytree(at_once, tmp_path / "run")
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    for steps, changes, words in (
        ("6", {}, "has made 10 steps.*Received: training_steps=6"),
        ("20", {"vae__beta": "2.0"}, "Different: vae.beta = 2.0"),
        ("20", {"model__log_steps": "5"}, "Different: model.log_steps = 5"),
    ):
        with pytest.raises(ValueError, match=words):
            make(tmp_path / "run", steps, **changes)
    for path, content in before.items():
        if "tfevents" not in path.name:
            assert path.read_bytes() == content, path


@pytest.mark.slow
def test_macro_of_the_steps(tmp_path):
    lines = bindings(ANNEALED, model__training_steps="%steps")
    schedule = bindings(
        ANNEALED,
        model__training_steps="%steps",
        annealed_vae__iteration_threshold="%steps",
    )
    for steps in (5, 10):
        train_with_gin(
            str(tmp_path / "run"),
            gin_bindings=[*lines, f"steps = {steps}"],
            resume=True,
        )
    assert results(tmp_path / "run")["global_step"] == 10
    # The first five steps would have been others.
    train_with_gin(str(tmp_path / "other"), gin_bindings=[*schedule, "steps = 5"])
    with pytest.raises(ValueError, match="steps = 10 .it was 5."):
        train_with_gin(
            str(tmp_path / "other"),
            gin_bindings=[*schedule, "steps = 10"],
            resume=True,
        )


def test_extended_in_python(at_once, tmp_path):
    networks = [b for b in bindings(LINES) if not b.startswith("model.t")]
    for steps in (5, 10, 10):
        with configuration.gin_configuration([], networks):
            train.train(str(tmp_path / "run"), resume=True, training_steps=steps)
    assert state(tmp_path / "run") == state(at_once)
    assert curve(tmp_path / "run") == curve(at_once)
    assert results(tmp_path / "run") == results(at_once)


def test_without_its_checkpoint_it_is_refused(at_once, tmp_path, forks):
    shutil.copytree(at_once, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "tf_checkpoint")
    lines = bindings(LINES, model__training_steps="20")
    flags = [f"--model_dir={tmp_path / 'run'}", "--resume"]
    flags += [f"--gin_bindings={line}" for line in lines]
    check_mistake(forks("dmt_train", *flags), "checkpoint", "--overwrite")
    assert results(tmp_path / "run") == results(at_once)


@pytest.mark.slow
def test_extended_population_is_the_population_at_once(tmp_path):
    def members(name, steps):
        return [
            (
                str(tmp_path / f"{name}_{k}"),
                [],
                bindings(
                    FACTOR, model__random_seed=str(k), model__training_steps=steps
                ),
            )
            for k in range(2)
        ]

    for name, steps in (("extended", "5"), ("extended", "10"), ("at_once", "10")):
        train_population_with_gin(members(name, steps), resume=True)
    for k in range(2):
        check_same(tmp_path / f"extended_{k}", tmp_path / f"at_once_{k}")
