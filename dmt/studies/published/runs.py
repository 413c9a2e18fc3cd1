"""The runs of a published study."""

import dataclasses
import glob
import os

from dmt.runs.runner import Run
from dmt.studies.published import reproduce, studies
from dmt.utils import configuration, machine


class PublishedModels:
    """Some or all models of a published study, each in `<output_dir>/<number>`."""

    def __init__(
        self,
        name: str,
        gin_bindings: tuple[str, ...],
        model_nums: str | None,
        gin_postprocess_config_glob: str | None,
        gin_evaluation_config_glob: str | None,
        visualize: bool,
    ):
        """Opens a study with the options that `dmt.studies.published` registers.

        Raises:
            ValueError: if a number is wrong or a pattern matches no file.
        """
        patterns = {
            "postprocess": gin_postprocess_config_glob,
            "evaluation": gin_evaluation_config_glob,
        }
        changes = {
            f"{kind}_files": tuple(reproduce.gin_files_of(kind, pattern).values())
            for kind, pattern in patterns.items()
            if pattern is not None
        }
        self._study = dataclasses.replace(studies.find(name), **changes)
        self._gin_bindings = gin_bindings
        self._visualize = visualize
        self._model_nums = _numbers(model_nums, len(self._study.settings))
        self.configuration = "\n".join([f"# {name}", *gin_bindings, ""])

    def prepare(self) -> None:
        """Checks the lines of gin with the first model."""
        _, gin_files, gin_bindings = self._run("", self._model_nums[0]).training
        machine.import_keras()
        import dmt.methods.train  # noqa: F401 (registers what gin configures)

        with configuration.gin_configuration(gin_files, gin_bindings):
            pass

    def stages(self, output_dir: str) -> list[list[Run]]:
        """The runs of the study, all in one stage."""
        return [[self._run(output_dir, number) for number in self._model_nums]]

    def _run(self, output_dir, number):
        directory = os.path.join(output_dir, str(number))
        plan = reproduce.plan_study(
            self._study, number, directory, gin_bindings=self._gin_bindings
        )
        steps = [s for s in plan if self._visualize or s.kind != "visualize"]
        return Run(str(number), directory, tuple(steps))

    def write_page(self, output_dir: str) -> str:
        """Writes the results of all runs in the directory to one table."""
        from dmt.analysis.aggregate import aggregate_results_to_json

        path = os.path.join(output_dir, "results.json")
        pattern = "*/metrics/*/*/results/aggregate/evaluation.json"
        pattern = os.path.join(glob.escape(output_dir), pattern)
        aggregate_results_to_json(pattern, path)
        return path


def _numbers(text, number):
    """Numbers of models from text as in "0-39,100", all below `number` if None."""
    if text is None:
        return range(number)
    found = {}
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            numbers = range(int(first), int(last if dash else first) + 1)
        except ValueError:
            numbers = range(0)
        if not numbers or numbers[-1] >= number:
            raise ValueError(
                "--model_nums must be numbers and ranges as in 0-39,100, from 0 to "
                f"{number - 1}. Received: {text}"
            )
        found |= dict.fromkeys(numbers)
    return list(found)
