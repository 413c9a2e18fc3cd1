"""Processes of commands that tests start, kill and wait for."""

import glob
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

from tests.helpers.runs import BIN, ROOT

# Of the random moments of kills.
SEED = int(os.environ.get("DMT_TEST_SEED", 0))


def start(command, *flags, lines=(), data=None):
    """Begins a command, for example "dmt_study"; its folder of data is `data`."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CUDA_VISIBLE_DEVICES": "",
        **({"DMT_DATA": str(data)} if data else {}),
    }
    return subprocess.Popen(
        [
            sys.executable,
            str(BIN / command),
            *flags,
            *(f"--gin_bindings={line}" for line in lines),
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, returncode=0, timeout=600):
    """What a process printed and logged when it has ended."""
    output, errors = process.communicate(timeout=timeout)
    assert process.returncode == returncode, errors[-3000:]
    return output, errors


def wait_until(condition, process, timeout=600):
    """Waits for a condition while a process runs."""
    deadline = time.time() + timeout
    while not condition():
        assert process.poll() is None and time.time() < deadline
        time.sleep(0.002)


def moments():
    """Random numbers that say when to kill; the seed is printed if the test fails."""
    print(f"DMT_TEST_SEED={SEED}")
    return random.Random(SEED)


def complete(directory):
    """Modification times of the files that mark steps as complete."""
    # Hidden directories are left out, because they vanish meanwhile.
    paths = glob.glob(f"{directory}/**/results/aggregate/*.json", recursive=True)
    return {pathlib.Path(path): os.stat(path).st_mtime_ns for path in paths}


def children(pid):
    """Numbers of the processes that a process started."""
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


def is_running(pid):
    """Whether a process has not ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def killed_and_finished(begin, directory, number):
    """Kills a study, then makes the rest of it, which must repeat nothing.

    Args:
        begin: function that starts the study in the directory.
        directory: directory of the study.
        number: number of complete steps after which it is killed.

    Returns:
        What the second process printed.
    """
    process = begin()
    wait_until(lambda: len(complete(directory)) >= number, process)
    workers = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.time() + 20
    while any(map(is_running, workers)) and time.time() < deadline:
        time.sleep(0.1)
    assert not any(map(is_running, workers))
    before = complete(directory)
    output, _ = finish(begin())
    after = complete(directory)
    assert len(after) > len(before) >= number
    assert {path: after[path] for path in before} == before
    return output
