"""Locks on outputs: who holds them, how they end, and what is removed with them."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading

import pytest

from dmt.utils import locks

HOLD = (
    "import sys; from dmt.utils import locks\n"
    "lock = locks.claim(sys.argv[1], len(sys.argv) > 2)\n"
    "print(lock is not None, flush=True)\n"
    "sys.stdin.read()\n"
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(locks, "_PATIENCE", 0.0)


def holder(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "True\n"
    return process


def end(process):
    process.communicate("")


def test_a_path_has_one_owner(tmp_path):
    path = str(tmp_path / "new" / "out")
    with locks.only_in(path):
        assert locks.is_held(path) and locks.claim(path) is None
        with pytest.raises(ValueError, match="Another process writes .*out"):
            with locks.only_in(path, shared=True):
                pass
        # Another name of the same path.
        (tmp_path / "link").symlink_to(tmp_path / "new")
        assert locks.claim(str(tmp_path / "link" / ".." / "new" / "out")) is None
        locks.claim(str(tmp_path / "new" / "other")).close()
    with locks.only_in(path, shared=True):
        with locks.only_in(path, shared=True):
            assert locks.claim(path) is None
        assert locks.claim(path) is None
    assert not locks.is_held(path)
    assert os.listdir(tmp_path) == ["link"]


def test_the_owner_is_named_and_its_lock_ends_with_it(tmp_path):
    path = tmp_path / "out"
    process = holder(path)
    with pytest.raises(ValueError) as error:
        with locks.only_in(path):
            pass
    for word in (f"process {process.pid}", socket.gethostname(), "since 2", str(path)):
        assert word in str(error.value)
    assert "\n" not in str(error.value)
    process.kill()
    end(process)
    assert (tmp_path / ".out.lock").exists()
    with locks.only_in(path):
        pass
    assert os.listdir(tmp_path) == []


def test_the_named_owner_of_a_shared_lock_is_running(tmp_path):
    first, second = holder(tmp_path / "out", "shared"), holder(tmp_path / "out", "s")
    second.kill()
    end(second)
    with pytest.raises(ValueError, match=f"process {first.pid} on"):
        with locks.only_in(tmp_path / "out"):
            pass
    end(first)


def test_waiting(tmp_path):
    path = str(tmp_path / "out")
    seen = []

    def wait():
        with locks.waiting_for(path):
            seen.append("late")

    with locks.only_in(path):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.1)
        seen.append("early")
    thread.join()
    assert seen == ["early", "late"]


def test_many_processes_never_hold_a_lock_together(tmp_path):
    code = (
        "import sys; from dmt.utils import locks\n"
        "path = sys.argv[1]\n"
        "for _ in range(100):\n"
        "    with locks.waiting_for(path):\n"
        "        with open(f'{path}.owner', 'x'): pass\n"
        "        import os; os.remove(f'{path}.owner')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    running = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert os.listdir(tmp_path) == []


def test_a_file_system_without_locks_is_used_with_a_warning(
    tmp_path, monkeypatch, caplog
):
    def flock(*_):
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    with locks.only_in(tmp_path / "out"):
        pass
    assert "has no locks" in caplog.text


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="There is no directory .*missing"):
        locks.claim(tmp_path / "missing" / ".." / "out")
    with pytest.raises(OSError, match="file"), locks.only_in(tmp_path / "file" / "out"):
        pass


def test_names_may_be_as_long_as_the_system_allows(tmp_path):
    with locks.only_in(tmp_path / ("x" * 255)):
        pass
    assert os.listdir(tmp_path) == []


def test_leftovers_are_removed_by_the_next_owner(tmp_path):
    out = tmp_path / "out"
    host = socket.gethostname().replace(".", "-")
    dead, alive = f"{host}.999999999", f"{host}.{os.getppid()}"
    for name in (
        f".tmp.{dead}.out",
        f".tmp.{dead}.out.old",  # As earlier versions named it.
        ".tmp.other-host.1.out",
        f".gone.{dead}.out",
        f".old.{dead}.out",
        f".parts.{dead}.out",
        f"out/.tmp.{host}.{os.getpid()}.file",
        f"out/deep/.tmp.{dead}.checkpoint.npz",
        f"out/deep/.gone.{dead}.run/part",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    kept = {
        f".tmp.{dead}.other",  # Not part of what is locked.
        f".tmp.{alive}.out",
        "out/.tmp.my.file",
        "out/deep/file",
        f"out/step/.tmp.{dead}.file",
    }
    for name in kept:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with locks.only_in(out / "step"):
        # The directory was swept when it was locked; this is of its owner.
        (out / "step" / f".tmp.{dead}.file").touch()
        with locks.only_in(out):
            pass
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert found == kept


def test_a_directory_that_was_being_replaced_is_put_back(tmp_path):
    old = tmp_path / f".old.{socket.gethostname().replace('.', '-')}.999999999.out"
    old.mkdir()
    (old / "file").touch()
    with locks.only_in(tmp_path / "out"):
        assert (tmp_path / "out" / "file").exists()
    assert os.listdir(tmp_path) == ["out"]
