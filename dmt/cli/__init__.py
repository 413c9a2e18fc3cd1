"""The command lines: flags in, one call of the package, a mistake in one line out.

Nothing heavy is imported before the flags are parsed, so `--help` answers at once.
"""

import logging
import os
import sys

from absl import app, flags
from absl import logging as absl_logging

from dmt.utils import machine

FLAGS = flags.FLAGS

_GIN_FLAGS = {
    "gin_config": (flags.DEFINE_multi_string, [], "Paths of gin files."),
    "gin_bindings": (flags.DEFINE_multi_string, [], "Gin bindings, override files."),
}
_PARALLEL_FLAGS = {
    "workers": (
        flags.DEFINE_integer,
        0,
        "Processes that share the cores; 0 for one per core, or a single one if there "
        "is a GPU.",
    ),
    "population": (
        flags.DEFINE_string,
        "auto",
        "Models that are trained as one program where they differ in numbers only: "
        "auto (what this machine does fastest), or how many.",
    ),
    "engine": (
        flags.DEFINE_enum,
        "local",
        ["local", "ray"],
        "Processes of this machine, or of the Ray cluster that RAY_ADDRESS names.",
    ),
}
_STEP_FLAGS = {
    **_GIN_FLAGS,
    "overwrite": (flags.DEFINE_bool, False, "Whether to replace existing output."),
    "resume": (flags.DEFINE_bool, False, "Whether to finish what is not complete."),
}


_EVALUATION_FLAGS = {
    "input_dir": (flags.DEFINE_string, None, "Directory dmt_postprocess wrote."),
    "output_dir": (flags.DEFINE_string, None, "Directory to write."),
    "gin_evaluation_config_glob": (
        flags.DEFINE_string,
        None,
        "Pattern of gin files, each evaluated into <output_dir>/<file name>.",
    ),
    **_STEP_FLAGS,
}
# Of the pipelines of published studies, with the original's names.
_PIPELINE_FLAGS = {
    "output_directory": (flags.DEFINE_string, None, "Directory to write."),
    "model_dir": (
        flags.DEFINE_string,
        None,
        "Directory with a trained model in model/, to score that one instead.",
    ),
    "gin_bindings": _GIN_FLAGS["gin_bindings"],
    "gin_model_config_dir": (flags.DEFINE_string, "", "Directory of the gin file."),
    "gin_model_config_name": (flags.DEFINE_string, None, "The training's gin file."),
    "gin_postprocess_config_glob": (
        flags.DEFINE_string,
        None,
        "Pattern of gin files, one for each representation.",
    ),
    "gin_evaluation_config_glob": (
        flags.DEFINE_string,
        None,
        "Pattern of gin files, one for each metric.",
    ),
}
_EXECUTION_FLAGS = {
    "overwrite": _STEP_FLAGS["overwrite"],
    "only_print": (flags.DEFINE_bool, False, "Whether to print the steps only."),
}


def train():
    """dmt_train."""
    _run(
        _train,
        "Trains a model: --model_dir=OUT --gin_config=FILE.",
        {
            "model_dir": (flags.DEFINE_string, None, "Directory to write."),
            "gin_model_dir": (flags.DEFINE_string, None, "Directory of gin_file_name."),
            "gin_file_name": (flags.DEFINE_string, None, "A gin file in it."),
            **_STEP_FLAGS,
        },
        required=["model_dir"],
    )


def _train():
    machine.import_keras()
    from dmt.methods.train import train_with_gin

    gin_files = list(FLAGS.gin_config)
    if FLAGS.gin_file_name:
        gin_files.append(os.path.join(FLAGS.gin_model_dir or "", FLAGS.gin_file_name))
    train_with_gin(
        FLAGS.model_dir,
        FLAGS.overwrite,
        gin_files,
        FLAGS.gin_bindings,
        resume=FLAGS.resume,
    )


def train_semi_supervised():
    """dmt_train_semi_supervised: another name of dmt_train, for old scripts."""
    train()


def train_weakly_supervised():
    """dmt_train_weakly_supervised: another name of dmt_train, for old scripts."""
    train()


def postprocess():
    """dmt_postprocess."""
    _run(
        _postprocess,
        "Extracts a representation: --model_dir=IN --output_dir=OUT --gin_config=FILE.",
        {
            "model_dir": (flags.DEFINE_string, None, "Directory dmt_train wrote."),
            "output_dir": (flags.DEFINE_string, None, "Directory to write."),
            **_STEP_FLAGS,
        },
        required=["model_dir", "output_dir"],
    )


