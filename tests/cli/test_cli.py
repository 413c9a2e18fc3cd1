"""The commands as users call them: help, mistakes, a full disk."""

import pytest

from tests.helpers.runs import (
    BIN,
    TINY,
    bindings,
    call,
    check_mistake,
    printed,
    run_and_list_imports,
)

COMMANDS = sorted(path.name for path in BIN.glob("dmt_*"))


def flags_of(lines):
    return [f"--gin_bindings={line}" for line in lines]


@pytest.fixture
def train(forks):
    def run(model_dir, lines, *flags, **environment):
        arguments = [f"--model_dir={model_dir}", *flags_of(lines), *flags]
        return forks("dmt_train", *arguments, **environment)

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command):
    process = run_and_list_imports(command, "--help")
    assert process.stdout.strip().endswith("[]"), process.stdout + process.stderr
    assert "USAGE" in process.stdout


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vae__gamma": "1.0"}, ["vae", "gamma"]),
        ({"no_such.thing": "1"}, ["no_such"]),
        ({"dataset__name": "'dsprite_full'"}, ["dsprite_full", "dsprites_full"]),
        ({"dataset__name": "'cars3d'"}, ["cars3d", "dmt_data fetch cars3d"]),
        (
            {"dataset__name": "'dsprites_full'"},
            ["dsprites_ndarray", "DMT_DATA", "dsprites_rendered"],
        ),
        ({"vae__beta": "1 +"}, ["vae.beta"]),
        ({"vae__beta": "'four'"}, ["beta", "four"]),
        (
            {"encoder__encoder_fn": "'conv'"},
            ["encoder.encoder_fn must be a function", "='conv'"],
        ),
    ],
)
def test_mistakes_in_the_configuration(changes, words, tmp_path, train):
    process = train(
        tmp_path / "out", bindings(TINY, **changes), DMT_DATA=str(tmp_path / "data")
    )
    lines = check_mistake(process, "dmt_train:", *words)
    assert len(lines) == 1, lines
    assert not (tmp_path / "out").exists()


def test_missing_binding(tmp_path):
    # A process of its own, in which TensorFlow has nothing to say either.
    flags = flags_of(["dataset.name = 'dsprites_rendered_small'"])
    process = call("dmt_train", f"--model_dir={tmp_path}/out", *flags)
    lines = check_mistake(process, "model.model", "model.training_steps")
    assert len(lines) == 1, lines
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "flag", "lines"),
    [
        (
            "dmt_postprocess",
            "model_dir",
            [
                "dataset.name = 'auto'",
                "postprocess.postprocess_fn = @mean_representation",
                "postprocess.random_seed = 0",
            ],
        ),
        (
            "dmt_evaluate",
            "input_dir",
            [
                "dataset.name = 'auto'",
                "evaluation.evaluation_fn = @mig",
                "evaluation.random_seed = 0",
            ],
        ),
        ("dmt_visualize_model", "model_dir", []),
    ],
)
def test_missing_input_directory(command, flag, lines, tmp_path, forks):
    flags = [f"--{flag}={tmp_path}/no", f"--output_dir={tmp_path}/out"]
    check_mistake(forks(command, *flags, *flags_of(lines)), f"{tmp_path}/no")
    assert not (tmp_path / "out").exists()


def test_existing_output_directory(tmp_path, train):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("data")
    process = train(tmp_path / "out", bindings(TINY))
    check_mistake(process, str(tmp_path / "out"), "--overwrite")
    assert (tmp_path / "out" / "precious").read_text() == "data"


def test_damaged_data(tmp_path, train):
    data = tmp_path / "data" / "dsprites"
    data.mkdir(parents=True)
    name = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
    (data / name).write_bytes(b"PK\x03\x04 not a zip")
    process = train(
        tmp_path / "out",
        bindings(TINY, dataset__name="'dsprites_full'"),
        DMT_DATA=str(data.parent),
    )
    check_mistake(process, name, "download")
    assert not (tmp_path / "out").exists()


def test_damaged_model(tmp_path, forks):
    model_dir = tmp_path / "model"
    model_dir.mkdir()
    (model_dir / "model.keras").write_bytes(b"not a model")
    (model_dir / "results" / "gin").mkdir(parents=True)
    (model_dir / "results" / "gin" / "train.gin").write_text(
        "dataset.name = 'dsprites_rendered_small'\n"
    )
    process = forks(
        "dmt_postprocess",
        f"--model_dir={model_dir}",
        f"--output_dir={tmp_path}/mean",
        "--gin_bindings=dataset.name = 'auto'",
        "--gin_bindings=postprocess.postprocess_fn = @mean_representation",
        "--gin_bindings=postprocess.random_seed = 0",
    )
    check_mistake(process, "model.keras")
    assert not (tmp_path / "mean").exists()


def test_wrong_image_shape(tmp_path):
    (tmp_path / "odd_data.py").write_text(
        "from dmt.data.ground_truth import dummy_data, named_data\n"
        "class Odd(dummy_data.DummyData):\n"
        "    observation_shape = [60, 60, 1]\n"
        "named_data.register('odd', Odd)\n"
    )
    config = tmp_path / "odd.gin"
    config.write_text("import odd_data\n")
    process = call(
        "dmt_train",
        f"--model_dir={tmp_path}/out",
        f"--gin_config={config}",
        *flags_of(
            bindings(TINY, dataset__name="'odd'", decoder__decoder_fn="@deconv_decoder")
        ),
        PYTHONPATH=f"{BIN.parent}:{tmp_path}",
    )
    check_mistake(process, "deconv_decoder", "[60, 60, 1]")
    assert not (tmp_path / "out").exists()


def test_full_disk(tmp_path):
    # No file may grow beyond 20 kB: the first checkpoint does not fit.
    command = ["dmt_train", f"--model_dir={tmp_path}/out", *flags_of(bindings(TINY))]
    check_mistake(call(*command, limit=20_000), "dmt_train:")
    assert not (tmp_path / "out" / "results").exists()
    assert not (tmp_path / "out" / "model.keras").exists()
    # With room again, the same command goes on.
    printed(call(*command, "--resume"))
    assert (tmp_path / "out" / "results" / "aggregate" / "train.json").exists()
