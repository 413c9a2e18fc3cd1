"""Worker processes: their number and their tasks."""

import contextlib
import dataclasses
import logging
import math
import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import Any

from absl import logging as absl_logging

from dmt.utils import machine, progress

_MOST_WORKERS = 1024


def number_of(workers: int) -> int:
    """Returns the number of processes that a --workers flag asks for.

    The flag 0 asks for one process per core, or one in all if there is a GPU.

    Raises:
        ValueError: if the flag is negative or above 1024.
    """
    if not 0 <= workers <= _MOST_WORKERS:
        raise ValueError(
            f"--workers must be at least 0 and at most {_MOST_WORKERS}. "
            f"Received: {workers}"
        )
    return workers or (1 if machine.has_gpu() else machine.num_cores())


def population_of(flag: str | int) -> str | int:
    """Returns the value of a --population flag: "auto" or an integer, at least 1.

    Raises:
        ValueError: if the flag is neither.
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
def executors(
    number: int, engine: str = "local"
) -> Iterator[tuple[Executor, Executor, int]]:
    """Context with executors. Their processes end when it or this process ends.

    Args:
        number: number of processes that train.
        engine: "local" for processes of this machine, or "ray" for the cluster that
            RAY_ADDRESS names, or a new one on this machine if the variable is not set.
            The nodes of a cluster share this file system and have the package.

    Yields:
        An executor for training, an executor for work without a GPU (the same one if
        there is no GPU), and the number of processes for training. This is `number`, or
        on a cluster the number of its GPUs, or of its cores if it has no GPU.

    Raises:
        ValueError: if Ray is not installed.
    """
    if engine == "ray":
        with _ray_executors(number) as executors:
            yield executors
    elif machine.has_gpu():
        cores = machine.num_cores()
        with (
            _local_executor(number) as trainers,
            _local_executor(cores, machine.WITHOUT_ACCELERATOR) as scorers,
        ):
            yield trainers, scorers, number
    else:
        with _local_executor(number) as executor:
            yield executor, executor, number


@contextlib.contextmanager
def _local_executor(number, settings=None):
    executor = ProcessPoolExecutor(
        number,
        multiprocessing.get_context("spawn"),
        _start,
        (_environment(number) | (settings or {}),),
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _environment(number):
    """Environment of one of `number` workers; variables that the user has set win."""
    share = machine.share_of(number)
    return {k: v for k, v in share.items() if k not in os.environ}


def _start(settings):
    parent = multiprocessing.parent_process().sentinel

    def end_with_parent():
        connection.wait([parent])
        os._exit(1)

    # If the parent is killed, nothing else stops this worker, and the next parent would
    # start another one for the same task.
    threading.Thread(target=end_with_parent, daemon=True).start()
    os.environ.update(settings)
    _import_keras()


def _import_keras():
    machine.import_keras()
    absl_logging.use_absl_handler()
    absl_logging.set_verbosity(absl_logging.WARNING)
    progress.logger.setLevel(logging.INFO)
    # Every model is a new graph, so TensorFlow's warnings about retracing do not apply.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextlib.contextmanager
def _ray_executors(number):
    try:
        import ray
    except ImportError as error:
        raise ValueError(
            "The engine ray needs Ray: pip install 'dmt-lib[ray]'."
        ) from error
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(**quiet)
    else:
        cores = machine.num_cores() if machine.has_gpu() else number
        ray.init(num_cpus=cores, include_dashboard=False, **quiet)
    try:
        resources = ray.cluster_resources()
        cores, gpus = (int(resources.get(kind, 0)) for kind in ("CPU", "GPU"))
        nodes = sum(node["Alive"] for node in ray.nodes())
        settings = _environment(max(1, cores // nodes))
        for name in ("KERAS_BACKEND", "DMT_DATA"):
            if name in os.environ:
                settings[name] = os.environ[name]

        def executor(num_gpus, **more):
            environment = {"env_vars": settings | more}
            options = ray.remote(num_cpus=1, num_gpus=num_gpus, runtime_env=environment)
            return _RayExecutor(options(_on_ray))

        if gpus:
            # Every trainer has a GPU and its memory to itself.
            trainers = executor(1, **{machine.NUM_WORKERS: "1"})
            scorers = executor(0, **machine.WITHOUT_ACCELERATOR)
        else:
            trainers = scorers = executor(0)
        # A cluster that starts nodes on demand may have no cores yet.
        yield trainers, scorers, gpus or max(1, cores)
    finally:
        ray.shutdown()


def _on_ray(directory, function, *arguments):
    os.chdir(directory)  # Paths may be relative to the directory of the command.
    _import_keras()
    return function(*arguments)


class _RayExecutor(Executor):
    """Executor on Ray, with the one method that `run_all` needs."""

    def __init__(self, remote):
        self._remote = remote

    def submit(self, function, *arguments):
        """Schedules a call and returns its future."""
        return self._remote.remote(os.getcwd(), function, *arguments).future()


@dataclasses.dataclass(frozen=True)
class Task:
    """A call in another process, and the tasks that follow it.

    Attributes:
        executor: one of `executors`.
        function: function of a module, which writes its results to disk. If tasks
            follow, it may return {name: error} for those that must not start.
        arguments: arguments of the function.
        then: {name: Task} of the tasks that start when this one is done.
    """

    executor: Executor
    function: Callable[..., Any]
    arguments: tuple
    then: Mapping[str, "Task"] = dataclasses.field(default_factory=dict)


def run_all(
    tasks: Iterable[tuple[str, Task] | None],
    end: Callable[[str, str], object],
    at_once: float = math.inf,
) -> None:
    """Runs tasks and the tasks that follow them.

    Args:
        tasks: yields (name, Task), or None if no task can start at present.
        end: called with the name and the error, or "", of every task that no other
            task follows.
        at_once: largest number of running tasks, not counting those that follow.

    Raises:
        ValueError: if tasks failed. It is raised after all other tasks are done.
    """
    source, exhausted = iter(tasks), False
    # Running tasks: those of `tasks`, and those that follow others.
    first: dict[Future, tuple[str, Task]] = {}
    later: dict[Future, tuple[str, Task]] = {}
    number, failures = 0, {}

    def begin(running, name, task):
        future = submit(task.executor, task.function, *task.arguments)
        running[future] = (name, task)

    def finish(name, error):
        nonlocal number
        number += 1
        if error:
            failures[name] = error
        end(name, error)

    while not exhausted or first or later:
        waits = False
        while not (exhausted or waits) and len(first) < at_once:
            found = next(source, _END)
            if found is _END:
                exhausted = True
            elif found is None:
                waits = True
            else:
                begin(first, *found)
        pause = _SECONDS_BETWEEN_CLAIMS if waits else None
        if not (first or later):
            time.sleep(pause or 0)
            continue
        futures, _ = wait([*first, *later], pause, FIRST_COMPLETED)
        for future in futures:
            name, task = (first if future in first else later).pop(future)
            wrong, error = outcome(future)
            if not task.then:
                finish(name, error)
                continue
            wrong = dict.fromkeys(task.then, error) if error else wrong or {}
            for name, following in task.then.items():
                if name in wrong:
                    finish(name, wrong[name])
                else:
                    begin(later, name, following)
    if failures:
        name, error = next(iter(failures.items()))
        raise ValueError(
            f"{len(failures)} of {number} failed. Start again to repeat them. The "
            f"first, {name}: {error}"
        )


def submit(executor: Executor, function: Callable, *arguments: Any) -> Future:
    """Schedules a call and returns its future for `outcome`."""
    try:
        return executor.submit(_try, function, arguments)
    except BrokenProcessPool as error:
        raise ValueError(_KILLED) from error


def outcome(future: Future) -> tuple[Any, str]:
    """Returns the result of a call and its error, "" if it succeeded.

    Raises:
        ValueError: if the process of the call was killed.
    """
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise ValueError(_KILLED) from error
    except Exception as error:
        # Ray reports killed workers and nodes without the package this way.
        text = " ".join(str(error).split())
        raise ValueError(
            f"A process ended without a result: {type(error).__name__}: {text}"
        ) from error


_END: Any = object()
_SECONDS_BETWEEN_CLAIMS = 2.0
_KILLED = (
    "A process was killed, most often because memory ran out. Start again with fewer "
    "--workers."
)


def _try(function, arguments):
    """Returns the result of a function and its error as text, "" if it succeeded.

    Exceptions themselves cannot be sent to another process once gin has changed them.
    """
    try:
        return function(*arguments), ""
    except Exception as error:
        if os.environ.get("DMT_TRACEBACK"):
            traceback.print_exc()
        return None, " ".join(str(error).split()) or type(error).__name__
