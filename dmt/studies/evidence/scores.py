"""Results of the study of evidence accumulation, as numbers and as tables."""

import numpy as np

from dmt.data.evidence.trials import AR1_CORRELATION
from dmt.evaluation.evidence import agents, theory
from dmt.studies.tables import median_and_quartiles, table
from dmt.utils import results

NETWORK_LABELS = {
    "leaky_rnn": "leaky RNN",
    "non_leaky_rnn": "non-leaky RNN",
    "lstm": "LSTM",
    "transformer": "transformer",
}
_DECODED = ("OOD R²", "ID R²", "ceiling", "task accuracy")
# What holds for all tables.
HOW_TO_READ = (
    "Cells with several values give their median and quartiles: of OOD R² over "
    "networks, regions and fits of the decoder, of ID R² over networks and fits, and "
    "of all else over networks, unless the caption says otherwise. The ceiling is the "
    "R² of the mean of the evidence, 1 − 12 σ² / steps for independent normal noise. "
    "Decoders can exceed it where the noise is strong, because they also use the range "
    "of the latents. "
    "Decoders are those of the paper, fitted by Adam, unless the title names another."
)


class Scores:
    """The results of the complete runs of a study.

    Attributes:
        definition: the `dmt.studies.evidence.runs.Study`.
        sweeps: its settings by what differs, for each part of the study.
        fewest, most: the smallest and the largest number of tasks of `sweeps["tasks"]`.
        default: the setting that variants change.
    """

    def __init__(self, definition, output_dir):
        self.definition = definition
        self.sweeps = definition.sweeps()
        self.fewest, self.most = min(self.sweeps["tasks"]), max(self.sweeps["tasks"])
        self.default = self.sweeps["losses"]["all"]
        self._dir = output_dir
        self._read = {}

    def model_dir(self, setting, seed):
        """Directory of the model of a setting."""
        return f"{self.definition.run_dir(self._dir, setting.name, seed)}/model"

    def evaluated(self, setting, evaluation="ood_decoding"):
        """Results of an evaluation, a dictionary for each seed."""
        path = f"metrics/{evaluation}/results/json/evaluation_results.json"
        return self._results(setting, path)

    def trained(self, setting):
        """Results of the training, a dictionary for each seed."""
        return self._results(setting, "model/results/json/train_results.json")

    def _results(self, setting, path):
        key = (setting.name, path)
        if key not in self._read:
            self._read[key] = [
                results.load_json(
                    f"{self.definition.run_dir(self._dir, setting.name, seed)}/{path}"
                )
                for seed in self.definition.seeds
            ]
        return self._read[key]

    def by_seed(self, setting, key="ood_r2", evaluation="ood_decoding"):
        """A result of an evaluation, array of shape (num_seeds,)."""
        found = self.evaluated(setting, evaluation)
        return np.array([result[key] for result in found], dtype=float)

    def trained_by_seed(self, setting, key):
        """A result of the training, array of shape (num_seeds,)."""
        return np.array([result[key] for result in self.trained(setting)], dtype=float)

    def pooled(self, setting, key="ood_r2", evaluation="ood_decoding"):
        """R² of all networks, regions and fits, array of shape (n,)."""
        found = self.evaluated(setting, evaluation)
        return np.concatenate([np.ravel(result[f"{key}_values"]) for result in found])

    def trials(self, setting):
        """The trials of a setting."""
        return agents.trials_of(self.model_dir(setting, self.definition.seeds[0]))

    def ceiling(self, setting, num_steps=None):
        """R² of the mean of the evidence in the trials of a setting; see `ceiling`."""
        return ceiling(self.trials(setting), num_steps)

    def facts(self):
        """Number, length and time of the runs, and the machines they were made on."""
        runs = sum(self.definition.stages(self._dir), [])
        found = [step.results() for run in runs for step in run.steps]
        settings = self.definition.settings().values()
        return {
            "num_runs": len(runs),
            "num_settings": len(settings),
            "num_updates": len(self.definition.seeds) * sum(s.steps for s in settings),
            "process_seconds": sum(result["elapsed_time"] for result in found),
            # What follows the name of the machine matters for exact repetition only.
            "machines": sorted({result["machine"].split(" (")[0] for result in found}),
        }

    def tables(self):
        """All tables, {part of the study: list of tables}."""
        return {
            "tasks": self._of_tasks(),
            "directions": [self._angles()],
            "states": [self._variance()],
            "attractor": [self._fixed_points()],
            "sparseness": [self._sparseness()],
            "free": self._free(),
            "changes": self._changes(),
        }

    def _decoded(self, title, caption, settings, evaluation="ood_decoding"):
        """List with a table of decoded latents; empty if there are no settings.

        Args:
            title: of the table.
            caption: of the table.
            settings: {label: setting}.
            evaluation: name of an evaluation.
        """
        rows = [
            [
                label,
                *(
                    median_and_quartiles(self.pooled(setting, key, evaluation))
                    for key in ("ood_r2", "id_r2")
                ),
                self.ceiling(setting),
                median_and_quartiles(self.trained_by_seed(setting, "task_accuracy")),
            ]
            for label, setting in settings.items()
        ]
        return [table(title, caption, list(_DECODED), rows)] if rows else []

    def _of_tasks(self):
        tasks = {f"{n} tasks": one for n, one in self.sweeps["tasks"].items()}
        steps = f"Leaky RNNs after {self.definition.long_steps:,} updates."
        short = (
            f"After {self.definition.short_steps:,} updates, transformers after "
            f"{self.definition.transformer_steps:,}."
        )
        networks = {
            f"{NETWORK_LABELS[network]}, {number} tasks": one
            for (network, number), one in self.sweeps["networks"].items()
        }
        ridge = "The same states, but the decoder is ridge regression."
        return [
            *self._decoded("Number of tasks", steps, tasks),
            *self._decoded(
                "Number of tasks, decoded by ridge regression",
                f"{steps} {ridge}",
                tasks,
                "ood_decoding_ridge",
            ),
            self._closed_form(tasks),
            *self._decoded("Networks", short, networks),
        ]

    def _closed_form(self, tasks):
        keys = ("r2", "rescaled_r2", "scale")
        name = "closed_form_recovery"
        rows = []
        for label, setting in tasks.items():
            cells = [
                median_and_quartiles(self.by_seed(setting, key, name)) for key in keys
            ]
            first = self.evaluated(setting, name)[0]
            rows.append([label, *cells, first["ceiling"], first["condition_number"]])
        return table(
            "Latents from the answers, in closed form",
            "The latents that the answers imply by the formula of ideal answers, "
            "without a decoder. The scale is the number by which these estimates "
            "should be multiplied: it is above 1 for networks that are less certain "
            "than an ideal observer. The condition number is that of the boundaries.",
            ["R²", "R², rescaled", "scale", "ceiling", "condition number"],
            rows,
        )

    def _angles(self):
        rows = []
        for number, setting in self.sweeps["tasks"].items():
            found = self.evaluated(setting, "decoder_angles")
            angles = np.concatenate([result["angles"] for result in found])
            cells = [
                median_and_quartiles([result[key] for result in found])
                for key in ("cosine", "chance_cosine")
            ]
            rows.append([f"{number} tasks", median_and_quartiles(angles), *cells])
        return table(
            "Angles between decoders",
            "Angles, in degrees, between the directions in which the two latents are "
            "decoded, over networks, regions and fits, and the mean absolute cosine of "
            "each network. Chance is that of random directions in as many dimensions.",
            ["angle", "absolute cosine", "absolute cosine by chance"],
            rows,
        )

    def _variance(self):
        found = self.evaluated(self.sweeps["tasks"][self.most], "state_variance")
        components = np.array([r["explained_variance_ratio"][:3] for r in found])
        rows = [
            [f"share of component {number}", median_and_quartiles(shares)]
            for number, shares in enumerate(components.T, start=1)
        ]
        for label, key in (
            ("participation ratio", "participation_ratio"),
            ("share along latents", "latent_variance"),
        ):
            rows.append([label, median_and_quartiles([r[key] for r in found])])
        return table(
            "Variance of the states",
            f"Leaky RNNs with {self.most} tasks, noise-free trials. The participation "
            "ratio is the number of dimensions if the variance is the same in each. "
            "The last row is the share in the plane in which the latents move the "
            "states.",
            ["median and quartiles"],
            rows,
        )

    def _fixed_points(self):
        found = self.evaluated(self.sweeps["tasks"][self.most], "fixed_points")
        rows = [
            [
                f"network {seed}",
                result["num_points"],
                f"{np.median(result['speeds']):.1e}",
                *result["median_eigenvalues"][:3],
                result["median_amplification"],
            ]
            for seed, result in zip(self.definition.seeds, found, strict=True)
        ]
        columns = ["points", "speed", "eigenvalue 1", "eigenvalue 2", "eigenvalue 3"]
        return table(
            "Fixed points",
            "The number of distinct points, the median of ||F(h) − h||² at them, the "
            "medians of the largest real parts of the eigenvalues of the Jacobian of "
            "F(h) − h, and the median amplification of the time constant.",
            [*columns, "amplification"],
            rows,
        )

    def _sparseness(self):
        name = "lifetime_sparseness"
        rows = [
            [
                f"{steps:,} updates",
                *(
                    median_and_quartiles(self.by_seed(setting, key, name))
                    for key in ("mean_sparseness", "active_share", "silent_units")
                ),
                *(
                    median_and_quartiles(self.pooled(setting, key))
                    for key in ("ood_r2", "id_r2")
                ),
            ]
            for steps, setting in self.sweeps["lengths"].items()
        ]
        return table(
            "Number of updates",
            f"Leaky RNNs with {self.most} tasks. Active is the share of responses "
            "above 0, silent the share of units that never respond.",
            ["sparseness", "active", "silent", "OOD R²", "ID R²"],
            rows,
        )

    def _free(self):
        (setting,) = self.sweeps["free"].values()
        rows = [
            [
                f"{steps} steps",
                *(
                    median_and_quartiles(
                        self.pooled(setting, key, f"ood_decoding_{steps}")
                    )
                    for key in ("ood_r2", "id_r2")
                ),
                self.ceiling(setting, steps),
            ]
            for steps in self.definition.durations
        ]
        caption = (
            f"Leaky RNNs with {self.definition.num_tasks} tasks after "
            f"{self.definition.short_steps:,} updates, tested in trials of several "
            "lengths."
        )
        columns = ["OOD R²", "ID R²", "ceiling"]
        return [table("Free reaction times", caption, columns, rows)] if rows else []

    def _changes(self):
        steps = f"Leaky RNNs with {self.definition.num_tasks} tasks after "
        steps += f"{self.definition.short_steps:,} updates."
        sweeps = self.sweeps
        dims = {
            f"{NETWORK_LABELS[network]}, {dim} dimensions, {number} tasks": one
            for (network, dim, number), one in sweeps["dims"].items()
        }
        changed = variants(self)
        losses = {
            "all steps": sweeps["losses"]["all"],
            "only the last step": sweeps["losses"]["last"],
        }
        return [
            *self._decoded("Noise", steps, _labelled("sigma", sweeps["sigmas"])),
            *self._decoded(
                "Correlation of the latents",
                f"{steps} Decoders are fitted and tested with independent latents.",
                _labelled("correlation", sweeps["correlations"]),
            ),
            *self._decoded(
                "Dimensions",
                "Random boundaries, and regions in which the signs of two latents are "
                "held out.",
                dims,
            ),
            *self._decoded(
                "Variants",
                f"{steps} The mean of the evidence is a worse estimate with some kinds "
                "of noise, as the ceiling shows. It is not known for noise at the "
                "features.",
                {"default": self.default, **changed} if changed else {},
            ),
            *self._decoded("Steps in the loss", steps, losses),
        ]


