"""Compares two sets of results: a table, `compare.json` and a page.

A set holds evaluation results of this package or of disentanglement_lib. Both use the
same keys.
"""

import collections
import dataclasses
import glob
import math
import os
from collections.abc import Iterable

import numpy as np
from tabulate import tabulate

from dmt import metrics
from dmt.analysis import configurations
from dmt.evaluation import tables
from dmt.utils import checks, files, locks, pictures, results
from dmt.utils.statistics import rank_correlation, student_interval
from dmt.visualize import pages

_PATTERN = os.path.join("**", "results", "aggregate", "evaluation.json")
_METHOD = "postprocess_config.postprocess.postprocess_fn"
_METRIC = "evaluation_config.evaluation.evaluation_fn"
# Bindings of postprocessing and evaluation that tell configurations apart.
_MATCHED = (
    _METHOD,
    _METRIC,
    "postprocess_config.dataset.name",
    "evaluation_config.dataset.name",
)
# Probability that an interval contains the mean difference.
_CONFIDENCE = 0.95
_MAX_SHOWN = 20
_MAX_PLOTS = 24
_COLUMNS = 4


@locks.holding("output_dir", "compare.json")
def compare(
    first: str, second: str, output_dir: str, ignore: Iterable[str] = ()
) -> str:
    """Compares the scores of two sets of runs.

    The configuration of a run consists of the bindings of training that both sets have,
    except for seeds, names and paths, and of the postprocessing function, the
    evaluation function and the dataset. Scores are averaged over the runs of a
    configuration. The means of the two sets are then paired, for each metric and
    representation. The mean difference has a 95 % Student's t interval, which assumes
    that configurations are independent.

    Writes `compare.json` and `compare.html` to `output_dir`.

    Args:
        first: a directory with `results/aggregate/evaluation.json` at any depth, or a
            JSON file of aggregated results, {column: {row: value}}.
        second: directory or file of the other set. Differences are second - first.
        output_dir: directory to write to.
        ignore: bindings that need not agree, for example "dataset.name".

    Returns:
        The headline scores as lines of text.

    Raises:
        FileNotFoundError: if a set does not exist or has no evaluations.
        ValueError: if a file is damaged, or no configuration is in both sets.
    """
    sides = [_read(path) for path in (first, second)]
    matched, unmatched = _keys(sides, ignore)
    groups = [_grouped(runs, matched) for runs in sides]
    keys = _differing(sides, matched, unmatched)
    if not groups[0].keys() & groups[1].keys():
        raise ValueError(_nothing_in_common(sides, matched))
    series = _series(groups, matched)
    found = {
        "first": {"path": first, "runs": len(sides[0])},
        "second": {"path": second, "runs": len(sides[1])},
        "metrics": [_compared(*labelled) for labelled in series],
        "configurations": _configurations(sides, matched),
        "keys": keys,
    }
    plots = _plots(series)
    with (
        files.replacing(os.path.join(output_dir, "compare.json")) as json_path,
        files.replacing(os.path.join(output_dir, "compare.html")) as page_path,
    ):
        results.save_dict(json_path, found)
        pages.write(
            os.path.join(os.path.dirname(__file__), "compare.html.jinja"),
            page_path,
            **found,
            plots=plots,
            most=_MAX_SHOWN,
            most_plots=_MAX_PLOTS,
            signed=_signed,
            values_of=_values,
        )
    return _table(found)


@dataclasses.dataclass(frozen=True)
class _Evaluation:
    """Settings and scores of one evaluation of one run."""

    config: dict
    scores: dict


def _read(path):
    """The evaluations of a set."""
    if os.path.isdir(path):
        paths = glob.glob(os.path.join(glob.escape(path), _PATTERN), recursive=True)
        rows = map(results.load_json, sorted(paths))
    elif os.path.exists(path):
        rows = _rows(results.load_json(path), path)
    else:
        raise FileNotFoundError(f"There is no {path}.")
    runs = [
        _evaluation(row)
        for row in rows
        if any(key.startswith("evaluation_results.") for key in row)
    ]
    if not runs:
        raise FileNotFoundError(
            f"{path} holds no scores. They are read from the files "
            "results/aggregate/evaluation.json, at any depth of a directory, or from "
            "the columns evaluation_results.* of an aggregated file."
        )
    return runs


