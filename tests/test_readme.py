"""Code and commands of README.md, run as a user would."""

import os
import re
import subprocess
import sys

import pytest

from dmt.utils import results
from tests.helpers.runs import ROOT, TINY, bindings, call, printed

README = (ROOT / "README.md").read_text()


@pytest.fixture
def folder(tmp_path):
    for name, text in re.findall(r"```(?:python)?\n# (\S+)\n(.*?)```", README, re.S):
        (tmp_path / name).write_text(text)
    return tmp_path


def run(command, folder, *arguments):
    process = call(command, *arguments, folder=folder, PYTHONPATH=f"{ROOT}:{folder}")
    return printed(process)


def python(folder, *arguments):
    return printed(
        subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    )


def test_own_model_dataset_and_metric(folder):
    assert {
        "my_model.py",
        "my_metric.py",
        "my_metric.gin",
        "my_data.py",
        "mine.gin",
    } <= set(os.listdir(folder))
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
    table = run(
        "dmt_evaluate",
        folder,
        "--input_dir=mean",
        "--output_dir=scores",
        "--gin_config=my_metric.gin",
    )
    # The table shows the score, and nothing else that the results hold.
    assert [line.split()[:2] for line in table.splitlines()] == [
        ["scores", "largest_correlation"]
    ]
    run("dmt_visualize_model", folder, "--model_dir=model", "--output_dir=pictures")
    assert (folder / "pictures" / "traversals.png").exists()
    found = results.load_json(folder / "scores/results/aggregate/evaluation.json")
    assert 0 < found["evaluation_results.largest_correlation"] <= 1
    assert found["train_config.sparse_vae.strength"] == "0.1"
    assert found["evaluation_results.origin"] == "user"


def test_own_photos(folder):
    python(folder, "make_photos.py")
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
    text = python(folder, "my_population.py")
    numbers = re.findall(r"-?\d+\.\d+", text.split("\n[")[-1])
    assert len(numbers) >= 3


def test_scores_of_arrays():
    (code,) = re.findall(r"```python\n(import numpy.*?)```", README, re.S)
    disentanglement, completeness = python(ROOT, "-c", code).split(" ", 1)
    assert float(disentanglement) > 0.99
    assert [float(x) for x in completeness.strip(" []\n").split(",")][:2] == [
        pytest.approx(1, abs=0.01)
    ] * 2


def test_commands_and_files_exist():
    scripts = re.findall(r"^ +(dmt_\w+|bin/\w+)", README, re.M)
    paths = re.findall(r"(gin_configs/[\w/]+\.gin)", README)
    paths += [f"bin/{name.removeprefix('bin/')}" for name in scripts]
    assert scripts and not [path for path in paths if not (ROOT / path).exists()]
