"""Makes the runs of a study, each once, by several processes.

Every step of a run is written whole or not at all, and complete steps are skipped, so a
study that was killed continues where it stopped. A process that works on a run holds a
lock on its directory, which the operating system frees if the process is killed.
"""

import contextlib
import dataclasses
import itertools
import os
import resource
from collections.abc import Iterator, Sequence

from dmt.runs import steps
from dmt.utils import files, locks, processes
from dmt.utils.processes import Task
from dmt.utils.progress import Progress


@dataclasses.dataclass(frozen=True)
class Run:
    """One model of a study, from its training to its scores.

    Attributes:
        name: name in messages.
        directory: directory that the steps write to.
        steps: the steps, the training first.
    """

    name: str
    directory: str
    steps: tuple[steps.Step, ...]

    @property
    def training(self) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """Directory of the model, gin files and lines of gin of the training."""
        step = self.steps[0]
        return step.output, step.gin_files, step.gin_bindings

    def is_complete(self) -> bool:
        """Whether all steps are complete."""
        # The last step is missing most often.
        return all(step.is_complete() for step in reversed(self.steps))


Stages = Sequence[Sequence[Run]]


def execute_all(
    stages: Stages,
    num_workers: int,
    population: str | int = "auto",
    engine: str = "local",
) -> None:
    """Makes all runs of a study, whose directory the caller has locked.

    Args:
        stages: the runs. A stage begins when the stage before it is complete.
        num_workers: number of processes that train.
        population: number of runs to train as one program if they differ in numbers
            only, or "auto"; see `dmt.methods.population.sizes`.
        engine: where the processes run; see `processes.executors`. With "files", the
            directory is shared with other processes that make the same study, on this
            machine or on others.

    Raises:
        ValueError: if runs failed. All other runs of the stage are then complete.
    """
    # The lock of each run in work is an open file. macOS allows fewer than it reports.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    shared = engine == "files"
    progress = Progress(sum(map(len, stages)))
    with (
        # After an error, runs stay locked until the processes that make them end.
        contextlib.ExitStack() as locks_of_runs,
        processes.executors(num_workers, "local" if shared else engine) as executors,
    ):
        for stage in stages:
            _execute_stage(stage, population, executors, locks_of_runs, progress)


def summary(stages: Stages) -> str:
    """How many runs are complete, in work and to do, and which are in work."""
    runs = list(itertools.chain(*stages))
    waiting = [run for run in runs if not run.is_complete()]
    in_work = [run.name for run in waiting if locks.is_held(run.directory)]
    counts = (
        f"{len(runs)} runs: {len(runs) - len(waiting)} complete, {len(in_work)} in "
        f"work, {len(waiting) - len(in_work)} to do."
    )
    return "\n".join([counts, *(f"in work: {name}" for name in in_work)])


def _execute_stage(stage, population, executors, locks_of_runs, progress):
    trainers, scorers, num_workers = executors
    claims = _Claims(stage, population, num_workers, trainers, locks_of_runs, progress)

    def tasks():
        for group in claims:
            if group is None:
                yield None
                continue
            first, *others = group
            if others or trainers is not scorers:
                then = {run.name: Task(scorers, score, (run,)) for run in group}
                name = first.name + (f" and {len(others)} more" if others else "")
                yield name, Task(trainers, train, (group, True), then)
            else:
                yield first.name, Task(trainers, execute, (first,))

    def end(name, error):
        claims.release(name)
        progress.end(name, error)

    processes.run_all(tasks(), end, num_workers)


