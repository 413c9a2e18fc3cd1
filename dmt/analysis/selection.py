"""The trained models of a study, ranked without knowing what they should have learned.

Four criteria. The training's own evaluation gives the evidence lower bound and the
reconstruction loss, at no cost. Unsupervised Disentanglement Ranking asks whether
models that differ in nothing but seeds agree on their codes (Duan et al., 2020,
https://arxiv.org/abs/1905.12614). A metric on few labelled images needs these labels,
and no more (Locatello et al., 2020, https://arxiv.org/abs/1905.01258).

Models are ranked among those of one data set, the only ones whose values compare; a
published study has models of several.
"""

import collections
import dataclasses
import functools
import glob
import logging
import math
import os

import gin
import numpy as np
from tabulate import tabulate

from dmt import metrics
from dmt.analysis import configurations
from dmt.data.ground_truth import named_data
from dmt.evaluation import tables
from dmt.evaluation.codes import IndexedData
from dmt.evaluation.evaluate import run_metric
from dmt.evaluation.udr import evaluate as udr
from dmt.evaluation.udr.metrics.udr import compute_udr_sklearn
from dmt.evaluation.versions import versions
from dmt.utils import configuration, results, stages
from dmt.validation.validate import scores_on_labels

logger = logging.getLogger(__name__)

SETTINGS = "selection/selection.gin"
UNSUPERVISED = ("elbo", "reconstruction", "udr")
# Whether larger is better; those that fail early come first.
_LARGER_IS_BETTER = {
    "elbo": True,
    "reconstruction": False,
    "few_labels": True,
    "udr": True,
}
_COMPARED_WITHIN_A_LOSS = ("elbo", "reconstruction")
_MAX_SHOWN = 20


def select(
    study_dir,
    output_dir,
    criteria=UNSUPERVISED,
    num_labels=1000,
    seed=0,
    gin_config_files=(),
    gin_bindings=(),
    overwrite=False,
):
    """Ranks the trained models of a study directory.

    Writes `selection.json` to `output_dir`, whole or not at all: for each data set the
    runs with their values and ranks (1 is best) and the best run by each criterion.
    Where runs have been scored with all labels, it also tells how the criteria agree
    with these scores, of which no rank depends.

    Args:
        study_dir: directory with runs at any depth, which are directories with `model/`
            as `train` writes it. Those that are not complete are left out.
        output_dir: directory to write to.
        criteria: names, the table is sorted by the first: "elbo" (larger is better) and
            "reconstruction" (a loss), means of the training's evaluation, in nats per
            image for `bernoulli_loss`; "udr" and "few_labels", larger is better.
        num_labels: number of labelled images for "few_labels".
        seed: integer in [0, 2**32), of the images for "udr" and "few_labels".
        gin_config_files: paths of gin files that override `SETTINGS`.
        gin_bindings: lines of gin that override the files.
        overwrite: whether to replace `selection.json`.

    Returns:
        The rankings as lines of text.

    Raises:
        ValueError: if there is no complete run, a criterion is unknown, the file exists
            and may not be replaced, or runs of one data set have been trained with
            different reconstruction losses and are to be ranked by them.
    """
    criteria = list(dict.fromkeys(criteria))
    unknown = [name for name in criteria if name not in _LARGER_IS_BETTER]
    if unknown or not criteria:
        raise ValueError(
            f"The criteria are {', '.join(_LARGER_IS_BETTER)}. "
            f"Received: criteria={','.join(unknown)}"
        )
    path = os.path.join(output_dir, "selection.json")
    if os.path.exists(path) and not overwrite:
        raise ValueError(f"The file {path} exists. Give --overwrite to replace it.")
    runs, incomplete = _find(study_dir)
    sections = collections.defaultdict(list)
    for run in runs:
        sections[run.dataset].append(run)
    for members in sections.values():
        if set(criteria) & set(_COMPARED_WITHIN_A_LOSS):
            _check_loss(members)
    files = [configuration.shipped(SETTINGS), *gin_config_files]
    found = []
    for dataset, members in sections.items():
        with configuration.gin_configuration(files, gin_bindings):
            for criterion in _LARGER_IS_BETTER:
                if criterion in criteria:
                    _VALUES[criterion](members, num_labels, seed)
            settings = results.gin_dict()
        found.append(
            {
                "dataset": dict(sorted(dataset)),
                "settings": settings,
                **_ranked(members, criteria),
                "agreement": _agreement(members, criteria),
            }
        )
    results.save_dict(
        {
            "study_dir": study_dir,
            "criteria": criteria,
            "num_labels": num_labels if "few_labels" in criteria else None,
            "seed": seed,
            "versions": versions(),
            "incomplete": incomplete,
            "datasets": found,
        },
        path,
    )
    return "\n\n".join(
        _table(label, section, criteria)
        for label, section in zip(_labels(found), found, strict=True)
    )


