"""Commands that collect, compare and select the results of many runs."""

import logging
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
    # Every model is a new graph, so TensorFlow's warnings about retracing do not apply.
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

    imported.import_model(
        flags.model_dir,
        flags.output_dir,
        flags.overwrite,
        flags.gin_config,
        flags.gin_bindings,
    )


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
        "Compares two sets of results: --first=IN --second=IN --output_dir=OUT.",
        (
            *several(
                "string",
                first="Directory or aggregated JSON file of results, written by this "
                "package or by disentanglement_lib.",
                second="The results to compare with the first, in the same form.",
                output_dir="Directory of the table and the page.",
            ),
            *several(
                "multi_string",
                [],
                ignore="Binding that may differ, for example dataset.name.",
            ),
        ),
        _compare,
        required=("first", "second", "output_dir"),
    ),
    Command(
        "select",
        "Ranks the trained models of a study, with few labels or none: --study_dir=IN "
        "--output_dir=OUT.",
        (
            *several(
                "string",
                study_dir="Directory that holds runs at any depth, each with model/.",
                output_dir="Directory of selection.json.",
            ),
            Flag(
                "criteria",
                "list",
                ["elbo", "reconstruction", "udr"],
                "Criteria of the ranking: elbo, reconstruction, udr, few_labels. The "
                "table is sorted by the first one.",
            ),
            Flag(
                "num_labels",
                "integer",
                1000,
                "Number of labelled images for the criterion few_labels.",
                low=1,
            ),
            Flag(
                "seed",
                "integer",
                0,
                "Seed of the images for the criteria udr and few_labels.",
                low=0,
                high=2**32 - 1,
            ),
            *GIN_FLAGS,
            TRUST,
            Flag("overwrite", "bool", False, "Whether to replace selection.json."),
        ),
        _select,
        required=("study_dir", "output_dir"),
    ),
    Command(
        "import",
        "Converts a model of disentanglement_lib to one of this package: "
        "--model_dir=IN --output_dir=OUT.",
        (
            *several(
                "string",
                model_dir="Directory that disentanglement_lib wrote, with tfhub/ and "
                "results/.",
            ),
            OUTPUT_DIR,
            *GIN_FLAGS,
            TRUST,
            OVERWRITE,
        ),
        _import,
        required=("model_dir", "output_dir"),
    ),
)
