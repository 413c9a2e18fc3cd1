"""Claims of the paper, compared with the results of the study.

Each claim of the paper has rows: what is measured, a number for each seed, and the
range in which the mean of the numbers should lie. The ends of ranges other than 0 are
choices.
"""

import numpy as np

from dmt.studies import tables
from dmt.studies.evidence.scores import NETWORK_LABELS, variants
from dmt.utils.statistics import rank_correlation

CLAIMS = {
    1: "OOD R² rises with the number of tasks, and approaches ID R² and the ceiling.",
    2: "It takes as many tasks as dimensions, and more tasks give directions that are "
    "closer to orthogonal.",
    3: "All networks show it. Transformers generalise better with few tasks, and in "
    "more dimensions.",
    4: "The RNN learns a continuous attractor with two dimensions, and sparse states.",
    5: "Decoders of the two latents are about orthogonal.",
    6: "R² falls with the noise, along the ceiling.",
    7: "It is robust to other noise, boundaries and encoders, and to correlated "
    "latents until their correlation is nearly perfect.",
    8: "With free reaction times, OOD R² follows the ceiling of the number of steps.",
    9: "A loss of the last step only is worse.",
}
# How far from the ceiling is within it, and how much R² may differ.
_NEAR_CEILING = 0.05
_SIMILAR = 0.1


def claims(scores):
    """All rows: each is a `tables.claim`, and "number" is that of the paper's claim.

    Rows for which the study has no settings are left out.

    Args:
        scores: the `Scores` of the study.
    """
    rows = {
        1: _number_of_tasks,
        2: _dimensions,
        3: _networks,
        4: _dynamics,
        5: _angles,
        6: _noise,
        7: _changes,
        8: _free,
        9: _losses,
    }
    return [
        tables.claim(text, values, *limits, number=number)
        for number, find in rows.items()
        for text, values, *limits in find(scores)
    ]


def _number_of_tasks(scores):
    tasks, most, fewest = scores.sweeps["tasks"], scores.most, scores.fewest
    ood = {n: scores.by_seed(tasks[n]) for n in (fewest, most)}
    id_ = {n: scores.by_seed(tasks[n], "id_r2") for n in (fewest, most)}
    gaps = {n: id_[n] - ood[n] for n in (fewest, most)}
    if fewest < most:
        yield f"OOD R² of {most} tasks minus that of {fewest}", ood[most] - ood[fewest]
        yield (
            f"Gap between ID and OOD R² with {fewest} tasks minus that with {most}",
            gaps[fewest] - gaps[most],
        )
    yield f"Gap between ID and OOD R² with {most} tasks", gaps[most], None, _SIMILAR
    yield (
        f"ID R² with {most} tasks minus the ceiling",
        id_[most] - scores.ceiling(tasks[most]),
        *_around(_NEAR_CEILING),
    )


def _dimensions(scores):
    tasks, most, fewest = scores.sweeps["tasks"], scores.most, scores.fewest
    if fewest < most:
        cosines = (
            scores.by_seed(tasks[n], "cosine", "decoder_angles") for n in (fewest, most)
        )
        yield (
            f"Absolute cosine between decoders with {fewest} tasks minus that with "
            f"{most}",
            np.subtract(*cosines),
        )
    dims, definition = scores.sweeps["dims"], scores.definition
    for network in definition.networks_by_dim:
        for dim, numbers in definition.nums_by_dim.items():
            for number in (n for n in numbers if n < dim < max(numbers)):
                yield (
                    f"{_capital(network)}, {dim} dimensions: OOD R² of {max(numbers)} "
                    f"tasks minus that of {number}",
                    scores.by_seed(dims[network, dim, max(numbers)])
                    - scores.by_seed(dims[network, dim, number]),
                )


def _networks(scores):
    definition = scores.definition
    numbers, networks = definition.compared_nums, scores.sweeps["networks"]
    if numbers and min(numbers) < max(numbers):
        for network in NETWORK_LABELS:
            yield (
                f"{_capital(network)}: OOD R² of {max(numbers)} tasks minus that of "
                f"{min(numbers)}",
                scores.by_seed(networks[network, max(numbers)])
                - scores.by_seed(networks[network, min(numbers)]),
            )
    if numbers:
        yield (
            f"OOD R² of the transformer minus that of the leaky RNN, {min(numbers)} "
            "tasks",
            scores.by_seed(networks["transformer", min(numbers)])
            - scores.by_seed(networks["leaky_rnn", min(numbers)]),
        )
    nums_by_dim = {dim: nums for dim, nums in definition.nums_by_dim.items() if nums}
    if nums_by_dim and {"leaky_rnn", "transformer"} <= {*definition.networks_by_dim}:
        dim = max(nums_by_dim)
        number = max(nums_by_dim[dim])
        dims = scores.sweeps["dims"]
        yield (
            f"OOD R² of the transformer minus that of the leaky RNN, {dim} dimensions, "
            f"{number} tasks",
            scores.by_seed(dims["transformer", dim, number])
            - scores.by_seed(dims["leaky_rnn", dim, number]),
        )


