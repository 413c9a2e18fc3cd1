"""Commands that make studies, populations and the pipelines of published papers."""

import dataclasses

from dmt.cli.table import (
    ENGINE,
    GIN_BINDINGS,
    GIN_FLAGS,
    OUTPUT_DIR,
    OVERWRITE,
    PARALLEL_FLAGS,
    POPULATION,
    WORKERS,
    Command,
    Flag,
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
        # None tells a flag that was not given from one with the default's value.
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


def _reproduce_jmlr(flags):
    from dmt.studies.published import reproduce

    plan = reproduce.plan_jmlr(
        _made(reproduce.Pipeline, flags),
        flags.random_seed,
        flags.num_eval,
        flags.scores_list,
        flags.evaluation_num_samples_train,
    )
    _execute(plan, flags)


def _reproduce_semi_supervised(flags):
    from dmt.studies.published import reproduce

    plan = reproduce.plan_semi_supervised(
        _made(reproduce.Pipeline, flags),
        flags.pipeline_seed,
        flags.eval_seed,
        _made(reproduce.Labels, flags),
        flags.gin_validation_config_glob,
    )
    _execute(plan, flags)


def _reproduce_weakly_supervised(flags):
    from dmt.studies.published import reproduce

    pipeline = _made(reproduce.Pipeline, flags)
    plan = reproduce.plan_weakly_supervised(pipeline, flags.pipeline_seed)
    _execute(plan, flags)


def _made(kind, flags):
    """A dataclass with the values of the flags that have the names of its fields."""
    return kind(**{f.name: flags[f.name].value for f in dataclasses.fields(kind)})


def _execute(plan, flags):
    from dmt.studies.published import reproduce

    reproduce.execute(plan, flags.output_directory, flags.overwrite, flags.only_print)


def _flags(kind, **helps):
    return tuple(Flag(name, kind, None, text) for name, text in helps.items())


_EXECUTION_FLAGS = (
    OVERWRITE,
    Flag("only_print", "bool", False, "Whether to print the steps only."),
)
# Names are those of disentanglement_lib's scripts.
_PIPELINE_FLAGS = (
    GIN_BINDINGS,
    Flag("gin_model_config_dir", "string", "", "Directory of the gin file."),
    *_flags(
        "string",
        output_directory="Directory to write.",
        model_dir="Directory with a trained model in model/, to score instead.",
        gin_model_config_name="The training's gin file.",
        gin_postprocess_config_glob="Pattern of gin files, one per representation.",
        gin_evaluation_config_glob="Pattern of gin files, one per metric.",
    ),
    *_EXECUTION_FLAGS,
)
_LABEL_FLAGS = (
    *_flags(
        "string",
        gin_validation_config_glob="Pattern of gin files, one for each metric on the "
        "labels.",
        labeller_fn='For example "@perfect_labeller".',
    ),
    *_flags(
        "integer",
        pipeline_seed="Seed of the other seeds.",
        eval_seed="Seed of the metrics' seeds.",
        supervised_seed="Seed of the labels.",
        num_labelled_samples="Number of labelled images.",
    ),
    *_flags("float", train_percentage="Share of them to train with."),
)

COMMANDS = (
    Command(
        "study",
        "Makes all runs of a study and one page or table of them: --study=NAME "
        "--output_dir=OUT. A study that was stopped goes on where it was.",
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
            Flag(
                "only_print",
                "bool",
                False,
                "Whether to print only how much is complete, in work and to do.",
            ),
            WORKERS,
            POPULATION,
            dataclasses.replace(
                ENGINE,
                choices=("local", "files", "ray"),
                help="Where the processes run: local, on this machine; files, on this "
                "machine, dividing the work with all commands that were started with "
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
        "--gin_config=FILE. A run that was stopped goes on where it was.",
        (OUTPUT_DIR, *GIN_FLAGS, *PARALLEL_FLAGS),
        _pbt,
        required=("output_dir",),
    ),
    Command(
        "reproduce",
        "Trains and scores one model of a published study: --study=NAME "
        "--model_num=N. What is complete is skipped.",
        (
            Flag("study", "string", "unsupervised_study_v1", "Name of the study."),
            Flag("model_num", "integer", 0, "Number of the model in the study."),
            *_flags(
                "string",
                output_directory="Directory to write; by default "
                '"output/{study}/{model_num}".',
                model_dir="Directory of a trained model, to score that one instead.",
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
            Flag("scores_list", "list", [], "Metrics for several sample sizes."),
            Flag(
                "evaluation_num_samples_train",
                "list",
                [],
                "Numbers of samples for the metrics in --scores_list.",
            ),
            Flag("random_seed", "integer", None, "Seed of all seeds."),
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
        "Trains and scores a model with pairs of images. (Flags of labels are those of "
        "old scripts and have no effect.)",
        (*_PIPELINE_FLAGS, *_LABEL_FLAGS),
        _reproduce_weakly_supervised,
        required=("output_directory",),
    ),
)
