"""Pipelines of published studies: train, visualize, postprocess, validate, evaluate.

A pipeline is planned first, as a list of steps with all their seeds, which can be
printed, and then executed. Seeds are drawn in the order of disentanglement_lib, and
directories are its:

    model/                                train
    visualizations/                       visualize
    postprocessed/<representation>/       postprocess
    validation/<representation>/<name>/   validate (few labels)
    metrics/<representation>/<name>/      evaluate
    metrics/aggregated_results.json       aggregate (few labels, repeated metrics)
"""

import glob
import os

import numpy as np

from dmt.runs import steps
from dmt.runs.steps import Step
from dmt.utils import machine, processes, results


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
        study: a `published.PublishedStudy`.
        model_num: number of the model in the study.
        output_directory: directory to write, in which "{study}" and "{model_num}" are
            replaced; by default "output/{study}/{model_num}", or "output" if a model is
            given.
        model_dir: directory of a trained model, to score that one instead.
        overwrite: whether to repeat steps that are complete.
        only_print: whether to print what would be done instead.

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
    """Carries out a plan; steps that are complete are skipped.

    Args:
        plan: list of `Step`.
        output_directory: the directory that they write to.
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
        study: a `published.PublishedStudy`.
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


def plan_jmlr(
    output_directory,
    gin_postprocess_config_glob,
    gin_evaluation_config_glob,
    random_seed,
    gin_model_config_dir="",
    gin_model_config_name=None,
    gin_bindings=(),
    model_dir=None,
    num_eval=1,
    scores_list=(),
    evaluation_num_samples_train=(),
):
    """Steps of the study of sample efficiency and of repeated metrics.

    Locatello et al. (2020), "A sober look at the unsupervised learning of disentangled
    representations and their evaluation", https://arxiv.org/abs/2010.14766.

    Args:
        output_directory: directory to write.
        gin_postprocess_config_glob: pattern of gin files, one per representation.
        gin_evaluation_config_glob: pattern of gin files, one per metric.
        random_seed: integer, of which all seeds are drawn.
        gin_model_config_dir: directory of the gin file of the training.
        gin_model_config_name: name of that file.
        gin_bindings: lines of gin for the training.
        model_dir: directory with a trained model in `<model_dir>/model`, to score that
            one instead.
        num_eval: number of times that each metric is computed.
        scores_list: names of metrics that are computed with several numbers of samples.
            The name of the gin file must be that of the metric's function in gin.
        evaluation_num_samples_train: these numbers.

    Returns:
        List of `Step`.

    Raises:
        ValueError: if an argument is missing or wrong, or a pattern matches no file.
    """
    if scores_list and not evaluation_num_samples_train:
        raise ValueError("--scores_list needs --evaluation_num_samples_train.")
    if not all(str(number).isdecimal() for number in evaluation_num_samples_train):
        raise ValueError(
            "--evaluation_num_samples_train are numbers of samples. Received: "
            f"{','.join(map(str, evaluation_num_samples_train))}"
        )
    output = output_directory
    random_state = np.random.RandomState(_needed("random_seed", random_seed))
    seed = _draw(random_state)
    plan = []
    if model_dir is None:
        path = _model_file(gin_model_config_dir, gin_model_config_name)
        lines = [f"model.random_seed = {seed}", f"model.name = {_name(path)!r}"]
        plan.append(_train(_model_dir(output), path, [*lines, *gin_bindings]))
    representations = gin_files_of(
        "gin_postprocess_config_glob", gin_postprocess_config_glob
    )
    metrics = gin_files_of("gin_evaluation_config_glob", gin_evaluation_config_glob)
    unknown = [name for name in scores_list if name not in metrics]
    if unknown:
        raise ValueError(
            f"--scores_list names metrics among {', '.join(metrics)}. "
            f"Received: {', '.join(unknown)}"
        )
    trained = _model_dir(model_dir or output)
    postprocessing = _postprocess(trained, output, representations, random_state)
    plan += [_visualize(trained, output), *postprocessing]
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
    output_directory,
    gin_postprocess_config_glob,
    gin_evaluation_config_glob,
    pipeline_seed,
    eval_seed,
    gin_validation_config_glob=None,
    gin_model_config_dir="",
    gin_model_config_name=None,
    gin_bindings=(),
    model_dir=None,
    supervised_seed=None,
    num_labelled_samples=None,
    train_percentage=None,
    labeller_fn=None,
):
    """Steps of training, selecting and scoring a model with a few labels.

    Locatello et al. (2020), "Disentangling factors of variation using few labels",
    https://arxiv.org/abs/1905.01258.

    Args:
        output_directory: directory to write.
        gin_postprocess_config_glob: pattern of gin files, one per representation.
        gin_evaluation_config_glob: pattern of gin files, one per metric.
        pipeline_seed: integer, of which the seeds of training and of representations
            are drawn.
        eval_seed: integer, of which the seeds of metrics are drawn.
        gin_validation_config_glob: pattern of gin files, one per metric that is
            computed on the labels of the training, None for no such metric.
        gin_model_config_dir: directory of the gin file of the training.
        gin_model_config_name: name of that file.
        gin_bindings: lines of gin for the training.
        model_dir: directory with a trained model in `<model_dir>/model`, to score that
            one instead; what follows is then read from its results.
        supervised_seed: integer, seed of the labels.
        num_labelled_samples: number of images with labels.
        train_percentage: share of these to train with, in (0, 1).
        labeller_fn: for example "@perfect_labeller".

    Returns:
        List of `Step`.

    Raises:
        FileNotFoundError: if `model_dir` holds no trained model.
        ValueError: if an argument is missing, given along with `model_dir`, or a
            pattern matches no file.
    """
    output = output_directory
    labels = {
        "supervised_seed": supervised_seed,
        "num_labelled_samples": num_labelled_samples,
        "train_percentage": train_percentage,
        "labeller_fn": labeller_fn,
    }
    random_state = np.random.RandomState(_needed("pipeline_seed", pipeline_seed))
    model_seed, data_seed = _draw(random_state), _draw(random_state)
    plan = []
    if model_dir is None:
        for name, value in labels.items():
            _needed(name, value)
        path = _model_file(gin_model_config_dir, gin_model_config_name)
        lines = [
            f"model.model_seed = {model_seed}",
            f"model.unsupervised_data_seed = {data_seed}",
            f"model.name = {_name(path)!r}",
            f"model.supervised_data_seed = {supervised_seed}",
            f"model.num_labelled_samples = {num_labelled_samples}",
            f"model.train_percentage = {train_percentage}",
            f"labeller.labeller_fn = {labeller_fn}",
        ]
        plan.append(_train(_model_dir(output), path, [*lines, *gin_bindings]))
    else:
        labels = _labels_of(model_dir, labels)
    representations = gin_files_of(
        "gin_postprocess_config_glob", gin_postprocess_config_glob
    )
    validation = {}
    if gin_validation_config_glob is not None:
        validation = gin_files_of(
            "gin_validation_config_glob", gin_validation_config_glob
        )
    metrics = gin_files_of("gin_evaluation_config_glob", gin_evaluation_config_glob)
    trained = _model_dir(model_dir or output)
    postprocessing = _postprocess(trained, output, representations, random_state)
    plan += [_visualize(trained, output), *postprocessing]
    for source in postprocessing:
        for name, path in validation.items():
            plan.append(_validate(source, output, name, path, labels))
    random_state = np.random.RandomState(_needed("eval_seed", eval_seed))
    for source in postprocessing:
        for name, path in metrics.items():
            lines = [f"evaluation.random_seed = {_draw(random_state)}"]
            folder = f"{name}_{labels['supervised_seed']}"
            plan.append(_evaluate(source, output, name, path, folder, lines))
    return [*plan, _aggregate(output)]


def plan_weakly_supervised(
    output_directory,
    gin_postprocess_config_glob,
    gin_evaluation_config_glob,
    pipeline_seed,
    gin_model_config_dir="",
    gin_model_config_name=None,
    gin_bindings=(),
    model_dir=None,
):
    """Steps of training and scoring a model with pairs of images.

    Locatello et al. (2020), "Weakly-supervised disentanglement without compromises",
    https://arxiv.org/abs/2002.02886. Metrics whose name contains "unsupervised" are
    left out.

    Args:
        output_directory: directory to write.
        gin_postprocess_config_glob: pattern of gin files, one per representation.
        gin_evaluation_config_glob: pattern of gin files, one per metric.
        pipeline_seed: integer, of which all seeds are drawn; the first one is the
            model's, so metrics of a model that is given have other seeds.
        gin_model_config_dir: directory of the gin file of the training.
        gin_model_config_name: name of that file.
        gin_bindings: lines of gin for the training.
        model_dir: directory with a trained model in `<model_dir>/model`, to score that
            one instead.

    Returns:
        List of `Step`.

    Raises:
        ValueError: if an argument is missing or a pattern matches no file.
    """
    output = output_directory
    random_state = np.random.RandomState(_needed("pipeline_seed", pipeline_seed))
    plan = []
    if model_dir is None:
        path = _model_file(gin_model_config_dir, gin_model_config_name)
        lines = [
            f"model.random_seed = {_draw(random_state)}",
            f"model.name = {_name(path)!r}",
        ]
        plan.append(_train(_model_dir(output), path, [*lines, *gin_bindings]))
    representations = gin_files_of(
        "gin_postprocess_config_glob", gin_postprocess_config_glob
    )
    metrics = gin_files_of("gin_evaluation_config_glob", gin_evaluation_config_glob)
    trained = _model_dir(model_dir or output)
    postprocessing = _postprocess(trained, output, representations, random_state)
    plan += [_visualize(trained, output), *postprocessing]
    for source in postprocessing:
        for name, path in metrics.items():
            if "unsupervised" not in name:
                lines = [f"evaluation.random_seed = {_draw(random_state)}"]
                plan.append(_evaluate(source, output, name, path, f"{name}_0", lines))
    return plan


def _labels_of(model_dir, given):
    """What a trained model knows of its labels, by the names of the arguments."""
    both = [f"--{name}" for name, value in given.items() if value is not None]
    if both:
        raise ValueError(
            "Labels of a trained model are read from its results: with --model_dir, "
            f"leave out {', '.join(both)}."
        )
    path = os.path.join(_model_dir(model_dir), "results", "gin", "train.gin")
    names = {
        "supervised_seed": "model.supervised_data_seed",
        "num_labelled_samples": "model.num_labelled_samples",
        "train_percentage": "model.train_percentage",
        "labeller_fn": "labeller.labeller_fn",
    }
    return {name: results.bound_string(path, key) for name, key in names.items()}


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
    seed, number = labels["supervised_seed"], labels["num_labelled_samples"]
    lines = [
        f"validation.random_seed = {seed}",
        f"validation.name = {name!r}",
        f"validation.num_labelled_samples = {number}",
        f"labeller.labeller_fn = {labels['labeller_fn']}",
    ]
    if name != "mig":  # Which trains nothing, so it keeps no labels to test with.
        share = labels["train_percentage"]
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


def _model_file(directory, name):
    return os.path.join(directory, _needed("gin_model_config_name", name))


def _name(path):
    return os.path.basename(path).removesuffix(".gin")


def _by_name(paths):
    """Paths by the names of their files, in the order of these."""
    return {_name(path): path for path in sorted(paths, key=os.path.basename)}


def gin_files_of(argument, pattern):
    """The gin files that a pattern matches, {name: path}.

    Args:
        argument: name of the flag that the pattern comes from.
        pattern: the pattern.

    Raises:
        ValueError: if there is no pattern, it matches no file, or files of one name.
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
