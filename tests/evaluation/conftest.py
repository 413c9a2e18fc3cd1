"""What tests of evaluation share: representations and gin files of metrics."""

import json

import pytest

from tests.helpers import representations

MIG = """
evaluation.evaluation_fn = @mig
mig.num_train = 300
discretizer.num_bins = 20
discretizer.discretizer_fn = @histogram_discretizer
"""
FACTOR_VAE = """
evaluation.evaluation_fn = @factor_vae_score
factor_vae_score.num_variance_estimate = 200
factor_vae_score.num_train = 100
factor_vae_score.num_eval = 50
factor_vae_score.batch_size = 8
"""
DCI = """
evaluation.evaluation_fn = @dci
dci.num_train = 300
dci.num_test = 100
"""
ALWAYS = 'dataset.name = "auto"\nevaluation.random_seed = 3\n'


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory):
    """A model, its representations `mean` and `sampled`, and `configs/*.gin`."""
    root = tmp_path_factory.mktemp("run")
    representations.make(root, encoder__encoder_fn="@conv_encoder")
    configs = root / "configs"
    configs.mkdir()
    for name, text in (("mig", MIG), ("factor_vae", FACTOR_VAE), ("dci", DCI)):
        (configs / f"{name}.gin").write_text(ALWAYS + text)
    return root


@pytest.fixture(scope="session")
def results():
    """Function from a directory of an evaluation to its results and configuration."""

    def read(directory):
        found = {}
        for name in ("results", "config"):
            path = directory / "results" / "json" / f"evaluation_{name}.json"
            found |= json.loads(path.read_text())
        return {
            key: value
            for key, value in found.items()
            if key not in ("uuid", "elapsed_time", "evaluation.name")
        }

    return read
