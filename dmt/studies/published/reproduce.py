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
from dmt.utils import machine, processes, results

# The table of all results, made anew whenever a pipeline ends.
steps.register(
    "aggregate",
    "dmt.analysis.aggregate:aggregate_results_to_json",
    is_repeated=True,
)


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
        model_dir: directory of a trained model, to score that one instead.
        overwrite: whether to repeat steps that are complete.
        only_print: whether to print the steps instead.

    Raises:
        ValueError: if there is no such model, or a step was completed with another
            configuration and `overwrite` is not given.
    """
    if output_directory is None:
        output_directory = "output" if model_dir else "output/{study}/{model_num}"
    output = output_directory.replace("{study}", study.name)
    output = output.replace("{model_num}", str(model_num))
    plan = plan_study(study, model_num, output, model_dir)
    execute(plan, output, overwrite, only_print)


def execute(plan, output_directory, overwrite=False, only_print=False):
    """Executes a plan; complete steps are skipped.

    Args:
        plan: list of `Step`.
        output_directory: the directory that the steps write to.
        overwrite: whether to repeat steps that are complete.
        only_print: whether to print the steps instead.

    Raises:
        ValueError: if a step was completed with another configuration and `overwrite`
            is not given, or if another process works in the directory.
    """
    if only_print:
        print("\n".join(map(str, plan)))
        return
    with processes.only_in(output_directory):
        machine.import_keras()
        steps.execute(plan, overwrite)


def plan_study(study, model_num, output, model_dir=None, gin_bindings=()):
    """Steps of one model of a study.

    Args:
        study: a `studies.PublishedStudy`.
        model_num: number of the model in the study.
        output: directory to write.
        model_dir: directory of a trained model, to score that one instead.
        gin_bindings: lines of gin that override the training's.

    Returns:
        List of `Step`.

    Raises:
        ValueError: if there is no such model.
    """
    plan = []
    if model_dir is None:
        model_dir = os.path.join(output, "model")
        lines = [
            f"model.name = {_name(study.model_file)!r}",
            f"model.model_num = {model_num}",
            *study.model_bindings(model_num),
            *gin_bindings,
        ]
        plan.append(_train(model_dir, study.model_file, lines))
    plan.append(_visualize(model_dir, output))
    random_state = np.random.RandomState(0)
    postprocessing = _postprocess(
        model_dir, output, _by_name(study.postprocess_files), random_state
    )
    plan += postprocessing
    for source in postprocessing:
        for name, path in _by_name(study.evaluation_files).items():
            seed = f"evaluation.random_seed = {_draw(random_state)}"
            plan.append(_evaluate(source, output, name, path, name, [seed]))
    return plan


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
        model_dir: directory with a trained model in `<model_dir>/model`, to score that
            one instead.
    """

    output_directory: str
    gin_postprocess_config_glob: str | None
    gin_evaluation_config_glob: str | None
    gin_model_config_dir: str = ""
    gin_model_config_name: str | None = None
    gin_bindings: Sequence[str] = ()
    model_dir: str | None = None

    def training(self, seeds: Sequence[str], labels: Sequence[str] = ()) -> list[Step]:
        """The training; empty if there is a trained model.

        Args:
            seeds: lines of gin before the name of the model.
            labels: lines of gin after the name of the model.
        """
        if self.model_dir is not None:
            return []
        path = os.path.join(
            self.gin_model_config_dir,
            _needed("gin_model_config_name", self.gin_model_config_name),
        )
        lines = [*seeds, f"model.name = {_name(path)!r}", *labels, *self.gin_bindings]
        return [_train(_model_dir(self.output_directory), path, lines)]

    def postprocessing(self, random_state) -> list[Step]:
        """Steps that extract representations, with seeds from a RandomState."""
        files = gin_files_of(
            "gin_postprocess_config_glob", self.gin_postprocess_config_glob
        )
        return _postprocess(self.trained, self.output_directory, files, random_state)

    def metrics(self) -> dict[str, str]:
        """Gin files of the metrics by name."""
        return gin_files_of(
            "gin_evaluation_config_glob", self.gin_evaluation_config_glob
        )

    @property
    def trained(self) -> str:
        """Directory of the trained model."""
        return _model_dir(self.model_dir or self.output_directory)


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

    Raises:
        ValueError: if an argument is missing or wrong, or a pattern matches no file.
    """
    if scores_list and not evaluation_num_samples_train:
        raise ValueError("--scores_list needs --evaluation_num_samples_train.")
    if not all(str(number).isdecimal() for number in evaluation_num_samples_train):
        raise ValueError(
            "--evaluation_num_samples_train must be numbers of samples. Received: "
            f"{','.join(map(str, evaluation_num_samples_train))}"
        )
    output = pipeline.output_directory
    random_state = np.random.RandomState(_needed("random_seed", random_seed))
    plan = pipeline.training([f"model.random_seed = {_draw(random_state)}"])
    postprocessing = pipeline.postprocessing(random_state)
    metrics = pipeline.metrics()
    unknown = [name for name in scores_list if name not in metrics]
    if unknown:
        raise ValueError(
            f"--scores_list must name metrics among {', '.join(metrics)}. "
            f"Received: {', '.join(unknown)}"
        )
    plan += [_visualize(pipeline.trained, output), *postprocessing]
    for repetition in range(num_eval):
        for source in postprocessing:
            for name, path in metrics.items():
                if name not in scores_list:
                    folder = f"{name}_{repetition}"
                    plan.append(_evaluate(source, output, name, path, folder))
                    continue
                for number in evaluation_num_samples_train:
                    lines = [
                        f"{name}.num_train = {number}",
                        f"evaluation.random_seed = {_draw(random_state)}",
                    ]
                    folder = f"{name}_{number}_{repetition}"
                    plan.append(_evaluate(source, output, name, path, folder, lines))
    return [*plan, _aggregate(output)]


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
        pipeline_seed: integer, the seed that the seeds of training and representations
            are drawn with.
        eval_seed: integer, the seed that the seeds of metrics are drawn with.
        labels: the labelled images. Those of a trained model are read from its results.
        gin_validation_config_glob: pattern of gin files, one for each metric that is
            computed on the labelled images, None for no such metric.

    Raises:
        FileNotFoundError: if `pipeline.model_dir` holds no trained model.
        ValueError: if an argument is missing, labels are given along with a trained
            model, or a pattern matches no file.
    """
    output = pipeline.output_directory
    random_state = np.random.RandomState(_needed("pipeline_seed", pipeline_seed))
    model_seed, data_seed = _draw(random_state), _draw(random_state)
    if pipeline.model_dir is not None:
        labels = _labels_of(pipeline.model_dir, labels)
    for name, value in dataclasses.asdict(labels).items():
        _needed(name, value)
    plan = pipeline.training(
        [
            f"model.model_seed = {model_seed}",
            f"model.unsupervised_data_seed = {data_seed}",
        ],
        [
            f"model.supervised_data_seed = {labels.supervised_seed}",
            f"model.num_labelled_samples = {labels.num_labelled_samples}",
            f"model.train_percentage = {labels.train_percentage}",
            f"labeller.labeller_fn = {labels.labeller_fn}",
        ],
    )
    postprocessing = pipeline.postprocessing(random_state)
    validation = {}
    if gin_validation_config_glob is not None:
        validation = gin_files_of(
            "gin_validation_config_glob", gin_validation_config_glob
        )
    metrics = pipeline.metrics()
    plan += [_visualize(pipeline.trained, output), *postprocessing]
    for source in postprocessing:
        for name, path in validation.items():
            plan.append(_validate(source, output, name, path, labels))
    random_state = np.random.RandomState(_needed("eval_seed", eval_seed))
    for source in postprocessing:
        for name, path in metrics.items():
            lines = [f"evaluation.random_seed = {_draw(random_state)}"]
            folder = f"{name}_{labels.supervised_seed}"
            plan.append(_evaluate(source, output, name, path, folder, lines))
    return [*plan, _aggregate(output)]


