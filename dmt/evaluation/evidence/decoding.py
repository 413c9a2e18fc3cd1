"""Are latents decoded in the same way where decoders were not trained?

Linear decoders of the latents are fitted to states of trials outside a region of the
cube, and tested inside of it (Vafidis, Bhargava and Rangel, ICLR 2025, "Disentangling
representations through multi-task learning").
"""

import dataclasses
import itertools
from typing import Any

import numpy as np

from dmt.data.evidence.trials import EvidenceTrials
from dmt.evaluation.evidence import agents, trial_states
from dmt.evaluation.evidence.adam import Adam
from dmt.methods.evidence.trained import TrainedAgent
from dmt.utils import checks, stages

SPLITS = ("orthant", "quarter", "half")
DECODERS = ("adam", "ridge")
# Variance of a coordinate that is uniform on [-0.5, 0.5].
LATENT_VARIANCE = 1 / 12
BATCH_SIZE = 16
_LEARNING_RATE = 3e-3
# Of ridge regression: far below the variances of states, so that it only decides
# between solutions that are equally good.
_RIDGE = 1e-6
_CHANCE_DRAWS = 1000


def regions(
    dim: int, split: str, number: int, random_state: np.random.RandomState
) -> np.ndarray:
    """Regions of the cube that are held out, one after another.

    Args:
        dim: number of coordinates, at least 2.
        split: "orthant" (all signs are fixed), "quarter" (the signs of two coordinates)
            or "half" (the sign of one).
        number: number of regions. If there are not more orthants or halves, all of
            them are returned. Otherwise regions are drawn, and may repeat, as quarters
            always are.
        random_state: numpy RandomState, for draws.

    Returns:
        Array (number, dim) of the signs in each region: 1, -1, or 0 for both.

    Raises:
        ValueError: if `dim` is below 2, or `split` is unknown.
    """
    checks.one_of("split", split, SPLITS)
    checks.integer("number", number, 1)
    if dim < 2:
        raise ValueError(
            "Regions can be held out of latents with at least two dimensions, because "
            f"one coordinate has no other half to learn from. Received: dim={dim}"
        )
    fixed = {"orthant": dim, "quarter": 2, "half": 1}[split]
    if fixed == dim and number >= 2**dim:
        return np.array(list(itertools.product((-1, 1), repeat=dim)))
    if fixed == 1 and number >= 2 * dim:
        return np.concatenate([np.eye(dim, dtype=int), -np.eye(dim, dtype=int)])
    found = np.zeros((number, dim), dtype=int)
    for region in found:
        coordinates = random_state.permutation(dim)[:fixed]
        region[coordinates] = random_state.choice([-1, 1], size=fixed)
    return found


