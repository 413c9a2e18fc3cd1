"""Tables, figures and the page of the study of multi-task learning.

Numbers beside ours are those of Maziarka et al. (2021), on the published data sets and
with the full schedule. "±" is the standard deviation over seeds.
"""

import dataclasses
import os

import numpy as np

from dmt.data.ground_truth import named_data
from dmt.methods import gaussian_encoder_model
from dmt.methods.shared import losses
from dmt.utils import files, results
from dmt.utils.compilation import compiled
from dmt.visualize import pages

# Title, evaluation, key of its results.
METRICS = (
    ("MIG", "mig", "discrete_mig"),
    ("FactorVAE score", "factor_vae_score", "eval_accuracy"),
    ("SAP", "sap_score", "SAP_score"),
    ("DCI disentanglement", "dci", "disentanglement"),
    ("DCI completeness", "dci", "completeness"),
    ("DCI informativeness", "dci", "informativeness_test"),
)
AUTOENCODERS = {"autoencoder": "AE", "vae": "VAE", "factor_vae": "FactorVAE"}
DECODED = {
    "random": "random encoder",
    "single_task_0": "single-task",
    "multi_head": "multi-head",
}
# The paper's numbers by data set, in the order of the rows or columns named.
_SCORES = ("random encoder", "single-task, mean", "one head", "multi-head")
PAPER = {
    "dsprites": {
        "FactorVAE score": (0.00, 0.31, 0.42, 0.50),
        "MIG": (None, 0.01, 0.02, 0.04),
        "DCI completeness": (None, 0.03, 0.06, 0.08),
        "DCI informativeness": (None, 0.25, 0.36, 0.41),
        "decoder": (308, 326, 36),
        "heads": (150, 80, 115, 150),
        "retrieved": (None, 4, None, 4),
        "task losses": ("68 to 111", "57"),
    },
    "shapes3d": {
        "FactorVAE score": (0.00, 0.27, 0.44, 0.59),
        "MIG": (None, 0.01, 0.02, 0.08),
        "DCI completeness": (None, 0.02, 0.05, 0.14),
        "DCI informativeness": (None, 0.28, 0.44, 0.53),
        "decoder": (0.044, 0.082, 0.008),
        "heads": (73, 63, 132, 195),
        "retrieved": (None, 4, None, 5),
        "task losses": ("13 to 25", "24"),
    },
    "mpi3d": {
        "FactorVAE score": (0.00, 0.21, 0.30, 0.36),
        "MIG": (None, 0.01, 0.02, 0.04),
        "DCI completeness": (None, 0.04, 0.05, 0.10),
        "DCI informativeness": (None, 0.30, 0.47, 0.53),
        "decoder": (0.0021, 0.0061, 0.0009),
        "heads": (109, 92, 118, 152),
        "retrieved": (None, 5, None, 6),
        "task losses": ("117 to 165", "85"),
    },
}
# The paper's data sets and what stands for them.
SETS = {
    "dsprites": ("dsprites_full", "dsprites_rendered", "dsprites_rendered_small"),
    "shapes3d": ("shapes3d", "shapes3d_rendered"),
    "mpi3d": ("mpi3d_real", "mpi3d_realistic", "mpi3d_toy"),
}
_NUM_POINTS = 1500
_NUM_PICTURES = 12


def write(definition, output_dir):
    """Writes `study.json`, `tables.md`, `figures/` and `index.html`.

    Args:
        definition: the `dmt.studies.multitask.runs.Study`.
        output_dir: directory of its complete runs.

    Returns:
        Path of the page.
    """
    study = _Results(definition, output_dir)
    tables = [
        study.encoders(),
        study.numbers_of_tasks(),
        study.factor_subsets(),
        study.retrieval(),
        study.decoders(),
        study.heads(),
        study.autoencoders(),
        study.cross_task_losses(),
    ]
    claims = study.claims()
    facts = study.facts()
    facts["definition"] = dataclasses.asdict(definition)
    results.save_dict(
        {**facts, "claims": claims, "tables": tables},
        os.path.join(output_dir, "study.json"),
    )
    files.write_text(
        os.path.join(output_dir, "tables.md"), _markdown(facts, claims, tables)
    )
    path = os.path.join(output_dir, "index.html")
    pages.write(
        os.path.join(os.path.dirname(__file__), "page.html.jinja"),
        path,
        **facts,
        claims=claims,
        tables=tables,
        format_cell=_format,
        curves=study.score_figure(),
        pictures=_pictures(f"seed_{definition.seeds[0]}", output_dir),
    )
    return path


