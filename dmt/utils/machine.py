"""Cores, memory and GPUs that this process may use, and the import of Keras."""

import contextlib
import math
import os
import sys
from pathlib import Path

# Environment variable: number of processes that share the memory.
NUM_WORKERS = "DMT_NUM_WORKERS"
# Environment of a process that computes on the cores only.
WITHOUT_ACCELERATOR = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}


def num_cores() -> int:
    """Returns the number of cores that this process may run on.

    A container that may use the time of two cores, on whichever cores, counts as two.
    """
    return max(1, int(min(_num_allowed(), _quota())))


def has_quota() -> bool:
    """Whether this process may use less processor time than its cores have."""
    return num_cores() < _num_allowed()


def _num_allowed():
    """The number of cores that this process may run on, for whatever time."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Not on Linux.
        return os.cpu_count() or 1


def _quota():
    """The number of cores whose time the control groups allow, infinity for all."""
    quota = math.inf
    for folder in _control_groups():
        with contextlib.suppress(OSError, ValueError):
            time, period = (folder / "cpu.max").read_text().split()
            quota = min(quota, float(time) / float(period))
    return quota


def available_memory() -> int:
    """Returns this process's equal share of the free memory, in bytes; 0 if unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kilobytes = {line.split(":")[0]: line.split()[1] for line in lines}
        available = 1024 * int(kilobytes["MemAvailable"])
    except (OSError, KeyError):
        return 0
    # A container or a batch job may get less than the machine has.
    for folder in _control_groups():
        with contextlib.suppress(OSError, ValueError):
            limit = int((folder / "memory.max").read_text())
            used = int((folder / "memory.current").read_text())
            statistics = (folder / "memory.stat").read_text().split()
            # Page cache is reclaimed on demand, so it counts as available.
            for kind in ("active_file", "inactive_file"):
                used -= int(statistics[statistics.index(kind) + 1])
            available = min(available, max(limit - used, 0))
    return available // int(os.environ.get(NUM_WORKERS, 1))


def check_memory(num_bytes: int, received: str) -> None:
    """Checks that samples fit in memory.

    Args:
        num_bytes: what they take at least.
        received: the number of samples, as in "num_train=1000".

    Raises:
        ValueError: if they do not fit.
    """
    available = available_memory()
    if 0 < available < num_bytes:
        raise ValueError(
            f"So many samples take more than {num_bytes / 1e9:,.0f} GB, and "
            f"{available / 1e9:,.1f} GB of memory are available. Received: {received}"
        )


def _control_groups():
    """Folders of the control groups (version 2) of this process, on Linux."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    group = next((line[4:] for line in lines if line.startswith("0::/")), "")
    folder = Path("/sys/fs/cgroup", group)
    return [folder, *folder.parents]


def has_gpu() -> bool:
    """Whether the machine has a GPU of NVIDIA."""
    return os.path.exists("/dev/nvidiactl")


def share_of(number: int) -> dict[str, str]:
    """Returns the environment of each of `number` processes that share the machine."""
    threads = str(max(1, num_cores() // number))
    settings = {
        NUM_WORKERS: str(number),
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "NUMBA_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": "1",
    }
    if threads == "1":
        settings["XLA_FLAGS"] = (
            "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        )
    return settings


def import_keras() -> None:
    """Imports Keras without TensorFlow's messages about processors and drivers.

    To see the messages, set TF_CPP_MIN_LOG_LEVEL=0.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    sys.stderr.flush()
    # Native code writes the messages, so the file descriptor must be redirected.
    stderr = os.dup(2)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    try:
        import keras  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
