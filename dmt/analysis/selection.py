"""Ranks the trained models of a study without the factors of all images.

Models are ranked separately for each dataset, because values for different datasets
cannot be compared. A published study has models of several datasets.
"""

import collections
import glob
import logging
import math
import os
from collections.abc import Iterable

from tabulate import tabulate

from dmt import metrics
from dmt.analysis import configurations
from dmt.analysis.configurations import some
from dmt.analysis.criteria import CRITERIA, Candidate, check_losses
from dmt.evaluation import tables
from dmt.evaluation.versions import versions
from dmt.utils import checks, configuration, locks, results, stages
from dmt.utils.statistics import rank_correlation

logger = logging.getLogger(__name__)

SETTINGS = "selection/selection.gin"
_MAX_SHOWN = 20


@locks.holding("output_dir", "selection.json")
def select(
    study_dir: str,
    output_dir: str,
    criteria: Iterable[str] = ("elbo", "reconstruction", "udr"),
    num_labels: int = 1000,
    seed: int = 0,
    gin_config_files: Iterable[str] = (),
    gin_bindings: Iterable[str] = (),
    overwrite: bool = False,
) -> str:
    """Ranks the trained models of a study directory.

    Writes `selection.json` to `output_dir`, whole or not at all. For each dataset, it
    lists the runs with their values and ranks (1 is best), and the best run by each
    criterion. For runs that have been scored with all labels, it also has the rank
    correlations of the criteria with these scores. The scores do not affect the ranks.

    Args:
        study_dir: directory with runs at any depth, each a directory with the `model/`
            that `dmt_train` wrote. Incomplete runs are left out.
        output_dir: directory to write to.
        criteria: names of criteria; the table is sorted by the first. "elbo" and
            "reconstruction" are mean values of the evaluation after training, in nats
            per image for `bernoulli_loss`. Smaller is better for "reconstruction",
            larger for "elbo", "udr" and "few_labels".
        num_labels: number of labelled images for "few_labels".
        seed: integer in [0, 2**32), seed of the images for "udr" and "few_labels".
        gin_config_files: paths of gin files that override `SETTINGS`.
        gin_bindings: lines of gin that override the files.
        overwrite: whether to replace `selection.json`.

    Returns:
        The rankings as lines of text.

    Raises:
        ValueError: if there is no complete run, a criterion is unknown, the file exists
            and may not be replaced, or runs of one dataset were trained with different
            reconstruction losses and are to be ranked by them.
    """
    criteria = list(dict.fromkeys(criteria))
    unknown = [name for name in criteria if name not in CRITERIA]
    if unknown or not criteria:
        raise ValueError(
            f"The criteria are {', '.join(CRITERIA)}. "
            f"Received: criteria={','.join(unknown)}"
        )
    path = os.path.join(output_dir, "selection.json")
    if os.path.exists(path) and not overwrite:
        raise ValueError(f"The file {path} exists. Give --overwrite to replace it.")
    found, incomplete = _find(study_dir)
    models_of = collections.defaultdict(list)
    for model in found:
        models_of[model.dataset].append(model)
    if any(CRITERIA[name].depends_on_loss for name in criteria):
        for models in models_of.values():
            check_losses(models)
    gin_files = [configuration.shipped(SETTINGS), *gin_config_files]
    sections = []
    for dataset, models in models_of.items():
        with configuration.gin_configuration(gin_files, gin_bindings):
            for name, criterion in CRITERIA.items():
                if name in criteria:
                    criterion.compute(models, num_labels, seed)
            section = {"dataset": dict(sorted(dataset)), "settings": results.gin_dict()}
        section |= _ranked(models, criteria)
        sections.append(section | {"agreement": _agreement(models, criteria)})
    results.save_dict(
        path,
        {
            "study_dir": study_dir,
            "criteria": criteria,
            "num_labels": num_labels if "few_labels" in criteria else None,
            "seed": seed,
            "versions": versions(),
            "incomplete": incomplete,
            "datasets": sections,
        },
    )
    labelled = zip(_labels(sections), sections, strict=True)
    return "\n\n".join(_table(*pair, criteria) for pair in labelled)


def _find(study_dir):
    """Complete runs and names of the incomplete ones, both sorted by name."""
    root = os.path.realpath(study_dir)
    found = glob.glob(os.path.join(glob.escape(root), "**", "model"), recursive=True)
    paths = {}
    # A link to a run is not another run. Both would agree perfectly.
    for path in sorted(found, key=lambda path: (os.path.realpath(path) != path, path)):
        if os.path.isdir(path):
            paths.setdefault(os.path.realpath(path), path)
    complete, incomplete = {}, []
    for path in sorted(paths.values()):
        name = os.path.relpath(os.path.dirname(path), root)
        if results.is_complete(path, "train"):
            complete[name] = path
        else:
            incomplete.append(name)
    if not complete:
        raise ValueError(
            f"{study_dir} holds no complete run, that is, no directory with a model/ "
            f"that dmt_train has finished. Not complete: {some(incomplete) or 'none'}"
        )
    if incomplete:
        logger.warning("Left out, not complete: %s", some(incomplete))
    return [_candidate(name, path) for name, path in complete.items()], incomplete


