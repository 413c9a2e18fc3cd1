"""What a study is, and how all of its runs are made."""

import os
from typing import Protocol

from dmt.runs import runner
from dmt.utils import configuration, locks, machine, processes


class Study(Protocol):
    """What `run` needs to know of a study.

    Attributes:
        configuration: text with all settings. A directory that holds a study with
            another configuration is refused.
    """

    configuration: str

    def prepare(self) -> None:
        """Does what must precede all runs, for example checks and shared files."""

    def stages(self, output_dir: str) -> list[list[runner.Run]]:
        """The runs of the study in stages, which may read what earlier stages wrote.

        Args:
            output_dir: absolute path of the directory of the study.
        """

    def write_page(self, output_dir: str) -> str:
        """Writes the page or table of the complete study and returns its path."""


def run(
    study: Study,
    output_dir: str,
    num_workers: int = 0,
    population: str | int = "auto",
    engine: str = "local",
    only_print: bool = False,
) -> str | None:
    """Makes the missing runs of a study, then its page or table.

    Args:
        study: the study, for example from `registry.open_study`.
        output_dir: directory of the study.
        num_workers: number of processes, 0 for one per core (one if there is a GPU).
        population: see `runner.execute_all`.
        engine: see `runner.execute_all`.
        only_print: whether to print how much is complete instead.

    Returns:
        Path of the page or table, None with `only_print`.

    Raises:
        ValueError: if a run failed, or `output_dir` holds another study.
    """
    output_dir = os.path.abspath(output_dir)
    num_workers = processes.number_of(num_workers)
    population = processes.population_of(population)
    stages = study.stages(output_dir)
    if only_print:
        print(runner.summary(stages))
        return None
    study.prepare()
    with locks.only_in(output_dir, shared=engine == "files"):
        configuration.check_same(
            os.path.join(output_dir, "config.gin"),
            study.configuration,
            f"{output_dir} holds a study with another configuration; give the same one "
            "or another directory.",
        )
        machine.import_keras()
        runner.execute_all(stages, num_workers, population, engine)
        # Processes that share the work may end at the same time.
        with locks.waiting_for(os.path.join(output_dir, "page")):
            return study.write_page(output_dir)