class _Results:
    """The results of a study's runs, as tables."""

    def __init__(self, definition, output_dir):
        self._definition = definition
        self._seeds = definition.seeds
        self._dir = output_dir
        family = next(
            (key for key, names in SETS.items() if definition.dataset in names), None
        )
        self._paper = PAPER.get(family, {})
        self._encoders = {
            "random encoder": ["random"],
            "single-task, mean": definition.single_tasks(),
            "one head": ["one_head"],
            "multi-head": ["multi_head"],
        }

    def _results(self, name, seed, *step):
        path = os.path.join(self._dir, name, f"seed_{seed}", *step)
        return results.load_json(path)

    def _score(self, name, metric, key):
        """Scores of an encoder with each seed."""
        step = ("metrics", "mean", metric, "results", "json", "evaluation_results.json")
        values = [self._results(name, seed, *step)[key] for seed in self._seeds]
        return np.array(values, dtype=float)

    def _scores(self, names, metric, key):
        """Scores (num_seeds, number of encoders)."""
        return np.stack([self._score(name, metric, key) for name in names], axis=1)

    def _trained(self, name, key):
        """What training an encoder reported, with each seed."""
        step = ("model", "results", "json", "train_results.json")
        return [self._results(name, seed, *step)[key] for seed in self._seeds]

    def encoders(self):
        """Scores of the encoders, with the paper's."""
        rows = []
        for label, names in self._encoders.items():
            scores = {t: self._scores(names, *score) for t, *score in METRICS}
            rows.append([label, *(_cell(scores[t].mean(axis=1)) for t in scores)])
            if len(names) > 1:
                for kind, reduce in (("min", np.min), ("max", np.max)):
                    cells = [_cell(reduce(scores[t], axis=1)) for t in scores]
                    rows.append([f"single-task, {kind}", *cells])
            if self._paper:
                place = _SCORES.index(label)
                cells = [self._paper.get(t, [None] * 4)[place] for t in scores]
                rows.append([f"paper: {label}", *cells])
        return _table(
            "Scores of the encoders",
            "Single-task: over the encoders that learned one task each.",
            [title for title, _, _ in METRICS],
            rows,
        )

    def _score_rows(self, names):
        return [
            [
                label,
                *(_cell(self._score(name, metric, key)) for _, metric, key in METRICS),
            ]
            for label, name in names.items()
        ]

    def numbers_of_tasks(self):
        """Scores against the number of tasks."""
        names = {
            f"{number} tasks": name
            for number, name in self._definition.numbers_of_tasks().items()
        }
        return _table(
            "Number of tasks",
            "Multi-head encoders.",
            [title for title, _, _ in METRICS],
            self._score_rows(names),
        )

    def factor_subsets(self):
        """Scores against the factors that a task depends on."""
        names = {
            "all factors": "multi_head",
            "random subsets": "multi_head_random_factors",
            "disjoint halves": "multi_head_halves_factors",
        }
        return _table(
            "Factors that a task depends on",
            "Multi-head encoders.",
            [title for title, _, _ in METRICS],
            self._score_rows(names),
        )

    def autoencoders(self):
        """Scores of codes that were learned without tasks."""
        return _table(
            "Codes learned without tasks",
            "Auto-encoders, beta = 1 and gamma = 10.",
            [title for title, _, _ in METRICS],
            self._score_rows({label: name for name, label in AUTOENCODERS.items()}),
        )

    def retrieval(self):
        """Retrieved factors and their correlations."""
        rows = []
        for label, names in self._encoders.items():
            keys = ("num_retrieved", "mean", "std", "min", "max")
            cells = []
            for key in keys:
                key = key if key == "num_retrieved" else f"{key}_correlation"
                scores = self._scores(names, "component_retrieval", key)
                cells.append(_cell(scores.mean(axis=1)))
            rows.append([label, *cells])
            if self._paper and self._paper["retrieved"][_SCORES.index(label)]:
                found = self._paper["retrieved"][_SCORES.index(label)]
                rows.append([f"paper: {label}", found, *[None] * 4])
        return _table(
            "Retrieved factors",
            "Each code is matched with the factor of largest significant Spearman "
            "correlation; absolute correlations of the matched codes.",
            ["factors", "mean", "std", "min", "max"],
            rows,
        )

    def decoders(self):
        """Reconstruction errors of decoders on frozen codes."""
        cells = [
            _cell(self._trained(f"{name}_decoder", "reconstruction_loss"))
            for name in DECODED
        ]
        rows = [["squared error per image", *cells]]
        if self._paper:
            rows.append(["paper", *self._paper["decoder"]])
        return _table(
            "Decoders on frozen encoders",
            "Squared error, summed over the pixels of an image"
            + (
                f" ({self._definition.pooling} times smaller in height and width than "
                "the paper's)"
                if self._definition.pooling > 1
                else ""
            )
            + ". The paper does not say over what its error is summed.",
            list(DECODED.values()),
            rows,
        )

    def _head_losses(self):
        columns = {"true factors": ("autoencoder", "task_heads_on_factors")}
        columns |= {label: (name, "task_heads") for name, label in AUTOENCODERS.items()}
        return {
            label: self._score(name, evaluation, "mean_test_loss")
            for label, (name, evaluation) in columns.items()
        }

    def heads(self):
        """Errors of heads on frozen codes."""
        found = self._head_losses()
        rows = [["test error", *map(_cell, found.values())]]
        if self._paper:
            rows.append(["paper", *self._paper["heads"]])
        return _table(
            "Heads on codes learned without tasks",
            "Mean squared error per task on test images.",
            list(found),
            rows,
        )

    def cross_task_losses(self):
        """Test errors of each head against the targets of each task."""
        rows = []
        for task, name in enumerate(self._definition.single_tasks()):
            errors = np.mean(self._trained(name, "cross_task_mse"), axis=0)[0]
            rows.append([f"single-task {task}", *errors.tolist(), float(errors.sum())])
        for label, name in (("one head", "one_head"), ("multi-head", "multi_head")):
            errors = np.mean(self._trained(name, "task_test_losses"), axis=0)
            rows.append([label, *errors.tolist(), float(errors.sum())])
        variances = np.mean(self._trained("multi_head", "task_variances"), axis=0)
        rows.append(
            ["variance of the targets", *variances.tolist(), float(variances.sum())]
        )
        note = ""
        if self._paper:
            single, multi = self._paper["task losses"]
            note = (
                f" Paper: {single} for the head of the task itself, {multi} multi-head."
            )
        return _table(
            "Test errors of every task under every model",
            "Mean squared errors on test images, mean over seeds; a single-task head "
            "is scored on all tasks." + note,
            [f"task {task}" for task in range(self._definition.num_tasks)] + ["sum"],
            rows,
        )

    def claims(self):
        """The paper's claims, with differences over seeds and what they say."""
        scores = {
            (label, title): self._scores(names, metric, key).mean(axis=1)
            for label, names in self._encoders.items()
            for title, metric, key in METRICS
        }
        claims = []
        order = ("multi-head", "one head", "single-task, mean", "random encoder")
        for better, worse in zip(order, order[1:], strict=False):
            for title, _, _ in METRICS:
                difference = scores[better, title] - scores[worse, title]
                text = f"{title}: {better} > {worse}"
                claims.append(_claim(text, difference, made=title != "SAP"))
        errors = {
            label: np.array(self._trained(f"{name}_decoder", "reconstruction_loss"))
            for name, label in DECODED.items()
        }
        for better, worse in (
            ("multi-head", "random encoder"),
            ("multi-head", "single-task"),
            ("random encoder", "single-task"),
        ):
            text = f"decoder's error: {better} < {worse}"
            claims.append(_claim(text, errors[worse] - errors[better]))
        found = self._head_losses()
        for better, worse in (
            ("AE", "true factors"),
            ("AE", "VAE"),
            ("VAE", "FactorVAE"),
        ):
            text = f"heads' error: {better} < {worse}"
            claims.append(_claim(text, found[worse] - found[better]))
        return claims

    def facts(self):
        """Where images come from, and how long the runs took together."""
        elapsed = 0.0
        runs = sum(self._definition.stages(self._dir), [])
        for run in runs:
            elapsed += sum(step.results()["elapsed_time"] for step in run.steps)
        step = ("model", "results", "json", "train_results.json")
        trained = self._results("multi_head", self._seeds[0], *step)
        return {
            "origin": trained["origin"],
            "steps": trained["global_step"],
            "num_runs": len(runs),
            "process_seconds": elapsed,
        }

    def score_figure(self):
        """Scores of all encoders and against the number of tasks, an inline picture."""
        from matplotlib.figure import Figure

        with pages.drawing():
            figure = Figure(figsize=(11, 5.2), layout="constrained")
            axes = figure.subplots(2, len(METRICS), sharey="col")
            for column, (title, metric, key) in zip(axes.T, METRICS, strict=True):
                labels = ["random", "single", "one head", "multi"]
                for place, names in enumerate(self._encoders.values()):
                    values = self._scores(names, metric, key).mean(axis=1)
                    color = "#3b82f6" if place == 3 else pages.GREY
                    column[0].bar(place, values.mean(), color=color, alpha=0.45)
                    column[0].plot([place] * len(values), values, ".", color=color)
                column[0].set_xticks(range(4), labels, rotation=40, fontsize=8)
                column[0].set_title(title, fontsize=10)
                numbers = self._definition.numbers_of_tasks()
                values = np.stack(
                    [self._score(name, metric, key) for name in numbers.values()]
                )
                column[1].plot(numbers.keys(), values, ".", color="#3b82f6")
                column[1].plot(numbers.keys(), values.mean(axis=1), color="#3b82f6")
                column[1].set_xlabel("number of tasks", fontsize=9)
                for axis in column:
                    axis.spines[["top", "right"]].set_visible(False)
                    axis.grid(alpha=0.2, color=pages.GREY)
            return pages.inlined_figure(figure)


