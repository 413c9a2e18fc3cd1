"""Runs of a study: train, postprocess, evaluate, by several processes, once each.

A run is a directory as the quick start writes one (`model/`, `postprocessed/mean/`,
`metrics/mean/<name>/`). Every step of it is written whole or not at all and skipped if
it is there, so a study that was killed goes on where it was.
"""

import contextlib
import dataclasses
import os

from dmt.utils import processes


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
        ValueError: if runs failed, after all others of the stage are complete.
    """
    total, done = sum(map(len, stages)), 0
    with processes.only_in(output_dir), processes.workers(num_workers) as executor:
        for stage in stages:
            tasks = {run.name: (run, output_dir, postprocess_file) for run in stage}
            processes.run_all(executor, execute, tasks, done, total)
            done += len(stage)