def _postprocess():
    machine.import_keras()
    from dmt.postprocessing.postprocess import postprocess_with_gin

    postprocess_with_gin(
        FLAGS.model_dir,
        FLAGS.output_dir,
        FLAGS.overwrite,
        FLAGS.gin_config,
        FLAGS.gin_bindings,
        resume=FLAGS.resume,
    )


def evaluate():
    """dmt_evaluate."""
    _run(
        _evaluate,
        "Scores a representation: --input_dir=IN --output_dir=OUT --gin_config=FILE.",
        _EVALUATION_FLAGS,
        required=["input_dir", "output_dir"],
    )


def _evaluate():
    machine.import_keras()
    from dmt.evaluation.evaluate import evaluate_with_gin

    _evaluate_all(evaluate_with_gin, "evaluation")


def validate():
    """dmt_validate."""
    _run(
        _validate,
        "Scores a representation with labelled images: --input_dir=IN "
        "--output_dir=OUT --gin_config=FILE.",
        _EVALUATION_FLAGS,
        required=["input_dir", "output_dir"],
    )


def _validate():
    machine.import_keras()
    from dmt.validation.validate import validate_with_gin

    _evaluate_all(validate_with_gin, "validation")


def _evaluate_all(evaluate_with_gin, step):
    """Scores with each configuration that the flags name; prints a table."""
    from dmt.evaluation.tables import score_table

    shared_codes = {}
    output_dirs = {}
    for name, gin_files in _evaluation_configs().items():
        output_dir = os.path.join(FLAGS.output_dir, name)
        output_dirs[name or os.path.basename(os.path.normpath(output_dir))] = output_dir
        evaluate_with_gin(
            FLAGS.input_dir,
            output_dir,
            FLAGS.overwrite,
            gin_files,
            FLAGS.gin_bindings + ([f"{step}.name = '{name}'"] if name else []),
            resume=FLAGS.resume,
            shared_codes=shared_codes,
        )
    print(score_table(output_dirs, step))


def score():
    """dmt_score."""
    _run(
        _score,
        "Scores codes in files: --codes=codes.npy --factors=factors.npy "
        "(.npy, .npz, .csv, .parquet; n rows each).",
        {
            "codes": (flags.DEFINE_string, None, "Table of n rows of codes."),
            "factors": (flags.DEFINE_string, None, "Table of n rows of factors."),
            "codes_test": (
                flags.DEFINE_string,
                None,
                "Test samples, for metrics that train a classifier; by default a third "
                "of the rows is held out.",
            ),
            "factors_test": (flags.DEFINE_string, None, "Factors of the test samples."),
            "continuous_factors": (
                flags.DEFINE_bool,
                False,
                "Whether factors are numbers, for the metrics that know what to do.",
            ),
            "metrics": (
                flags.DEFINE_list,
                [],
                "Names of metrics, by default most; their functions score all rows.",
            ),
            "gin_evaluation_config_glob": (
                flags.DEFINE_string,
                None,
                "Pattern of gin files as for dmt_evaluate: samples are drawn from the "
                "rows, which must hold each combination of factors.",
            ),
            "seed": (flags.DEFINE_integer, 0, "Seed of all draws."),
            "output_path": (
                flags.DEFINE_string,
                None,
                "JSON file to write with all results.",
            ),
            **_GIN_FLAGS,
            "overwrite": _STEP_FLAGS["overwrite"],
        },
        required=["codes", "factors"],
    )


