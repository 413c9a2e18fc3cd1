"""Processes that are killed at any call leave old or new content, and no rest."""

import os
import shutil

import pytest

from dmt.utils import files, locks
from tests.helpers.killed import at_each_call

OLD = {"model.keras": "old", "deep/checkpoint.npz": "old"}
NEW = {"model.keras": "new", "deep/checkpoint.npz": "new", "more": "new"}


def write(directory, contents):
    for name, text in contents.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)


def read(path):
    if path.is_file():
        return path.read_text()
    found = [p for p in path.rglob("*") if p.is_file()]
    return {str(p.relative_to(path)): p.read_text() for p in found}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "a" / "b"


def check_each_kill(folder, prepare, step, allowed, path):
    """Kills a step at each call; `path` then holds something that is allowed."""
    seen = []
    for number in at_each_call(step):
        before = read(path) if path.exists() else None
        with locks.only_in(folder / "out"):
            found = read(path) if path.exists() else None
        assert found in allowed, number
        # Content may be put back when the lock is taken, but is never taken away.
        assert before in (found, None), number
        seen.append(found)
        names = {p.name for p in folder.rglob(".*")} if folder.exists() else set()
        assert names == set(), number
        if number is not None:
            shutil.rmtree(folder, ignore_errors=True)
            prepare()
    assert seen[0] == allowed[0] and seen[-1] == allowed[-1]
    assert len(seen) > 5


@pytest.mark.parametrize("old", [None, OLD])
def test_replaced_directories(old, folder):
    def prepare():
        if old:
            write(folder / "out", old)

    def step():
        with locks.only_in(folder / "out"):
            with files.replacing(folder / "out") as directory:
                write(directory, NEW)

    prepare()
    check_each_kill(folder, prepare, step, [old, NEW], folder / "out")


@pytest.mark.parametrize("old", [None, "old"])
def test_files_in_a_directory(old, folder):
    path = folder / "out" / "tf_checkpoint" / "checkpoint.npz"

    def prepare():
        if old:
            write(path.parent, {path.name: old})

    def step():
        with locks.only_in(folder / "out"):
            files.write_text(path, "new")

    prepare()
    check_each_kill(folder, prepare, step, [old, "new"], path)


def test_discarded_directories(folder):
    def prepare():
        write(folder / "out", OLD)

    def step():
        with locks.only_in(folder / "out"):
            files.discard(folder / "out")

    prepare()
    check_each_kill(folder, prepare, step, [OLD, None], folder / "out")


def test_scratch_directories(folder):
    def step():
        with files.scratch_of(folder / "out") as directory:
            write(directory, NEW)
            files.write_text(folder / "out", "new")

    check_each_kill(folder, lambda: None, step, [None, "new"], folder / "out")
