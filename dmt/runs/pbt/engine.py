"""The loop of population-based training, over rounds and processes."""

import os
from collections.abc import Iterable

import gin

from dmt.methods.population import sizes
from dmt.methods.population.train_population import shared_configuration
from dmt.runs.pbt import rounds
from dmt.runs.pbt.settings import PBT, Member, best_of
from dmt.utils import configuration, locks, processes, results
from dmt.utils.processes import Task
from dmt.utils.progress import Progress


def train_with_gin(
    output_dir: str,
    gin_files: Iterable[str],
    gin_bindings: Iterable[str],
    num_workers: int = 0,
    population: str | int = "auto",
    engine: str = "local",
) -> str:
    """Trains a population as gin configures it; see `PBT`.

    Rounds that are complete are skipped. Writes `model/`, the best model of all rounds,
    and `lineage.json`, the members of all rounds.

    Args:
        output_dir: directory to write or to finish.
        gin_files: paths of gin files, for `pbt.*` and for the training.
        gin_bindings: lines of gin that override the files.
        num_workers: number of processes, 0 for one per core (one if there is a GPU).
        population: number of models to train as one program, or "auto". The models of a
            member are never split. Models of one program have the same batch size and
            the same number of updates.
        engine: where the processes run; see `processes.executors`.

    Returns:
        Directory of the best model.

    Raises:
        ValueError: if a setting is wrong, or the directory holds rounds of other
            settings.
    """
    num_workers = processes.number_of(num_workers)
    population = processes.population_of(population)
    gin_files = tuple(map(os.path.abspath, gin_files))
    gin_bindings = tuple(gin_bindings)
    with configuration.gin_configuration(gin_files, gin_bindings):
        settings = PBT()  # type: ignore[call-arg]  # Gin gives the arguments.
        text = gin.config_str()
    output_dir = os.path.abspath(output_dir)
    members = rounds.Members(settings, output_dir, gin_files, gin_bindings)
    # A binding that gin refuses must not leave a directory.
    for member in settings.first_plan():
        with members.configuration(member):
            pass
    with (
        locks.only_in(output_dir),
        processes.executors(num_workers, engine) as (executor, _, num_trainers),
    ):
        configuration.check_same(
            os.path.join(output_dir, "config.gin"),
            text,
            f"{output_dir} was begun with another configuration; give the same one or "
            "another directory.",
        )
        groups = Groups(members, executor, population, num_trainers)
        lineage: list[list[Member]] = []
        plan = settings.first_plan()
        for number in range(settings.num_rounds):
            if lineage:
                plan = settings.next_plan(plan, number - 1)
            _make_round(members, executor, number, groups.of(plan, number))
            for member in plan:
                member |= members.score(number, member["member"])
            lineage.append(plan)
            path = os.path.join(output_dir, "lineage.json")
            results.save_dict(path, {"rounds": lineage})
            members.remove_checkpoints(lineage)
        task = Task(executor, rounds.write_best, (members, best_of(lineage)))
        processes.run_all([("best model", task)], Progress(1).end)
    return os.path.join(output_dir, "model")


def _make_round(members, executor, number, groups):
    tasks = {}
    for plan, together in groups:
        names = ", ".join(str(member["member"]) for member in plan)
        task = Task(executor, rounds.train_and_score, (members, number, plan, together))
        tasks[f"round {number}, member {names}"] = task
    processes.run_all(tasks.items(), Progress(len(tasks)).end)


class Groups:
    """Divides the members of a round into groups, each trained by one process."""

    def __init__(self, members, executor, population, num_trainers):
        self._members = members
        self._executor = executor
        self._population = population
        self._num_trainers = num_trainers
        # Largest number of models of one program, by shared configuration.
        self._limits = {}

    def of(self, plan, number):
        """The groups of a round, list of (members, whether they are one program).

        They are kept on disk, because other groups would be rounded differently.
        """
        folder = os.path.join(self._members.output_dir, f"round_{number}")
        path = os.path.join(folder, "groups.json")
        if not os.path.exists(path):
            os.makedirs(folder, exist_ok=True)
            results.save_dict(path, {"groups": self._divide(plan, number)})
        members = {member["member"]: member for member in plan}
        return [
            ([members[number] for number in numbers], together)
            for numbers, together in results.load_json(path)["groups"]
        ]

    def _divide(self, plan, number):
        models, alike, groups = self._members.settings.models_per_member, {}, []
        for member in plan:
            kind = shared_configuration(
                self._members.gin_files, self._members.bindings(member)
            )
            # All models of a program make the same number of updates.
            start = self._members.first_step(number, member)
            alike.setdefault((kind, start), []).append(member)
        for (kind, _), similar in alike.items():
            size = sizes.size_of(
                len(similar) * models,
                self._population,
                self._num_trainers,
                lambda kind=kind, first=similar[0]: self._limit(kind, first),
            )
            step = max(1, size // models)
            numbers = [member["member"] for member in similar]
            for first in range(0, len(numbers), step):
                part = numbers[first : first + step]
                groups.append((part, size > 1 and len(part) * models > 1))
        return groups

    def _limit(self, kind, member):
        if kind not in self._limits:
            call = rounds.most_at_once, self._members, member
            future = processes.submit(self._executor, *call)
            self._limits[kind] = sizes.limit_of(future)
        return self._limits[kind]
