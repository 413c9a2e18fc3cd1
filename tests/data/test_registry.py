import subprocess
import sys

import pytest

from dmt.data import registry
from dmt.data.ground_truth import dummy_data
from dmt.data.official import catalog

# What only some datasets need, and takes long to import.
HEAVY = ("numba", "PIL", "h5py", "scipy", "keras", "tensorflow", "tensorflow_datasets")


@pytest.fixture(autouse=True)
def own_factories(monkeypatch):
    registry.import_shipped()
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    monkeypatch.setattr(registry, "_reserved", set(registry._reserved))


def test_every_published_dataset_is_registered():
    assert set(catalog.DATASETS) <= set(registry.names())


def test_every_dataset_has_a_description():
    for name in registry.names():
        assert registry.describe(name), name


def test_registered_dataset_is_found():
    registry.register("mine", dummy_data.DummyData)
    assert isinstance(registry.open_dataset("mine"), dummy_data.DummyData)
    assert "mine" in registry.names()
    registry.register("lazy", "dmt.data.ground_truth.dummy_data:DummyData")
    assert registry.open_dataset("lazy").num_factors == 10
    assert registry.describe("lazy") == registry.describe("dummy_data")


@pytest.mark.parametrize("name", ["dsprites_full", "shapes3d"])
def test_names_of_published_datasets_are_reserved(name):
    with pytest.raises(ValueError, match="reserved"):
        registry.register(name, dummy_data.DummyData)


def test_two_shipped_datasets_cannot_have_one_name():
    registry.dataset("new")(dummy_data.DummyData)
    registry.dataset("new")(dummy_data.DummyData)  # As when a module is loaded again.
    assert isinstance(registry.open_dataset("new"), dummy_data.DummyData)
    with pytest.raises(ValueError, match="the same name.*'new'"):
        registry.dataset("new")(dummy_data.IdentityObservationsData)


def test_importing_all_datasets_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from dmt.data.ground_truth import named_data\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert process.stdout == "[]\n", process.stdout + process.stderr
