"""Commands that make studies, populations and the pipelines of published papers."""

import dataclasses

from dmt.cli.table import (
    ENGINE,
    GIN_BINDINGS,
    GIN_FLAGS,
    OUTPUT_DIR,
    OVERWRITE,
    PARALLEL_FLAGS,
    TRUST,
    Command,
    Flag,
    seeds,
    several,
)
from dmt.studies import registry
from dmt.utils import machine


def _study(flags):
    from dmt.studies import study

    options = {flag.name: flags[flag.name].value for flag in _option_flags()}
    opened = registry.open_study(flags.study, flags.gin_bindings, **options)
    path = study.run(
        opened,
        flags.output_dir,
        flags.workers,
        flags.population,
        flags.engine,
        flags.only_print,
    )
    if path:
        print(f"All results are in {path}")


def _option_flags():
    """A flag for each option of a study; its help names the studies that take it."""
    options, helps = {}, {}
    for study in registry.registered().values():
        for option in study.options:
            options[option.name] = option
            takers = helps.setdefault(option.name, {})
            takers.setdefault(option.help, []).append(study.name)
    found = []
    for name, option in options.items():
        text = " ".join(f"{', '.join(s)}: {help}" for help, s in helps[name].items())
        # The default None shows that a flag was not given.
        found.append(Flag(name, option.kind, None, text, option.choices))
    return tuple(found)


def _pbt(flags):
    machine.import_keras()
    from dmt.runs.pbt import engine

    path = engine.train_with_gin(
        flags.output_dir,
        flags.gin_config,
        flags.gin_bindings,
        flags.workers,
        flags.population,
        flags.engine,
    )
    print(f"The best model is {path}")


def _reproduce(flags):
    from dmt.studies.published import reproduce, studies

    reproduce.reproduce(
        studies.find(flags.study),
        flags.model_num,
        flags.output_directory,
        flags.model_dir,
        flags.overwrite,
        flags.only_print,
    )


def _pipeline(make_plan):
    """Makes a command of the function that plans the steps of a published paper."""

    def run(flags):
        from dmt.studies.published import reproduce

        plan = make_plan(reproduce, _made(reproduce.Pipeline, flags), flags)
        where = flags.output_directory
        reproduce.execute(plan, where, flags.overwrite, flags.only_print)

    return run


@_pipeline
def _reproduce_jmlr(reproduce, pipeline, flags):
    return reproduce.plan_jmlr(
        pipeline,
        flags.random_seed,
        flags.num_eval,
        flags.scores_list,
        flags.evaluation_num_samples_train,
    )


@_pipeline
def _reproduce_semi_supervised(reproduce, pipeline, flags):
    return reproduce.plan_semi_supervised(
        pipeline,
        flags.pipeline_seed,
        flags.eval_seed,
        _made(reproduce.Labels, flags),
        flags.gin_validation_config_glob,
    )


@_pipeline
def _reproduce_weakly_supervised(reproduce, pipeline, flags):
    return reproduce.plan_weakly_supervised(pipeline, flags.pipeline_seed)


def _made(kind, flags):
    """A dataclass with the values of the flags that have the names of its fields."""
    return kind(**{f.name: flags[f.name].value for f in dataclasses.fields(kind)})


_EXECUTION_FLAGS = (
    TRUST,
    OVERWRITE,
    Flag("only_print", "bool", False, "Whether to only print the steps."),
)
# Names are those of disentanglement_lib's scripts.
_PIPELINE_FLAGS = (
    GIN_BINDINGS,
    Flag("gin_model_config_dir", "string", "", "Directory of the gin file."),
    *several(
        "string",
        output_directory="Directory to write.",
        model_dir="Directory that holds a trained model in model/. It is scored, and "
        "no model is trained.",
        gin_model_config_name="Name of the gin file of the training.",
        gin_postprocess_config_glob="Pattern of gin files, one per representation.",
        gin_evaluation_config_glob="Pattern of gin files, one per metric.",
    ),
    *_EXECUTION_FLAGS,
)
_LABEL_FLAGS = (
    *several(
        "string",
        gin_validation_config_glob="Pattern of gin files, one per metric on the "
        "labelled images.",
        labeller_fn='Configurable that labels images, for example "@perfect_labeller".',
    ),
    *seeds(
        pipeline_seed="Seed from which the seeds of all steps are drawn.",
        eval_seed="Seed from which the seeds of the metrics are drawn.",
        supervised_seed="Seed of the labels.",
    ),
    *several("integer", num_labelled_samples="Number of labelled images."),
    *several("float", train_percentage="Share of the labelled images to train with."),
)