def _table(title, caption, columns, rows):
    return {"title": title, "caption": caption, "columns": columns, "rows": rows}


def _cell(values):
    values = np.asarray(values, dtype=float)
    return {"mean": float(values.mean()), "std": float(values.std(ddof=1))}


def _claim(text, differences, made=True):
    """A claim and what differences over seeds, which it says are positive, tell of it.

    The interval is Student's, at 95 %.
    """
    from scipy import stats

    differences = np.asarray(differences, dtype=float)
    mean, number = differences.mean(), len(differences)
    half = stats.t.ppf(0.975, number - 1) * differences.std(ddof=1) / np.sqrt(number)
    verdict = "not decided"
    if mean - half > 0:
        verdict = "agrees"
    elif mean + half < 0:
        verdict = "disagrees"
    return {
        "claim": text,
        "made_by_paper": made,
        "difference": float(mean),
        "low": float(mean - half),
        "high": float(mean + half),
        "verdict": verdict,
    }


def _format(cell):
    if cell is None:
        return "–"
    if isinstance(cell, dict):
        return f"{_digits(cell['mean'])} ± {_digits(cell['std'])}"
    return _digits(cell) if isinstance(cell, float) else str(cell)


def _digits(value):
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return text.replace("-", "−")


def _markdown(facts, claims, tables):
    definition = facts["definition"]
    lines = [
        f"# Multi-task learning and disentanglement: {definition['dataset']}",
        "",
        f"{facts['num_runs']} runs, {facts['process_seconds'] / 60:.0f} minutes of one "
        f"process; {facts['steps']:,} steps of each multi-task encoder; "
        f"{len(definition['seeds'])} seeds.",
        "",
        "## Claims",
        "",
        "| claim | difference, 95 % interval | verdict |",
        "|---|---|---|",
    ]
    for claim in claims:
        note = "" if claim["made_by_paper"] else " (not claimed)"
        interval = f"{_digits(claim['low'])} to {_digits(claim['high'])}"
        lines.append(
            f"| {claim['claim']}{note} | {_digits(claim['difference'])}, {interval} "
            f"| {claim['verdict']} |"
        )
    for table in tables:
        lines += ["", f"## {table['title']}", "", table["caption"], ""]
        lines.append("| | " + " | ".join(table["columns"]) + " |")
        lines.append("|---" * (len(table["columns"]) + 1) + "|")
        for label, *cells in table["rows"]:
            lines.append(f"| {label} | " + " | ".join(map(_format, cells)) + " |")
    return "\n".join(lines) + "\n"


