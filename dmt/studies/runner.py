"""Runs of a study: train, postprocess, evaluate, by several processes, once each.

A run is a directory as the quick start writes one (`model/`, `postprocessed/mean/`,
`metrics/mean/<name>/`). Every step of it is written whole or not at all and skipped if
it is there, so a study that was killed goes on where it was.
"""

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


@dataclasses.dataclass(frozen=True)
class Run:
    """One model of a study.

    Attributes:
        name: name of its directory in the study's.
        gin_files: paths of gin files of the training.
        gin_bindings: lines of gin that override them.
        evaluations: the metrics of its mean representation, {name: (gin files, lines of
            gin)}.
    """

    name: str
    gin_files: tuple
    gin_bindings: tuple
    evaluations: dict = dataclasses.field(default_factory=dict)


def execute(run, output_dir, postprocess_file):
    """Makes the steps of a run that are not complete.

    Args:
        run: the `Run`.
        output_dir: directory of the study.
        postprocess_file: gin file of the postprocessing.

    Raises:
        ValueError: if a step was completed with another configuration.
    """
    import keras

    from dmt.evaluation.evaluate import evaluate_with_gin
    from dmt.methods.train import train_with_gin
    from dmt.postprocessing.postprocess import postprocess_with_gin

    directory = os.path.join(output_dir, run.name)
    model_dir = os.path.join(directory, "model")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "train.log"), "a", encoding="utf-8") as log:
        with contextlib.redirect_stdout(log):
            train_with_gin(
                model_dir, False, run.gin_files, run.gin_bindings, resume=True
            )
    if run.evaluations:
        mean_dir = os.path.join(directory, "postprocessed", "mean")
        postprocess_with_gin(
            model_dir, mean_dir, False, [postprocess_file], resume=True
        )
        shared_codes = {}
        for name, (gin_files, gin_bindings) in run.evaluations.items():
            evaluate_with_gin(
                mean_dir,
                os.path.join(directory, "metrics", "mean", name),
                False,
                gin_files,
                [*gin_bindings, f"evaluation.name = '{name}'"],
                resume=True,
                shared_codes=shared_codes,
            )
    # Graphs of models that are done would fill the memory.
    keras.backend.clear_session()


def execute_all(stages, output_dir, postprocess_file, num_workers):
    """Makes all runs of a study.

    Args:
        stages: list of lists of `Run`; a stage begins when the one before is complete.
        output_dir: directory of the study.
        postprocess_file: see `execute`.
        num_workers: number of processes, which share the cores.

    Raises:
        ValueError: if runs failed, after all others are complete.
    """
    total, done, start = sum(map(len, stages)), 0, time.time()
    with _only_study_in(output_dir), _processes(num_workers) as executor:
        for stage in stages:
            futures = {
                executor.submit(_try, run, output_dir, postprocess_file): run
                for run in stage
            }
            failures = {}
            for future in concurrent.futures.as_completed(futures):
                run, error = futures[future], future.result()
                done += 1
                if error:
                    failures[run.name] = error
                logger.info(
                    "%d of %d after %.0f s: %s %s",
                    done,
                    total,
                    time.time() - start,
                    run.name,
                    f"failed: {error}" if error else "is complete",
                )
            if failures:
                name, error = next(iter(failures.items()))
                raise ValueError(
                    f"{len(failures)} of {total} runs failed, start the study again to "
                    f"repeat them. The first, {name}: {error}"
                )


def _try(*arguments):
    """What is wrong with a run, "" if nothing is.

    Text, because exceptions that passed gin cannot be sent to another process.
    """
    try:
        execute(*arguments)
    except Exception as error:
        if os.environ.get("DMT_TRACEBACK"):
            traceback.print_exc()
        return " ".join(str(error).split()) or type(error).__name__
    return ""


@contextlib.contextmanager
def _only_study_in(output_dir):
    """Refuses to work on a directory that another process works on."""
    os.makedirs(output_dir, exist_ok=True)
    with open(os.path.join(output_dir, ".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"Another process works on the study in {output_dir}; wait for it or "
                "name another directory."
            ) from error
        yield


@contextlib.contextmanager
def _processes(num_workers):
    """Processes that share the cores and end with this one."""
    threads = str(max(1, machine.num_cores() // num_workers))
    settings = {
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
        num_workers, multiprocessing.get_context("spawn"), _start_worker
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


def _start_worker():
    machine.import_keras()
    absl_logging.set_verbosity(absl_logging.WARNING)
    parent = multiprocessing.parent_process().sentinel

    def end_with_parent():
        connection.wait([parent])
        os._exit(1)

    # Nobody would stop a worker whose study was killed, and a new study would begin
    # the same run.
    threading.Thread(target=end_with_parent, daemon=True).start()
