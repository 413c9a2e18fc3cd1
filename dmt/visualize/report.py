"""The report of a run: scores, learning curves, pictures, configuration."""

import glob
import math
import os

import numpy as np

from dmt import metrics
from dmt.data.ground_truth import named_data
from dmt.evaluation import tables
from dmt.utils import gin_files, history, locks, pictures, results
from dmt.utils.contents import content_of
from dmt.visualize import pages

# Floats that are settings of a metric. Integers and strings are always settings.
_SETTINGS = ("prune_threshold",)
# Larger tables are not shown.
_MAX_TABLE = 64
_NOT_CURVES = ("step", "elapsed_time", "elbo", "loss", "steps_per_second")


@locks.holding("output_path")
def write_report(run_dir, output_path, gin_config_files=(), gin_bindings=()):
    """Writes the page of a run as one HTML file without external parts.

    The page also names the parts that the run does not have yet.

    Args:
        run_dir: directory with `model/`, as `train` writes it, and optionally
            `postprocessed/<name>/`, `metrics/<name>/<metric>/` and `visualizations/`.
        output_path: HTML file to write.
        gin_config_files: paths of gin files that override the configuration of the
            training, for example to name the factors of another dataset.
        gin_bindings: lines of gin that override the files.

    Returns:
        `output_path`.

    Raises:
        FileNotFoundError: if `run_dir` holds no trained model.
        ValueError: if a file of the run is damaged or gin refuses a line.
    """
    model_dir = os.path.join(run_dir, "model")
    if not results.is_complete(model_dir, "train"):
        raise FileNotFoundError(
            f"There is no finished model in {model_dir}: train it first (dmt_train)."
        )
    gin_file = os.path.join(model_dir, "results", "gin", "train.gin")
    config = results.bindings_of(gin_file)
    folder = os.path.join(run_dir, "visualizations")
    dataset = _dataset(gin_file, gin_config_files, gin_bindings)
    pages.write(
        os.path.join(os.path.dirname(__file__), "report.html.jinja"),
        output_path,
        **_facts(run_dir, config, dataset),
        metrics=_metrics(run_dir, config, dataset),
        **_curves(os.path.join(model_dir, "history.csv")),
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


def _facts(run_dir, config, dataset):
    path = os.path.join(run_dir, "model", "results", "json", "train_results.json")
    trained = results.load_json(path)
    with content_of(path):
        steps, seconds = int(trained["global_step"]), float(trained["elapsed_time"])
    # "@scope/vae()" is the configurable "vae".
    model = config.get("model.model", "model").strip("@()").split("/")[-1]
    return {
        "run": _text(os.path.basename(os.path.abspath(run_dir))),
        "model": model,
        "hyperparameters": _settings(config, model) if model != "model" else [],
        "dataset": _dataset_name(config),
        "num_images": getattr(dataset, "size", None),
        "num_latent": config.get("encoder.num_latent"),
        **_images_seen(config, model, steps),
        "num_evaluated": _product(config, "model.eval_steps", "model.batch_size"),
        "seed": config.get("model.random_seed"),
        "seconds": seconds,
        "origin": trained.get("origin"),
        "losses": {
            key: value
            for key, value in trained.items()
            if isinstance(value, float) and key not in _NOT_CURVES + tables.FACTS
        },
    }


def _settings(config, configurable):
    """The bindings of a configurable, as lines of text."""
    prefix = f"{configurable}."
    return [
        f"{key.removeprefix(prefix)} = {value}"
        for key, value in config.items()
        if key.startswith(prefix)
    ]


def _dataset_name(config):
    """Name of the dataset, of the user's own images with that of their folder or file.

    None if the model was trained on something else.
    """
    if "dataset.name" not in config:
        return None
    name = results.text_of(config["dataset.name"])
    path = results.text_of(config.get(f"{name}.path", ""))
    own = os.path.basename(os.path.normpath(path)) if path else ""
    return _text(f"{own} ({name})" if own else name)


def _images_seen(config, model, steps):
    """The batches of all updates in words, and how many images they held."""
    batch_size = _product(config, "model.batch_size")
    per_update = _product(config, f"{model}.steps_per_update") or 1
    updates = -(-steps // per_update)
    counted = f"{steps:,} steps" + (f" ({updates:,} updates)" if per_update > 1 else "")
    if not batch_size:
        return {"batches": counted, "num_seen": None}
    size = pages.number(batch_size)
    what, number = f"{size} images", batch_size
    if any(key.startswith(("dynamics.", "pairs.")) for key in config):
        what, number = f"{size} pairs of images", 2 * batch_size
    elif config.get("model.num_labelled_samples", "None") != "None":
        what, number = f"{size} images and {size} labelled images", 2 * batch_size
    return {"batches": f"{counted} of {what}", "num_seen": updates * number}


def _product(config, *names):
    """Product of integers that are bound; None if one is not."""
    values = [config.get(name, "") for name in names]
    return math.prod(map(int, values)) if all(map(str.isdecimal, values)) else None


def _text(name):
    """A file name as text, even if its bytes are no text."""
    return name.encode(errors="replace").decode()


def _metrics(run_dir, config, dataset):
    """The results of each metric, sorted by representation and metric."""
    factors = getattr(dataset, "factor_names", [])
    num_latent = _product(config, "encoder.num_latent") or 0
    codes = [f"code {j}" for j in range(num_latent)]

    def names(axis, length):
        if length == len(factors) and ("factor" in axis or length != len(codes)):
            return factors
        if length == len(codes):
            return codes
        return [str(i) for i in range(length)]

    found = []
    for path in _aggregates(run_dir):
        with content_of(path):
            found.append(_metric(path, names))
    return found


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
        "elapsed_time": float(found.get("elapsed_time", 0)),
        "scores": {},
        "settings": {},
        "vectors": {},
        "matrices": [],
    }
    for key, value in found.items():
        if key in tables.FACTS:
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
        if key not in _SETTINGS:
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


def _dataset(gin_file, *gin_lists):
    """The dataset that gin names, or that of the training.

    None if that is on another machine.
    """
    if any(gin_lists):
        return named_data.dataset_of(gin_file, *gin_lists)
    try:
        return named_data.dataset_of(gin_file)
    except (ValueError, OSError):
        return None


def _curves(path):
    """The learning curves as a data URL, None if there are none, and their caption."""
    steps, curves = _history(path) if os.path.exists(path) else ([], {})
    if not steps:
        return {"curves": None, "caption": ""}

    from matplotlib.figure import Figure

    columns = min(3, len(curves))
    lines = -(-len(curves) // columns)
    style = {"color": "#3b82f6", "marker": "o" if len(steps) < 20 else None}
    with pages.drawing():
        figure = Figure(figsize=(10, 2.7 * lines), layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for axis, (name, values) in zip(axes, curves.items(), strict=False):
            axis.plot(steps, values, markersize=4, **style)
            axis.set_title(pictures.as_label(name.replace("_", " ")), fontsize=11)
            axis.set_xlabel("step")
        pages.plain_axes(axes[: len(curves)], axes[len(curves) :])
        url = pages.inlined_figure(figure)
    last = int(steps[-1] - (steps[-2] if len(steps) > 1 else 0))
    caption = (
        "Each point is the mean over the steps since the point before. The last point "
        f"is the mean over the last {pages.number(last)} steps."
    )
    return {"curves": url, "caption": caption}


def _history(path):
    """Steps of a learning curve, and {name: values} with the reconstruction first."""
    rows = history.read(path)
    names = [name for name in (rows or [{}])[0] if name not in _NOT_CURVES]
    names.sort(key=lambda name: name != "reconstruction_loss")
    curves = {name: [float(row[name]) for row in rows] for name in names}
    return [float(row["step"]) for row in rows], curves


def _configurations(run_dir):
    """(directory, operative configuration) of each complete step."""
    steps = []
    for pattern in (
        "model/results/gin/train.gin",
        "postprocessed/*/results/gin/postprocess.gin",
        "metrics/*/*/results/gin/evaluation.gin",
    ):
        for path in _found(run_dir, pattern):
            directory = os.path.relpath(path, run_dir).split(f"{os.sep}results")[0]
            steps.append((directory, gin_files.read_text(path)))
    return steps