def in_region(latents: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Whether latents (n, dim) have the signs (dim,) of a region; bool (n,)."""
    return (np.asarray(latents) * region >= 0).all(axis=1)


def fit_decoders(
    states: np.ndarray,
    latents: np.ndarray,
    rows: np.ndarray,
    decoder: str = "adam",
    random_state: np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Fits linear decoders x = W'r + w of latents x from states r.

    Args:
        states: (n, units).
        latents: (n, dim).
        rows: int array (num_decoders, m), the samples of each decoder, in order. For
            "adam", m is a multiple of 16, the batch size.
        decoder: "adam" (one pass of Adam over the samples, with learning rate 0.003
            from small random weights, which is the paper's protocol: it hardly uses
            directions in which the states vary little) or "ridge" (least squares with a
            penalty of 1e-6 per sample).
        random_state: numpy RandomState of the first weights of "adam".

    Returns:
        Weights (num_decoders, units, dim) and offsets (num_decoders, dim), float32.

    Raises:
        ValueError: if `decoder` is unknown.
    """
    checks.one_of("decoder", decoder, DECODERS)
    states = np.asarray(states, dtype=np.float32)
    latents = np.asarray(latents, dtype=np.float32)
    if decoder == "ridge":
        return _ridge(states, latents, rows)
    return _adam(states, latents, rows, random_state or np.random.RandomState(0))


def _ridge(states, latents, rows):
    from sklearn.linear_model import Ridge

    fits = [
        Ridge(alpha=_RIDGE * len(part)).fit(
            states[part].astype(np.float64), latents[part]
        )
        for part in rows
    ]
    weights = np.stack(
        [np.reshape(fit.coef_, (latents.shape[1], -1)).T for fit in fits]
    )
    offsets = np.stack([fit.intercept_ for fit in fits])
    return weights.astype(np.float32), offsets.astype(np.float32)


def _adam(states, latents, rows, random_state):
    """All decoders at once: their weights and offsets are one array."""
    # A constant unit makes the offset a weight.
    ones = np.ones((len(states), 1), dtype=np.float32)
    states = np.concatenate([states, ones], axis=1)
    shape = (len(rows), states.shape[1], latents.shape[1])
    limit = (states.shape[1] - 1) ** -0.5
    weights = random_state.uniform(-limit, limit, size=shape).astype(np.float32)
    optimizer = Adam(_LEARNING_RATE, weights)
    for step in range(rows.shape[1] // BATCH_SIZE):
        batch = rows[:, step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
        inputs = states[batch]
        errors = inputs @ weights - latents[batch]
        gradient = np.swapaxes(inputs, 1, 2) @ errors
        optimizer.step(gradient * (2 / (BATCH_SIZE * latents.shape[1])))
    return weights[:, :-1], weights[:, -1]


def r2(estimates: np.ndarray, latents: np.ndarray) -> np.ndarray:
    """R^2 relative to the variance of latents in the whole cube.

    It is 1 - 12 times the mean squared error, also in a part of the cube: estimates of
    0 have the score 0 in each orthant.

    Args:
        estimates: (..., n, dim).
        latents: the same shape.

    Returns:
        Array (...), at most 1.
    """
    errors = np.square(np.asarray(estimates, dtype=np.float64) - latents)
    return 1 - errors.mean(axis=(-2, -1)) / LATENT_VARIANCE


def decoder_angles(weights: np.ndarray) -> np.ndarray:
    """Angles between the directions in which a decoder reads the latents.

    Args:
        weights: (..., units, dim), weights of decoders; dim is at least 2.

    Returns:
        Degrees in [0, 180] of each pair of columns, (..., dim (dim - 1) / 2).
    """
    lengths = np.linalg.norm(weights, axis=-2, keepdims=True)
    unit = weights / np.maximum(lengths, np.finfo(np.float32).tiny)
    cosines = np.swapaxes(unit, -1, -2) @ unit
    rows, columns = np.triu_indices(weights.shape[-1], 1)
    return np.degrees(np.arccos(np.clip(cosines[..., rows, columns], -1, 1)))


@stages.configurable("latent_decoders", "evaluation")
@dataclasses.dataclass(frozen=True)
class LatentDecoders:
    """How decoders are fitted, for `ood_decoding` and `decoder_angles`.

    Values of None are those of the paper's public code.

    Attributes:
        decoder: "adam" or "ridge", see `fit_decoders`. Their scores differ, so a table
            should have one of them only.
        split: see `regions`; None for "orthant" if there are two dimensions, and
            "quarter" otherwise.
        num_regions: number of regions; None for 4 in two dimensions, 16 in up to five
            dimensions and 20 otherwise.
        num_fits: number of decoders of each region, from other first weights and
            samples in another order; None for 5 in two dimensions, 2 in up to five
            dimensions and 1 otherwise, and 1 with "ridge".
        num_batches: number of batches of 16 trials that a decoder is fitted to; None
            for 3000 with at most 3 tasks, 2000 with at most 6 and 1000 otherwise.
        num_test: number of trials to test with, for each region.

    Raises:
        ValueError: if a value is out of range.
    """

    decoder: str = "adam"
    split: str | None = None
    num_regions: int | None = None
    num_fits: int | None = None
    num_batches: int | None = None
    num_test: int = 640

    def __post_init__(self):
        checks.one_of("latent_decoders.decoder", self.decoder, DECODERS)
        if self.split is not None:
            checks.one_of("latent_decoders.split", self.split, SPLITS)
        for name in ("num_regions", "num_fits", "num_batches", "num_test"):
            if getattr(self, name) is not None:
                checks.integer(f"latent_decoders.{name}", getattr(self, name), 1)

    def fit(
        self,
        trials: EvidenceTrials,
        agent: TrainedAgent,
        random_state: np.random.RandomState,
    ) -> "FittedDecoders":
        """Fits decoders with and without regions that are held out.

        Args:
            trials: the trials. Their latents are replaced by uniform ones.
            agent: the agent, whose states after the last step are decoded.
            random_state: numpy RandomState, source of all draws.

        Raises:
            ValueError: if the latents have one dimension.
        """
        dim, num_tasks = trials.dim, trials.num_tasks
        kind = 0 if dim == 2 else 1 if dim <= 5 else 2
        is_ridge = self.decoder == "ridge"
        num_fits = self.num_fits or (1 if is_ridge else (5, 2, 1)[kind])
        num_regions = self.num_regions or (4, 16, 20)[kind]
        default = 3000 if num_tasks <= 3 else 2000 if num_tasks <= 6 else 1000
        num_samples = BATCH_SIZE * (self.num_batches or default)
        split = self.split or ("orthant" if dim == 2 else "quarter")
        held_out = regions(dim, split, num_regions, random_state)
        # Enough trials remain when the largest region is left out.
        share = 0.5 if split == "half" else 0.25
        number = int(np.ceil(1.05 * num_samples / (1 - share)))
        latents = random_state.uniform(-0.5, 0.5, size=(number, dim))
        states = states_of(trials, agent, latents, random_state)
        rows = [
            np.resize(random_state.permutation(allowed), num_samples)
            for region in (*held_out, None)
            for allowed in [_outside(latents, region)] * num_fits
        ]
        fitted = fit_decoders(
            states, latents, np.array(rows), self.decoder, random_state
        )
        weights, offsets = (
            array.reshape(len(held_out) + 1, num_fits, *array.shape[1:])
            for array in fitted
        )
        return FittedDecoders(held_out, split, weights, offsets)


def _outside(latents, region):
    if region is None:
        return np.arange(len(latents))
    return np.flatnonzero(~in_region(latents, region))


@dataclasses.dataclass(frozen=True)
class FittedDecoders:
    """Decoders of the latents.

    Attributes:
        regions: (num_regions, dim), the signs in the regions that were held out.
        split: kind of the regions.
        weights: (num_regions + 1, num_fits, units, dim), the last ones of decoders that
            were fitted to trials in the whole cube.
        offsets: (num_regions + 1, num_fits, dim), of the same decoders.
    """

    regions: np.ndarray
    split: str
    weights: np.ndarray
    offsets: np.ndarray

    def scores(self, trials, agent, num_test, random_state):
        """R^2 (num_regions + 1, num_fits) of trials in the regions and the whole cube.

        Arguments are those of `LatentDecoders`.
        """
        found = []
        for k, region in enumerate([*self.regions, np.zeros(trials.dim, dtype=int)]):
            latents = random_state.uniform(-0.5, 0.5, size=(num_test, trials.dim))
            latents = np.where(region == 0, latents, region * np.abs(latents))
            states = states_of(trials, agent, latents, random_state)
            estimates = states @ self.weights[k] + self.offsets[k][:, None]
            found.append(r2(estimates, latents))
        return np.array(found)


def states_of(trials, agent, latents, random_state):
    """States (n, units) after the last step of trials with latents (n, dim)."""
    return agent.last_states(trial_states.noisy_inputs(trials, latents, random_state))


@stages.configurable("ood_decoding", "evaluation", denylist=trial_states.CALLER)
def compute_ood_decoding(
    ground_truth_data: Any,
    representation_function: Any,
    random_state: np.random.RandomState,
    artifact_dir: str | None = None,
) -> dict[str, Any]:
    """R^2 of decoded latents in regions that decoders were not fitted to.

    Gin binds the protocol, `latent_decoders`.

    Returns:
        Dictionary:
            ood_r2: median over regions and decoders, at most 1.
            ood_r2_quartiles: the first and the third quartile.
            ood_r2_values: nested list (num_regions, num_fits).
            id_r2, id_r2_quartiles, id_r2_values: the same for decoders that were fitted
                and tested in the whole cube; the list has shape (num_fits,).
            regions: signs in each region, nested list (num_regions, dim).
            decoder, split: settings of the decoders.

    Raises:
        ValueError: if the model is no agent, or the latents have one dimension.
    """
    del artifact_dir
    trials, agent = agents.trials_and_agent(
        "ood_decoding", ground_truth_data, representation_function
    )
    settings = LatentDecoders()
    fitted = settings.fit(trials, agent, random_state)
    *inside, everywhere = fitted.scores(trials, agent, settings.num_test, random_state)
    summary: dict[str, Any] = {}
    for name, values in (("ood_r2", np.array(inside)), ("id_r2", everywhere)):
        first, median, third = np.percentile(values, [25, 50, 75])
        summary[name] = float(median)
        summary[f"{name}_quartiles"] = [float(first), float(third)]
        summary[f"{name}_values"] = values.tolist()
    return {
        **summary,
        "regions": fitted.regions.tolist(),
        "decoder": settings.decoder,
        "split": fitted.split,
    }


@stages.configurable("decoder_angles", "evaluation", denylist=trial_states.CALLER)
def compute_decoder_angles(
    ground_truth_data: Any,
    representation_function: Any,
    random_state: np.random.RandomState,
    artifact_dir: str | None = None,
) -> dict[str, Any]:
    """Angles between the directions in which states are decoded into latents.

    The decoders are those of `ood_decoding`. Random directions in a space of many
    dimensions are nearly orthogonal, too, so angles near 90 degrees are little evidence
    by themselves; `chance_cosine` tells how close random ones are.

    Returns:
        Dictionary:
            angle: median over pairs of coordinates, regions and decoders, in degrees.
            angle_quartiles: the first and the third quartile.
            angles: list of all angles.
            cosine: mean absolute cosine, in [0, 1], 0 if directions are orthogonal.
            chance_cosine: the same of random directions in the space of the states.

    Raises:
        ValueError: if the model is no agent, or the latents have one dimension.
    """
    del artifact_dir
    trials, agent = agents.trials_and_agent(
        "decoder_angles", ground_truth_data, representation_function
    )
    weights = LatentDecoders().fit(trials, agent, random_state).weights[:-1]
    angles = decoder_angles(weights)
    shape = (_CHANCE_DRAWS, weights.shape[-2], 2)
    chance = decoder_angles(random_state.normal(size=shape))
    first, median, third = np.percentile(angles, [25, 50, 75])
    return {
        "angle": float(median),
        "angle_quartiles": [float(first), float(third)],
        "angles": angles.ravel().tolist(),
        "cosine": float(np.abs(np.cos(np.radians(angles))).mean()),
        "chance_cosine": float(np.abs(np.cos(np.radians(chance))).mean()),
    }
