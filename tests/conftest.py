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
