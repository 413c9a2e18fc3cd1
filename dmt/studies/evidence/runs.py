"""Do agents that answer many tasks disentangle the evidence?

The study of Vafidis, Bhargava and Rangel (ICLR 2025), "Disentangling representations
through multi-task learning", https://arxiv.org/abs/2407.11249. Networks of several
kinds learn tasks on trials of noisy evidence. Decoders of their states are tested where
they were not trained.
"""

import dataclasses
import math
import os

import gin

from dmt.data.evidence import boundaries
from dmt.runs.runner import Run
from dmt.runs.steps import Step
from dmt.utils import checks, configuration
from dmt.utils.configuration import shipped

# Lines of gin of each network.
NETWORKS = {
    "leaky_rnn": ("evidence_accumulation.network_fn = @leaky_rnn",),
    "non_leaky_rnn": (
        "evidence_accumulation.network_fn = @leaky_rnn",
        "leaky_rnn.leaky = False",
    ),
    "lstm": ("evidence_accumulation.network_fn = @lstm",),
    "transformer": ("evidence_accumulation.network_fn = @causal_transformer",),
}
# Lines of gin of changes that should not matter.
VARIANTS = {
    "anisotropic_noise": ('evidence_trials.noise = "anisotropic"',),
    "autocorrelated_noise": ('evidence_trials.noise = "ar1"',),
    "gumbel_noise": ('evidence_trials.noise = "gumbel"',),
    "noise_at_features": (
        'evidence_trials.noise_site = "features"',
        "evidence_trials.sigma = 0.1",
    ),
    "hyperbolas": ('evidence_trials.boundaries = "hyperbolas"',),
    "random_lines": ('evidence_trials.boundaries = "random"',),
    "quadratic_encoder": ('random_encoder.nonlinearity = "quadratic"',),
    "delay": ("evidence_trials.delay = 5",),
    "slow_units": ("leaky_rnn.alpha = 0.5",),
    "tanh_units": ('leaky_rnn.activation = "tanh"',),
    "sparse_weights": ('leaky_rnn.recurrent_init = "sparse"',),
    "orthogonal_weights": ('leaky_rnn.recurrent_init = "orthogonal"',),
}
LAST_STEP = "last_step"
FREE = "free_reaction_time"
EVALUATION_SEED = 42
# Analyses of the networks with the most tasks.
_DETAILS = ("state_variance", "unit_tuning", "fixed_points")


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is trained with each seed.

    Attributes:
        name: name of its directory.
        num_tasks: number of tasks.
        steps: number of updates.
        lines: lines of gin of network and trials.
        evaluations: {name of an evaluation: lines of gin}.
    """

    name: str
    num_tasks: int
    steps: int
    lines: tuple[str, ...]
    evaluations: dict[str, tuple[str, ...]]


@gin.configurable("evidence_study")
@dataclasses.dataclass
class Study:
    """What is trained and how long, as in gin_configs/evidence/{small,paper}.gin.

    Attributes:
        seeds: seeds of the networks, at least two.
        long_steps: number of updates of the leaky RNN for `nums_of_tasks`.
        short_steps: number of updates of all other networks.
        transformer_steps: number of updates of transformers.
        nums_of_tasks: numbers of tasks of the leaky RNN, which learns them for long.
        compared_nums: numbers of tasks for which the networks are compared.
        lengths: numbers of updates after which a leaky RNN is looked at, besides
            `long_steps`.
        sigmas: standard deviations of the noise.
        correlations: correlations of the latents.
        nums_by_dim: {number of dimensions: numbers of tasks}, for random boundaries.
        networks_by_dim: the networks that learn them.
        variants: names in `VARIANTS`.
        durations: numbers of steps of the trials with free reaction times, for
            evaluation.
        num_tasks: number of tasks wherever it does not vary.
        model_bindings: lines of gin for every training.
        evaluation_bindings: lines of gin for every evaluation.

    Raises:
        ValueError: if a value is of a wrong kind, or there is one seed only.
    """

    seeds: tuple = (0, 1, 2, 3, 4)
    long_steps: int = 100000
    short_steps: int = 100000
    transformer_steps: int = 20000
    nums_of_tasks: tuple = (2, 3, 6, 12, 24)
    compared_nums: tuple = (2, 6, 24)
    lengths: tuple = (5000, 20000)
    sigmas: tuple = (0.1, 0.2, 0.3, 0.4, 0.6)
    correlations: tuple = (0.0, 0.7, 1.0)
    nums_by_dim: dict = dataclasses.field(default_factory=dict)
    networks_by_dim: tuple = ("leaky_rnn", "transformer")
    variants: tuple = tuple(VARIANTS)
    durations: tuple = (5, 10, 20)
    num_tasks: int = 24
    model_bindings: tuple = ()
    evaluation_bindings: tuple = ()
    # Set by `open_study`: the text that tells studies apart.
    configuration = ""

    def __post_init__(self):
        if len(self.seeds) < 2:
            raise ValueError(
                "evidence_study.seeds needs two seeds for intervals. "
                f"Received: seeds={self.seeds!r}"
            )
        for name in ("long_steps", "short_steps", "transformer_steps", "num_tasks"):
            checks.integer(f"evidence_study.{name}", getattr(self, name), 1)
        if not self.nums_of_tasks:
            raise ValueError(
                "evidence_study.nums_of_tasks needs a number of tasks. Received: "
                f"nums_of_tasks={self.nums_of_tasks!r}"
            )
        by_dim = sum(map(tuple, self.nums_by_dim.values()), ())
        for name, numbers, least in (
            # Two latents follow from the answers of two tasks or more.
            ("nums_of_tasks", self.nums_of_tasks, 2),
            ("compared_nums", self.compared_nums, 1),
            ("nums_by_dim", by_dim, 1),
        ):
            for number in numbers:
                checks.integer(f"evidence_study.{name}", number, least)
        if "hyperbolas" in self.variants:
            boundaries.hyperbola_thresholds(self.num_tasks)
        for name, known in (
            ("variants", VARIANTS),
            ("networks_by_dim", NETWORKS),
        ):
            for value in getattr(self, name):
                checks.one_of(f"evidence_study.{name}", value, known)

    def prepare(self) -> None:
        """Does nothing: trials need no files."""

    def stages(self, output_dir: str) -> list[list[Run]]:
        """All runs, which do not depend on each other, the longest ones first."""
        settings = sorted(self.settings().values(), key=lambda one: -one.steps)
        # Runs of a setting are trained together.
        return [
            [
                self._run(output_dir, setting, seed)
                for setting in settings
                for seed in self.seeds
            ]
        ]

    def write_page(self, output_dir: str) -> str:
        """Writes tables, figures and the page of the complete study."""
        from dmt.studies.evidence import page

        return page.write(self, output_dir)

    def run_dir(self, output_dir: str, name: str, seed: int) -> str:
        """Directory of a run of the setting with this name."""
        return os.path.join(output_dir, name, f"seed_{seed}")

    def settings(self) -> dict[str, Setting]:
        """All settings by name."""
        found: dict[str, Setting] = {}
        for sweep in self.sweeps().values():
            for setting in sweep.values():
                before = found.get(setting.name, setting)
                evaluations = {**before.evaluations, **setting.evaluations}
                found[setting.name] = dataclasses.replace(
                    setting, evaluations=evaluations
                )
        return found

    def sweeps(self) -> dict[str, dict]:
        """Settings by what differs, for each part of the study."""
        leaky, long = "leaky_rnn", self.long_steps
        most = max(self.nums_of_tasks)
        return {
            "tasks": {
                number: self._setting(
                    leaky,
                    number,
                    long,
                    evaluations=self._of_tasks(is_detailed=number == most),
                )
                for number in self.nums_of_tasks
            },
            "lengths": {
                steps: self._setting(
                    leaky, most, steps, evaluations={"lifetime_sparseness": ()}
                )
                for steps in sorted({*self.lengths, long})
            },
            "networks": {
                (network, number): self._setting(network, number)
                for network in NETWORKS
                for number in self.compared_nums
            },
            "sigmas": {
                sigma: self._setting(lines={"sigma": sigma}) for sigma in self.sigmas
            },
            "correlations": {
                rho: self._setting(lines={"latent_correlation": rho})
                for rho in self.correlations
            },
            "dims": {
                (network, dim, number): self._setting(
                    network, number, lines={"boundaries": "random", "dim": dim}
                )
                for network in self.networks_by_dim
                for dim, numbers in self.nums_by_dim.items()
                for number in numbers
            },
            "variants": {
                name: self._setting(own=(name, VARIANTS[name]))
                for name in self.variants
            },
            "losses": {
                "all": self._setting(),
                "last": self._setting(
                    own=(LAST_STEP, ('evidence_accumulation.loss_steps = "last"',))
                ),
            },
            "free": {
                FREE: self._setting(
                    own=(FREE, ('evidence_trials.mode = "free"',)),
                    evaluations={
                        f"ood_decoding_{steps}": (
                            f"evidence_trials.num_steps = {steps}",
                        )
                        for steps in self.durations
                    },
                )
            },
        }

    def _of_tasks(self, is_detailed):
        """Evaluations of the networks that differ in the number of tasks."""
        names = ["decoder_angles", "closed_form_recovery"]
        names += _DETAILS if is_detailed else ()
        ridge = ('latent_decoders.decoder = "ridge"',)
        return {"ood_decoding_ridge": ridge, **{name: () for name in names}}

    def _setting(
        self,
        network="leaky_rnn",
        num_tasks=None,
        steps=None,
        lines=None,
        own=None,
        evaluations=None,
    ):
        """A setting, whose name tells how it differs from others.

        Args:
            network: name in `NETWORKS`.
            num_tasks: number of tasks, None for that of the study.
            steps: number of updates, None for those of the network.
            lines: {argument of the trials: value}.
            own: name and lines of gin of another change.
            evaluations: {name of an evaluation: lines of gin} besides `ood_decoding`.
        """
        num_tasks = self.num_tasks if num_tasks is None else num_tasks
        if steps is None:
            is_transformer = network == "transformer"
            steps = self.transformer_steps if is_transformer else self.short_steps
        # Defaults leave no mark, so that settings that are equal have one name.
        defaults = {"sigma": 0.2, "latent_correlation": 0.0}
        lines = {
            key: value
            for key, value in (lines or {}).items()
            if defaults.get(key) != value
        }
        name, changes = own or ("", ())
        parts = [network, f"{num_tasks}_tasks", f"{steps}_steps"]
        parts += [f"{key}_{value}" for key, value in lines.items()] + [name] * bool(
            name
        )
        return Setting(
            "-".join(parts),
            num_tasks,
            steps,
            (
                *NETWORKS[network],
                f"evidence_trials.num_tasks = {num_tasks}",
                *(f"evidence_trials.{key} = {value!r}" for key, value in lines.items()),
                *changes,
            ),
            {"ood_decoding": (), **(evaluations or {})},
        )

    def _run(self, output_dir, setting, seed):
        directory = self.run_dir(output_dir, setting.name, seed)
        log_steps = min(setting.steps, 1000)
        lines = (
            f"model.training_steps = {setting.steps}",
            f"model.log_steps = {log_steps}",
            f"model.steps_per_execution = {math.gcd(log_steps, 100)}",
            f"model.random_seed = {seed}",
            # Each network has random boundaries of its own.
            f"evidence_trials.boundary_seed = {seed}",
            *self.model_bindings,
            *setting.lines,
        )
        model_dir = os.path.join(directory, "model")
        gin_file = shipped("evidence/leaky_rnn.gin")
        steps = [Step("train", model_dir, None, (gin_file,), lines)]
        for name, own in setting.evaluations.items():
            kind = "ood_decoding" if name.startswith("ood_decoding") else name
            own = (
                f"evaluation.random_seed = {EVALUATION_SEED}",
                f"evaluation.name = {name!r}",
                *self.evaluation_bindings,
                *own,
            )
            output = os.path.join(directory, "metrics", name)
            gin_files = (shipped(f"evidence/{kind}.gin"),)
            steps.append(Step("evaluate", output, model_dir, gin_files, own))
        return Run(f"{setting.name}/seed_{seed}", directory, tuple(steps))


def open_study(name: str, gin_bindings: tuple[str, ...], scale: str) -> Study:
    """Opens the study with the option that `dmt.studies.evidence` registers."""
    gin_file = shipped(f"evidence/{scale}.gin")
    with configuration.gin_configuration([gin_file], gin_bindings):
        study = Study()
        study.configuration = f"# {name}\n{gin.config_str()}"
    return study