def _score():
    from dmt import metrics
    from dmt.evaluation import score
    from dmt.utils import arrays, configuration

    if bool(FLAGS.codes_test) != bool(FLAGS.factors_test):
        raise ValueError("Give --codes_test and --factors_test together.")
    output_path = FLAGS.output_path
    if output_path and os.path.exists(output_path) and not FLAGS.overwrite:
        raise ValueError(f"The file {output_path} exists. Give --overwrite.")
    with_gin = FLAGS.gin_evaluation_config_glob or FLAGS.gin_config
    if with_gin:
        for name in ("metrics", "codes_test", "continuous_factors", "seed"):
            if FLAGS[name].present:
                raise ValueError(
                    "Gin files choose the metric, its samples and its seed: leave out "
                    f"--{name}."
                )
    factors = arrays.load_tables([FLAGS.factors, FLAGS.factors_test], "factors")
    codes = arrays.load_tables([FLAGS.codes, FLAGS.codes_test], "codes")
    samples = [table for pair in zip(factors, codes, strict=True) for table in pair]
    rows = []
    if with_gin:
        machine.import_keras()
        for name, gin_files in _evaluation_configs().items():
            rows.append(
                score.score_with_gin(gin_files, FLAGS.gin_bindings, *samples, name)
            )
    else:
        with configuration.gin_configuration([], FLAGS.gin_bindings):
            score.check_bindings()
            for name in FLAGS.metrics or metrics.METRICS:
                try:
                    scores = score.score_arrays(
                        name,
                        *samples,
                        continuous_factors=FLAGS.continuous_factors,
                        seed=FLAGS.seed,
                    )
                except ValueError as error:
                    if FLAGS.metrics:
                        raise
                    print(f"Without {name}: {_one_line(error)}", file=sys.stderr)
                else:
                    rows.append((name, name, scores))
    if not rows:
        raise ValueError("No metric can score these arrays.")
    print(metrics.table(rows))
    if output_path:
        scores = {label: scores for label, _, scores in rows}
        score.write_scores(scores, output_path, FLAGS.seed)


def udr():
    """dmt_udr."""
    _run(
        _udr,
        "Ranks trained models by UDR: --model_dirs=PATTERN --output_dir=OUT "
        "--gin_config=FILE.",
        {
            "model_dirs": (
                flags.DEFINE_multi_string,
                [],
                "Directories dmt_train wrote, two at least: patterns, separated by "
                "commas, or one flag each.",
            ),
            "output_dir": (flags.DEFINE_string, None, "Directory to write."),
            "gin_evaluation_config_glob": (
                flags.DEFINE_string,
                None,
                "Pattern of gin files, each evaluated into <output_dir>/<file name>.",
            ),
            **_STEP_FLAGS,
        },
        required=["model_dirs", "output_dir"],
    )


def _udr():
    import glob

    model_dirs = []
    for pattern in ",".join(FLAGS.model_dirs).split(","):
        # A directory of that very name first: it may hold brackets.
        paths = [pattern] if os.path.isdir(pattern) else sorted(glob.glob(pattern))
        found = [path for path in paths if os.path.isdir(path)]
        if not found:
            raise ValueError(f"--model_dirs={pattern} matches no directory.")
        model_dirs += found
    machine.import_keras()
    from dmt.evaluation.udr.evaluate import evaluate_with_gin, score_table

    for name, gin_files in _evaluation_configs().items():
        output_dir = os.path.join(FLAGS.output_dir, name)
        evaluate_with_gin(
            model_dirs,
            output_dir,
            FLAGS.overwrite,
            gin_files,
            FLAGS.gin_bindings + ([f"evaluation.name = '{name}'"] if name else []),
            resume=FLAGS.resume,
        )
        if name:
            print(name)
        print(score_table(output_dir))


def _evaluation_configs():
    """Gin files of each evaluation, by the name of the evaluation."""
    import glob

    pattern = FLAGS.gin_evaluation_config_glob
    if pattern is None:
        return {"": FLAGS.gin_config}
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise ValueError(f"--gin_evaluation_config_glob={pattern} matches no file.")
    configs = {
        os.path.basename(path).removesuffix(".gin"): [*FLAGS.gin_config, path]
        for path in paths
    }
    if len(configs) < len(paths):
        raise ValueError(
            f"--gin_evaluation_config_glob={pattern} matches files of the same "
            "name, and results go to directories of these names."
        )
    return configs


def visualize_model():
    """dmt_visualize_model."""
    _run(
        _visualize_model,
        "Draws what a model learned: --model_dir=IN --output_dir=OUT.",
        {
            "model_dir": (flags.DEFINE_string, None, "Directory dmt_train wrote."),
            "output_dir": (flags.DEFINE_string, None, "Directory to write."),
            "overwrite": _STEP_FLAGS["overwrite"],
        },
        required=["model_dir", "output_dir"],
    )


def _visualize_model():
    machine.import_keras()
    from dmt.visualize.visualize_model import visualize

    visualize(FLAGS.model_dir, FLAGS.output_dir, FLAGS.overwrite)


