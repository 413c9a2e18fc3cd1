"""Tables and claims of the study of multi-task learning.

A cell of a table is a number, or the mean and the standard deviation over seeds.
"""

import os

import numpy as np

from dmt.studies.multitask import paper
from dmt.utils import results
from dmt.utils.statistics import student_interval

# Title, evaluation, key in its results.
SCORES = (
    ("MIG", "mig", "discrete_mig"),
    ("FactorVAE score", "factor_vae_score", "eval_accuracy"),
    ("SAP", "sap_score", "SAP_score"),
    ("DCI disentanglement", "dci", "disentanglement"),
    ("DCI completeness", "dci", "completeness"),
    ("DCI informativeness", "dci", "informativeness_test"),
)
AUTOENCODER_LABELS = {"autoencoder": "AE", "vae": "VAE", "factor_vae": "FactorVAE"}
DECODER_LABELS = {
    "random": "random encoder",
    "single_task_0": "single-task",
    "multi_head": "multi-head",
}


class Scores:
    """The results of the complete runs of a study, as tables and claims."""

    def __init__(self, definition, output_dir):
        self.definition = definition
        self._seeds = definition.seeds
        self._dir = output_dir
        self._paper = paper.numbers_for(definition.dataset)
        # Names of encoders whose scores are averaged, by label.
        self.encoder_groups = {
            "random encoder": ["random"],
            "single-task, mean": definition.single_tasks(),
            "one head": ["one_head"],
            "multi-head": ["multi_head"],
        }

    def _results(self, name, seed, *step):
        path = os.path.join(self._dir, name, f"seed_{seed}", *step)
        return results.load_json(path)

    def score(self, name, metric, key):
        """Scores of an encoder, array of shape (num_seeds,)."""
        step = ("metrics", "mean", metric, "results", "json", "evaluation_results.json")
        values = [self._results(name, seed, *step)[key] for seed in self._seeds]
        return np.array(values, dtype=float)

    def scores(self, names, metric, key):
        """Scores of several encoders, array of shape (num_seeds, num_encoders)."""
        return np.stack([self.score(name, metric, key) for name in names], axis=1)

    def _trained(self, name, key):
        """A result of the training of an encoder, list with an entry for each seed."""
        step = ("model", "results", "json", "train_results.json")
        return [self._results(name, seed, *step)[key] for seed in self._seeds]

    def encoders(self):
        """Scores of the encoders, and those of the paper."""
        rows = []
        for label, names in self.encoder_groups.items():
            scores = {t: self.scores(names, *score) for t, *score in SCORES}
            rows.append([label, *(_cell(scores[t].mean(axis=1)) for t in scores)])
            if len(names) > 1:
                for kind, reduce in (("min", np.min), ("max", np.max)):
                    cells = [_cell(reduce(scores[t], axis=1)) for t in scores]
                    rows.append([f"single-task, {kind}", *cells])
            if self._paper:
                place = paper.ENCODERS.index(label)
                cells = [self._paper.get(t, [None] * 4)[place] for t in scores]
                rows.append([f"paper: {label}", *cells])
        return _table(
            "Scores of the encoders",
            "Single-task: over the encoders that learned one task each.",
            [title for title, _, _ in SCORES],
            rows,
        )

    def numbers_of_tasks(self):
        """Scores by number of tasks."""
        numbers = self.definition.numbers_of_tasks()
        names = {f"{number} tasks": name for number, name in numbers.items()}
        return self._score_table("Number of tasks", "Multi-head encoders.", names)

    def factor_subsets(self):
        """Scores by the factors that a task depends on."""
        names = {
            "all factors": "multi_head",
            "random subsets": "multi_head_random_factors",
            "disjoint halves": "multi_head_halves_factors",
        }
        title = "Factors that a task depends on"
        return self._score_table(title, "Multi-head encoders.", names)

    def autoencoders(self):
        """Scores of the codes of auto-encoders."""
        names = {label: name for name, label in AUTOENCODER_LABELS.items()}
        caption = "Auto-encoders, beta = 1 and gamma = 10."
        return self._score_table("Codes learned without tasks", caption, names)

    def _score_table(self, title, caption, names):
        rows = [
            [label, *(_cell(self.score(name, *score)) for _, *score in SCORES)]
            for label, name in names.items()
        ]
        return _table(title, caption, [title for title, _, _ in SCORES], rows)

    def retrieval(self):
        """Numbers of retrieved factors and correlations with them."""
        correlations = [f"{key}_correlation" for key in ("mean", "std", "min", "max")]
        keys, rows = ["num_retrieved", *correlations], []
        for label, names in self.encoder_groups.items():
            scores = [self.scores(names, "component_retrieval", key) for key in keys]
            rows.append([label, *(_cell(found.mean(axis=1)) for found in scores)])
            place = paper.ENCODERS.index(label)
            if self._paper and self._paper["retrieved"][place]:
                found = self._paper["retrieved"][place]
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
            for name in DECODER_LABELS
        ]
        rows = [["squared error per image", *cells]]
        if self._paper:
            rows.append(["paper", *self._paper["decoder"]])
        size, pooling = "", self.definition.pooling
        if pooling > 1:
            size = f" ({pooling} times smaller in height and width than the paper's)"
        return _table(
            "Decoders on frozen encoders",
            f"Squared error, summed over the pixels of an image{size}. The paper does "
            "not say over what its error is summed.",
            list(DECODER_LABELS.values()),
            rows,
        )

    def _head_losses(self):
        """Test errors of heads, {label: array of shape (num_seeds,)}."""
        columns = {"true factors": ("autoencoder", "task_heads_on_factors")}
        columns |= {
            label: (name, "task_heads") for name, label in AUTOENCODER_LABELS.items()
        }
        return {
            label: self.score(name, evaluation, "mean_test_loss")
            for label, (name, evaluation) in columns.items()
        }

    def heads(self):
        """Test errors of heads on frozen codes."""
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
        for task, name in enumerate(self.definition.single_tasks()):
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
            [f"task {task}" for task in range(self.definition.num_tasks)] + ["sum"],
            rows,
        )

    def claims(self):
        """The claims of the paper, each compared with differences over seeds."""
        scores = {
            (label, title): self.scores(names, metric, key).mean(axis=1)
            for label, names in self.encoder_groups.items()
            for title, metric, key in SCORES
        }
        order = ("multi-head", "one head", "single-task, mean", "random encoder")
        claims = [
            _claim(
                f"{title}: {better} > {worse}",
                scores[better, title] - scores[worse, title],
                made=title != "SAP",
            )
            for better, worse in zip(order, order[1:], strict=False)
            for title, _, _ in SCORES
        ]
        decoder_errors = {
            label: np.array(self._trained(f"{name}_decoder", "reconstruction_loss"))
            for name, label in DECODER_LABELS.items()
        }
        for kind, errors, better, worse in (
            ("decoder's", decoder_errors, "multi-head", "random encoder"),
            ("decoder's", decoder_errors, "multi-head", "single-task"),
            ("decoder's", decoder_errors, "random encoder", "single-task"),
            ("heads'", self._head_losses(), "AE", "true factors"),
            ("heads'", self._head_losses(), "AE", "VAE"),
            ("heads'", self._head_losses(), "VAE", "FactorVAE"),
        ):
            text = f"{kind} error: {better} < {worse}"
            claims.append(_claim(text, errors[worse] - errors[better]))
        return claims

    def facts(self):
        """Origin of the images, length of the training, number and time of the runs."""
        elapsed = 0.0
        runs = sum(self.definition.stages(self._dir), [])
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


def _table(title, caption, columns, rows):
    return {"title": title, "caption": caption, "columns": columns, "rows": rows}


def _cell(values):
    values = np.asarray(values, dtype=float)
    return {"mean": float(values.mean()), "std": float(values.std(ddof=1))}


def _claim(text, differences, made=True):
    """Compares a claim with differences over seeds.

    Args:
        text: the claim.
        differences: one number for each seed, which the claim says to be positive.
        made: whether the paper makes this claim.
    """
    low, high = student_interval(differences)
    verdict = "not decided"
    if low > 0:
        verdict = "agrees"
    elif high < 0:
        verdict = "disagrees"
    return {
        "claim": text,
        "made_by_paper": made,
        "difference": float(np.mean(differences)),
        "low": low,
        "high": high,
        "verdict": verdict,
    }
