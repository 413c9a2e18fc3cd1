"""Figures that compare the settings of the study of evidence accumulation."""

import numpy as np

from dmt.studies.evidence import network_figures
from dmt.studies.evidence.scores import NETWORK_LABELS, ceiling, variants
from dmt.visualize import pages

BLUE, ORANGE = "#3b82f6", "#f59e0b"
_COLORS = {
    "leaky_rnn": BLUE,
    "non_leaky_rnn": "#10b981",
    "lstm": "#a855f7",
    "transformer": "#ef4444",
}
_LOWEST = -1.0
_BARS = (
    "Points are medians, and bars quartiles, over networks, regions and fits of the "
    "decoder."
)


def draw_all(scores):
    """Draws all figures of a study.

    Args:
        scores: the `Scores` of the study.

    Returns:
        {part of the study: list of (title, caption, picture as a data URL)}. Figures
        for which the study has no settings are left out.
    """
    with pages.drawing():
        return {
            "tasks": [_of_tasks(scores)],
            "directions": [_angles(scores)],
            "states": network_figures.states(scores),
            "attractor": [network_figures.attractor(scores)],
            "sparseness": [_lengths(scores)],
            "free": _free(scores),
            "changes": [*_noise(scores), *_dims(scores), *_variants(scores)],
        }