def visualize_dataset():
    """dmt_visualize_dataset."""
    _run(
        _visualize_dataset,
        "Draws the factors of variation of a dataset: --name=DATASET --path=OUT.",
        {
            "name": (flags.DEFINE_string, "dsprites_full", "Name of the dataset."),
            "path": (
                flags.DEFINE_string,
                "dataset_visualizations",
                "Pictures are written to <path>/<name>.",
            ),
        },
    )


def _visualize_dataset():
    from dmt.visualize.visualize_dataset import visualize_dataset as draw

    draw(FLAGS.name, FLAGS.path)


def report():
    """dmt_report."""
    _run(
        _report,
        "Prints the scores of a run and writes one page about it: --run_dir=DIR.",
        {
            "run_dir": (
                flags.DEFINE_string,
                None,
                "Directory with model/, metrics/ and visualizations/.",
            ),
            "output_path": (
                flags.DEFINE_string,
                None,
                "File to write; by default <run_dir>/report.html.",
            ),
        },
        required=["run_dir"],
    )


def _report():
    from dmt.visualize.report import score_table, write_report

    path = FLAGS.output_path or os.path.join(FLAGS.run_dir, "report.html")
    path = write_report(FLAGS.run_dir, path)
    print(score_table(FLAGS.run_dir))
    print(f"The report is {path}")


def study():
    """dmt_study."""
    _run(
        _study,
        "Makes all runs of a study and one page or table of them: --study=NAME "
        "--output_dir=OUT. A study that was stopped goes on where it was.",
        {
            "study": (
                flags.DEFINE_string,
                "multitask",
                "Name of the study; dmt_reproduce makes one model of those it knows.",
            ),
            "dataset": (
                flags.DEFINE_string,
                None,
                "multitask: the dataset, by default dsprites_rendered.",
            ),
            "scale": (
                flags.DEFINE_enum,
                None,
                ["small", "paper"],
                "multitask: reduced to an hour on two cores, as by default, or as in "
                "the paper.",
            ),
            "model_nums": (
                flags.DEFINE_string,
                None,
                "Other studies: numbers of models, as in 0-39,100; by default all.",
            ),
            "gin_postprocess_config_glob": (
                flags.DEFINE_string,
                None,
                "Other studies: pattern of gin files that replace the study's.",
            ),
            "gin_evaluation_config_glob": (
                flags.DEFINE_string,
                None,
                "Other studies: pattern of gin files that replace the study's.",
            ),
            "visualize": (
                flags.DEFINE_bool,
                None,
                "Other studies: whether to draw what a model learned (default: yes).",
            ),
            "output_dir": (flags.DEFINE_string, None, "Directory to write."),
            "gin_bindings": _GIN_FLAGS["gin_bindings"],
            "only_print": (
                flags.DEFINE_bool,
                False,
                "Whether to print only how much is complete, in work and to do.",
            ),
            **_PARALLEL_FLAGS,
            "engine": (
                flags.DEFINE_enum,
                "local",
                ["local", "files", "ray"],
                "Processes of this machine; the same, but dividing the work with all "
                "that were started so with one --output_dir, on any machine; or those "
                "of the Ray cluster that RAY_ADDRESS names.",
            ),
        },
        required=["output_dir"],
    )


def _study():
    from dmt.studies import study

    opened = study.open_study(
        FLAGS.study,
        FLAGS.gin_bindings,
        dataset=FLAGS.dataset,
        scale=FLAGS.scale,
        model_nums=FLAGS.model_nums,
        gin_postprocess_config_glob=FLAGS.gin_postprocess_config_glob,
        gin_evaluation_config_glob=FLAGS.gin_evaluation_config_glob,
        visualize=FLAGS.visualize,
    )
    path = study.run(
        opened,
        FLAGS.output_dir,
        FLAGS.workers,
        FLAGS.population,
        FLAGS.engine,
        FLAGS.only_print,
    )
    if path:
        print(f"All results are in {path}")


def pbt():
    """dmt_pbt."""
    _run(
        _pbt,
        "Trains a population that selects its hyperparameters: --output_dir=OUT "
        "--gin_config=FILE. A run that was stopped goes on where it was.",
        {
            "output_dir": (flags.DEFINE_string, None, "Directory to write."),
            **_GIN_FLAGS,
            **_PARALLEL_FLAGS,
        },
        required=["output_dir"],
    )


