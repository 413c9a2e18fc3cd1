import os
import tempfile

import gin
import pytest

# The key that signs runs is that of these tests, not that of the user who runs them.
_data = tempfile.TemporaryDirectory()
os.environ["XDG_DATA_HOME"] = _data.name


@pytest.fixture(autouse=True)
def clean_gin():
    gin.clear_config()
    yield
    gin.clear_config()


def pytest_collection_modifyitems(items):
    """Begins with what takes minutes, so that no process waits at the end."""
    slow = ("tests/studies/", "tests/runs/", "tests/test_gin_files.py")
    items.sort(key=lambda item: not item.nodeid.startswith(slow))
