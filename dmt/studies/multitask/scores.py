"""Tables and claims of the study of multi-task learning.

A cell of a table is a number, or the mean and the standard deviation over seeds.
"""

import os

import numpy as np

from dmt.studies.multitask import paper
from dmt.studies.tables import claim, mean_and_std, table
from dmt.utils import results

# Title, evaluation, key in its results.
SCORES = (
    ("MIG", "mig", "discrete_mig"),
    ("FactorVAE score", "factor_vae_score", "eval_accuracy"),
    ("SAP", "sap_score", "SAP_score"),
    ("DCI disentanglement", "dci", "disentanglement"),
    ("DCI completeness", "dci", "completeness"),
    ("DCI informativeness", "dci", "informativeness_test"),
)
_TITLES = [title for title, _, _ in SCORES]
AUTOENCODER_LABELS = {"autoencoder": "AE", "vae": "VAE", "factor_vae": "FactorVAE"}


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

    def _results(self, name, step, key):
        """A result of a run, list with an entry for each seed."""
        folders = (os.path.join(self._dir, name, f"seed_{s}") for s in self._seeds)
        return [results.load_json(os.path.join(f, step))[key] for f in folders]

    def score(self, name, metric, key):
        """Scores of an encoder, array of shape (num_seeds,)."""
        step = f"metrics/mean/{metric}/results/json/evaluation_results.json"
        return np.array(self._results(name, step, key), dtype=float)

    def scores(self, names, metric, key):
        """Scores of several encoders, array of shape (num_seeds, num_encoders)."""
        return np.stack([self.score(name, metric, key) for name in names], axis=1)

    def _trained(self, name, key):
        return self._results(name, "model/results/json/train_results.json", key)

    def tables(self):
        """All tables, each a dictionary of its title, caption, columns and rows."""
        numbers = self.definition.numbers_of_tasks()
        return [
            self._encoders(),
            self._score_table(
                "Number of tasks",
                "Multi-head encoders.",
                {f"{number} tasks": name for number, name in numbers.items()},
            ),
            self._score_table(
                "Factors that a task depends on",
                "Multi-head encoders.",
                {
                    "all factors": "multi_head",
                    "random subsets": "multi_head_random_factors",
                    "disjoint halves": "multi_head_halves_factors",
                },
            ),
            self._retrieval(),
            self._decoders(),
            self._heads(),
            self._score_table(
                "Codes learned without tasks",
                "Auto-encoders, beta = 1 and gamma = 10.",
                {label: name for name, label in AUTOENCODER_LABELS.items()},
            ),
            self._cross_task_losses(),
        ]

    def _encoders(self):
        rows = []
        for label, names in self.encoder_groups.items():
            scores = {t: self.scores(names, *score) for t, *score in SCORES}
            rows.append(
                [label, *(mean_and_std(scores[t].mean(axis=1)) for t in scores)]
            )
            if len(names) > 1:
                for kind, reduce in (("min", np.min), ("max", np.max)):
                    cells = [mean_and_std(reduce(scores[t], axis=1)) for t in scores]
                    rows.append([f"single-task, {kind}", *cells])
            if self._paper:
                place = paper.ENCODERS.index(label)
                cells = [self._paper.get(t, [None] * 4)[place] for t in scores]
                rows.append([f"paper: {label}", *cells])
        return table(
            "Scores of the encoders",
            "Single-task: over the encoders that learned one task each.",
            _TITLES,
            rows,
        )

    def _score_table(self, title, caption, names):
        rows = [
            [label, *(mean_and_std(self.score(name, *score)) for _, *score in SCORES)]
            for label, name in names.items()
        ]
        return table(title, caption, _TITLES, rows)

    def _retrieval(self):
        correlations = [f"{key}_correlation" for key in ("mean", "std", "min", "max")]
        keys, rows = ["num_retrieved", *correlations], []
        for label, names in self.encoder_groups.items():
            scores = [self.scores(names, "component_retrieval", key) for key in keys]
            rows.append(
                [label, *(mean_and_std(found.mean(axis=1)) for found in scores)]
            )
            place = paper.ENCODERS.index(label)
            if self._paper and self._paper["retrieved"][place]:
                found = self._paper["retrieved"][place]
                rows.append([f"paper: {label}", found, *[None] * 4])
        return table(
            "Retrieved factors",
            "Each code is matched with the factor that has the largest significant "
            "Spearman correlation. Correlations are absolute, of the matched codes.",
            ["factors", "mean", "std", "min", "max"],
            rows,
        )

    def _decoder_losses(self):
        """Errors of decoders, {label: array of shape (num_seeds,)}."""
        key = "reconstruction_loss"
        return {
            label: np.array(self._trained(f"{name}_decoder", key))
            for name, label in paper.DECODED_ENCODERS.items()
        }

    def _decoders(self):
        found = self._decoder_losses()
        rows = [["squared error per image", *map(mean_and_std, found.values())]]
        if self._paper:
            rows.append(["paper", *self._paper["decoder"]])
        size, pooling = "", self.definition.pooling
        if pooling > 1:
            size = f" ({pooling} times smaller in height and width than the paper's)"
        return table(
            "Decoders on frozen encoders",
            f"Squared error, summed over the pixels of an image{size}. The paper does "
            "not say over what its error is summed.",
            list(found),
            rows,
        )

    def _head_losses(self):
        """Test errors of heads, {label: array of shape (num_seeds,)}."""
        key = "mean_test_loss"
        on_factors = self.score("autoencoder", "task_heads_on_factors", key)
        on_codes = {
            label: self.score(name, "task_heads", key)
            for name, label in AUTOENCODER_LABELS.items()
        }
        return {"true factors": on_factors, **on_codes}

    def _heads(self):
        found = self._head_losses()
        rows = [["test error", *map(mean_and_std, found.values())]]
        if self._paper:
            rows.append(["paper", *self._paper["heads"]])
        return table(
            "Heads on codes learned without tasks",
            "Mean squared error per task on test images.",
            list(found),
            rows,
        )

    def _cross_task_losses(self):
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
            note = " Paper: {} for the head of the task itself, {} multi-head."
            note = note.format(*self._paper["task losses"])
        return table(
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
            claim(
                f"{title}: {better} > {worse}",
                scores[better, title] - scores[worse, title],
                made_by_paper=title != "SAP",
            )
            for better, worse in zip(order, order[1:], strict=False)
            for title, _, _ in SCORES
        ]
        decoders, heads = self._decoder_losses(), self._head_losses()
        for kind, errors, better, worse in (
            ("decoder's", decoders, "multi-head", "random encoder"),
            ("decoder's", decoders, "multi-head", "single-task"),
            ("decoder's", decoders, "random encoder", "single-task"),
            ("heads'", heads, "AE", "true factors"),
            ("heads'", heads, "AE", "VAE"),
            ("heads'", heads, "VAE", "FactorVAE"),
        ):
            text = f"{kind} error: {better} < {worse}"
            differences = errors[worse] - errors[better]
            claims.append(claim(text, differences, made_by_paper=True))
        return claims

    def facts(self):
        """Origin of the images, length of the training, number and time of the runs."""
        runs = sum(self.definition.stages(self._dir), [])
        steps = [step for run in runs for step in run.steps]
        return {
            "origin": self._trained("multi_head", "origin")[0],
            "steps": self._trained("multi_head", "global_step")[0],
            "num_runs": len(runs),
            "process_seconds": sum(step.results()["elapsed_time"] for step in steps),
        }
