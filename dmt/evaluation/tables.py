"""Scores as lines of text, from results in memory or in files."""

import math
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from tabulate import tabulate

from dmt.evaluation.metrics import registry
from dmt.utils import pictures, results

# What results hold besides scores.
FACTS = ("elapsed_time", "origin", "renderer_version", "uuid", "versions")


def headline(scores: Mapping[str, Any], metric: str | None = None) -> dict[str, float]:
    """The scores that tables show.

    Args:
        scores: results of a metric.
        metric: its name in `METRICS` or its gin name. For any other name, for example
            of a user's own metric, all floats are returned that are no `FACTS`.

    Returns:
        Dictionary of floats. A prefix of a key, as in "100:mean_test_accuracy", is the
        number of training samples.
    """
    floats = {
        key: float(value)
        for key, value in scores.items()
        if isinstance(value, (float, np.floating)) and key not in FACTS
    }
    for name, entry in registry.all_metrics().items():
        # Gin writes modules before a name that two configurables have.
        selector = f".{entry.function.__module__}.{entry.gin_name}"
        if metric == name or selector.endswith(f".{metric}"):
            return {
                key: value
                for shown in entry.scores
                for key, value in floats.items()
                if re.sub(r"^\d+:", "", key) == shown
            }
    return floats


def table(rows: Iterable[tuple[str, str, Mapping[str, Any]]]) -> str:
    """Scores as lines of text.

    Args:
        rows: label, name of the metric (see `headline`), results of the metric.
    """
    cells = []
    for label, metric, scores in rows:
        intervals = scores.get("confidence_intervals", {})
        for key, value in headline(scores, metric).items():
            low, high = intervals.get(key, (None, None))
            interval = "" if low is None else f"  [{low:.4f}, {high:.4f}]"
            cells.append((pictures.printable(label), key, f"{value:8.4f}{interval}"))
    return tabulate(cells, tablefmt="plain", disable_numparse=True)


def scores_in(
    aggregate: Mapping[str, Any], step: str = "evaluation"
) -> tuple[str, dict[str, Any]]:
    """The metric and the results in `aggregate/<step>.json`.

    Args:
        aggregate: the file's dictionary.
        step: "evaluation" or "validation".

    Returns:
        Gin name of the metric, "" if unknown, and its results; nan where JSON has null.
    """
    config = f"{step}_config."
    name = aggregate.get(f"{config}{step}.{step}_fn", "")
    if name.startswith("%"):
        name = aggregate.get(f"{config}{name[1:]}", name)
    prefix = f"{step}_results."
    return name.lstrip("@").rpartition("/")[2], {
        key.removeprefix(prefix): math.nan if value is None else value
        for key, value in aggregate.items()
        if key.startswith(prefix)
    }


def score_table(output_dirs: Mapping[str, str], step: str = "evaluation") -> str:
    """The scores of several evaluations as lines of text.

    Args:
        output_dirs: directories that `evaluate` or `validate` wrote, by their labels.
        step: "evaluation" or "validation".
    """
    rows = []
    for label, output_dir in output_dirs.items():
        path = os.path.join(output_dir, "results", "aggregate", f"{step}.json")
        rows.append((label, *scores_in(results.load_json(path), step)))
    return table(rows)
