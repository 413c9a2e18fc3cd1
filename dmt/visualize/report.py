"""The report of a run: scores, learning curves, pictures, configuration."""

import csv
import glob
import math
import os

import numpy as np

from dmt import metrics
from dmt.data.ground_truth import named_data
from dmt.evaluation import tables
from dmt.utils import locks, pictures, results
from dmt.visualize import pages

# Floats that are settings of a metric. Integers and strings are always settings.
_SETTINGS = ("prune_threshold",)
_NOT_SHOWN = ("elapsed_time", "origin", "renderer_version", "uuid", "versions")
# Larger tables are not shown.
_MAX_TABLE = 64
_NOT_CURVES = ("step", "elapsed_time", "elbo", "loss", "steps_per_second")


@locks.holding("output_path")
def write_report(run_dir, output_path):
    """Writes the page of a run as one HTML file without external parts.

    The page also names the parts that the run does not have yet.

    Args:
        run_dir: directory with `model/`, as `train` writes it, and optionally
            `postprocessed/<name>/`, `metrics/<name>/<metric>/` and `visualizations/`.
        output_path: HTML file to write.

    Returns:
        `output_path`.

    Raises:
        FileNotFoundError: if `run_dir` holds no trained model.
        ValueError: if a file of the run is damaged.
    """
    model_dir = os.path.join(run_dir, "model")
    if not results.is_complete(model_dir, "train"):
        raise FileNotFoundError(
            f"There is no finished model in {model_dir}: train it first (dmt_train)."
        )
    config = results.bindings_of(os.path.join(model_dir, "results", "gin", "train.gin"))
    folder = os.path.join(run_dir, "visualizations")
    pages.write(
        os.path.join(os.path.dirname(__file__), "report.html.jinja"),
        output_path,
        **_facts(model_dir, config),
        metrics=_metrics(run_dir, config),
        curves=_curves(os.path.join(model_dir, "history.csv")),
        picture=lambda path: pages.inlined(os.path.join(folder, path)),
        configurations=_configurations(run_dir),
    )
    return output_path


def score_table(run_dir):
    """Returns the scores of a run, in the directory `run_dir`, as a table of text."""
    paths = (path.split(os.sep) for path in _aggregates(run_dir))
    return tables.score_table(
        {"/".join(parts[-5:-3]): os.sep.join(parts[:-3]) for parts in paths}
    )


def _facts(model_dir, config):
    trained = results.load_json(
        os.path.join(model_dir, "results", "json", "train_results.json")
    )
    # "@scope/vae()" is the configurable "vae".
    model = config.get("model.model", "model").strip("@()").split("/")[-1]
    return {
        "model": model,
        "hyperparameters": [
            f"{key.removeprefix(model + '.')} = {value}"
            for key, value in config.items()
            if key.startswith(f"{model}.") and model != "model"
        ],
        "dataset": config["dataset.name"].strip("'\""),
        "num_latent": config.get("encoder.num_latent"),
        "batch_size": config.get("model.batch_size"),
        "seed": config.get("model.random_seed"),
        "trained": trained,
        "losses": {
            key: value
            for key, value in trained.items()
            if isinstance(value, float) and key not in _NOT_CURVES + _NOT_SHOWN
        },
    }


def _metrics(run_dir, config):
    """The results of each metric, sorted by representation and metric."""
    factors = _factor_names(run_dir)
    codes = [f"code {j}" for j in range(int(config.get("encoder.num_latent", 0)))]

    def names(axis, length):
        if length == len(factors) and ("factor" in axis or length != len(codes)):
            return factors
        if length == len(codes):
            return codes
        return [str(i) for i in range(length)]

    return [_metric(path, names) for path in _aggregates(run_dir)]


def _found(run_dir, pattern):
    return sorted(glob.glob(os.path.join(glob.escape(run_dir), pattern)))


def _aggregates(run_dir):
    """Paths of the results of all evaluations."""
    return _found(run_dir, "metrics/*/*/results/aggregate/evaluation.json")


def _metric(path, names):
    aggregate = results.load_json(path)
    gin_name, found = tables.scores_in(aggregate)
    representation, name = path.split(os.sep)[-5:-3]
    metric = {
        "representation": representation,
        "name": name,
        "seed": aggregate.get("evaluation_config.evaluation.random_seed"),
        "elapsed_time": found.get("elapsed_time"),
        "scores": {},
        "settings": {},
        "vectors": {},
        "matrices": [],
    }
    for key, value in found.items():
        if key in _NOT_SHOWN:
            continue
        if isinstance(value, list):
            shape = _shape(value)
            if len(shape) == 1:
                columns = tuple(names(key, shape[0]))
                metric["vectors"].setdefault(columns, {})[key] = value
            elif len(shape) == 2:
                rows, columns = names("code", shape[0]), names("factor", shape[1])
                numbers = [number for row in value for number in row]
                highest = max(filter(None, numbers), default=1.0)
                metric["matrices"].append((key, rows, columns, value, highest))
        elif not isinstance(value, float | dict) or key in _SETTINGS:
            metric["settings"][key] = value
    for key, value in metrics.headline(found, gin_name).items():
        if key not in _NOT_SHOWN + _SETTINGS:
            metric["scores"][key] = None if math.isnan(value) else value
    for key, interval in found.get("confidence_intervals", {}).items():
        if key in metric["scores"]:
            low, high = (pages.number(bound) for bound in interval)
            metric["settings"][f"{key}, interval"] = f"{low} to {high}"
    return metric


def _shape(value):
    """Shape of nested lists of numbers or None; () if they are not shown."""
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        return ()
    return array.shape if 0 < max(array.shape) <= _MAX_TABLE and array.size else ()


def _factor_names(run_dir):
    gin_file = os.path.join(run_dir, "model", "results", "gin", "train.gin")
    try:
        return named_data.dataset_of(gin_file).factor_names
    except (ValueError, OSError):
        return []  # The page can be written on a machine without the data.


def _curves(path):
    """The learning curves as a data URL, None if there are none."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return None

    from matplotlib.figure import Figure

    names = [name for name in rows[0] if name not in _NOT_CURVES]
    names.sort(key=lambda name: name != "reconstruction_loss")
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    style = {"color": "#3b82f6", "marker": "o" if len(rows) < 20 else None}
    with pages.drawing():
        figure = Figure(figsize=(10, 2.7 * lines), layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        steps = [float(row["step"]) for row in rows]
        for axis, name in zip(axes, names, strict=False):
            values = [float(row[name]) for row in rows]
            axis.plot(steps, values, markersize=4, **style)
            axis.set_title(pictures.as_label(name.replace("_", " ")), fontsize=11)
            axis.set_xlabel("step")
        pages.plain_axes(axes[: len(names)], axes[len(names) :])
        return pages.inlined_figure(figure)


def _configurations(run_dir):
    """(directory, operative configuration) of each complete step."""
    steps = []
    for pattern in (
        "model/results/gin/train.gin",
        "postprocessed/*/results/gin/postprocess.gin",
        "metrics/*/*/results/gin/evaluation.gin",
    ):
        for path in _found(run_dir, pattern):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            directory = os.path.relpath(path, run_dir).split(f"{os.sep}results")[0]
            steps.append((directory, text))
    return steps
