"""A model and its representations, for tests of postprocessing."""

import pytest

from tests.helpers import representations


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory):
    """A model and its representations `mean` and `sampled`."""
    root = tmp_path_factory.mktemp("run")
    return representations.make(root, encoder__encoder_fn="@conv_encoder")