def variants(scores):
    """Settings of the variants by label."""
    settings = scores.sweeps["variants"].items()
    return {name.replace("_", " "): setting for name, setting in settings}


def _labelled(word, settings):
    return {f"{word} {value}": setting for value, setting in settings.items()}


def ceiling(trials, num_steps=None):
    """R² of the mean of the evidence as an estimate of latents, 1 - 12 sigma^2 / T.

    A constant error, as of Gumbel noise, does not count, because decoders correct it.

    Args:
        trials: the `EvidenceTrials`.
        num_steps: T, number of steps of the stimulus, None for that of the trials.

    Returns:
        R², or None if the noise is not added to the evidence.
    """
    if trials.noise_site != "input":
        return None
    num_steps = num_steps or trials.num_steps
    steps = np.arange(num_steps)
    correlations = AR1_CORRELATION ** np.abs(steps[:, None] - steps)
    # Variances of T times the mean, relative to those of independent normal noise.
    factor = {
        "gaussian": 1.0,
        "anisotropic": np.square(np.linspace(1, 2, trials.dim)).mean(),
        "ar1": correlations.sum() / num_steps,
        "gumbel": np.pi**2 / 6,
    }[trials.noise]
    return theory.r2_ceiling(float(np.sqrt(factor)) * trials.sigma, num_steps)