def _pbt():
    machine.import_keras()
    from dmt.runs import pbt as population_based_training

    path = population_based_training.train_with_gin(
        FLAGS.output_dir,
        FLAGS.gin_config,
        FLAGS.gin_bindings,
        FLAGS.workers,
        FLAGS.population,
        FLAGS.engine,
    )
    print(f"The best model is {path}")


def reproduce():
    """dmt_reproduce."""
    _run(
        _reproduce,
        "Trains and scores one model of a published study: --study=NAME "
        "--model_num=N. What is complete is skipped.",
        {
            "study": (
                flags.DEFINE_string,
                "unsupervised_study_v1",
                "Name of the study.",
            ),
            "model_num": (flags.DEFINE_integer, 0, "Number of the model in the study."),
            "output_directory": (
                flags.DEFINE_string,
                None,
                'Directory to write; by default "output/{study}/{model_num}".',
            ),
            "model_dir": (
                flags.DEFINE_string,
                None,
                "Directory of a trained model, to score that one instead.",
            ),
            **_EXECUTION_FLAGS,
        },
    )


def _reproduce():
    from dmt.studies.published import studies as published

    if FLAGS.study not in published.STUDIES:
        raise ValueError(
            f"--study must be one of {', '.join(published.STUDIES)}. "
            f"Received: {FLAGS.study}"
        )
    from dmt.studies.published import reproduce as pipelines

    pipelines.reproduce(
        published.STUDIES[FLAGS.study],
        FLAGS.model_num,
        FLAGS.output_directory,
        FLAGS.model_dir,
        FLAGS.overwrite,
        FLAGS.only_print,
    )


def reproduce_jmlr():
    """dmt_reproduce_jmlr."""
    _run_pipeline(
        "plan_jmlr",
        "Trains a model and computes metrics repeatedly, with several sample sizes.",
        {
            "num_eval": (
                flags.DEFINE_integer,
                1,
                "How often to compute each metric.",
                1,
            ),
            "scores_list": (
                flags.DEFINE_list,
                [],
                "Metrics to compute with several numbers of samples.",
            ),
            "evaluation_num_samples_train": (
                flags.DEFINE_list,
                [],
                "These numbers.",
            ),
            "random_seed": (flags.DEFINE_integer, None, "Seed of all seeds."),
        },
    )


def reproduce_semi_supervised():
    """dmt_reproduce_semi_supervised."""
    _run_pipeline(
        "plan_semi_supervised",
        "Trains, validates and scores a model with a few labels.",
        _LABEL_FLAGS,
    )


def reproduce_weakly_supervised():
    """dmt_reproduce_weakly_supervised."""
    _run_pipeline(
        "plan_weakly_supervised",
        "Trains and scores a model with pairs of images. (Flags of labels are those of "
        "old scripts and have no effect.)",
        _LABEL_FLAGS,
        without=[name for name in _LABEL_FLAGS if name != "pipeline_seed"],
    )


_LABEL_FLAGS = {
    "gin_validation_config_glob": (
        flags.DEFINE_string,
        None,
        "Pattern of gin files, one for each metric on the labels.",
    ),
    "pipeline_seed": (flags.DEFINE_integer, None, "Seed of the other seeds."),
    "eval_seed": (flags.DEFINE_integer, None, "Seed of the metrics' seeds."),
    "supervised_seed": (flags.DEFINE_integer, None, "Seed of the labels."),
    "num_labelled_samples": (flags.DEFINE_integer, None, "Number of labelled images."),
    "train_percentage": (flags.DEFINE_float, None, "Share of them to train with."),
    "labeller_fn": (flags.DEFINE_string, None, 'For example "@perfect_labeller".'),
}


def _run_pipeline(plan, description, flag_definitions, without=()):
    definitions = {**_PIPELINE_FLAGS, **flag_definitions}

    def pipeline():
        from dmt.studies.published import reproduce as pipelines

        steps = getattr(pipelines, plan)(
            **{name: FLAGS[name].value for name in definitions if name not in without}
        )
        pipelines.execute(
            steps, FLAGS.output_directory, FLAGS.overwrite, FLAGS.only_print
        )

    _run(
        pipeline,
        description,
        {**definitions, **_EXECUTION_FLAGS},
        required=["output_directory"],
    )


