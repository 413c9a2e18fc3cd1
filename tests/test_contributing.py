"""A contributor adds a metric, a model, a dataset, a study and a command.

In a copy of the checkout, each is the files below and nothing else. It is then found by
the commands, the documentation, the shared tests and the populations of sweeps.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.helpers.runs import ROOT, TINY, bindings, call, printed, results

FILES = {
    # A metric.
    "dmt/evaluation/metrics/largest_correlation.py": '''
"""The largest correlation of each factor with a code."""

from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import registry
from dmt.evaluation.metrics.samples import on_samples


@registry.metric(
    "largest_correlation",
    scores=["largest_correlation"],
    # Correlations need the order of values.
    invariances=registry.EVERYTHING - {"relabel factors"},
)
def largest_correlation(factors: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
    """Mean over factors of the largest absolute correlation with a code.

    Args:
        factors: array-like of shape (n, num_factors).
        codes: array-like of shape (n, num_codes).

    Returns:
        Dictionary:
            largest_correlation: mean over factors, in [0, 1], 1 is best.
            num_train: number of samples.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> round(largest_correlation(factors, -factors)["largest_correlation"], 6)
        1.0
    """
    varying = codes[:, np.ptp(codes, axis=0) > 0]
    table = np.corrcoef(factors.T, varying.T)[: factors.shape[1], factors.shape[1] :]
    return {
        "largest_correlation": float(np.abs(table).max(axis=1).mean()),
        "num_train": len(factors),
    }


@on_samples("largest_correlation")
def compute_largest_correlation(sampler, num_train=gin.REQUIRED, batch_size=16):
    """The largest correlations on samples of a dataset."""
    return largest_correlation(*sampler.sample(num_train, batch_size))
''',
    "gin_configs/more_metrics/largest_correlation.gin": """
# Largest correlation of each factor with a code, on 10,000 samples.
dataset.name = "auto"
evaluation.evaluation_fn = @largest_correlation
evaluation.random_seed = 0

largest_correlation.num_train = 10000
""",
    # A model.
    "dmt/methods/unsupervised/sparse_vae.py": '''
"""A VAE with sparse means."""

import gin
from keras import ops

from dmt.methods.unsupervised.vae import BaseVAE


@gin.register("sparse_vae")
class SparseVAE(BaseVAE):
    """beta-VAE that also pulls the means to zero one by one."""

    def __init__(self, beta, strength):
        """Creates the model.

        Args:
            beta: weight of the KL divergence, >= 0.
            strength: weight of the absolute means, >= 0.
        """
        super().__init__()
        self.beta = beta
        self.strength = strength

    def regularizer(self, kl_loss, z_mean, z_logvar, z_sampled):
        """See `BaseVAE.regularizer`."""
        sparsity = ops.mean(ops.sum(ops.abs(z_mean), axis=1))
        return self.beta * kl_loss + self.strength * sparsity
''',
    # A dataset.
    "dmt/data/ground_truth/bars.py": '''
"""Bars: a bright bar on black, for dry runs."""

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth.grid_data import GridData


@registry.dataset("bars")
class Bars(GridData):
    """A bright bar of 4 pixels: its row (28 values) and its grey level (8)."""

    origin = "synthetic"
    factor_sizes = [28, 8]
    state_space_names = ["row", "grey level"]
    observation_shape = [32, 32, 1]

    def __init__(self):
        super().__init__("bars")

    def images_at(self, indices):
        """See `GroundTruthData.images_at`."""
        factors = self.factors_at(self.checked(indices))
        images = np.zeros((len(factors), 32, 32, 1), dtype=np.uint8)
        for image, (row, level) in zip(images, factors, strict=True):
            image[row : row + 4] = 31 * (level + 1)
        return images
''',
    # A study.
    "dmt/studies/two_strengths/__init__.py": '''
"""Does a larger strength make codes sparser?"""

from dmt.studies.registry import Option, register

register(
    "two_strengths",
    "dmt.studies.two_strengths.runs:TwoStrengths",
    Option("largest", "the largest strength, by default 1.", 1.0, "float"),
)
''',
    "dmt/studies/two_strengths/runs.py": '''
"""Two models that differ in their strength, and a page with their scores."""

import os

from dmt.runs.runner import Run
from dmt.runs.steps import Step, scoring
from dmt.utils import files


class TwoStrengths:
    """See `dmt.studies.study.Study`."""

    def __init__(self, name, gin_bindings, largest):
        self._bindings = gin_bindings
        self._strengths = (0.0, largest)
        self.configuration = f"# {name} {largest}"

    def prepare(self):
        """Nothing precedes the runs."""

    def stages(self, output_dir):
        """Two runs."""
        return [[self._run(output_dir, strength) for strength in self._strengths]]

    def _run(self, output_dir, strength):
        directory = os.path.join(output_dir, f"strength_{strength}")
        lines = (*self._bindings, f"sparse_vae.strength = {strength}")
        training = Step("train", os.path.join(directory, "model"), None, (), lines)
        metric = (
            "dataset.name = 'auto'",
            "evaluation.evaluation_fn = @largest_correlation",
            "evaluation.random_seed = 0",
            "largest_correlation.num_train = 100",
        )
        steps = (training, *scoring(directory, {"correlation": ((), metric)}))
        return Run(f"strength {strength}", directory, steps)

    def write_page(self, output_dir):
        """Writes the score of each run."""
        path = os.path.join(output_dir, "scores.txt")
        lines = [
            f"{run.name}: {run.steps[-1].results()['largest_correlation']}"
            for run in self.stages(output_dir)[0]
        ]
        files.write_text(path, "\\n".join(lines))
        return path
''',
    # A command.
    "dmt/cli/greet.py": '''
"""A command that greets."""

from dmt.cli.table import Command, Flag


def _greet(flags):
    print(f"Good morning, {flags.name}.")


COMMANDS = (
    Command(
        "greet",
        "Greets: --name=NAME.",
        (Flag("name", "string", None, "Whom to greet."),),
        _greet,
        required=("name",),
    ),
)
''',
}
SWEPT = {
    **{k: v for k, v in TINY.items() if not k.startswith(("vae.", "model.model"))},
    "dataset.name": "'bars'",
    "model.model": "@sparse_vae()",
    "sparse_vae.beta": "1.0",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout with the contributor's files, installed anew."""
    folder = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__", "benchmarks")
    for name in ("bin", "dmt", "docs", "gin_configs", "tests"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text.lstrip("\n"))
    model = (folder / "gin_configs/models/beta_vae.gin").read_text()
    model = model.replace("@vae()", "@sparse_vae()").replace(
        "vae.beta = 4.0", "sparse_vae.beta = 4.0\nsparse_vae.strength = 0.1"
    )
    (folder / "gin_configs/models/sparse_vae.gin").write_text(model)
    run(folder, "setup.py", "--quiet", "egg_info")
    return folder