def _candidate(name, model_dir):
    path = os.path.join(model_dir, "results", "aggregate", "train.json")
    row = results.load_json(path)
    found = configurations.bindings_of(row).items()
    bindings = {key.removeprefix("train_config."): value for key, value in found}
    bindings = {k: v for k, v in bindings.items() if not configurations.is_label(k)}
    if "dataset.name" not in bindings:
        raise ValueError(
            f"{path} has no dataset.name, so the images of the training are unknown."
        )
    return Candidate(
        name=name,
        model_dir=model_dir,
        bindings=bindings,
        dataset=frozenset(
            (name, value)
            for name, value in bindings.items()
            if stages.stage_of(name) == "dataset" and configurations.is_learned(name)
        ),
        losses={
            key.removeprefix("train_results."): value
            for key, value in row.items()
            if key.startswith("train_results.") and checks.is_number(value)
        },
    )


def _ranked(models, criteria):
    """Models of a dataset, sorted by the first criterion, and the best by each."""
    differing = configurations.differing([model.bindings for model in models])
    ranks = {name: _ranks(models, name) for name in criteria}
    rows = [
        {
            "name": model.name,
            "bindings": {
                k: model.bindings[k] for k in differing if k in model.bindings
            },
            "values": {name: model.values[name] for name in criteria},
            "ranks": {name: ranks[name][i] for name in criteria},
        }
        for i, model in enumerate(models)
    ]
    # Among runs of equal rank, the first by name.
    best = {
        name: next((row["name"] for row in rows if row["ranks"][name] == 1), None)
        for name in criteria
    }
    rows.sort(key=lambda row: row["ranks"][criteria[0]] or math.inf)
    return {"best": best, "runs": rows}


def _ranks(models, name):
    values = [model.values[name] for model in models]
    known = [value for value in values if value is not None]
    known.sort(reverse=CRITERIA[name].larger_is_better)
    return [None if value is None else 1 + known.index(value) for value in values]


def _agreement(models, criteria):
    """Rank correlations of the criteria with scores that use all labels.

    {score: {criterion: {"spearman": number in [-1, 1], "runs": number of runs}}}. A
    correlation of 1 means that the score ranks the runs in the same order.
    """
    scores = collections.defaultdict(dict)
    for model in models:
        for label, value in _scores(os.path.dirname(model.model_dir)).items():
            scores[label][model.name] = value
    agreement = {}
    for label, known in sorted(scores.items()):
        for criterion in criteria:
            pairs = [
                (model.values[criterion], known[model.name])
                for model in models
                if model.name in known and model.values[criterion] is not None
            ]
            correlation = rank_correlation(pairs)
            if correlation is not None:
                sign = 1 if CRITERIA[criterion].larger_is_better else -1
                found = {"spearman": sign * correlation, "runs": len(pairs)}
                agreement.setdefault(label, {})[criterion] = found
    return agreement


def _scores(run_dir):
    """Scores of the evaluations of a run, as in {"mean/mig discrete_mig": number}."""
    root = os.path.join(run_dir, "metrics")
    pattern = ("**", "results", "aggregate", "evaluation.json")
    found = {}
    paths = glob.glob(os.path.join(glob.escape(root), *pattern), recursive=True)
    for path in sorted(paths):
        label = os.path.dirname(os.path.relpath(path, root)).rsplit(os.sep, 2)[0]
        name, scores = tables.scores_in(results.load_json(path))
        for key, value in metrics.headline(scores, name).items():
            if checks.is_number(value):
                found[f"{label} {key}"] = value
    return found


def _labels(sections):
    """Text that tells datasets apart: the name, and parameters that differ."""
    dicts = [section["dataset"] for section in sections]
    keys = [key for key in configurations.differing(dicts) if key != "dataset.name"]
    return [
        ", ".join([one["dataset.name"], *(f"{k} = {one[k]}" for k in keys if k in one)])
        for one in dicts
    ]


def _table(label, section, criteria):
    """The ranking of the models of a dataset as lines of text."""
    rows = [["run", *criteria, "differs in"]]
    for row in section["runs"][:_MAX_SHOWN]:
        ranked = [(row["values"][name], row["ranks"][name]) for name in criteria]
        values = ["–" if value is None else f"{value:.4f} ({i})" for value, i in ranked]
        bindings = row["bindings"].items()
        differing = ", ".join(f"{k} = {v}" for k, v in bindings if v != "None")
        rows.append([row["name"], *values, differing])
    lines = [f"{label}, value and (rank) of each run:", *_aligned(rows)]
    lines += _more(section["runs"])
    best = [f"{name} {run or '–'}" for name, run in section["best"].items()]
    lines.append(f"Best: {', '.join(best)}")
    if section["agreement"]:
        lines += ["Rank correlation of the criteria with scores that use all labels:"]
        rows = [["", *criteria, ""]]
        for name, found in list(section["agreement"].items())[:_MAX_SHOWN]:
            signed = {c: f"{one['spearman']:+.2f}" for c, one in found.items()}
            rows.append([name, *(signed.get(c, "–") for c in criteria), ""])
        lines += [*_aligned(rows), *_more(section["agreement"])]
    return "\n".join(lines)


def _more(rows):
    more = len(rows) - _MAX_SHOWN
    return [f"and {more} more in selection.json"] if more > 0 else []


def _aligned(rows):
    """Rows as lines; the first and last column left-aligned, others right-aligned."""
    sides = ("left", *["right"] * (len(rows[0]) - 2), "left")
    text = tabulate(rows, tablefmt="plain", colalign=sides, disable_numparse=True)
    return text.splitlines()
