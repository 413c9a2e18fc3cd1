"""Commands that bring the results of many runs together."""

import logging
import os

from dmt.cli.table import GIN_FLAGS, OUTPUT_DIR, OVERWRITE, Command, Flag
from dmt.utils import machine

RESULT_PATTERN = "output/**/metrics/*/*/results/aggregate/evaluation.json"


def _aggregate_results(flags):
    from dmt.analysis import aggregate

    aggregate.aggregate_results_to_json(flags.result_file_pattern, flags.output_path)


def _compare(flags):
    from dmt.analysis.compare import compare

    print(compare(flags.first, flags.second, flags.output_dir, flags.ignore))
    print(f"The page is {os.path.join(flags.output_dir, 'compare.html')}")


def _select(flags):
    machine.import_keras()
    # Every model is a new graph; TensorFlow mistakes that for needless retracing.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    from dmt.analysis.selection import select

    table = select(
        flags.study_dir,
        flags.output_dir,
        flags.criteria,
        flags.num_labels,
        flags.seed,
        flags.gin_config,
        flags.gin_bindings,
        flags.overwrite,
    )
    print(table)
    print(f"All values are in {os.path.join(flags.output_dir, 'selection.json')}")


def _import(flags):
    machine.import_keras()
    from dmt.methods import imported

    imported.import_model(flags.model_dir, flags.output_dir, flags.overwrite)


COMMANDS = (
    Command(
        "aggregate_results",
        "Writes the results of many runs to one JSON or Parquet file.",
        (
            Flag("result_file_pattern", "string", RESULT_PATTERN, "Pattern of files."),
            Flag("output_path", "string", "results.json", "File to write."),
        ),
        _aggregate_results,
    ),
    Command(
        "compare",
        "Compares two sets of results: --first=IN --second=IN --output_dir=OUT, each a "
        "directory or an aggregated JSON file, of this package or of the original.",
        (
            Flag("first", "string", None, "One set."),
            Flag("second", "string", None, "The other set."),
            Flag("output_dir", "string", None, "Directory of table and page."),
            Flag(
                "ignore",
                "multi_string",
                [],
                "Bindings that need not agree, for example dataset.name.",
            ),
        ),
        _compare,
        required=("first", "second", "output_dir"),
    ),
    Command(
        "select",
        "Ranks the trained models of a study, with no labels or few: --study_dir=IN "
        "--output_dir=OUT.",
        (
            Flag(
                "study_dir",
                "string",
                None,
                "Directory that holds runs at any depth, each with model/.",
            ),
            Flag("output_dir", "string", None, "Directory of selection.json."),
            Flag(
                "criteria",
                "list",
                ["elbo", "reconstruction", "udr"],
                "What to rank by, the table by the first: elbo, reconstruction, udr, "
                "few_labels.",
            ),
            Flag(
                "num_labels",
                "integer",
                1000,
                "Number of labelled images of few_labels.",
                low=1,
            ),
            Flag(
                "seed",
                "integer",
                0,
                "Seed of the images of udr and few_labels.",
                low=0,
                high=2**32 - 1,
            ),
            *GIN_FLAGS,
            Flag("overwrite", "bool", False, "Whether to replace selection.json."),
        ),
        _select,
        required=("study_dir", "output_dir"),
    ),
    Command(
        "import",
        "Makes a model of disentanglement_lib one of this package: --model_dir=IN "
        "--output_dir=OUT.",
        (
            Flag(
                "model_dir",
                "string",
                None,
                "Directory that disentanglement_lib wrote, with tfhub/ and results/.",
            ),
            OUTPUT_DIR,
            OVERWRITE,
        ),
        _import,
        required=("model_dir", "output_dir"),
    ),
)
