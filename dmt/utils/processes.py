"""Work for several processes that share the cores."""

import concurrent.futures
import contextlib
import fcntl
import logging
import multiprocessing
import os
import threading
import time
import traceback
from multiprocessing import connection

from absl import logging as absl_logging

from dmt.utils import machine

logger = logging.getLogger(__name__)


def number_of(workers):
    """Number of processes that a --workers flag stands for.

    Args:
        workers: the number, or 0 for one per core (one if there is a GPU).

    Raises:
        ValueError: if it is negative.
    """
    if workers < 0:
        raise ValueError(f"--workers must be at least 0. Received: {workers}")
    return workers or (1 if machine.has_gpu() else machine.num_cores())


@contextlib.contextmanager
def only_in(directory):
    """Refuses to work in a directory, which is made, that another process works in.

    Raises:
        ValueError: if there is one.
    """
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, ".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"Another process works in {directory}; wait for it or name another "
                "directory."
            ) from error
        yield


@contextlib.contextmanager
def workers(number):
    """An executor of processes that share the cores and end with this one.

    Args:
        number: number of processes.
    """
    threads = str(max(1, machine.num_cores() // number))
    settings = {
        machine.NUM_WORKERS: str(number),
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
    before = {name: os.environ.get(name) for name in settings}
    # A setting of the user's own counts.
    os.environ.update({k: v for k, v in settings.items() if before[k] is None})
    executor = concurrent.futures.ProcessPoolExecutor(
        number, multiprocessing.get_context("spawn"), _start
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


def run_all(executor, function, tasks, done=0, total=None):
    """Calls a function with the arguments of each task, in the executor's processes.

    Args:
        executor: of `workers`.
        function: of a module, it keeps its results on disk.
        tasks: {name: tuple of arguments}.
        done: number of tasks that were done before, for the messages.
        total: number of all tasks, for the messages.

    Raises:
        ValueError: if tasks failed, after all others are done.
    """
    total, start = total or len(tasks), time.time()
    futures = {
        executor.submit(_try, function, arguments): name
        for name, arguments in tasks.items()
    }
    failures = {}
    for future in concurrent.futures.as_completed(futures):
        try:
            name, error = futures[future], future.result()
        except concurrent.futures.process.BrokenProcessPool as broken:
            raise ValueError(
                "A process was killed, most often because memory ran out: start again "
                "with fewer --workers."
            ) from broken
        done += 1
        if error:
            failures[name] = error
        logger.info(
            "%d of %d: %s %s, %.0f s",
            done,
            total,
            name,
            f"failed: {error}" if error else "is complete",
            time.time() - start,
        )
    if failures:
        name, error = next(iter(failures.items()))
        raise ValueError(
            f"{len(failures)} of {len(tasks)} failed, start again to repeat them. The "
            f"first, {name}: {error}"
        )


def _try(function, arguments):
    """What is wrong with a task, "" if nothing is.

    Text, because exceptions that passed gin cannot be sent to another process.
    """
    try:
        function(*arguments)
    except Exception as error:
        if os.environ.get("DMT_TRACEBACK"):
            traceback.print_exc()
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def _start():
    parent = multiprocessing.parent_process().sentinel

    def end_with_parent():
        connection.wait([parent])
        os._exit(1)

    # Nobody would stop a worker whose parent was killed, and the next one would begin
    # the same task.
    threading.Thread(target=end_with_parent, daemon=True).start()
    machine.import_keras()
    absl_logging.set_verbosity(absl_logging.WARNING)
    # Each model is compiled anew, of which TensorFlow would warn.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
