"""The README's own model, metric and dataset, run as a user would."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from dmt.utils import results
from tests.helpers.runs import TINY, bindings

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.fixture
def folder(tmp_path):
    for name, text in re.findall(r"```(?:python)?\n# (\S+)\n(.*?)```", README, re.S):
        (tmp_path / name).write_text(text)
    return tmp_path


def run(command, folder, *arguments):
    process = subprocess.run(
        [sys.executable, ROOT / "bin" / command, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"},
    )
    assert process.returncode == 0, process.stderr[-2000:]


def test_own_model_dataset_and_metric(folder):
    assert {"my_model.py", "my_metric.py", "my_data.py", "mine.gin"} <= set(
        os.listdir(folder)
    )
    (folder / "tiny.gin").write_text("\n".join(bindings(TINY)))
    run(
        "dmt_train",
        folder,
        "--model_dir=model",
        "--gin_config=tiny.gin",
        "--gin_config=mine.gin",
    )
    run(
        "dmt_postprocess",
        folder,
        "--model_dir=model",
        "--output_dir=mean",
        f"--gin_config={ROOT}/gin_configs/postprocess/mean.gin",
    )
    run(
        "dmt_evaluate",
        folder,
        "--input_dir=mean",
        "--output_dir=scores",
        "--gin_bindings=import my_metric",
        "--gin_bindings=dataset.name = 'auto'",
        "--gin_bindings=evaluation.random_seed = 0",
        "--gin_bindings=evaluation.evaluation_fn = @largest_correlation",
        "--gin_bindings=largest_correlation.num_train = 200",
    )
    run("dmt_visualize_model", folder, "--model_dir=model", "--output_dir=pictures")
    assert (folder / "pictures" / "traversals.png").exists()
    found = results.load_json(folder / "scores/results/aggregate/evaluation.json")
    assert 0 < found["evaluation_results.largest_correlation"] <= 1
    assert found["train_config.sparse_vae.strength"] == "0.1"
    assert found["evaluation_results.origin"] == "user"


def test_own_photos(folder):
    subprocess.run([sys.executable, "make_photos.py"], cwd=folder, check=True)
    (folder / "tiny.gin").write_text("\n".join(bindings(TINY)))
    run(
        "dmt_train",
        folder,
        "--model_dir=model",
        "--gin_config=tiny.gin",
        "--gin_config=photos.gin",
    )
    found = results.load_json(folder / "model/results/json/train_results.json")
    assert found["origin"] == "user"


def test_own_population(folder):
    process = subprocess.run(
        [sys.executable, "my_population.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.returncode == 0, process.stderr[-2000:]
    numbers = re.findall(r"-?\d+\.\d+", process.stdout.split("\n[")[-1])
    assert len(numbers) >= 3


def test_scores_of_arrays():
    (code,) = re.findall(r"```python\n(import numpy.*?)```", README, re.S)
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert process.returncode == 0, process.stderr[-2000:]
    disentanglement, completeness = process.stdout.split(" ", 1)
    assert float(disentanglement) > 0.99
    assert [float(x) for x in completeness.strip(" []\n").split(",")][:2] == [
        pytest.approx(1, abs=0.01)
    ] * 2


def test_commands_and_files_exist():
    for command in re.findall(r"^ +(dmt_\w+|bin/\w+)", README, re.M):
        assert (ROOT / "bin" / command.removeprefix("bin/")).exists(), command
    for path in re.findall(r"(gin_configs/[\w/]+\.gin)", README):
        assert (ROOT / path).exists(), path
