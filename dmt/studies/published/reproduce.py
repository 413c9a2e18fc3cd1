"""Pipelines of published papers: train, visualize, postprocess, validate, evaluate.

A pipeline is first planned as a list of steps with all of their seeds. The plan is then
printed or executed. Seeds are drawn in the order of disentanglement_lib, and the
directories are the same:

    model/                                train
    visualizations/                       visualize
    postprocessed/<representation>/       postprocess
    validation/<representation>/<name>/   validate (few labels)
    metrics/<representation>/<name>/      evaluate
    metrics/aggregated_results.json       aggregate (few labels, repeated metrics)
"""

import dataclasses
import glob
import os
from collections.abc import Sequence

import numpy as np

from dmt.runs import steps
from dmt.runs.steps import Step
from dmt.utils import locks, machine, results

_AGGREGATE = "dmt.analysis.aggregate:aggregate_results_to_json"
# The table of all results is written again whenever a pipeline ends.
steps.register("aggregate", _AGGREGATE, is_repeated=True)


def reproduce(
    study,
    model_num=0,
    output_directory=None,
    model_dir=None,
    overwrite=False,
    only_print=False,
):
    """Trains and scores one model of a study; complete steps are skipped.

    Args:
        study: a `studies.PublishedStudy`.
        model_num: number of the model in the study.
        output_directory: directory to write. "{study}" and "{model_num}" in it are
            replaced. By default "output/{study}/{model_num}", or "output" with
            `model_dir`.
        model_dir: directory of a trained model, which is scored instead.
        overwrite: whether to repeat complete steps.
        only_print: whether to print the steps instead.

    Raises:
        ValueError: if there is no such model; also those of `execute`.
    """
    if output_directory is None:
        output_directory = "output" if model_dir else "output/{study}/{model_num}"
    output = output_directory.replace("{study}", study.name)
    output = output.replace("{model_num}", str(model_num))
    plan = plan_study(study, model_num, output, model_dir)
    execute(plan, output, overwrite, only_print)


def execute(plan, output_directory, overwrite=False, only_print=False):
    """Makes the steps of a plan in a directory, or prints them.

    Raises:
        ValueError: if another process works in the directory; see also `steps.execute`.
    """
    if only_print:
        print("\n".join(map(str, plan)))
        return
    with locks.only_in(output_directory):
        machine.import_keras()
        from dmt.evaluation import kept_moments

        with kept_moments.folder(output_directory, resume=not overwrite) as folder:
            steps.execute(plan, overwrite, folder)