COMMANDS = (
    Command(
        "study",
        "Makes all runs of a study and one page or table of them: --study=NAME "
        "--output_dir=OUT. A study that was stopped continues where it stopped.",
        (
            Flag(
                "study",
                "string",
                next(s.name for s in registry.registered().values() if s.is_default),
                f"Name of the study: {', '.join(registry.registered())}.",
            ),
            *_option_flags(),
            OUTPUT_DIR,
            GIN_BINDINGS,
            TRUST,
            Flag(
                "only_print",
                "bool",
                False,
                "Whether to only print how many runs are complete, in progress and not "
                "started.",
            ),
            *(flag for flag in PARALLEL_FLAGS if flag is not ENGINE),
            dataclasses.replace(
                ENGINE,
                choices=("local", "files", "ray"),
                help="Where the processes run: local, on this machine; files, on this "
                "machine, sharing the work with all commands that were started with "
                "the same --output_dir, on any machine; ray, on the Ray cluster that "
                "RAY_ADDRESS names.",
            ),
        ),
        _study,
        required=("study", "output_dir"),
    ),
    Command(
        "pbt",
        "Trains a population that selects its hyperparameters: --output_dir=OUT "
        "--gin_config=FILE. A run that was stopped continues where it stopped.",
        (OUTPUT_DIR, *GIN_FLAGS, TRUST, *PARALLEL_FLAGS),
        _pbt,
        required=("output_dir",),
    ),
    Command(
        "reproduce",
        "Trains and scores one model of a published study: --study=NAME "
        "--model_num=N. Steps that are complete are skipped.",
        (
            Flag("study", "string", "unsupervised_study_v1", "Name of the study."),
            Flag("model_num", "integer", 0, "Number of the model in the study."),
            *several(
                "string",
                output_directory="Directory to write. The default is "
                "output/{study}/{model_num}.",
                model_dir="Directory of a trained model. It is scored, and no model is "
                "trained.",
            ),
            *_EXECUTION_FLAGS,
        ),
        _reproduce,
    ),
    Command(
        "reproduce_jmlr",
        "Trains a model and computes metrics repeatedly, with several sample sizes.",
        (
            *_PIPELINE_FLAGS,
            Flag("num_eval", "integer", 1, "How often to compute each metric.", low=1),
            *several(
                "list",
                [],
                scores_list="Metrics to compute with several sample sizes.",
                evaluation_num_samples_train="Numbers of samples for the metrics in "
                "--scores_list.",
            ),
            *seeds(random_seed="Seed from which the seeds of all steps are drawn."),
        ),
        _reproduce_jmlr,
        required=("output_directory",),
    ),
    Command(
        "reproduce_semi_supervised",
        "Trains, validates and scores a model with a few labels.",
        (*_PIPELINE_FLAGS, *_LABEL_FLAGS),
        _reproduce_semi_supervised,
        required=("output_directory",),
    ),
    Command(
        "reproduce_weakly_supervised",
        "Trains and scores a model with pairs of images. (Flags about labels are those "
        "of disentanglement_lib's scripts and have no effect.)",
        (*_PIPELINE_FLAGS, *_LABEL_FLAGS),
        _reproduce_weakly_supervised,
        required=("output_directory",),
    ),
)
