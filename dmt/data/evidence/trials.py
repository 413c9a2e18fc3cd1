"""Trials of noisy evidence on which several binary decisions are made at once.

A point x of a cube is drawn for each trial. A network sees it in noise, at each step
anew, and decides on which side of each of several boundaries it lies (Vafidis, Bhargava
and Rangel, ICLR 2025, "Disentangling representations through multi-task learning").
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from dmt.data import counters, pipeline
from dmt.data.evidence import boundaries as shapes
from dmt.utils import checks, stages

BOUNDARIES = ("lines", "random", "hyperbolas")
NOISES = ("gaussian", "anisotropic", "ar1", "gumbel")
NOISE_SITES = ("input", "features")
MODES = ("fixed", "free")
AR1_CORRELATION = 0.7
# The purposes of random numbers.
_LATENTS, _NOISE = range(2)


@stages.configurable("evidence_trials", "dataset")
@dataclasses.dataclass(frozen=True)
class EvidenceTrials(pipeline.DrawnExamples):
    """Trials of noisy evidence about a latent point, drawn by (seed, step).

    The latent x is uniform on [-0.5, 0.5]^dim. In the mode "fixed", a trial has steps
    of fixation, `num_steps` steps of the stimulus x + noise, a delay and one step of
    decision. The stimulus is 0 in all other periods. The fixation channel is 1 until
    the decision, and 0 then. Targets are 0.5 until the decision. Then they are 1 on one
    side of each boundary, and 0 on the other.

    In the mode "free", a trial has the steps of the stimulus only, and no fixation
    channel. The target of a task with the boundary c . x = b is the running sum of
    (c . (x + noise) - b) / |c_2|. Once its absolute value exceeds `bound`, the target
    stays at plus or minus `bound`. For lines through the origin, the summand is
    x_2 - tan(phi) x_1.

    Attributes:
        dim: number of coordinates of x, at least 1.
        num_tasks: number of tasks, at least 1.
        boundaries: "lines" (evenly spaced lines, dim 2), "random" (hyperplanes with
            random normals) or "hyperbolas" (dim 2, num_tasks divisible by 4: in each
            quadrant, num_tasks / 4 tasks that are 1 where |x_1 x_2| exceeds a
            threshold, and 0 in the other quadrants). See
            `dmt.data.evidence.boundaries`.
        boundary_seed: integer in [0, 2**32), seed of random normals.
        offsets: b, a number for each task of linear boundaries; None for zeros.
        sigma: scale of the noise, at least 0: the standard deviation of "gaussian",
            "ar1" and of the first channel of "anisotropic" noise, and the scale of
            "gumbel" noise. The paper's default of 2 at steps of 100 ms is 0.2 here.
        num_steps: number of steps of the stimulus, at least 1.
        fixation: number of steps before the stimulus; None for 1 in the mode "fixed".
        delay: number of steps between the stimulus and the decision.
        latent_correlation: correlation rho of any two normal variables z in the
            Gaussian copula x = Phi(z) - 0.5, in [-1 / (dim - 1), 1]. The correlation of
            the coordinates of x is 6 / pi arcsin(rho / 2).
        noise: "gaussian", "anisotropic" (the standard deviations rise evenly from sigma
            in the first channel to 2 sigma in the last), "ar1" (stationary, with
            correlation 0.7 between steps) or "gumbel" (location 0, so that the mean is
            0.577 sigma and the variance pi^2 sigma^2 / 6).
        noise_site: "input" (noise is added to x) or "features" (the stimulus has no
            noise, and the last `num_features` channels of the inputs are noise that the
            model adds to the features into which it encodes the stimulus). The paper's
            sigma is 0.1 there; the default here stays 0.2.
        num_features: number of channels of noise at the features, at least 1.
        mode: "fixed" or "free" reaction time.
        bound: where running sums are absorbed in the mode "free", above 0.

    Raises:
        ValueError: if a value is out of range, or if values do not go together.
    """

    choices: ClassVar[tuple[str, ...]] = (
        "boundaries",
        "boundary_seed",
        "offsets",
        "sigma",
        "latent_correlation",
        "noise",
    )

    dim: int = 2
    num_tasks: int = 24
    boundaries: str = "lines"
    boundary_seed: int = 0
    offsets: Sequence[float] | None = None
    sigma: float = 0.2
    num_steps: int = 20
    fixation: int | None = None
    delay: int = 0
    latent_correlation: float = 0.0
    noise: str = "gaussian"
    noise_site: str = "input"
    num_features: int = 40
    mode: str = "fixed"
    bound: float = 5.0

    def __post_init__(self):
        for name, low in (
            ("dim", 1),
            ("num_tasks", 1),
            ("num_steps", 1),
            ("delay", 0),
            ("num_features", 1),
        ):
            checks.integer(f"evidence_trials.{name}", getattr(self, name), low)
        checks.number("evidence_trials.sigma", self.sigma, 0)
        checks.number("evidence_trials.bound", self.bound, above=0)
        checks.seed("evidence_trials.boundary_seed", self.boundary_seed)
        for name, options in (
            ("boundaries", BOUNDARIES),
            ("noise", NOISES),
            ("noise_site", NOISE_SITES),
            ("mode", MODES),
        ):
            checks.one_of(f"evidence_trials.{name}", getattr(self, name), options)
        self._check_boundaries()
        self._check_latents()
        self._check_mode()

    def _check_boundaries(self):
        if self.boundaries != "random" and self.dim != 2:
            raise ValueError(
                f'evidence_trials.dim must be 2 for boundaries "{self.boundaries}". '
                f"Received: dim={self.dim}"
            )
        if self.boundaries == "hyperbolas":
            shapes.hyperbola_thresholds(self.num_tasks)
        if self.offsets is None:
            return
        if self.boundaries == "hyperbolas":
            raise ValueError(
                "evidence_trials.offsets must be None for hyperbolas. "
                f"Received: offsets={self.offsets!r}"
            )
        is_list = isinstance(self.offsets, (list, tuple, np.ndarray))
        if not is_list or len(self.offsets) != self.num_tasks:
            raise ValueError(
                "evidence_trials.offsets must have a number for each of the "
                f"{self.num_tasks} tasks. Received: offsets={self.offsets!r}"
            )
        for offset in self.offsets:
            checks.number("evidence_trials.offsets", offset)
        # Tuples make trials comparable.
        object.__setattr__(self, "offsets", tuple(map(float, self.offsets)))

    def _check_latents(self):
        low = -1 / max(self.dim - 1, 1)
        checks.number(
            "evidence_trials.latent_correlation", self.latent_correlation, low, 1
        )

    def _check_mode(self):
        checks.integer("evidence_trials.fixation", self.fixation_steps, 0)
        if self.mode == "fixed":
            return
        for name, value, wanted in (
            ("dim", self.dim, 2),
            ("fixation", self.fixation_steps, 0),
            ("delay", self.delay, 0),
            ("noise_site", self.noise_site, "input"),
        ):
            if value != wanted:
                raise ValueError(
                    f'evidence_trials.{name} must be {wanted!r} in the mode "free". '
                    f"Received: {name}={value!r}"
                )
        if self.boundaries == "hyperbolas":
            raise ValueError(
                'evidence_trials.boundaries must be "lines" or "random" in the mode '
                f'"free". Received: boundaries={self.boundaries!r}'
            )

    @functools.cached_property
    def normals(self) -> np.ndarray:
        """Unit normals of linear boundaries, float64 (num_tasks, dim).

        Raises:
            ValueError: if the boundaries are hyperbolas.
        """
        if self.boundaries == "hyperbolas":
            raise ValueError("Hyperbolas have no normals.")
        if self.boundaries == "lines":
            return shapes.line_normals(self.num_tasks)
        return shapes.random_normals(self.num_tasks, self.dim, self.boundary_seed)

    @functools.cached_property
    def offset_values(self) -> np.ndarray:
        """Offsets of linear boundaries, float64 (num_tasks,)."""
        return (
            np.zeros(self.num_tasks) if self.offsets is None else np.array(self.offsets)
        )

    @property
    def fixation_steps(self) -> int:
        """Number of steps before the stimulus."""
        return int(self.mode == "fixed") if self.fixation is None else self.fixation

    @property
    def length(self) -> int:
        """Number of steps of a trial."""
        after = self.delay + 1 if self.mode == "fixed" else 0
        return self.fixation_steps + self.num_steps + after

    @property
    def num_inputs(self) -> int:
        """Number of channels: of fixation, of the stimulus, of noise at features."""
        return (self.mode == "fixed") + self.dim + self.noise_channels

    @property
    def noise_channels(self) -> int:
        """Number of channels of noise at the features, 0 for noise at the input."""
        return self.num_features if self.noise_site == "features" else 0

    def draw(self, seed: int | list[int], step: Any, batch_size: int) -> tuple:
        """Inputs and targets of batch `step`; see `DrawnExamples.draw`.

        Returns:
            (inputs, targets), float32 of shapes (batch_size, length, num_inputs) and
            (batch_size, length, num_tasks).
        """
        latents = self.latents(seed, step, batch_size)
        return self.of_latents(latents, seed, step)

    def latents(self, seed: int | list[int], step: Any, batch_size: int) -> Any:
        """The latents of batch `step`, float32 (batch_size, dim).

        Arguments are those of `draw`.
        """
        xp = counters.namespace(step)
        count = batch_size * self.dim
        draw = counters.normals if self.latent_correlation else counters.uniforms
        numbers = draw(seed, step, _LATENTS, count)
        numbers = xp.reshape(numbers, (*numbers.shape[:-1], batch_size, self.dim))
        if self.latent_correlation:
            # The symmetric square root of the matrix of correlations, which also exists
            # if the matrix is singular.
            rho = self.latent_correlation
            mean = xp.mean(numbers, axis=-1, keepdims=True)
            rest = math.sqrt(1 - rho) * (numbers - mean)
            common = math.sqrt(max(1 + (self.dim - 1) * rho, 0.0)) * mean
            return 0.5 * xp.erf((rest + common) * math.sqrt(0.5))
        return numbers - 0.5

    def of_latents(self, latents: Any, seed: int | list[int], step: Any) -> tuple:
        """Inputs and targets of given latents, as `draw` returns them.

        Args:
            latents: float32 (batch_size, dim), or (number of seeds, batch_size, dim)
                for a list of seeds; an array or a tensor, as `step` is.
            seed: as for `draw`, seed of the noise.
            step: as for `draw`.
        """
        xp = counters.namespace(step)
        latents = xp.convert_to_tensor(latents, "float32")
        channels = self.noise_channels or self.dim
        noise = self._noise(xp, seed, step, latents.shape[-2], channels)
        stimulus = latents[..., None, :]
        if self.noise_channels:
            stimulus = xp.repeat(stimulus, self.num_steps, axis=-2)
            stimulus = xp.concatenate([stimulus, noise], axis=-1)
        else:
            stimulus = stimulus + noise
        if self.mode == "free":
            return stimulus, self._running_sums(xp, stimulus)
        fixation = np.ones((self.length, 1), dtype="float32")
        fixation[-1] = 0
        fixation = xp.broadcast_to(fixation, (*latents.shape[:-1], *fixation.shape))
        widths = [(0, 0)] * len(stimulus.shape)
        widths[-2] = (self.fixation_steps, self.delay + 1)
        inputs = xp.concatenate([fixation, xp.pad(stimulus, widths)], axis=-1)
        is_decision = 1 - fixation
        targets = 0.5 + is_decision * (self.labels(latents)[..., None, :] - 0.5)
        return inputs, targets

    def labels(self, latents: Any) -> Any:
        """On which side of each boundary latents lie.

        Args:
            latents: float32 (..., dim), an array or a tensor.

        Returns:
            float32 (..., num_tasks) of 0 and 1.
        """
        xp = counters.namespace(latents)
        if self.boundaries == "hyperbolas":
            inside = xp.all(latents[..., None, :] * shapes.QUADRANTS > 0, axis=-1)
            products = xp.abs(latents[..., 0] * latents[..., 1])[..., None]
            thresholds = shapes.hyperbola_thresholds(self.num_tasks)
            exceeds = products > thresholds.astype("float32")
            both = xp.logical_and(inside[..., :, None], exceeds[..., None, :])
            return xp.cast(
                xp.reshape(both, (*latents.shape[:-1], self.num_tasks)), "float32"
            )
        margins = _products(xp, latents, self.normals)
        return xp.cast(margins > self.offset_values.astype("float32"), "float32")

    def evidence(self, inputs: Any) -> Any:
        """The stimuli (..., num_steps, dim) of inputs, in the periods of the stimulus.

        Args:
            inputs: (..., length, num_inputs), as `draw` returns them.
        """
        first_channel = int(self.mode == "fixed")
        channels = slice(first_channel, first_channel + self.dim)
        steps = slice(self.fixation_steps, self.fixation_steps + self.num_steps)
        return inputs[..., steps, channels]

    def _noise(self, xp, seed, step, batch_size, channels):
        """Noise (..., batch_size, num_steps, channels)."""
        shape = (batch_size, self.num_steps, channels)
        draw = counters.uniforms if self.noise == "gumbel" else counters.normals
        numbers = draw(seed, step, _NOISE, math.prod(shape))
        numbers = xp.reshape(numbers, (*numbers.shape[:-1], *shape))
        if self.noise == "gumbel":
            return -self.sigma * xp.log(-xp.log(numbers))
        if self.noise == "anisotropic":
            return np.linspace(1, 2, channels, dtype="float32") * numbers * self.sigma
        if self.noise == "ar1":
            rho = AR1_CORRELATION
            states = [numbers[..., 0, :]]
            for t in range(1, self.num_steps):
                innovation = math.sqrt(1 - rho**2) * numbers[..., t, :]
                states.append(rho * states[-1] + innovation)
            numbers = xp.stack(states, axis=-2)
        return self.sigma * numbers

    def _running_sums(self, xp, evidence):
        scales = 1 / np.abs(self.normals[:, 1])
        summands = _products(xp, evidence, scales[:, None] * self.normals)
        summands = summands - (scales * self.offset_values).astype("float32")
        sums = xp.cumsum(summands, axis=-2)
        exceeds = xp.cast(xp.abs(sums) > self.bound, "float32")
        number = xp.cumsum(exceeds, axis=-2)
        # The sign at the first step beyond the bound, kept for all later steps.
        is_first = exceeds * xp.cast(number == 1, "float32")
        signs = xp.cumsum(is_first * xp.sign(sums), axis=-2)
        return xp.where(number > 0, self.bound * signs, sums)


def _products(xp, points, normals):
    """Inner products (..., num_tasks) of points (..., dim) with each normal.

    They are sums of products, because matrix products of accelerators are less precise
    than float32.
    """
    return xp.sum(points[..., None, :] * normals.astype("float32"), axis=-1)