def _rows(columns, path):
    if not all(isinstance(cells, dict) for cells in columns.values()):
        raise ValueError(
            f"{path} is not a table of the form {{column: {{row: value}}}}."
        )
    rows = collections.defaultdict(dict)
    for column, cells in columns.items():
        for row, value in cells.items():
            rows[row][column] = value
    return rows.values()


def _evaluation(row):
    scores = {}
    for key, value in row.items():
        step, _, name = key.partition(".")
        is_score = step == "evaluation_results" and name not in tables.FACTS
        if is_score and checks.is_number(value):
            scores[name] = float(value)
    config = {
        key: value
        for key, value in configurations.bindings_of(row).items()
        if configurations.is_setting(key.partition(".")[2])
    }
    return _Evaluation(config, scores)


def _keys(sides, ignore):
    """Keys that runs are matched by, and all other keys."""
    known = [{key for run in runs for key in run.config} for runs in sides]

    def is_matched(key):
        step, _, name = key.partition(".")
        if any(ignored in (key, name) for ignored in ignore):
            return key == _METRIC
        is_learned = step == "train_config" and configurations.is_learned(name)
        return is_learned or key in _MATCHED

    # A key that only one side has is an option of another version or of a model that
    # the other side did not train. Ignoring it is safe, because other keys differ then.
    matched = {key for key in known[0] & known[1] if is_matched(key)}
    return sorted(matched), sorted((known[0] | known[1]) - matched)


def _grouped(runs, matched):
    """Runs by configuration, a tuple of the values of the matched keys."""
    groups = collections.defaultdict(list)
    for run in runs:
        groups[tuple(run.config.get(key) for key in matched)].append(run)
    return groups


def _differing(sides, matched, unmatched):
    """Keys whose values differ between the sides, or vary without being matched."""
    differing = []
    for key in [*matched, *unmatched]:
        values = [{run.config.get(key) for run in runs} - {None} for runs in sides]
        if values[0] != values[1] or (key in unmatched and len(values[0]) > 1):
            first, second = (sorted(side, key=_order) for side in values)
            found = {"first": first, "second": second, "matched": key in matched}
            differing.append({"key": key, **found})
    return differing


def _order(value):
    """Sorts numbers before texts."""
    return (isinstance(value, str), value)


def _nothing_in_common(sides, matched):
    """Text that names the keys in which the sets differ."""
    values = {
        k: [{run.config.get(k) for run in runs} for runs in sides] for k in matched
    }

    def agree_without(key):
        rest = [other for other in matched if other != key]
        return not set.isdisjoint(*(set(_grouped(runs, rest)) for runs in sides))

    named = (
        [key for key in matched if values[key][0].isdisjoint(values[key][1])]
        or [key for key in matched if agree_without(key)]
        or [key for key in matched if len(set.union(*values[key])) > 1]
    )
    texts = [
        f"{key} ({' | '.join(_values(side - {None}) for side in values[key])})"
        for key in named
    ]
    return (
        "No configuration is in both sets. Keys that differ (first | second): "
        f"{', '.join(texts)}. Keys that need not agree can be ignored, for example "
        f"--ignore={named[0]}"
    )


def _series(groups, matched):
    """Mean scores of the configurations that both sides have, sorted by metric.

    List of ((method, metric, score), array of shape (num_configurations, 2)).
    """
    series = collections.defaultdict(list)
    for configuration in groups[0].keys() & groups[1].keys():
        setting = dict(zip(matched, configuration, strict=True))
        method, metric = [
            str(setting.get(key) or "").strip("@()").removesuffix("_representation")
            for key in (_METHOD, _METRIC)
        ]
        means = [_means(side[configuration]) for side in groups]
        for score in means[0].keys() & means[1].keys():
            pair = (means[0][score], means[1][score])
            series[(method, metric, score)].append(pair)
    # Sorted, because the last digits of sums depend on the order.
    return [(labels, np.array(sorted(series[labels]))) for labels in sorted(series)]


def _means(runs):
    """Mean of each score over the runs that have the score."""
    values = collections.defaultdict(list)
    for run in runs:
        for score, value in run.scores.items():
            values[score].append(value)
    return {score: math.fsum(found) / len(found) for score, found in values.items()}


