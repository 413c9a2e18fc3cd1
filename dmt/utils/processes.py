"""Work for several processes that share the cores."""

import concurrent.futures
import contextlib
import dataclasses
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


def population_of(flag):
    """What a --population flag stands for: "auto", or an integer.

    Raises:
        ValueError: if it is neither.
    """
    if flag == "auto":
        return flag
    if str(flag).isdecimal() and int(flag) > 0:
        return int(flag)
    raise ValueError(
        '--population must be "auto" or a number of models, at least 1. '
        f"Received: {flag!r}"
    )


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
def executors(number, engine="local"):
    """Executors of processes that end with this one.

    Args:
        number: number of processes that train.
        engine: "local", or "ray" for the cluster that RAY_ADDRESS names, else one on
            this machine; its nodes share this file system and have the package.

    Returns:
        An executor for training, and one for what needs processors only: the same if
        there is no GPU.

    Raises:
        ValueError: if Ray is not installed.
    """
    if engine == "ray":
        with _ray_executors(number) as pair:
            yield pair
    elif machine.has_gpu():
        cores = machine.num_cores()
        with (
            _local_executor(number, {}) as trainers,
            _local_executor(cores, machine.WITHOUT_ACCELERATOR) as scorers,
        ):
            yield trainers, scorers
    else:
        with _local_executor(number, {}) as executor:
            yield executor, executor


@contextlib.contextmanager
def _local_executor(number, settings):
    executor = concurrent.futures.ProcessPoolExecutor(
        number,
        multiprocessing.get_context("spawn"),
        _start,
        ({**machine.share_of(number), **settings},),
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _start(settings):
    parent = multiprocessing.parent_process().sentinel

    def end_with_parent():
        connection.wait([parent])
        os._exit(1)

    # Nobody would stop a worker whose parent was killed, and the next one would begin
    # the same task.
    threading.Thread(target=end_with_parent, daemon=True).start()
    # A setting of the user's own counts.
    os.environ.update({k: v for k, v in settings.items() if k not in os.environ})
    _import_keras()


def _import_keras():
    machine.import_keras()
    absl_logging.set_verbosity(absl_logging.WARNING)
    # Each model is compiled anew, of which TensorFlow would warn.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextlib.contextmanager
def _ray_executors(number):
    try:
        import ray
    except ImportError as error:
        raise ValueError(
            "The engine ray needs the package's extra: pip install 'dmt[ray]'."
        ) from error
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(**quiet)
    else:
        ray.init(num_cpus=number, include_dashboard=False, **quiet)
    try:
        resources = ray.cluster_resources()
        per_node = max(1, int(resources["CPU"]) // len(ray.nodes()))
        settings = {"env_vars": machine.share_of(per_node)}
        num_gpus = min(1, resources.get("GPU", 0))
        yield tuple(
            _RayExecutor(
                ray.remote(_on_ray).options(
                    num_cpus=1, num_gpus=gpus, runtime_env=settings
                )
            )
            for gpus in (num_gpus, 0)
        )
    finally:
        ray.shutdown()


def _on_ray(function, arguments):
    _import_keras()
    return function(*arguments)


class _RayExecutor:
    """The part of an executor that `run_all` uses."""

    def __init__(self, remote):
        self._remote = remote

    def submit(self, function, *arguments):
        """A future of the call."""
        return self._remote.remote(function, arguments).future()


@dataclasses.dataclass(frozen=True)
class Task:
    """A call by another process, and what comes after it.

    Attributes:
        executor: of `executors`.
        function: of a module, it keeps its results on disk.
        arguments: tuple of its arguments.
        then: tasks that begin when it is done, {name: Task}.
    """

    executor: object
    function: object
    arguments: tuple
    then: dict = dataclasses.field(default_factory=dict)


def run_all(tasks, done=0, total=None):
    """Runs tasks and what follows them.

    Args:
        tasks: {name: Task}.
        done: number of tasks that were done before, for the messages, which count
            those that nothing follows.
        total: number of all such tasks.

    Raises:
        ValueError: if tasks failed, after all others are done.
    """
    start = time.time()
    total = total or sum(len(task.then) or 1 for task in tasks.values())
    running, failures = {}, {}

    def begin(tasks):
        for name, task in tasks.items():
            future = task.executor.submit(_try, task.function, task.arguments)
            running[future] = (name, task)

    begin(tasks)
    while running:
        ended, _ = concurrent.futures.wait(
            running, return_when=concurrent.futures.FIRST_COMPLETED
        )
        for future in ended:
            name, task = running.pop(future)
            error = _outcome(future)
            if error:
                failures[name] = error
            elif task.then:
                begin(task.then)
                continue
            done += len(task.then) or 1
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
            f"{len(failures)} of {total} failed, start again to repeat them. The "
            f"first, {name}: {error}"
        )


def _outcome(future):
    """What is wrong with a task, "" if nothing is."""
    try:
        return future.result()
    except Exception as broken:
        raise ValueError(
            "A process was killed, most often because memory ran out: start again with "
            f"fewer --workers. {type(broken).__name__}"
        ) from broken


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
