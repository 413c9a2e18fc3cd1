"""Figures of the study of multi-task learning."""

import os

import numpy as np

from dmt.data.ground_truth import named_data
from dmt.methods import gaussian_encoder_model
from dmt.methods.shared import losses
from dmt.studies.multitask.paper import DECODED_ENCODERS
from dmt.studies.multitask.scores import SCORES
from dmt.utils import files, pictures
from dmt.utils.compilation import compiled
from dmt.visualize import pages
from dmt.visualize.visualize_model import images_by_code

_NUM_POINTS = 1500
_NUM_PICTURES = 12


def scores(found):
    """Draws the `Scores` of all encoders and by number of tasks, as a data URL."""
    from matplotlib.figure import Figure

    labels = ["random", "single", "one head", "multi"]
    numbers = found.definition.numbers_of_tasks()
    with pages.drawing():
        figure = Figure(figsize=(11, 5.2), layout="constrained")
        axes = figure.subplots(2, len(SCORES), sharey="col")
        for (above, below), (title, metric, key) in zip(axes.T, SCORES, strict=True):
            for place, names in enumerate(found.encoder_groups.values()):
                values = found.scores(names, metric, key).mean(axis=1)
                color = "#3b82f6" if place == 3 else pages.GREY
                above.bar(place, values.mean(), color=color, alpha=0.45)
                above.plot([place] * len(values), values, ".", color=color)
            above.set_xticks(range(4), labels, rotation=40, fontsize=8)
            above.set_title(title, fontsize=10)
            values = found.scores(numbers.values(), metric, key).T
            below.plot(numbers.keys(), values, ".", color="#3b82f6")
            below.plot(numbers.keys(), values.mean(axis=1), color="#3b82f6")
            below.set_xlabel("number of tasks", fontsize=9)
        pages.plain_axes(axes.flat)
        return pages.inlined_figure(figure)


def pictures_of_codes(seed, output_dir):
    """Draws reconstructions, traversals and embeddings of the models of a seed.

    Args:
        seed: one of the seeds of the study.
        output_dir: directory of the complete study; files go to its `figures/`.

    Returns:
        List of (title, caption, picture as a data URL).
    """
    folder = os.path.join(output_dir, "figures")
    dirs = {
        label: os.path.join(output_dir, f"{name}_decoder", f"seed_{seed}", "model")
        for name, label in DECODED_ENCODERS.items()
    }
    config_path = os.path.join(dirs["multi-head"], "results", "gin", "train.gin")
    data = named_data.dataset_of(config_path)
    random_state = np.random.RandomState(0)
    factors = data.sample_factors(_NUM_POINTS, random_state)
    images = data.sample_observations_from_factors(factors, random_state)
    codes, rows, traversals = {}, [images[:_NUM_PICTURES]], []
    for label, path in dirs.items():
        model = gaussian_encoder_model.load_model(path)
        codes[label] = compiled(model.encode)(images)[0]
        decode = _decoder(model)
        rows.append(decode(codes[label][:_NUM_PICTURES]))
        traversals += _traversals(label, codes[label], decode, folder)
    reconstructions = _saved(
        os.path.join(folder, "reconstructions.png"),
        "Reconstructions",
        "Images, and below them their reconstructions from frozen codes.",
        rows,
        ["images", *codes],
    )
    embeddings = _embeddings(codes, factors, data.factor_names, folder)
    return [reconstructions, *traversals, *embeddings]


def _decoder(model):
    return compiled(lambda codes: losses.activate(model.decode(codes), "linear"))


def _traversals(label, codes, decode, folder):
    """Moves each code of an image through [-1, 1] and +-2 standard deviations."""
    num_codes = codes.shape[1]
    shown = np.linspace(-1, 1, 21)
    spread = 2 * np.outer(codes.std(axis=0), shown)
    drawn = []
    for kind, suffix, values, limits in (
        ("", "", np.tile(shown, (num_codes, 1)), "−1 to 1"),
        (
            "sd_",
            ", in standard deviations",
            codes.mean(axis=0)[:, None] + spread,
            "−2 to 2 standard deviations around the mean",
        ),
    ):
        name = f"traversals_{kind}{label.replace(' ', '_')}.png"
        drawn.append(
            _saved(
                os.path.join(folder, name),
                f"Traversals, {label}{suffix}",
                f"Each row changes one code of one image from {limits}.",
                images_by_code(decode, codes[0], values),
                [f"code {code}" for code in range(num_codes)],
            )
        )
    return drawn


def _saved(path, title, caption, rows, labels):
    """Writes rows of images and returns (title, caption, picture as a data URL)."""
    pictures.save_image(pictures.labelled_rows(rows, labels), path)
    return title, caption, pages.inlined(path)


@pictures.plain_text()
def _embeddings(codes, factors, factor_names, folder):
    """Draws the codes in two dimensions, coloured by the value of each factor."""
    from matplotlib.figure import Figure
    from sklearn.decomposition import PCA

    methods = {"PCA": lambda: PCA(2, random_state=0)}
    try:
        import umap

        methods["UMAP"] = lambda: umap.UMAP(random_state=0, n_jobs=1)
    except ImportError:
        pass
    drawn = []
    for method, make in methods.items():
        size = (2.1 * len(factor_names), 2.2 * len(codes))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(codes), len(factor_names), squeeze=False)
        for row, (label, values) in zip(axes, codes.items(), strict=True):
            places = make().fit_transform(values)
            for axis, factor in zip(row, factors.T, strict=True):
                axis.scatter(*places.T, c=factor, s=2, cmap="turbo")
                axis.set(xticks=[], yticks=[])
            row[0].set_ylabel(label, fontsize=10)
        for axis, name in zip(axes[0], factor_names, strict=True):
            axis.set_title(pictures.as_label(name), fontsize=10)
        path = os.path.join(folder, f"{method.lower()}.png")
        with files.replacing(path) as temporary:
            figure.savefig(temporary, dpi=110, format="png")
        note = "" if "UMAP" in methods else " Install dmt-lib[umap] for UMAP."
        caption = (
            f"Codes of {_NUM_POINTS:,} images in two dimensions, coloured by the value "
            f"of each factor.{note}"
        )
        drawn.append((f"Codes by {method}", caption, pages.inlined(path)))
    return drawn