@gin.configurable("few_labels", denylist=["data", "codes", "seed", "num_labels"])
def few_label_score(
    data, codes, seed, num_labels, validation_fn=gin.REQUIRED, score=gin.REQUIRED
):
    """Score of codes by one metric on few labelled images.

    Args:
        data: a `GroundTruthData`; its labels are those of the gin configurable
            `labeller`.
        codes: function from its observations to codes (n, num_codes).
        seed: integer in [0, 2**32), of the labelled images and of the metric.
        num_labels: number of labelled images.
        validation_fn: the metric, see `dmt.validation.validate.validate`.
        score: the name of one of its results, a number of which larger is better.

    Raises:
        ValueError: if the metric has no such result.
    """
    found = scores_on_labels(data, codes, validation_fn, seed, num_labels)
    if not isinstance(found.get(score), float):
        known = [name for name, value in found.items() if isinstance(value, float)]
        raise ValueError(
            f"few_labels.score must be one of {', '.join(known)}. "
            f"Received: score={score!r}"
        )
    return found[score]


@dataclasses.dataclass
class _Run:
    name: str
    model_dir: str
    # Of training, without "train_config."; those that say which images, as pairs.
    bindings: dict
    dataset: frozenset
    # What the training's evaluation found.
    losses: dict
    # By criterion.
    values: dict = dataclasses.field(default_factory=dict)


def _find(study_dir):
    """Complete runs, and names of the others, in the order of their names."""
    root = os.path.realpath(study_dir)
    found = glob.glob(os.path.join(glob.escape(root), "**", "model"), recursive=True)
    paths = {}
    # A link to a run is not another one, which would agree with it in everything.
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
            f"that dmt_train has finished. Not complete: {_few(incomplete) or 'none'}"
        )
    if incomplete:
        logger.warning("Left out, not complete: %s", _few(incomplete))
    return [_run(name, path) for name, path in complete.items()], incomplete


def _run(name, model_dir):
    path = os.path.join(model_dir, "results", "aggregate", "train.json")
    row = results.load_json(path)
    bindings = {
        key.removeprefix("train_config."): value
        for key, value in configurations.bindings_of(row).items()
    }
    bindings = {k: v for k, v in bindings.items() if not configurations.is_label(k)}
    if "dataset.name" not in bindings:
        raise ValueError(f"{path} has no dataset.name, so its images are not known.")
    return _Run(
        name=name,
        model_dir=model_dir,
        bindings=bindings,
        dataset=frozenset((k, bindings[k]) for k in bindings if _is_of_images(k)),
        losses={
            key.removeprefix("train_results."): value
            for key, value in row.items()
            if key.startswith("train_results.") and _is_number(value)
        },
    )


def _is_of_images(name):
    """Whether a binding belongs to a data set and may change its images."""
    return stages.stage_of(name) == "dataset" and configurations.is_learned(name)


def _is_number(value):
    return isinstance(value, int | float) and math.isfinite(value)


def _check_loss(runs):
    """Refuses values that do not compare, as nats and squared errors do not."""
    losses = []
    for run in runs:
        if loss_fn := run.bindings.get("reconstruction_loss.loss_fn"):
            own = ("reconstruction_loss", loss_fn.lstrip("@"))
            items = run.bindings.items()
            losses.append({k: v for k, v in items if stages.configurable_of(k) in own})
    keys = _differing(losses)
    if keys:
        raise ValueError(
            "ELBO and reconstruction loss do not compare where runs of one data set "
            f"differ in {', '.join(keys)}: leave these criteria out (--criteria=udr)."
        )


