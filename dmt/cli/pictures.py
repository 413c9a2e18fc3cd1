"""The commands that draw: a model, a dataset, the report of a run."""

import os

from dmt.cli.table import OUTPUT_DIR, OVERWRITE, Command, Flag
from dmt.utils import machine


def visualize_model(flags):
    """Draws what a model learned."""
    machine.import_keras()
    from dmt.visualize.visualize_model import visualize

    visualize(flags.model_dir, flags.output_dir, flags.overwrite)


def visualize_dataset(flags):
    """Draws the factors of variation of a dataset."""
    from dmt.visualize.visualize_dataset import visualize_dataset as draw

    draw(flags.name, flags.path)


def report(flags):
    """Prints the scores of a run and writes a page about it."""
    from dmt.visualize.report import score_table, write_report

    path = flags.output_path or os.path.join(flags.run_dir, "report.html")
    path = write_report(flags.run_dir, path)
    print(score_table(flags.run_dir))
    print(f"The report is {path}")


COMMANDS = (
    Command(
        "visualize_model",
        "Draws what a model learned: --model_dir=IN --output_dir=OUT.",
        (
            Flag("model_dir", "string", None, "Directory that dmt_train wrote."),
            OUTPUT_DIR,
            OVERWRITE,
        ),
        visualize_model,
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
        ),
        visualize_dataset,
    ),
    Command(
        "report",
        "Prints the scores of a run and writes one page about it: --run_dir=DIR.",
        (
            Flag(
                "run_dir",
                "string",
                None,
                "Directory with model/, metrics/ and visualizations/.",
            ),
            Flag(
                "output_path",
                "string",
                None,
                "File to write; by default <run_dir>/report.html.",
            ),
        ),
        report,
        required=("run_dir",),
    ),
)