def _subplots(columns, size, rows=1, **options):
    """A figure, and the list of its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.flat)


def _drawn(figure, axes, title, caption):
    """Title, caption and data URL of a figure whose axes get the common style."""
    pages.plain_axes(axes)
    for axis in axes:
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=8, frameon=False, labelcolor=pages.GREY)
    return title, caption, pages.inlined_figure(figure)


def _points(axis, places, samples, color, label=None, line="-"):
    """Draws medians and quartiles of samples, a list of arrays, at places."""
    quartiles = np.array([np.percentile(s, [25, 50, 75]) for s in samples]).T
    first, medians, third = quartiles
    axis.errorbar(
        places,
        medians,
        yerr=[medians - first, third - medians],
        color=color,
        label=label,
        marker="o",
        markersize=4,
        linestyle=line,
        linewidth=1.5,
        elinewidth=1,
        capsize=2,
    )


def _out_and_in(scores, axis, places, settings):
    """Draws OOD and ID R² of settings at places."""
    for key, color, label in (("id_r2", ORANGE, "ID"), ("ood_r2", BLUE, "OOD")):
        samples = [scores.pooled(setting, key) for setting in settings]
        _points(axis, places, samples, color, label)


def _of_r2(axis):
    """Labels the vertical axis, and cuts it where R² is very low."""
    axis.set_ylabel("R²")
    low, high = axis.get_ylim()
    axis.set_ylim(max(low, _LOWEST), min(high, 1.02))


def _numbers(axis, label, places):
    """Gives an axis of numbers of something a logarithmic scale and ticks at places."""
    axis.set_xscale("log")
    axis.set_xticks(places, [f"{place:,}" for place in places])
    axis.set_xticks([], minor=True)
    axis.set_xlabel(label)


def _line(axis, height, label="ceiling"):
    if height is not None:
        axis.axhline(height, color=pages.GREY, linestyle="--", linewidth=1, label=label)


def _of_tasks(scores):
    networks = scores.sweeps["networks"]
    columns = 1 + bool(networks)
    figure, axes = _subplots(columns, (4.75 * columns, 3.8), sharey=True)
    tasks = scores.sweeps["tasks"]
    _out_and_in(scores, axes[0], list(tasks), tasks.values())
    _line(axes[0], scores.ceiling(tasks[scores.most]))
    _numbers(axes[0], "number of tasks", list(tasks))
    axes[0].set_title("leaky RNN, long training", fontsize=10)
    caption = (
        f"OOD and ID R² of leaky RNNs after {scores.definition.long_steps:,} updates"
    )
    if networks:
        numbers = list(dict.fromkeys(number for _, number in networks))
        for (name, label), shift in zip(
            NETWORK_LABELS.items(), (0.94, 0.98, 1.02, 1.06), strict=True
        ):
            samples = [scores.pooled(networks[name, number]) for number in numbers]
            places = shift * np.array(numbers)
            _points(axes[1], places, samples, _COLORS[name], label)
        _line(axes[1], scores.ceiling(scores.default), None)
        _numbers(axes[1], "number of tasks", numbers)
        axes[1].set_title("networks, OOD", fontsize=10)
        caption += (
            f", and OOD R² of all networks after {scores.definition.short_steps:,} "
            f"(transformers {scores.definition.transformer_steps:,})"
        )
    _of_r2(axes[0])
    caption = f"{caption}. {_BARS}"
    return _drawn(figure, axes, "R² against the number of tasks", caption)


def _angles(scores):
    numbers = sorted({scores.fewest, scores.most})
    figure, axes = _subplots(len(numbers), (9.5, 3.2), sharey=True)
    for axis, number in zip(axes, numbers, strict=True):
        found = scores.evaluated(scores.sweeps["tasks"][number], "decoder_angles")
        angles = np.concatenate([result["angles"] for result in found])
        axis.hist(
            angles, bins=np.arange(0, 181, 5), density=True, color=BLUE, alpha=0.6
        )
        # Cosines of random directions are about normal, with this standard deviation.
        cosine = np.mean([result["chance_cosine"] for result in found])
        spread = np.degrees(cosine * np.sqrt(np.pi / 2))
        shown = np.linspace(0, 180, 361)
        density = np.exp(-np.square((shown - 90) / spread) / 2)
        density /= spread * np.sqrt(2 * np.pi)
        axis.plot(shown, density, color=pages.GREY, label="chance")
        axis.axvline(90, color=pages.GREY, linestyle="--", linewidth=1)
        axis.set_title(f"{number} tasks", fontsize=10)
        axis.set(xlabel="angle in degrees", xticks=range(0, 181, 30))
    axes[0].set_ylabel("density")
    return _drawn(
        figure,
        axes,
        "Angles between the directions of the two latents",
        "Angles of all decoders of all networks. Random directions in as many "
        "dimensions are close to orthogonal as well, so that angles near 90 degrees "
        "are weak evidence by themselves.",
    )


def _lengths(scores):
    lengths, name = scores.sweeps["lengths"], "lifetime_sparseness"
    figure, axes = _subplots(3, (9.5, 3.2))
    for axis, key, label in zip(
        axes,
        ("mean_sparseness", "active_share"),
        ("lifetime sparseness", "share of active units"),
        strict=False,
    ):
        samples = [scores.by_seed(one, key, name) for one in lengths.values()]
        _points(axis, list(lengths), samples, BLUE)
        axis.set_ylabel(label)
    _out_and_in(scores, axes[2], list(lengths), lengths.values())
    _line(axes[2], scores.ceiling(scores.sweeps["tasks"][scores.most]))
    _of_r2(axes[2])
    for axis in axes:
        _numbers(axis, "updates", list(lengths))
        axis.tick_params("x", rotation=45)
    return _drawn(
        figure,
        axes,
        "Sparseness and R² against the number of updates",
        f"Leaky RNNs with {scores.most} tasks. Sparseness and activity are those of "
        "noise-free trials before the decision, with medians and quartiles over "
        f"networks. For R²: {_BARS.lower()}",
    )


def _free(scores):
    durations = scores.definition.durations
    if not durations:
        return []
    (setting,) = scores.sweeps["free"].values()
    figure, (axis,) = _subplots(1, (6, 3.6))
    for key, color, label in (("id_r2", ORANGE, "ID"), ("ood_r2", BLUE, "OOD")):
        samples = [
            scores.pooled(setting, key, f"ood_decoding_{steps}") for steps in durations
        ]
        _points(axis, durations, samples, color, label, "")
    trials = scores.trials(setting)
    steps = range(min(durations), max(durations) + 1)
    heights = [ceiling(trials, number) for number in steps]
    axis.plot(steps, heights, "--", color=pages.GREY, linewidth=1, label="ceiling")
    axis.set(xlabel="steps of evidence", xticks=durations)
    _of_r2(axis)
    caption = (
        "Leaky RNNs that answer at every step, tested in trials of several lengths. "
        f"The ceiling is 1 − {12 * trials.sigma**2:.2f} / steps; every step of the "
        f"trial has evidence. {_BARS}"
    )
    return [_drawn(figure, [axis], "R² against the number of steps", caption)]


def _noise(scores):
    parts = [
        (scores.sweeps[name], label)
        for name, label in (
            ("sigmas", "standard deviation σ of the noise"),
            ("correlations", "correlation of the latents in training"),
        )
        if scores.sweeps[name]
    ]
    if not parts:
        return []
    figure, axes = _subplots(len(parts), (4.75 * len(parts), 3.6))
    for axis, (settings, label) in zip(axes, parts, strict=True):
        _out_and_in(scores, axis, list(settings), settings.values())
        heights = [scores.ceiling(setting) for setting in settings.values()]
        axis.plot(
            list(settings),
            heights,
            "--",
            color=pages.GREY,
            linewidth=1,
            label="ceiling",
        )
        axis.set_xlabel(label)
        _of_r2(axis)
    definition = scores.definition
    caption = (
        f"Leaky RNNs with {definition.num_tasks} tasks after "
        f"{definition.short_steps:,} updates. The noise is the same in training and in "
        f"the test. Latents are independent in the test. {_BARS}"
    )
    return [_drawn(figure, axes, "R² against noise and correlation", caption)]


def _dims(scores):
    definition, settings = scores.definition, scores.sweeps["dims"]
    dims = [dim for dim, numbers in definition.nums_by_dim.items() if numbers]
    if not dims or not definition.networks_by_dim:
        return []
    columns = min(3, len(dims))
    rows = -(-len(dims) // columns)
    size = (max(3.2 * columns, 4.75), 3 * rows)
    figure, axes = _subplots(columns, size, rows, sharey=True)
    for axis, dim in zip(axes, dims, strict=False):
        numbers = definition.nums_by_dim[dim]
        for place, network in enumerate(definition.networks_by_dim):
            samples = [scores.pooled(settings[network, dim, n]) for n in numbers]
            places = np.array(numbers) * (1 + 0.05 * place)
            label = NETWORK_LABELS[network] if axis is axes[0] else None
            _points(axis, places, samples, _COLORS[network], label)
        height = scores.ceiling(settings[network, dim, numbers[0]])
        _line(axis, height, "ceiling" if axis is axes[0] else None)
        _numbers(axis, "number of tasks", numbers)
        axis.set_title(f"{dim} dimensions", fontsize=10)
    _of_r2(axes[0])
    caption = (
        "Random boundaries. Two signs of the latents are held out, or all where there "
        f"are two dimensions. {_BARS}"
    )
    for axis in axes[len(dims) :]:
        axis.set_visible(False)
    return [_drawn(figure, axes, "OOD R² in more dimensions", caption)]


def _variants(scores):
    settings = {"default": scores.default, **variants(scores)}
    settings["loss of the last step"] = scores.sweeps["losses"]["last"]
    figure, (axis,) = _subplots(1, (8, 0.6 + 0.28 * len(settings)))
    first, default, third = np.percentile(scores.pooled(scores.default), [25, 50, 75])
    axis.axvspan(first, third, color=BLUE, alpha=0.1, linewidth=0)
    axis.axvline(default, color=BLUE, linewidth=1, alpha=0.5)
    for place, setting in enumerate(settings.values()):
        low, median, high = np.percentile(scores.pooled(setting), [25, 50, 75])
        axis.plot([low, high], [place, place], color=BLUE, linewidth=1.5)
        axis.plot(median, place, "o", color=BLUE, markersize=5)
        height = scores.ceiling(setting)
        if height is not None:
            axis.plot(height, place, "|", color=pages.GREY, markersize=9)
    axis.set_yticks(range(len(settings)), settings)
    axis.invert_yaxis()
    low, high = axis.get_xlim()
    axis.set(xlim=(max(low, _LOWEST), min(high, 1.02)), xlabel="OOD R²")
    caption = (
        f"Leaky RNNs with {scores.definition.num_tasks} tasks after "
        f"{scores.definition.short_steps:,} updates, each with one change. Medians and "
        "quartiles over networks, regions and fits of the decoder; the band is that of "
        "the default. Grey marks are ceilings."
    )
    return [_drawn(figure, [axis], "OOD R² of variants", caption)]