def _pictures(seed, output_dir):
    """Draws the figures of a seed, as (title, caption, data URL)."""
    dirs = {
        label: os.path.join(output_dir, f"{name}_decoder", seed, "model")
        for name, label in DECODED.items()
    }
    config_path = os.path.join(dirs["multi-head"], "results", "gin", "train.gin")
    data = named_data.dataset_of(config_path)
    random_state = np.random.RandomState(0)
    factors = data.sample_factors(_NUM_POINTS, random_state)
    images = data.sample_observations_from_factors(factors, random_state)
    models = {
        label: gaussian_encoder_model.load_model(path) for label, path in dirs.items()
    }
    codes = {
        label: compiled(model.encode)(images)[0] for label, model in models.items()
    }
    decode = {
        label: compiled(
            lambda z, model=model: losses.activate(model.decode(z), "linear")
        )
        for label, model in models.items()
    }
    folder = os.path.join(output_dir, "figures")
    pictures = []

    def save(name, title, caption, picture):
        path = os.path.join(folder, name)
        pictures.save_image(picture, path)
        pictures.append((title, caption, pages.inlined(path)))

    few = images[:_NUM_PICTURES]
    save(
        "reconstructions.png",
        "Reconstructions",
        "What decoders make of frozen codes, below the images themselves.",
        pictures.labelled_rows(
            [few] + [decode[label](codes[label][:_NUM_PICTURES]) for label in models],
            ["images", *models],
        ),
    )
    shown = np.linspace(-1, 1, 21)
    for label in models:
        spread = codes[label].std(axis=0)
        for name, values, unit in (
            ("traversals", np.tile(shown, (len(spread), 1)), ""),
            (
                "traversals_sd",
                codes[label].mean(axis=0)[:, None] + 2 * np.outer(spread, shown),
                " standard deviations around the mean",
            ),
        ):
            base = np.tile(codes[label][0], (*values.shape, 1))
            for code in range(len(values)):
                base[code, :, code] = values[code]
            rows = decode[label](base.reshape(-1, len(spread)).astype(np.float32))
            rows = rows.reshape(*values.shape, *images.shape[1:])
            low, high = ("−2", "2") if unit else ("−1", "1")
            save(
                f"{name}_{label.replace(' ', '_')}.png",
                f"Traversals, {label}{', in standard deviations' if unit else ''}",
                f"Each row changes one code of one image from {low} to {high}{unit}.",
                pictures.labelled_rows(
                    list(rows), [f"code {code}" for code in range(len(values))]
                ),
            )
    return pictures + _embeddings(codes, factors, data.factor_names, folder)