def _elbo(runs, num_labels, seed):
    del num_labels, seed
    for run in runs:
        # FactorVAE's results have no "elbo", but its parts as all the others.
        parts = [run.losses.get(key) for key in ("reconstruction_loss", "kl_loss")]
        run.values["elbo"] = None if None in parts else -sum(parts)


def _reconstruction(runs, num_labels, seed):
    del num_labels, seed
    for run in runs:
        run.values["reconstruction"] = run.losses.get("reconstruction_loss")


def _udr(runs, num_labels, seed):
    del num_labels
    dataset, data = _data_of(runs)
    groups = collections.defaultdict(list)
    for run in runs:
        learned = frozenset(
            (name, value)
            for name, value in run.bindings.items()
            if configurations.is_learned(name) and not configurations.is_seed(name)
        )
        groups[learned].append(run)
    alone = [group[0].name for group in groups.values() if len(group) == 1]
    if alone:
        logger.warning(
            "No UDR, for want of another run that differs in seeds only: %s",
            _few(alone),
        )
    evaluation_fn = functools.partial(
        compute_udr_sklearn, include_raw_correlations=False
    )
    for group in groups.values():
        scores = [None]
        if len(group) > 1:
            logger.info("UDR of %d models like %s.", len(group), group[0].name)
            functions = [
                _when_called(udr.mean_and_kl_of, run.model_dir, dataset)
                for run in group
            ]
            scores = run_metric(evaluation_fn, data, functions, seed)
            scores = scores["model_scores"]
        for run, value in zip(group, scores, strict=True):
            run.values["udr"] = value


def _few_labels(runs, num_labels, seed):
    dataset, data = _data_of(runs)
    for run in runs:
        moments = _when_called(udr.moments_of, run.model_dir, dataset)

        def means(observations, moments=moments):
            return np.split(moments(observations), 2, axis=1)[0]

        value = few_label_score(data, means, seed, num_labels)
        run.values["few_labels"] = value if _is_number(value) else None
        logger.info("%s: %.4f on %d labels.", run.name, value, num_labels)


def _when_called(load, model_dir, dataset):
    """`load(model_dir, dataset)`, loaded when it is called and then forgotten."""
    import keras

    def function(observations):
        try:
            return load(model_dir, dataset)(observations)
        finally:
            keras.backend.clear_session()

    return function


_VALUES = {
    "elbo": _elbo,
    "reconstruction": _reconstruction,
    "few_labels": _few_labels,
    "udr": _udr,
}


def _data_of(runs):
    """The data set of the gin configuration, and what to sample observations from."""
    gin_files = [
        os.path.join(run.model_dir, "results", "gin", "train.gin") for run in runs
    ]
    configuration.resolve_auto_dataset(gin_files[0])
    for path in gin_files:
        configuration.import_modules_of(path)  # Of layers of the user's own.
    dataset = named_data.get_named_ground_truth_data()
    return dataset, dataset if dataset.size is None else IndexedData(dataset)


def _ranked(runs, criteria):
    """Runs of one data set, best by the first criterion first, and who is best."""
    differing = _differing([run.bindings for run in runs])
    ranks = {
        name: _ranks([run.values[name] for run in runs], _LARGER_IS_BETTER[name])
        for name in criteria
    }
    rows = [
        {
            "name": run.name,
            "bindings": {k: run.bindings[k] for k in differing if k in run.bindings},
            "values": {name: run.values[name] for name in criteria},
            "ranks": {name: ranks[name][i] for name in criteria},
        }
        for i, run in enumerate(runs)
    ]
    # Of runs of equal rank the first by name.
    best = {
        name: next((row["name"] for row in rows if row["ranks"][name] == 1), None)
        for name in criteria
    }
    rows.sort(key=lambda row: row["ranks"][criteria[0]] or math.inf)
    return {"best": best, "runs": rows}


def _ranks(values, larger_is_better):
    known = sorted((v for v in values if v is not None), reverse=larger_is_better)
    return [None if value is None else 1 + known.index(value) for value in values]


