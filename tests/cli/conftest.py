"""Commands in one folder, and runs that several tests look at."""

import functools
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers.commands import (
    LABELS,
    PLAN,
    SEEDS,
    VALIDATION,
    complete,
    model,
    write_gin_files,
)
from tests.helpers.forks import Forks
from tests.helpers.runs import ROOT, printed

# dmt_reproduce with one more study; a model of the others would take hours.
TINY_STUDY = f"""
import runpy, sys
from dmt.studies.published import studies as published
from dmt.studies.published.sweeps import sweep

published.STUDIES["tiny"] = published.PublishedStudy(
    "tiny",
    lambda: sweep("vae.beta", [1.0, 3.0]),
    "models/vae.gin",
    ("postprocess/mean.gin",),
    ("metrics/mig.gin", "metrics/unsupervised.gin"),
)
runpy.run_path({str(ROOT / "bin" / "dmt_reproduce")!r}, run_name="__main__")
"""


@pytest.fixture(scope="session")
def forks():
    """Runs commands in processes that need not import TensorFlow again."""
    with Forks() as forks:
        yield forks


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A folder with small gin files."""
    folder = tmp_path_factory.mktemp("cli") / "world"
    write_gin_files(folder)
    (folder / "dmt_reproduce").write_text(TINY_STUDY)
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(scope="session")
def run(forks, world):
    """Runs commands in the folder `world`."""
    return functools.partial(forks, folder=world)


@pytest.fixture(scope="session")
def few_labels(world, run):
    """A run of the pipeline of few labels."""
    flags = (*model("s2_vae"), *PLAN, VALIDATION, *LABELS, *SEEDS)
    name = "dmt_reproduce_semi_supervised"
    printed(run(name, "--output_directory=few_labels", *flags))
    return world / "few_labels"


@pytest.fixture(scope="session")
def pairs(world, run):
    """A run of the pipeline of pairs."""
    flags = ("--output_directory=pairs", *model("group_vae"), *PLAN, SEEDS[0], *LABELS)
    printed(run("dmt_reproduce_weakly_supervised", *flags))
    return world / "pairs"


@pytest.fixture(scope="session")
def study(world, run):
    """The output of a study that was killed and started again."""
    script = world / "dmt_reproduce"
    flags = ("--study=tiny", "--model_num=1")
    folder = world / "output/tiny/1"
    generator = random.Random(int(os.environ.get("DMT_TEST_SEED", 0)))
    number, delay = generator.randrange(5), generator.uniform(0, 0.5)
    with subprocess.Popen(
        [sys.executable, script, *flags],
        cwd=world,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        while process.poll() is None:
            pictures = (folder / "visualizations").exists()
            if folder.exists() and len(complete(folder)) + pictures >= number:
                time.sleep(delay)
                process.kill()
                break
            time.sleep(0.01)
    assert process.returncode in (0, -signal.SIGKILL)
    before = complete(folder)
    printed(run(script, *flags))
    after = complete(folder)
    assert {path: after[path] for path in before} == before
    return folder
