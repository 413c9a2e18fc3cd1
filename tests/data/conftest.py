import pytest


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty data root; the home folder is a temporary one too."""
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setenv("DMT_DATA", str(root))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return root