def run(folder, *arguments):
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(folder)},
    )
    assert process.returncode == 0, (process.stdout + process.stderr)[-3000:]
    return process.stdout


def command(folder, name, *arguments):
    return printed(call(folder / "bin" / name, *arguments, PYTHONPATH=str(folder)))


def test_rules_of_the_package_hold(checkout):
    lint = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    run(checkout, "-c", lint)
    run(checkout, "-m", "ruff", "check", "dmt")
    run(
        checkout,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_structure.py",
    )


def test_shared_tests_include_what_is_new(checkout):
    text = run(
        checkout,
        *("-m", "pytest", "-vv"),
        *("-k", "largest_correlation or bars or sparse_vae"),
        "tests/evaluation/metrics/test_metric_properties.py",
        "tests/data/ground_truth/test_ground_truth_data.py",
        "tests/test_shipped_gin_files.py",
    )
    for name in (
        "test_metric_properties.py::test_invariances_are_those_declared",
        "test_ground_truth_data.py::test_facts[bars",
        "test_binds_what_is_needed[more_metrics/largest_correlation.gin]",
        "test_binds_what_is_needed[models/sparse_vae.gin]",
    ):
        assert name in text


def test_commands_and_documentation_show_what_is_new(checkout):
    # absl ends --help with status 1.
    text = call(checkout / "bin/dmt_greet", "--help", PYTHONPATH=str(checkout)).stdout
    assert "Whom to greet." in text
    assert command(checkout, "dmt_greet", "--name=Ann") == "Good morning, Ann.\n"
    text = call(checkout / "bin/dmt_study", "--help", PYTHONPATH=str(checkout)).stdout
    assert "two_strengths: the largest strength" in text
    assert "A bright bar of 4 pixels" in command(checkout, "dmt_data", "list")
    run(checkout, "docs/make_reference.py")
    page = (checkout / "docs/reference.md").read_text()
    for name in ("bars", "dmt_greet", "largest_correlation", "sparse_vae"):
        assert f"| `{name}` |" in page
    assert "Does a larger strength make codes sparser?" in page


def test_sweep_of_the_study_is_one_population(checkout, tmp_path):
    output_dir = tmp_path / "out"
    text = command(
        checkout,
        "dmt_study",
        "--study=two_strengths",
        "--largest=0.5",
        "--population=2",
        "--workers=1",
        f"--output_dir={output_dir}",
        *(f"--gin_bindings={line}" for line in bindings(SWEPT)),
    )
    page = output_dir / "scores.txt"
    assert str(page) in text
    scores = [float(line.split(": ")[1]) for line in page.read_text().splitlines()]
    assert len(scores) == 2 and all(0 < score <= 1 for score in scores)
    # The members of a population share one log.
    logs = [path for path in output_dir.rglob("train.log") if path.stat().st_size]
    assert len(logs) == 1
    models = [output_dir / f"strength_{s}/model" for s in ("0.0", "0.5")]
    regularizers = [results(model)["regularizer"] for model in models]
    assert regularizers[0] != regularizers[1]
    config = json.loads((models[1] / "results/json/train_config.json").read_text())
    assert config["sparse_vae.strength"] == "0.5"