def _dynamics(scores):
    found = scores.evaluated(scores.sweeps["tasks"][scores.most], "fixed_points")
    first, second, third = np.array([r["median_eigenvalues"][:3] for r in found]).T
    # Around 0, states stay for about ten steps or more.
    yield "Largest real part of eigenvalues at fixed points", first, *_around(_SIMILAR)
    yield (
        "Second largest real part of eigenvalues at fixed points",
        second,
        *_around(_SIMILAR),
    )
    yield (
        "Second minus third largest real part of eigenvalues at fixed points",
        second - third,
    )
    lengths, name = scores.sweeps["lengths"], "lifetime_sparseness"
    short, long = min(lengths), max(lengths)
    if short == long:
        return
    sparse, active = (
        [scores.by_seed(lengths[steps], key, name) for steps in (short, long)]
        for key in ("mean_sparseness", "active_share")
    )
    yield (
        f"Sparseness after {long:,} updates minus that after {short:,}",
        sparse[1] - sparse[0],
    )
    yield (
        f"Share of active units after {short:,} updates minus that after {long:,}",
        active[0] - active[1],
    )


def _angles(scores):
    angles = scores.by_seed(
        scores.sweeps["tasks"][scores.most], "angle", "decoder_angles"
    )
    yield (
        f"Angle between decoders with {scores.most} tasks in degrees",
        angles,
        80,
        100,
    )


def _noise(scores):
    sigmas = scores.sweeps["sigmas"]
    if len(sigmas) > 1:
        small, large = min(sigmas), max(sigmas)
        ood = {sigma: scores.by_seed(setting) for sigma, setting in sigmas.items()}
        yield (
            f"OOD R² with σ = {small} minus that with σ = {large}",
            ood[small] - ood[large],
        )
        ranks = [
            rank_correlation(list(zip(ood, values, strict=True)))
            for values in zip(*ood.values(), strict=True)
        ]
        if None not in ranks:
            yield "Rank correlation of OOD R² with σ", ranks, None, 0
    for sigma, setting in sigmas.items():
        yield (
            f"ID R² with σ = {sigma} minus the ceiling",
            scores.by_seed(setting, "id_r2") - scores.ceiling(setting),
            *_around(_NEAR_CEILING),
        )


def _changes(scores):
    default, ceiling = scores.by_seed(scores.default), scores.ceiling(scores.default)
    for name, setting in variants(scores).items():
        own = scores.ceiling(setting)
        text, lost = "", 0.0
        if None not in (own, ceiling) and own != ceiling:
            # The mean of the evidence is a worse estimate with some noise.
            text, lost = ", both minus their ceilings,", ceiling - own
        yield (
            f"{name.capitalize()}: OOD R² minus that of the default{text}",
            scores.by_seed(setting) - default + lost,
            -_SIMILAR,
        )
    for rho, setting in scores.sweeps["correlations"].items():
        if setting == scores.default:
            continue
        limits = (None, -_SIMILAR) if rho == 1 else (-_SIMILAR,)
        yield (
            f"Correlation {rho}: OOD R² minus that of the default",
            scores.by_seed(setting) - default,
            *limits,
        )


def _free(scores):
    (setting,) = scores.sweeps["free"].values()
    for steps in scores.definition.durations:
        yield (
            f"OOD R² after {steps} steps minus the ceiling",
            scores.by_seed(setting, evaluation=f"ood_decoding_{steps}")
            - scores.ceiling(setting, steps),
            *_around(_SIMILAR),
        )


def _losses(scores):
    losses = scores.sweeps["losses"]
    yield (
        "OOD R² with a loss of all steps minus that with a loss of the last step",
        scores.by_seed(losses["all"]) - scores.by_seed(losses["last"]),
    )


def _around(distance):
    return -distance, distance


def _capital(network):
    label = NETWORK_LABELS[network]
    return label[0].upper() + label[1:]