def _compared(labels, pairs):
    """The row of a score in the table, from pairs (num_configurations, 2)."""
    method, metric, score = labels
    differences = pairs[:, 1] - pairs[:, 0]
    low, high = student_interval(differences, _CONFIDENCE)
    return {
        "representation": method,
        "metric": metric,
        "score": score,
        "headline": _is_headline(metric, score),
        "configurations": len(pairs),
        "first": pairs[:, 0].mean(),
        "second": pairs[:, 1].mean(),
        "difference": differences.mean(),
        "low": low,
        "high": high,
        "rank_correlation": rank_correlation(pairs),
    }


def _is_headline(metric, score):
    """Whether a score is in the table; other scores are settings and details."""
    return score in metrics.headline({score: 0.0}, metric)


def _configurations(sides, matched):
    """Configurations of both sides and of one side only, by the keys that vary."""
    keys = [key for key in matched if key not in (_METHOD, _METRIC)]
    first, second = (_grouped(runs, keys).keys() for runs in sides)
    settings = [dict(zip(keys, one, strict=True)) for one in first | second]
    varying = configurations.differing(settings)

    def described(found):
        found = [dict(zip(keys, one, strict=True)) for one in found]
        found = [{k: one[k] for k in varying if one[k] is not None} for one in found]
        return sorted(found, key=lambda one: [(k, _order(v)) for k, v in one.items()])

    return {
        "both": len(first & second),
        "only_first": described(first - second),
        "only_second": described(second - first),
    }


def _table(found):
    """The headline scores as lines of text."""
    rows = [
        [
            *(row[key] for key in ("representation", "metric", "score")),
            str(row["configurations"]),
            f"{row['first']:.4f}",
            f"{row['second']:.4f}",
            _signed(row["difference"], 4),
            "–" if row["low"] is None else f"[{row['low']:+.4f}, {row['high']:+.4f}]",
            _signed(row["rank_correlation"], 2),
        ]
        for row in found["metrics"]
        if row["headline"]
    ]
    titles = ["", "metric", "score", "n", "first", "second", "difference"]
    rows.insert(0, [*titles, f"{_CONFIDENCE:.0%} interval", "rank corr."])
    sides = ["left" if i < 3 else "right" for i in range(len(rows[0]))]
    text = tabulate(rows, tablefmt="plain", colalign=sides, disable_numparse=True)
    lines = text.splitlines()
    counts = found["configurations"]
    lines.append(
        f"n: configurations. In both sets {counts['both']}, only in the first "
        f"{len(counts['only_first'])}, only in the second {len(counts['only_second'])}."
    )
    return "\n".join(lines)


def _signed(value, digits=3):
    return "–" if value is None else f"{value:+.{digits}f}"


def _values(values):
    return configurations.some(sorted(values, key=_order), 5) or "not there"


def _plots(series):
    """Plots the second set against the first, for each headline score."""
    from matplotlib.figure import Figure

    shown = [(labels, pairs) for labels, pairs in series if _is_headline(*labels[1:])]
    shown = shown[:_MAX_PLOTS]
    if not shown:
        return None
    lines = -(-len(shown) // _COLUMNS)
    with pages.drawing():
        figure = Figure(figsize=(11, 11 / _COLUMNS * 1.1 * lines), layout="constrained")
        axes = figure.subplots(lines, _COLUMNS, squeeze=False).ravel()
        for axis, ((method, metric, score), pairs) in zip(axes, shown, strict=False):
            axis.axline((0, 0), slope=1, color=pages.GREY, linewidth=0.8)
            axis.plot(*pairs.T, ".", color="#3b82f6", alpha=0.6, markersize=5)
            title = map(pictures.as_label, (f"{metric}, {method}", score))
            axis.set_title("\n".join(title), fontsize=8)
            axis.set_xlabel("first", fontsize=9)
            axis.set_ylabel("second", fontsize=9)
            low, high = pairs.min(), pairs.max()
            margin = 0.05 * (high - low) or 0.05
            limits = (low - margin, high + margin)
            axis.set(xlim=limits, ylim=limits)
            axis.set_aspect("equal")
        pages.plain_axes(axes[: len(shown)], axes[len(shown) :])
        return pages.inlined_figure(figure)
