"""From the name of a study to its page."""

import os

from dmt.studies import multitask, runner
from dmt.utils import configuration, machine, processes

STUDIES = {"multitask": multitask.Study}


def run(
    name,
    dataset,
    scale,
    output_dir,
    gin_bindings=(),
    num_workers=0,
    population="auto",
    engine="local",
):
    """Makes what is missing of a study, and its page.

    Args:
        name: a key of `STUDIES`.
        dataset: name of the data set.
        scale: name of a gin file in gin_configs/<name>.
        output_dir: directory of the study.
        gin_bindings: lines of gin that override the file.
        num_workers: number of processes, 0 for one per core (one if there is a GPU).
        population: number of runs to train as one program, or "auto".
        engine: what the processes belong to, see `processes.executors`.

    Returns:
        Path of the page.

    Raises:
        ValueError: if a run failed, or one in `output_dir` is of another configuration.
    """
    output_dir = os.path.abspath(output_dir)
    num_workers = processes.number_of(num_workers)
    population = processes.population_of(population)
    scale_file = configuration.shipped(f"{name}/{scale}.gin")
    with configuration.gin_configuration([scale_file], gin_bindings):
        study = STUDIES[name](dataset)
    stages = study.stages(output_dir)
    study.prepare()
    machine.import_keras()
    runner.execute_all(stages, output_dir, num_workers, population, engine)
    return study.write_page(output_dir)
