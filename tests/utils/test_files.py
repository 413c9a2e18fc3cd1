"""Files and directories that are written whole or not at all."""

import os
import socket

import pytest

from dmt.utils import files


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_replacing_is_all_or_nothing(kind, tmp_path):
    path = tmp_path / "target.txt"

    def write(text, fail=False):
        with files.replacing(path) as temporary:
            if kind == "directory":
                os.mkdir(temporary)
                temporary = os.path.join(temporary, "part")
            with open(temporary, "w") as file:
                file.write(text)
            if fail:
                raise OSError("disk is full")

    def read():
        return (path / "part" if kind == "directory" else path).read_text()

    write("old")
    with pytest.raises(OSError, match="full"):
        write("new", fail=True)
    assert read() == "old" and os.listdir(tmp_path) == ["target.txt"]
    write("new")
    assert read() == "new" and os.listdir(tmp_path) == ["target.txt"]


def test_a_file_that_cannot_replace_a_directory_is_named(tmp_path):
    (tmp_path / "target").mkdir()
    with pytest.raises(OSError, match="target'$") as error:
        files.write_text(tmp_path / "target", "text")
    assert ".tmp." not in str(error.value) and os.listdir(tmp_path) == ["target"]


def test_leftovers_of_killed_processes_are_removed(tmp_path):
    dead = tmp_path / f".tmp.{socket.gethostname()}.999999999.target"
    dead.mkdir()
    with files.replacing(tmp_path / "target") as temporary:
        os.mkdir(temporary)
    assert os.listdir(tmp_path) == ["target"]