class _Claims:
    """Claims the runs of a stage, so that no two processes make the same run.

    Iterating yields lists of runs to train together, whose locks are held, or None if
    other processes hold the locks of all runs that are left.
    """

    def __init__(
        self, stage, population, num_workers, trainers, locks_of_runs, progress
    ):
        self._waiting = list(stage)
        self._population = population
        self._num_workers = num_workers
        self._trainers = trainers
        self._all_locks = locks_of_runs
        self._progress = progress
        self._locks, self._kinds, self._sizes = {}, {}, {}

    def release(self, name):
        """Frees the lock of a run that has ended."""
        self._locks.pop(name).close()

    def __iter__(self) -> Iterator[list[Run] | None]:
        while self._waiting:
            group = self._next()
            if group or self._waiting:
                yield group or None

    def _next(self):
        """Claims as many runs as are to be trained together, or fewer."""
        group, kind, size = [], None, 1
        for run in list(self._waiting):
            if (group and self._kind(run) != kind) or not self._claim(run):
                continue
            if not group:
                kind = self._kind(run)
                size = self._size(kind, run)
            group.append(run)
            if len(group) == size:
                break
        return group

    def _claim(self, run):
        """Locks a run; returns whether this process is to make it now."""
        if not run.is_complete():
            lock = locks.claim(run.directory)
            if lock is None:
                return False
            os.makedirs(run.directory, exist_ok=True)
            # Another process may have completed it before it freed the lock.
            if not run.is_complete():
                self._locks[run.name] = self._all_locks.enter_context(lock)
                self._waiting.remove(run)
                return True
            lock.close()
        self._waiting.remove(run)
        self._progress.done += 1
        return False

    def _kind(self, run):
        """A key that is equal for runs that can be trained together."""
        from dmt.methods.population.train_population import shared_configuration

        if self._population == 1 or run.steps[0].is_complete():
            return run.name
        if run.name not in self._kinds:
            _, gin_files, gin_bindings = run.training
            self._kinds[run.name] = shared_configuration(gin_files, gin_bindings)
        return self._kinds[run.name]

    def _size(self, kind, run):
        """How many runs of a kind to train together; one of them was just claimed."""
        from dmt.methods.population import sizes

        if kind == run.name:
            return 1
        if kind not in self._sizes:
            others = (run for run in self._waiting if self._kind(run) == kind)
            if next(others, None) is None:
                return 1
            limit = self._population
            if limit == "auto":
                settings = run.training[1:]
                future = processes.submit(self._trainers, sizes.most_at_once, *settings)
                limit = sizes.limit_of(future)
            # More runs than these would not make groups larger.
            enough = itertools.islice(others, limit * self._num_workers)
            number = 2 + sum(1 for _ in enough)
            size = sizes.size_of(
                number, self._population, self._num_workers, lambda: limit
            )
            # All groups get nearly the same size.
            self._sizes[kind] = -(-number // -(-number // size))
        return self._sizes[kind]


def execute(run: Run) -> None:
    """Trains a run and scores it; see `train` and `score`."""
    train([run], False)
    score(run)


def train(group: list[Run], encode: bool) -> dict[str, str]:
    """Trains runs that are not complete, several of them as one population.

    If `encode`, encodes all images for `score`, with all models at once. What killed
    processes encoded by complete models is kept.

    Returns:
        {name of a run: what is wrong} of members of a population that failed.

    Raises:
        ValueError: if a run was completed with another configuration, or a run that is
            trained alone fails.
    """
    from dmt.methods.population import train_population
    from dmt.methods.train import train_with_gin

    failed = {}
    for run in group:
        if not run.steps[0].is_complete():
            _remove_moments(run)
    with logged_to(group[0].directory):
        if len(group) == 1:
            model_dir, gin_files, gin_bindings = group[0].training
            train_with_gin(model_dir, False, gin_files, gin_bindings, resume=True)
        else:
            names = {run.training[0]: run.name for run in group}
            runs = [run.training for run in group]
            try:
                train_population.train_population_with_gin(runs, resume=True)
            except train_population.MembersFailed as error:
                failed = {names[path]: text for path, text in error.failures.items()}
    if encode:
        _encode([run for run in group if run.name not in failed])
    _forget_models()
    return failed


@contextlib.contextmanager
def logged_to(directory: str) -> Iterator[None]:
    """Context whose output is appended to `train.log` in a directory."""
    path = os.path.join(directory, "train.log")
    with open(path, "a", encoding="utf-8") as log, contextlib.redirect_stdout(log):
        yield


def _encode(group):
    """Writes the moments of all images for those models whose codes are scored."""
    from dmt.data.ground_truth import named_data
    from dmt.evaluation.codes import write_moments
    from dmt.methods import gaussian_encoder_model
    from dmt.utils import configuration

    wanted = {"postprocess", "evaluate"}
    group = [run for run in group if wanted <= {step.kind for step in run.steps}]
    if not group:
        return
    _, gin_files, gin_bindings = group[0].training
    with configuration.gin_configuration(gin_files, gin_bindings):
        dataset = named_data.get_named_ground_truth_data()
    # For a dataset without indices, metrics draw and encode their own images.
    if dataset.size is not None:
        encoders = [
            gaussian_encoder_model.load_model(run.training[0]).encoder for run in group
        ]
        write_moments(dataset, encoders, [run.directory for run in group])


def score(run: Run) -> None:
    """Makes the missing steps of a run after its training; see `steps.execute`."""
    steps.execute(run.steps[1:], moments_dir=run.directory)
    _remove_moments(run)
    _forget_models()


def _remove_moments(run):
    """Removes files of `write_moments`, complete or not."""
    for name in os.listdir(run.directory):
        if "moments_" in name:
            files.remove(os.path.join(run.directory, name))


def _forget_models():
    import keras

    # Graphs of earlier models would fill the memory.
    keras.backend.clear_session()
