"""Code and commands of README.md, run as a user would."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from dmt.utils import results
from tests.helpers.forks import Forks
from tests.helpers.runs import ROOT, TINY, bindings, call, check_mistake, printed

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


FEW_STEPS = {
    "model.training_steps": 4,
    "model.log_steps": 2,
    "model.eval_steps": 2,
    "encoder.encoder_fn": "@test_encoder",
    "decoder.decoder_fn": "@test_decoder",
}


def commands_of(section):
    """The commands of a section of README.md, as lists of words."""
    (text,) = re.findall(rf"### {section}\n(.*?)\n##", README, re.S)
    lines = re.findall(r"^    (dmt_(?:.*\\\n)*.*)", text, re.M)
    return [shlex.split(line.replace("\\\n", " ")) for line in lines]


def test_own_images_from_training_to_report_with_labels_and_without(folder, tmp_path):
    python(folder, "make_photos.py")
    (folder / "gin_configs").symlink_to(ROOT / "gin_configs")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "DMT_DATA": ""}
    found = {}
    with Forks() as forks:

        def run_all(name, metric="mig", seed=0, last=None):
            settings = {**FEW_STEPS, "model.random_seed": seed}
            for command, *flags in commands_of("Your own images")[:last]:
                if command == "dmt_train":
                    flags += [f"--gin_bindings={k} = {v}" for k, v in settings.items()]
                for old, new in (("output/photos", name), ("mig.gin", f"{metric}.gin")):
                    flags = [flag.replace(old, new) for flag in flags]
                process = forks(command, *flags, folder=folder, **environment)
                found[name, command] = printed(process)

        run_all("labelled")
        assert "color 4, radius 3, x (continuous)" in found["labelled", "dmt_data"]
        scores = results.load_json(
            folder / "labelled/metrics/mean/mig/results/json/evaluation_results.json"
        )
        assert 0 <= scores["discrete_mig"] <= 1 and scores["origin"] == "user"
        report = (folder / "labelled/report.html").read_text()
        assert "MIG" in report or "mig" in report
        header = (folder / "labelled/codes.csv").read_text().splitlines()[0]
        assert header.startswith("image,color,radius,x,code 0")

        text = (folder / "photos.gin").read_text()
        (folder / "photos.gin").write_text(re.sub("image_folder.csv.*", "", text))
        run_all("unlabelled0", "unsupervised")
        run_all("unlabelled1", seed=1, last=2)
        assert "no labels" in found["unlabelled0", "dmt_data"]
        assert "gaussian" in found["unlabelled0", "dmt_evaluate"]
        assert len((folder / "unlabelled0/codes.csv").read_text().splitlines()) == 61
        udr = forks(
            "dmt_udr",
            "--model_dirs=unlabelled*/model",
            "--output_dir=udr",
            "--gin_config=gin_configs/udr/udr_spearman.gin",
            folder=folder,
            **environment,
        )
        assert len(re.findall(r"unlabelled\d", printed(udr))) == 2
        mig = forks(
            "dmt_evaluate",
            "--input_dir=unlabelled0/postprocessed/mean",
            "--output_dir=mig",
            "--gin_config=gin_configs/metrics/mig.gin",
            folder=folder,
            **environment,
        )
        check_mistake(mig, "mig needs factors of variation")
    assert not (folder / "prepared").exists()
    assert len(list((tmp_path / "cache").rglob("images.npy"))) == 2


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
