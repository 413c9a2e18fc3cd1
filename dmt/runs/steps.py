"""Steps from a model to its scores: what is planned, and doing it.

A step is one call that a command line also makes. It is written whole or not at all and
skipped if it is there.
"""

import dataclasses
import os

from dmt.utils import configuration, results

# Names of the steps in the names of result files.
_RESULTS = {
    "train": "train",
    "postprocess": "postprocess",
    "validate": "validation",
    "evaluate": "evaluation",
}


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of a pipeline.

    Attributes:
        kind: "train", "visualize", "postprocess", "validate", "evaluate", "aggregate".
        output: directory that it writes, or file of "aggregate".
        input: directory that it reads, or pattern of files of "aggregate".
        gin_files: paths of gin files.
        gin_bindings: lines of gin that override them.
    """

    kind: str
    output: str
    input: str | None = None
    gin_files: tuple = ()
    gin_bindings: tuple = ()

    def __str__(self):
        """The step as a paragraph of text."""
        source = f"{self.input} -> " if self.input else ""
        lines = [f"{self.kind}: {source}{self.output}", *self.gin_files]
        return "\n    ".join((*lines, *self.gin_bindings))

    def is_complete(self):
        """Whether its output is there."""
        if self.kind in _RESULTS:
            return results.is_complete(self.output, _RESULTS[self.kind])
        return os.path.exists(self.output)

    def results(self):
        """What the step measured, of a step that writes results."""
        name = f"{_RESULTS[self.kind]}_results.json"
        return results.load_json(os.path.join(self.output, "results", "json", name))


def execute(steps, overwrite=False, moments_dir=None):
    """Carries out steps; those that are complete are skipped.

    Args:
        steps: list of `Step`.
        overwrite: whether to repeat steps that are complete.
        moments_dir: see `dmt.evaluation.evaluate.evaluate`.

    Raises:
        ValueError: if a step was completed with another configuration and `overwrite`
            is not given.
    """
    shared_codes = {}
    for step in steps:
        _execute(step, overwrite, shared_codes, moments_dir)


def _execute(step, overwrite, shared_codes, moments_dir):
    arguments = (step.output, overwrite, step.gin_files, step.gin_bindings)
    resume = not overwrite
    if step.kind == "train":
        from dmt.methods.train import train_with_gin

        train_with_gin(*arguments, resume=resume)
    elif step.kind == "visualize":
        from dmt.visualize.visualize_model import visualize

        if overwrite or not step.is_complete():
            visualize(step.input, step.output, overwrite)
    elif step.kind == "postprocess":
        from dmt.postprocessing.postprocess import postprocess_with_gin

        postprocess_with_gin(step.input, *arguments, resume=resume)
    elif step.kind == "validate":
        from dmt.validation.validate import validate_with_gin

        validate_with_gin(step.input, *arguments, resume=resume)
    elif step.kind == "evaluate":
        from dmt.evaluation.evaluate import evaluate_with_gin

        evaluate_with_gin(
            step.input,
            *arguments,
            resume=resume,
            shared_codes=shared_codes,
            moments_dir=moments_dir,
        )
    else:
        from dmt.analysis.aggregate import aggregate_results_to_json

        aggregate_results_to_json(step.input, step.output)


def scoring(directory, evaluations):
    """Steps that score the mean representation of a trained model.

    Args:
        directory: with the model in `model/`; the steps write to it.
        evaluations: the metrics, {name: (gin files, lines of gin)}.

    Returns:
        List of `Step`.
    """
    mean_dir = os.path.join(directory, "postprocessed", "mean")
    model_dir = os.path.join(directory, "model")
    gin_files = (configuration.shipped("postprocess/mean.gin"),)
    return [
        Step("postprocess", mean_dir, model_dir, gin_files),
        *(
            Step(
                "evaluate",
                os.path.join(directory, "metrics", "mean", name),
                mean_dir,
                gin_files,
                (*gin_bindings, f"evaluation.name = '{name}'"),
            )
            for name, (gin_files, gin_bindings) in evaluations.items()
        ),
    ]
