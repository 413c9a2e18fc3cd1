"""Steps from a model to its scores: planned first, then executed.

A step is a call that a command could make as well. Its output is written whole or not
at all, and a step whose output exists is skipped.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dmt.utils import configuration, modules, results
from dmt.utils.progress import Progress


@dataclass(frozen=True)
class Kind:
    """How steps of a kind are made.

    Attributes:
        place: "module:function" of the function that makes the step. It is called with
            the paths that the step reads and writes, `overwrite`, gin files, lines of
            gin, and by name `resume`. If `result` is None, it is called with the paths
            and `overwrite`, or with the paths only for a repeated kind.
        result: name of the step in the names of result files, None if it writes none.
        shares_codes: whether the function also takes `shared_codes` and `moments_dir`
            of `dmt.evaluation.evaluate`.
        is_repeated: whether the step is repeated even if its output exists.
    """

    place: str
    result: str | None = None
    shares_codes: bool = False
    is_repeated: bool = False


_kinds: dict[str, Kind] = {}


def register(name: str, place: str, **settings: Any) -> None:
    """Registers a `Kind` of step; call it in the module that plans such steps."""
    _kinds[name] = Kind(place, **settings)


register("train", "dmt.methods.train:train_with_gin", result="train")
register("visualize", "dmt.visualize.visualize_model:visualize")
_POSTPROCESS = "dmt.postprocessing.postprocess:postprocess_with_gin"
register("postprocess", _POSTPROCESS, result="postprocess")
register("validate", "dmt.validation.validate:validate_with_gin", result="validation")
_EVALUATE = "dmt.evaluation.evaluate:evaluate_with_gin"
register("evaluate", _EVALUATE, result="evaluation", shares_codes=True)


@dataclass(frozen=True)
class Step:
    """One step of a pipeline.

    Attributes:
        kind: name of a registered kind, for example "train".
        output: path of the directory or file that it writes.
        input: path of a directory, or pattern of files, that it reads, or None.
        gin_files: paths of gin files.
        gin_bindings: lines of gin that override the files.

    Raises:
        ValueError: if the kind is not registered.
    """

    kind: str
    output: str
    input: str | None = None
    gin_files: tuple[str, ...] = ()
    gin_bindings: tuple[str, ...] = ()
    # Kept here, so that a process that is sent a step need not know the kind.
    _how: Kind = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        if self.kind not in _kinds:
            raise ValueError(
                f"The kind of a step must be one of {', '.join(_kinds)}. "
                f"Received: kind={self.kind!r}"
            )
        object.__setattr__(self, "_how", _kinds[self.kind])

    def __str__(self) -> str:
        """The step as a paragraph of text."""
        source = f"{self.input} -> " if self.input else ""
        lines = [f"{self.kind}: {source}{self.output}", *self.gin_files]
        return "\n    ".join((*lines, *self.gin_bindings))

    def is_complete(self) -> bool:
        """Whether the output is complete."""
        if self._how.result is None:
            return os.path.exists(self.output)
        return results.is_complete(self.output, self._how.result)

    def results(self) -> dict[str, Any]:
        """The results that the step wrote."""
        name = f"{self._how.result}_results.json"
        return results.load_json(os.path.join(self.output, "results", "json", name))

    def execute(self, overwrite: bool, **shared: Any) -> None:
        """Makes the step; see `execute`. Kinds that share codes take `shared`."""
        function = modules.attribute(self._how.place)
        paths = [path for path in (self.input, self.output) if path is not None]
        if self._how.is_repeated:
            function(*paths)
        elif self._how.result is not None:
            settings = shared if self._how.shares_codes else {}
            settings = {"resume": not overwrite, **settings}
            function(*paths, overwrite, self.gin_files, self.gin_bindings, **settings)
        elif overwrite or not self.is_complete():
            function(*paths, overwrite)


def execute(
    steps: Iterable[Step], overwrite: bool = False, moments_dir: str | None = None
) -> None:
    """Executes steps in order; complete steps are skipped unless `overwrite` is given.

    `moments_dir` is explained in `dmt.evaluation.evaluate.evaluate`.

    Raises:
        ValueError: if a step was completed with another configuration and `overwrite`
            is not given.
    """
    steps = list(steps)
    metrics = [step for step in steps if step.kind == "evaluate"]
    done = [step for step in metrics if not overwrite and step.is_complete()]
    progress = Progress(len(metrics), "metrics", len(done))
    shared_codes: dict = {}
    for step in steps:
        with progress.task(step.output, was_done=step in done):
            step.execute(overwrite, shared_codes=shared_codes, moments_dir=moments_dir)


def scoring(
    directory: str,
    evaluations: dict[str, tuple[tuple[str, ...], tuple[str, ...]]],
) -> list[Step]:
    """Steps that score the mean representation of a trained model.

    Args:
        directory: directory with the model in `model/`, which the steps write to.
        evaluations: {name of a metric: (gin files, lines of gin)}.
    """
    mean_dir = os.path.join(directory, "postprocessed", "mean")
    model_dir = os.path.join(directory, "model")
    gin_file = configuration.shipped("postprocess/mean.gin")
    steps = [Step("postprocess", mean_dir, model_dir, (gin_file,))]
    for name, (gin_files, gin_bindings) in evaluations.items():
        output = os.path.join(directory, "metrics", "mean", name)
        lines = (*gin_bindings, f"evaluation.name = '{name}'")
        steps.append(Step("evaluate", output, mean_dir, gin_files, lines))
    return steps
