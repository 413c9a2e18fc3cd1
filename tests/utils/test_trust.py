"""Code that other people's directories name does not run unless it is trusted."""

import multiprocessing
import os
import pathlib
import shutil
import stat

import pytest

from dmt.evaluation.evaluate import evaluate_with_gin
from dmt.evaluation.udr.evaluate import evaluate_with_gin as udr_with_gin
from dmt.methods.train import train_with_gin
from dmt.postprocessing.postprocess import postprocess_with_gin
from dmt.utils import configuration, trust
from dmt.visualize.report import write_report
from dmt.visualize.visualize_model import visualize
from tests.helpers.runs import TINY, bindings

# A layer and a network of the user, and a trace of each import.
MODULE = """
import os
import gin
import keras

with open({trace!r}, "a") as file:
    file.write("run ")


@keras.saving.register_keras_serializable({name!r})
class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


@gin.register({name!r})
def own_encoder(input_tensor, num_latent):
    x = Doubled()(keras.layers.Flatten()(input_tensor))
    return keras.layers.Dense(num_latent)(x), keras.layers.Dense(num_latent)(x)
"""
POSTPROCESS = [
    "dataset.name = 'auto'",
    "postprocess.postprocess_fn = @mean_representation",
    "postprocess.random_seed = 0",
]
EVALUATE = [
    "dataset.name = 'auto'",
    "evaluation.evaluation_fn = @mig",
    "evaluation.random_seed = 0",
    "mig.num_train = 100",
    "discretizer.discretizer_fn = @histogram_discretizer",
    "discretizer.num_bins = 5",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with a layer of the user's own, trained, postprocessed and evaluated."""
    root = tmp_path_factory.mktemp("own")
    write_module(root, "layers_of_owner")
    lines = ["import layers_of_owner", *tiny(encoder__encoder_fn="@layers_of_owner")]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root)
        train_with_gin(str(root / "model"), gin_bindings=lines)
        model, mean = str(root / "model"), str(root / "postprocessed/mean")
        postprocess_with_gin(model, mean, gin_bindings=POSTPROCESS)
        metric = str(root / "metrics/mean/mig")
        evaluate_with_gin(mean, metric, gin_bindings=EVALUATE)
    return root


def tiny(**changes):
    return bindings(TINY, model__training_steps=2, model__eval_steps=1, **changes)


def write_module(folder, name):
    text = MODULE.format(trace=str(folder / "trace"), name=name)
    (folder / f"{name}.py").write_text(text)


def trace(folder):
    path = folder / "trace"
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def theirs(run, tmp_path, monkeypatch):
    """A copy of the run that names a module of somebody else."""
    shutil.copytree(run, tmp_path / "theirs")
    root = tmp_path / "theirs"
    (root / "trace").unlink()
    for path in root.rglob("*.gin"):
        path.write_text("import stolen_module\n" + path.read_text())
    (root / "stolen_module.py").write_text(
        (root / "layers_of_owner.py")
        .read_text()
        .replace(str(run / "trace"), str(root / "trace"))
        .replace("layers_of_owner", "stolen_module")
    )
    monkeypatch.syspath_prepend(root)
    return root


STEPS = {
    "postprocess": lambda root, out: postprocess_with_gin(
        str(root / "model"), out, gin_bindings=POSTPROCESS
    ),
    "evaluate": lambda root, out: evaluate_with_gin(
        str(root / "postprocessed/mean"), out, gin_bindings=EVALUATE
    ),
    "visualize": lambda root, out: visualize(str(root / "model"), out),
    "udr": lambda root, out: udr_with_gin(
        [str(root / "model"), str(root / "postprocessed")],
        out,
        gin_bindings=[
            *EVALUATE[:1],
            *EVALUATE[2:3],
            "evaluation.evaluation_fn = @udr_sklearn",
        ],
    ),
}


@pytest.mark.parametrize("step", STEPS)
def test_modules_of_others_are_not_imported(step, theirs, tmp_path):
    with pytest.raises(ValueError, match=r"stolen_module, which would run.*--trust"):
        STEPS[step](theirs, str(tmp_path / "out"))
    assert trace(theirs) == [] and not (tmp_path / "out").exists()


def test_reports_need_no_module(theirs, tmp_path):
    write_report(str(theirs), str(tmp_path / "report.html"))
    assert trace(theirs) == []


def test_a_module_of_others_runs_if_it_is_trusted(theirs, tmp_path, monkeypatch):
    path = str(theirs / "model/results/gin/train.gin")
    with trust.allowed(), configuration.gin_configuration([], []):
        assert "stolen_module" in configuration.import_modules_of(path)
    assert trace(theirs) == ["run"] and trust.VARIABLE not in os.environ


def test_moved_runs_of_the_user_are_trusted(run, tmp_path):
    shutil.copytree(run, tmp_path / "moved")
    for name in ("model/model.keras", "model/results/gin/train.gin"):
        assert trust.is_own(str(tmp_path / "moved" / name))
    for name in ("representation.keras", "results/gin/postprocess.gin"):
        assert trust.is_own(str(tmp_path / "moved/postprocessed/mean" / name))
    out = str(tmp_path / "out")
    postprocess_with_gin(str(tmp_path / "moved/model"), out, gin_bindings=POSTPROCESS)


def test_changed_files_are_not_trusted(run, tmp_path):
    shutil.copytree(run / "model", tmp_path / "model")
    for name in ("model.keras", "results/gin/train.gin"):
        path = tmp_path / "model" / name
        path.write_bytes(path.read_bytes() + b"\n")
        assert not trust.is_own(str(path))


def test_another_user_trusts_nothing(run, tmp_path, monkeypatch):
    path = str(run / "model/results/gin/train.gin")
    assert trust.is_own(path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert not trust.is_own(path)


@pytest.mark.parametrize("content", ["[", "[]", '{"train.gin": 3}', "[" * 10**5])
def test_damaged_signatures_sign_nothing(content, run, tmp_path):
    shutil.copytree(run / "model", tmp_path / "model")
    (tmp_path / "model" / trust.SIGNATURES).write_text(content)
    assert not trust.is_own(str(tmp_path / "model/results/gin/train.gin"))


def sign(folder):
    (folder / "model.keras").write_text("")
    (folder / "train.gin").write_text("")
    trust.sign(str(folder), str(folder / "train.gin"))


def make_key(folder):
    folder.mkdir()
    sign(folder)
    return pathlib.Path(trust.key_path()).read_text()


def test_the_key_is_made_once_and_is_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folders = [tmp_path / str(i) for i in range(40)]
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert len(set(pool.map(make_key, folders))) == 1
    assert all(trust.is_own(str(folder / "model.keras")) for folder in folders)
    path = pathlib.Path(trust.key_path())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == [path.name]


def test_steps_work_where_no_key_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    sign(tmp_path)
    assert not (tmp_path / trust.SIGNATURES).exists()
    assert not trust.is_own(str(tmp_path / "model.keras"))