def aggregate_results():
    """dmt_aggregate_results."""
    from dmt.analysis import aggregate

    _run(
        _aggregate_results,
        "Writes the results of many runs to one JSON or Parquet file.",
        {
            "result_file_pattern": (
                flags.DEFINE_string,
                aggregate.DEFAULT_PATTERN,
                "Pattern of JSON files.",
            ),
            "output_path": (flags.DEFINE_string, "results.json", "File to write."),
        },
    )


def _aggregate_results():
    from dmt.analysis import aggregate

    aggregate.aggregate_results_to_json(FLAGS.result_file_pattern, FLAGS.output_path)


def compare():
    """dmt_compare."""
    _run(
        _compare,
        "Compares two sets of results: --first=IN --second=IN --output_dir=OUT, each a "
        "directory or an aggregated JSON file, of this package or of the original.",
        {
            "first": (flags.DEFINE_string, None, "One set."),
            "second": (flags.DEFINE_string, None, "The other set."),
            "output_dir": (flags.DEFINE_string, None, "Directory of table and page."),
            "ignore": (
                flags.DEFINE_multi_string,
                [],
                "Bindings that need not agree, for example dataset.name.",
            ),
        },
        required=["first", "second", "output_dir"],
    )


def _compare():
    from dmt.analysis.compare import compare as compare_sets

    print(compare_sets(FLAGS.first, FLAGS.second, FLAGS.output_dir, FLAGS.ignore))
    print(f"The page is {os.path.join(FLAGS.output_dir, 'compare.html')}")


def select():
    """dmt_select."""
    _run(
        _select,
        "Ranks the trained models of a study, with no labels or few: --study_dir=IN "
        "--output_dir=OUT.",
        {
            "study_dir": (
                flags.DEFINE_string,
                None,
                "Directory that holds runs at any depth, each with model/.",
            ),
            "output_dir": (flags.DEFINE_string, None, "Directory of selection.json."),
            "criteria": (
                flags.DEFINE_list,
                ["elbo", "reconstruction", "udr"],
                "What to rank by, the table by the first: elbo, reconstruction, udr, "
                "few_labels.",
            ),
            "num_labels": (
                flags.DEFINE_integer,
                1000,
                "Number of labelled images of few_labels.",
                1,
            ),
            "seed": (
                flags.DEFINE_integer,
                0,
                "Seed of the images of udr and few_labels.",
                0,
                2**32 - 1,
            ),
            **_GIN_FLAGS,
            "overwrite": (
                flags.DEFINE_bool,
                False,
                "Whether to replace selection.json.",
            ),
        },
        required=["study_dir", "output_dir"],
    )


def _select():
    machine.import_keras()
    # TensorFlow takes one model after the other for one that it compiles in vain.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    from dmt.analysis import selection

    print(
        selection.select(
            FLAGS.study_dir,
            FLAGS.output_dir,
            FLAGS.criteria,
            FLAGS.num_labels,
            FLAGS.seed,
            FLAGS.gin_config,
            FLAGS.gin_bindings,
            FLAGS.overwrite,
        )
    )
    print(f"All values are in {os.path.join(FLAGS.output_dir, 'selection.json')}")


def import_model():
    """dmt_import."""
    _run(
        _import_model,
        "Makes a model of disentanglement_lib one of this package: --model_dir=IN "
        "--output_dir=OUT.",
        {
            "model_dir": (
                flags.DEFINE_string,
                None,
                "Directory that disentanglement_lib wrote, with tfhub/ and results/.",
            ),
            "output_dir": (flags.DEFINE_string, None, "Directory to write."),
            "overwrite": _STEP_FLAGS["overwrite"],
        },
        required=["model_dir", "output_dir"],
    )


def _import_model():
    machine.import_keras()
    from dmt.methods import imported

    imported.import_model(FLAGS.model_dir, FLAGS.output_dir, FLAGS.overwrite)


_DATA_VERBS = {
    "list": ([], "all data sets and which are here"),
    "info": (["NAME"], "factors, licence, files and where they come from"),
    "fetch": (["NAME"], "downloads the files"),
    "add": (["NAME", "PATH"], "takes files fetched elsewhere: file, folder, archive"),
    "verify": (["NAME"], "checks the files"),
    "prepare": (["NAME"], "does now what the first use would do"),
    "compare": (["NAME", "NAME"], "how far the images of two data sets agree"),
    "show": (["NAME"], "writes a sheet of images"),
}