def plan_study(study, model_num, output, model_dir=None, gin_bindings=()):
    """Steps of one model of a study; see `reproduce`.

    Lines of `gin_bindings` override those of the training.
    """
    plan = _Plan(output, model_dir)
    if model_dir is None:
        lines = [
            f"model.name = {_name(study.model_file)!r}",
            f"model.model_num = {model_num}",
            *study.model_bindings(model_num),
            *gin_bindings,
        ]
        plan.train(study.model_file, lines)
    random_state = np.random.RandomState(0)
    plan.represent(_by_name(study.postprocess_files), random_state)
    plan.evaluate_all(_by_name(study.evaluation_files), random_state)
    return plan.steps


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """Where the pipeline of a paper writes, and the gin files of its steps.

    Attributes:
        output_directory: directory to write.
        gin_postprocess_config_glob: pattern of gin files, one for each representation.
        gin_evaluation_config_glob: pattern of gin files, one for each metric.
        gin_model_config_dir: directory of the gin file of the training.
        gin_model_config_name: name of the gin file of the training.
        gin_bindings: lines of gin for the training.
        model_dir: directory with a trained model in `model/`, which is scored instead.
    """

    output_directory: str
    gin_postprocess_config_glob: str | None
    gin_evaluation_config_glob: str | None
    gin_model_config_dir: str = ""
    gin_model_config_name: str | None = None
    gin_bindings: Sequence[str] = ()
    model_dir: str | None = None

    def begin(self, random_state, lines, labels=()):
        """Plans the training, unless there is a model, and the representations.

        Lines of gin of the training are `lines`, the name of the model, and `labels`.
        Returns the `_Plan`, and the gin files of the metrics by name.
        """
        if self.model_dir is not None:
            plan = _Plan(self.output_directory, os.path.join(self.model_dir, "model"))
        else:
            plan = _Plan(self.output_directory)
            name = _needed("gin_model_config_name", self.gin_model_config_name)
            path = os.path.join(self.gin_model_config_dir, name)
            named = f"model.name = {_name(path)!r}"
            plan.train(path, [*lines, named, *labels, *self.gin_bindings])
        plan.represent(
            gin_files_of("postprocess", self.gin_postprocess_config_glob), random_state
        )
        return plan, gin_files_of("evaluation", self.gin_evaluation_config_glob)


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labelled images of semi-supervised training.

    Attributes:
        supervised_seed: integer, seed of the labelled images.
        num_labelled_samples: number of labelled images.
        train_percentage: share of the labelled images to train with, in (0, 1).
        labeller_fn: the labeller, for example "@perfect_labeller".
    """

    supervised_seed: int | None = None
    num_labelled_samples: int | None = None
    train_percentage: float | None = None
    labeller_fn: str | None = None


# Bindings of the training that have the values of `Labels`.
_BOUND = {
    "supervised_seed": "model.supervised_data_seed",
    "num_labelled_samples": "model.num_labelled_samples",
    "train_percentage": "model.train_percentage",
    "labeller_fn": "labeller.labeller_fn",
}


def plan_jmlr(
    pipeline: Pipeline,
    random_seed: int | None,
    num_eval: int = 1,
    scores_list: Sequence[str] = (),
    evaluation_num_samples_train: Sequence[str] = (),
) -> list[Step]:
    """Steps of the study of sample efficiency and of repeated metrics.

    Locatello et al. (2020), "A sober look at the unsupervised learning of disentangled
    representations and their evaluation", https://arxiv.org/abs/2010.14766.

    Args:
        pipeline: directories and gin files.
        random_seed: integer, the seed that all other seeds are drawn with.
        num_eval: number of times that each metric is computed.
        scores_list: names of metrics to compute with several numbers of samples. The
            gin file must have the name that the metric has in gin.
        evaluation_num_samples_train: the numbers of samples.
    """
    if scores_list and not evaluation_num_samples_train:
        raise ValueError("--scores_list needs --evaluation_num_samples_train.")
    if not all(str(number).isdecimal() for number in evaluation_num_samples_train):
        raise ValueError(
            "--evaluation_num_samples_train must be numbers of samples. Received: "
            f"{','.join(map(str, evaluation_num_samples_train))}"
        )
    random_state = np.random.RandomState(_needed("random_seed", random_seed))
    seed = f"model.random_seed = {_draw(random_state)}"
    plan, metrics = pipeline.begin(random_state, [seed])
    unknown = [name for name in scores_list if name not in metrics]
    if unknown:
        raise ValueError(
            f"--scores_list must name metrics among {', '.join(metrics)}. "
            f"Received: {', '.join(unknown)}"
        )
    for repetition in range(num_eval):
        for source in plan.representations:
            for name, path in metrics.items():
                if name not in scores_list:
                    plan.evaluate(source, name, path, f"{name}_{repetition}")
                    continue
                for number in evaluation_num_samples_train:
                    lines = [f"{name}.num_train = {number}", _seed(random_state)]
                    folder = f"{name}_{number}_{repetition}"
                    plan.evaluate(source, name, path, folder, lines)
    plan.aggregate()
    return plan.steps


def plan_semi_supervised(
    pipeline: Pipeline,
    pipeline_seed: int | None,
    eval_seed: int | None,
    labels: Labels,
    gin_validation_config_glob: str | None = None,
) -> list[Step]:
    """Steps of training, selecting and scoring a model with a few labels.

    Locatello et al. (2020), "Disentangling factors of variation using few labels",
    https://arxiv.org/abs/1905.01258.

    Args:
        pipeline: directories and gin files.
        pipeline_seed: integer that the seeds of training and representations are drawn
            with.
        eval_seed: integer that the seeds of metrics are drawn with.
        labels: the labelled images. Those of a trained model are read from its results.
        gin_validation_config_glob: pattern of gin files, one for each metric on the
            labelled images, or None.
    """
    random_state = np.random.RandomState(_needed("pipeline_seed", pipeline_seed))
    seeds = [
        f"model.model_seed = {_draw(random_state)}",
        f"model.unsupervised_data_seed = {_draw(random_state)}",
    ]
    if pipeline.model_dir is not None:
        labels = _labels_of(pipeline.model_dir, labels)
    for name in _BOUND:
        _needed(name, getattr(labels, name))
    lines = [f"{key} = {getattr(labels, name)}" for name, key in _BOUND.items()]
    plan, metrics = pipeline.begin(random_state, seeds, lines)
    validation = {}
    if gin_validation_config_glob is not None:
        validation = gin_files_of("validation", gin_validation_config_glob)
    for source in plan.representations:
        for name, path in validation.items():
            plan.validate(source, name, path, labels)
    random_state = np.random.RandomState(_needed("eval_seed", eval_seed))
    plan.evaluate_all(metrics, random_state, f"_{labels.supervised_seed}")
    plan.aggregate()
    return plan.steps


def plan_weakly_supervised(pipeline: Pipeline, pipeline_seed: int | None) -> list[Step]:
    """Steps of training and scoring a model with pairs of images.

    Locatello et al. (2020), "Weakly-supervised disentanglement without compromises",
    https://arxiv.org/abs/2002.02886. Metrics whose name contains "unsupervised" are
    left out.

    Args:
        pipeline: directories and gin files.
        pipeline_seed: integer, the seed that all other seeds are drawn with. The seed
            of the training is drawn first. With a trained model it is not drawn, so the
            others change.
    """
    random_state = np.random.RandomState(_needed("pipeline_seed", pipeline_seed))
    lines = []
    if pipeline.model_dir is None:
        lines = [f"model.random_seed = {_draw(random_state)}"]
    plan, metrics = pipeline.begin(random_state, lines)
    metrics = {name: metrics[name] for name in metrics if "unsupervised" not in name}
    plan.evaluate_all(metrics, random_state, "_0")
    return plan.steps


def _labels_of(model_dir, given):
    """The labels that a trained model was trained with."""
    both = [f"--{name}" for name in _BOUND if getattr(given, name) is not None]
    if both:
        raise ValueError(
            "Labels of a trained model are read from its results: with --model_dir, "
            f"leave out {', '.join(both)}."
        )
    path = os.path.join(model_dir, "model", "results", "gin", "train.gin")
    bound = {name: results.bound_string(path, key) for name, key in _BOUND.items()}
    return Labels(**bound)  # type: ignore[arg-type]  # They only go to lines of gin.


class _Plan:
    """The steps of a pipeline; `representations` are those that extract codes."""

    def __init__(self, output, model_dir=None):
        self._output = output
        self._model_dir = model_dir or os.path.join(output, "model")
        self.steps, self.representations = [], []

    def train(self, gin_file, lines):
        self._add("train", self._model_dir, None, gin_file, lines)

    def represent(self, gin_files, random_state):
        pictures = os.path.join(self._output, "visualizations")
        self.steps.append(Step("visualize", pictures, self._model_dir))
        for name, path in gin_files.items():
            lines = [
                f"postprocess.random_seed = {_draw(random_state)}",
                f"postprocess.name = {name!r}",
            ]
            output = os.path.join(self._output, "postprocessed", name)
            self._add("postprocess", output, self._model_dir, path, lines)
            self.representations.append(self.steps[-1])

    def validate(self, source, name, gin_file, labels):
        seed, number = labels.supervised_seed, labels.num_labelled_samples
        lines = [
            f"validation.random_seed = {seed}",
            f"validation.name = {name!r}",
            f"validation.num_labelled_samples = {number}",
            f"labeller.labeller_fn = {labels.labeller_fn}",
        ]
        # MIG trains nothing, so it needs no labels to test with.
        if name != "mig":
            share = labels.train_percentage
            lines.insert(0, f"{name}_validation.train_percentage = {share}")
        folder = f"{name}_validation_{seed}_{number}"
        output = self._output_of("validation", source, folder)
        self._add("validate", output, source.output, gin_file, lines)

    def evaluate_all(self, metrics, random_state, suffix=""):
        for source in self.representations:
            for name, path in metrics.items():
                lines = [_seed(random_state)]
                self.evaluate(source, name, path, f"{name}{suffix}", lines)

    def evaluate(self, source, name, gin_file, folder, lines=()):
        output = self._output_of("metrics", source, folder)
        lines = [*lines, f"evaluation.name = {name!r}"]
        self._add("evaluate", output, source.output, gin_file, lines)

    def aggregate(self):
        metrics = os.path.join(self._output, "metrics")
        output = os.path.join(metrics, "aggregated_results.json")
        pattern = f"{glob.escape(metrics)}/*/*/results/aggregate/evaluation.json"
        self.steps.append(Step("aggregate", output, pattern))

    def _output_of(self, kind, source, folder):
        return os.path.join(self._output, kind, os.path.basename(source.output), folder)

    def _add(self, kind, output, source, gin_file, lines):
        self.steps.append(Step(kind, output, source, (gin_file,), tuple(lines)))


def _name(path):
    return os.path.basename(path).removesuffix(".gin")


def _by_name(paths):
    """Paths by the names of their files, sorted by name."""
    return {_name(path): path for path in sorted(paths, key=os.path.basename)}


def gin_files_of(kind, pattern):
    """The gin files, {name: path}, that the pattern --gin_<kind>_config_glob matches.

    Raises:
        ValueError: if there is no pattern, no file, or several of the same name.
    """
    flag = f"gin_{kind}_config_glob"
    paths = glob.glob(_needed(flag, pattern))
    if not paths:
        raise ValueError(f"--{flag}={pattern} matches no file.")
    files = _by_name(paths)
    if len(files) < len(paths):
        raise ValueError(
            f"--{flag}={pattern} matches files of the same name, and results go to "
            "directories of these names."
        )
    return files


def _needed(argument, value):
    if value is None:
        raise ValueError(f"--{argument} is missing.")
    return value


def _draw(random_state):
    return random_state.randint(2**32)


def _seed(random_state):
    return f"evaluation.random_seed = {_draw(random_state)}"