def plan_weakly_supervised(pipeline: Pipeline, pipeline_seed: int | None) -> list[Step]:
    """Steps of training and scoring a model with pairs of images.

    Locatello et al. (2020), "Weakly-supervised disentanglement without compromises",
    https://arxiv.org/abs/2002.02886. Metrics whose name contains "unsupervised" are
    left out.

    Args:
        pipeline: directories and gin files.
        pipeline_seed: integer, the seed that all other seeds are drawn with. The first
            of these is that of the training, so the seeds of metrics are others if
            there is a trained model.

    Raises:
        ValueError: if an argument is missing or a pattern matches no file.
    """
    output = pipeline.output_directory
    random_state = np.random.RandomState(_needed("pipeline_seed", pipeline_seed))
    plan = []
    if pipeline.model_dir is None:
        plan = pipeline.training([f"model.random_seed = {_draw(random_state)}"])
    postprocessing = pipeline.postprocessing(random_state)
    metrics = pipeline.metrics()
    plan += [_visualize(pipeline.trained, output), *postprocessing]
    for source in postprocessing:
        for name, path in metrics.items():
            if "unsupervised" not in name:
                lines = [f"evaluation.random_seed = {_draw(random_state)}"]
                plan.append(_evaluate(source, output, name, path, f"{name}_0", lines))
    return plan