def data():
    """dmt_data."""
    _run(
        _data,
        "Fetches, checks and shows data sets; their folder is $DMT_DATA, else the "
        "current one.",
        {
            "accept_licence": (
                flags.DEFINE_bool,
                False,
                "fetch: whether you accept the terms of the data set.",
            ),
            "link": (
                flags.DEFINE_bool,
                False,
                "add: whether to link to the files instead of copying them.",
            ),
            "output_path": (
                flags.DEFINE_string,
                None,
                "show: picture to write; by default NAME.png.",
            ),
            "overwrite": (
                flags.DEFINE_bool,
                False,
                "show: whether to replace an existing picture.",
            ),
            **_GIN_FLAGS,
        },
        verbs=_DATA_VERBS,
    )


def _data(verb, *arguments):
    from dmt.cli import data as commands
    from dmt.utils import configuration

    options = {
        "fetch": ["accept_licence"],
        "add": ["link"],
        "show": ["output_path", "overwrite"],
    }.get(verb, [])
    step = commands.list_datasets if verb == "list" else getattr(commands, verb)
    with configuration.gin_configuration(FLAGS.gin_config, FLAGS.gin_bindings):
        step(*arguments, **{name: FLAGS[name].value for name in options})


def _one_line(error):
    # Gin appends the call chain on lines of their own.
    message = str(error).split("\n  In call to configurable")[0]
    return " ".join(message.split())


def _run(step, usage, definitions, required=(), verbs=None):
    """Parses flags and runs a step; a user's mistake is one line and status 2.

    With verbs, name -> (names of its arguments, text), the step gets the arguments.
    """
    program = os.path.basename(sys.argv[0])
    for name, (define, *arguments) in definitions.items():
        define(name, *arguments)
        # Shown by --help as a flag of the program.
        FLAGS.register_key_flag_for_module(sys.argv[0], FLAGS[name])
    lines = [
        f"  {program} {' '.join([verb, *names]):<18} {text}"
        for verb, (names, text) in (verbs or {}).items()
    ]
    usage_line = f"USAGE: {program}{' VERB' if verbs else ''} [flags]"
    sys.modules["__main__"].__doc__ = "\n".join([usage, "", usage_line, *lines])

    def fail(error, hint=""):
        print(f"{program}: {_one_line(error)}{hint}", file=sys.stderr)
        sys.exit(2)

    def parse(argv):
        try:
            rest = flags.FLAGS(argv)
            for name in required:
                if not FLAGS[name].value:
                    raise ValueError(f"--{name} is missing. See --help.")
            if verbs:
                _check_verb(rest[1:], verbs)
            elif len(rest) > 1:
                raise ValueError(f"Unexpected argument {rest[1]}. See --help.")
        except (flags.Error, ValueError) as error:
            if FLAGS.is_parsed() and FLAGS["help"].present:
                return argv
            fail(error)
        return rest

    def main(argv):
        absl_logging.set_verbosity(absl_logging.WARNING)
        logging.getLogger("dmt").setLevel(logging.INFO)
        try:
            step(*argv[1:])
        except Exception as error:
            if os.environ.get("DMT_TRACEBACK"):
                raise
            if isinstance(error, (ValueError, OSError)):
                fail(error)
            # Most often a binding of the wrong type; if not, the way to our mistake.
            kind = next(t for t in type(error).__mro__ if t.__module__ == "builtins")
            fail(error, f" ({kind.__name__}; DMT_TRACEBACK=1 shows where)")

    app.run(main, flags_parser=parse)


def _check_verb(arguments, verbs):
    if not arguments:
        raise ValueError(f"Say what to do: {', '.join(verbs)}. See --help.")
    verb, *arguments = arguments
    if verb not in verbs:
        import difflib

        close = difflib.get_close_matches(verb, verbs, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"Known: {', '.join(verbs)}."
        raise ValueError(f"There is no {verb}. {hint} See --help.")
    wanted = verbs[verb][0]
    if len(arguments) != len(wanted):
        raise ValueError(
            f"{' '.join([verb, *wanted])} is meant. "
            f"Received: {' '.join([verb, *arguments])}"
        )