def _differing(dicts):
    """Keys that not all dictionaries have with the same value."""
    missing = object()
    return [
        key
        for key in sorted(set().union(*dicts))
        if len({one.get(key, missing) for one in dicts}) > 1
    ]


def _agreement(runs, criteria):
    """Rank correlations with scores that know all factors, where runs have them.

    Returns:
        {score: {criterion: {"spearman": in [-1, 1], 1 if the criterion would have
        ranked by this score, "runs": number of them}}}.
    """
    from scipy import stats

    scores = collections.defaultdict(dict)
    for run in runs:
        for label, value in _scores(os.path.dirname(run.model_dir)).items():
            scores[label][run.name] = value
    agreement = {}
    for label, known in sorted(scores.items()):
        for criterion in criteria:
            pairs = [
                (run.values[criterion], known[run.name])
                for run in runs
                if run.name in known and run.values[criterion] is not None
            ]
            if len(pairs) > 2 and np.ptp(pairs, axis=0).all():
                sign = 1 if _LARGER_IS_BETTER[criterion] else -1
                correlation = stats.spearmanr(*zip(*pairs, strict=True)).statistic
                agreement.setdefault(label, {})[criterion] = {
                    "spearman": sign * correlation,
                    "runs": len(pairs),
                }
    return agreement


def _scores(run_dir):
    """What the evaluations of a run found, {"mean/mig discrete_mig": number}."""
    root = os.path.join(run_dir, "metrics")
    pattern = ("**", "results", "aggregate", "evaluation.json")
    found = {}
    paths = glob.glob(os.path.join(glob.escape(root), *pattern), recursive=True)
    for path in sorted(paths):
        label = os.path.dirname(os.path.relpath(path, root)).rsplit(os.sep, 2)[0]
        name, scores = tables.scores_in(results.load_json(path))
        for key, value in metrics.headline(scores, name).items():
            if key != "elapsed_time" and _is_number(value):
                found[f"{label} {key}"] = value
    return found


def _labels(sections):
    """What tells data sets apart: the name, and parameters if they differ."""
    dicts = [section["dataset"] for section in sections]
    keys = [key for key in _differing(dicts) if key != "dataset.name"]
    return [
        ", ".join([one["dataset.name"], *(f"{k} = {one[k]}" for k in keys if k in one)])
        for one in dicts
    ]


def _table(label, section, criteria):
    """The ranking within a data set as lines of text."""
    rows = [["run", *criteria, "differs in"]]
    for row in section["runs"][:_MAX_SHOWN]:
        values = [_cell(row["values"][name], row["ranks"][name]) for name in criteria]
        differing = ", ".join(
            f"{k} = {v}" for k, v in row["bindings"].items() if v != "None"
        )
        rows.append([row["name"], *values, differing])
    lines = [
        f"{label}, value and (rank) of each run:",
        *_aligned(rows),
    ]
    if len(section["runs"]) > _MAX_SHOWN:
        lines.append(f"and {len(section['runs']) - _MAX_SHOWN} more in selection.json")
    best = [f"{name} {run or '–'}" for name, run in section["best"].items()]
    lines.append(f"Best: {', '.join(best)}")
    if section["agreement"]:
        lines += ["Rank correlation of the criteria with scores that know all factors:"]
        rows = [["", *criteria, ""]]
        for name, found in list(section["agreement"].items())[:_MAX_SHOWN]:
            rows.append([name, *(_signed(found.get(c)) for c in criteria), ""])
        lines += _aligned(rows)
        if len(section["agreement"]) > _MAX_SHOWN:
            more = len(section["agreement"]) - _MAX_SHOWN
            lines.append(f"and {more} more in selection.json")
    return "\n".join(lines)


def _cell(value, rank):
    return "–" if value is None else f"{value:.4f} ({rank})"


def _signed(found):
    return "–" if found is None else f"{found['spearman']:+.2f}"


def _aligned(rows):
    """Rows as lines: the first column to the left, numbers to the right."""
    sides = ("left", *["right"] * (len(rows[0]) - 2), "left")
    text = tabulate(rows, tablefmt="plain", colalign=sides, disable_numparse=True)
    return text.splitlines()


def _few(names):
    """Some names as text."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