def _embeddings(codes, factors, factor_names, folder):
    """Codes in two dimensions, coloured by each factor."""
    from matplotlib.figure import Figure
    from sklearn.decomposition import PCA

    methods = {"PCA": lambda: PCA(2, random_state=0)}
    try:
        import umap

        methods["UMAP"] = lambda: umap.UMAP(random_state=0, n_jobs=1)
    except ImportError:
        pass
    pictures = []
    for method, make in methods.items():
        figure = Figure(
            figsize=(2.1 * len(factor_names), 2.2 * len(codes)), layout="constrained"
        )
        axes = figure.subplots(len(codes), len(factor_names), squeeze=False)
        for row, (label, values) in zip(axes, codes.items(), strict=True):
            places = make().fit_transform(values)
            for axis, factor in zip(row, factors.T, strict=True):
                axis.scatter(*places.T, c=factor, s=2, cmap="turbo")
                axis.set_xticks([])
                axis.set_yticks([])
            row[0].set_ylabel(label, fontsize=10)
        for axis, name in zip(axes[0], factor_names, strict=True):
            axis.set_title(name, fontsize=10)
        path = os.path.join(folder, f"{method.lower()}.png")
        with files.replacing(path) as temporary:
            figure.savefig(temporary, dpi=110, format="png")
        note = "" if "UMAP" in methods else " Install dmt[umap] for UMAP."
        pictures.append(
            (
                f"Codes by {method}",
                f"Codes of {_NUM_POINTS:,} images in two dimensions, coloured by the "
                f"value of each factor.{note}",
                pages.inlined(path),
            )
        )
    return pictures
