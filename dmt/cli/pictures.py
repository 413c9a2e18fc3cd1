"""Commands that draw models and datasets and report on runs."""

import os

from dmt.cli.table import (
    GIN_FLAGS,
    OUTPUT_DIR,
    OVERWRITE,
    TRUST,
    Command,
    Flag,
    several,
)
from dmt.utils import machine


def _visualize_model(flags):
    machine.import_keras()
    from dmt.visualize.visualize_model import visualize

    visualize(
        flags.model_dir,
        flags.output_dir,
        flags.overwrite,
        gin_config_files=flags.gin_config,
        gin_bindings=flags.gin_bindings,
    )


def _visualize_dataset(flags):
    from dmt.utils import configuration
    from dmt.visualize.visualize_dataset import visualize_dataset

    with configuration.gin_configuration(flags.gin_config, flags.gin_bindings):
        visualize_dataset(flags.name, flags.path)


def _report(flags):
    from dmt.visualize.report import score_table, write_report

    path = flags.output_path or os.path.join(flags.run_dir, "report.html")
    write_report(flags.run_dir, path, flags.gin_config, flags.gin_bindings)
    print(score_table(flags.run_dir))
    print(f"The report is {path}")


COMMANDS = (
    Command(
        "visualize_model",
        "Draws what a model learned: --model_dir=IN --output_dir=OUT.",
        (
            *several("string", model_dir="Directory that dmt_train wrote."),
            OUTPUT_DIR,
            *GIN_FLAGS,
            TRUST,
            OVERWRITE,
        ),
        _visualize_model,
        required=("model_dir", "output_dir"),
    ),
    Command(
        "visualize_dataset",
        "Draws the factors of variation of a dataset: --name=DATASET --path=OUT.",
        (
            Flag("name", "string", "dsprites_full", "Name of the dataset."),
            Flag(
                "path",
                "string",
                "dataset_visualizations",
                "Pictures are written to <path>/<name>.",
            ),
            *GIN_FLAGS,
        ),
        _visualize_dataset,
    ),
    Command(
        "report",
        "Prints the scores of a run and writes one page about it: --run_dir=DIR.",
        (
            *several(
                "string",
                run_dir="Directory with model/, metrics/ and visualizations/.",
                output_path="File to write. The default is <run_dir>/report.html.",
            ),
            *GIN_FLAGS,
            TRUST,
        ),
        _report,
        required=("run_dir",),
    ),
)