def _labels_of(model_dir, given):
    """The labels that a trained model was trained with."""
    both = [
        f"--{name}"
        for name, value in dataclasses.asdict(given).items()
        if value is not None
    ]
    if both:
        raise ValueError(
            "Labels of a trained model are read from its results: with --model_dir, "
            f"leave out {', '.join(both)}."
        )
    path = os.path.join(_model_dir(model_dir), "results", "gin", "train.gin")
    return Labels(
        supervised_seed=results.bound_string(path, "model.supervised_data_seed"),
        num_labelled_samples=results.bound_string(path, "model.num_labelled_samples"),
        train_percentage=results.bound_string(path, "model.train_percentage"),
        labeller_fn=results.bound_string(path, "labeller.labeller_fn"),
    )


def _train(model_dir, gin_file, lines):
    return Step("train", model_dir, None, (gin_file,), tuple(lines))


def _visualize(model_dir, output):
    return Step("visualize", os.path.join(output, "visualizations"), model_dir)


def _postprocess(model_dir, output, gin_files, random_state):
    return [
        Step(
            "postprocess",
            os.path.join(output, "postprocessed", name),
            model_dir,
            (path,),
            (
                f"postprocess.random_seed = {_draw(random_state)}",
                f"postprocess.name = {name!r}",
            ),
        )
        for name, path in gin_files.items()
    ]


def _validate(source, output, name, gin_file, labels):
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
    return Step(
        "validate",
        _result_dir(output, "validation", source, folder),
        source.output,
        (gin_file,),
        tuple(lines),
    )


def _evaluate(source, output, name, gin_file, folder, lines=()):
    return Step(
        "evaluate",
        _result_dir(output, "metrics", source, folder),
        source.output,
        (gin_file,),
        (*lines, f"evaluation.name = {name!r}"),
    )


def _aggregate(output):
    pattern = ("*", "*", "results", "aggregate", "evaluation.json")
    metrics = os.path.join(output, "metrics")
    return Step(
        "aggregate",
        os.path.join(metrics, "aggregated_results.json"),
        os.path.join(glob.escape(metrics), *pattern),
    )


def _result_dir(output, kind, postprocessing, folder):
    return os.path.join(output, kind, os.path.basename(postprocessing.output), folder)


def _model_dir(directory):
    return os.path.join(directory, "model")


def _name(path):
    return os.path.basename(path).removesuffix(".gin")


def _by_name(paths):
    """Paths by the names of their files, sorted by name."""
    return {_name(path): path for path in sorted(paths, key=os.path.basename)}


def gin_files_of(argument, pattern):
    """The gin files that a pattern matches, {name: path}.

    Args:
        argument: name of the flag that the pattern comes from.
        pattern: the pattern.

    Raises:
        ValueError: if the pattern is None, or matches no file, or matches files of the
            same name.
    """
    paths = glob.glob(_needed(argument, pattern))
    if not paths:
        raise ValueError(f"--{argument}={pattern} matches no file.")
    files = _by_name(paths)
    if len(files) < len(paths):
        raise ValueError(
            f"--{argument}={pattern} matches files of the same name, and results go to "
            "directories of these names."
        )
    return files


def _needed(argument, value):
    if value is None:
        raise ValueError(f"--{argument} is missing.")
    return value


def _draw(random_state):
    return random_state.randint(2**32)
