"""From the name of a study to its page or table.

A study has `configuration`, text that tells it from others; `prepare()`, what comes
before all runs; `stages(output_dir)`, its runs; `write_page(output_dir)`, which returns
the path of the page or table that it wrote.
"""

import dataclasses
import functools
import glob
import inspect
import os

import gin

from dmt.runs import runner
from dmt.studies.multitask import runs as multitask
from dmt.studies.published import reproduce
from dmt.studies.published import studies as published
from dmt.utils import configuration, machine, processes


def names():
    """Names of all studies."""
    return ["multitask", *published.STUDIES]


def open_study(name, gin_bindings=(), **options):
    """A study by its name.

    Args:
        name: one of `names`.
        gin_bindings: lines of gin, of the multitask study or of every training of a
            published one.
        **options: those of `open_multitask` or of `Published`, None where not given.

    Raises:
        ValueError: if there is no such study, it lacks an option, or the value of one
            is wrong.
    """
    options = {key: value for key, value in options.items() if value is not None}
    if name not in names():
        raise ValueError(
            f"--study must be one of {', '.join(names())}. Received: {name}"
        )
    open_named = open_multitask
    if name != "multitask":
        open_named = functools.partial(Published, published.STUDIES[name])
    known = list(inspect.signature(open_named).parameters)[1:]
    for option in options:
        if option not in known:
            raise ValueError(
                f"--{option} is not an option of --study={name}, which has "
                f"{', '.join(f'--{other}' for other in known)}."
            )
    return open_named(tuple(gin_bindings), **options)


def open_multitask(gin_bindings, dataset="dsprites_rendered", scale="small"):
    """The study of multi-task learning.

    Args:
        gin_bindings: lines of gin that override the file.
        dataset: name of the data set.
        scale: name of a gin file in gin_configs/multitask.
    """
    gin_file = configuration.shipped(f"multitask/{scale}.gin")
    with configuration.gin_configuration([gin_file], gin_bindings):
        study = multitask.Study(dataset)
        study.configuration = f"# multitask {dataset}\n{gin.config_str()}"
    return study


class Published:
    """Some or all models of a published study, each in `<output_dir>/<number>`.

    Args:
        study: a `published.PublishedStudy`.
        gin_bindings: lines of gin that override those of every training.
        model_nums: numbers of the models as in "0-39,100"; None for all.
        gin_postprocess_config_glob: pattern of gin files, one for each representation;
            None for those of the study.
        gin_evaluation_config_glob: pattern of gin files, one for each metric; None for
            those of the study.
        visualize: whether to draw what each model learned.

    Raises:
        ValueError: if a number or a line of gin is wrong, or a pattern matches no file.
    """

    def __init__(
        self,
        study,
        gin_bindings=(),
        model_nums=None,
        gin_postprocess_config_glob=None,
        gin_evaluation_config_glob=None,
        visualize=True,
    ):
        changes = {}
        for kind, pattern in (
            ("postprocess", gin_postprocess_config_glob),
            ("evaluation", gin_evaluation_config_glob),
        ):
            if pattern is not None:
                matches = reproduce.gin_files_of(f"gin_{kind}_config_glob", pattern)
                changes[f"{kind}_files"] = tuple(matches.values())
        self._study = dataclasses.replace(study, **changes)
        self._gin_bindings = gin_bindings
        self._visualize = visualize
        self._model_nums = _numbers(model_nums, len(self._study.settings))
        self.configuration = "\n".join([f"# {study.name}", *gin_bindings, ""])

    def prepare(self):
        """Checks the lines of gin with the first model."""
        (first,) = self._runs("", self._model_nums[:1])
        _, gin_files, gin_bindings = first.training
        machine.import_keras()
        import dmt.methods.train  # noqa: F401, which gin configures.

        with configuration.gin_configuration(gin_files, gin_bindings):
            pass

    def stages(self, output_dir):
        """The runs of the study, all in one stage."""
        return [self._runs(output_dir, self._model_nums)]

    def _runs(self, output_dir, model_nums):
        runs = []
        for number in model_nums:
            directory = os.path.join(output_dir, str(number))
            plan = reproduce.plan_study(
                self._study, number, directory, gin_bindings=self._gin_bindings
            )
            plan = [s for s in plan if self._visualize or s.kind != "visualize"]
            runs.append(runner.Run(str(number), directory, tuple(plan)))
        return runs

    def write_page(self, output_dir):
        """Writes the results of all runs in the directory to one table."""
        from dmt.analysis.aggregate import aggregate_results_to_json

        path = os.path.join(output_dir, "results.json")
        pattern = os.path.join(
            glob.escape(output_dir),
            *("*", "metrics", "*", "*", "results", "aggregate", "evaluation.json"),
        )
        aggregate_results_to_json(pattern, path)
        return path


def _numbers(text, number):
    """Numbers of models, of "0-39,100"; all below `number` if None."""
    if text is None:
        return range(number)
    found = {}
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            part = range(int(first), int(last if dash else first) + 1)
        except ValueError:
            part = ()
        if not part or part[-1] >= number:
            raise ValueError(
                "--model_nums are numbers and ranges as in 0-39,100, from 0 to "
                f"{number - 1}. Received: {text}"
            )
        found |= dict.fromkeys(part)
    return list(found)


def run(
    study,
    output_dir,
    num_workers=0,
    population="auto",
    engine="local",
    only_print=False,
):
    """Makes what is missing of a study, and its page or table.

    Args:
        study: of `open_study`.
        output_dir: directory of the study.
        num_workers: number of processes, 0 for one per core (one if there is a GPU).
        population: number of runs to train as one program, or "auto".
        engine: see `runner.execute_all`.
        only_print: whether to print instead how much is complete.

    Returns:
        Path of the page or table; None if there is only print.

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
    configuration.check_same(
        os.path.join(output_dir, "config.gin"),
        study.configuration,
        f"{output_dir} holds a study with another configuration; give the same one or "
        "another directory.",
    )
    machine.import_keras()
    runner.execute_all(stages, output_dir, num_workers, population, engine)
    return study.write_page(output_dir)
