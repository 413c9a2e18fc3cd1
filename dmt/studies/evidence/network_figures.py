"""Figures of the states of one network, which learned the most tasks."""

import numpy as np

from dmt.evaluation.evidence import agents, trial_states
from dmt.methods.evidence import trained
from dmt.visualize import pages

_NUM_TRIALS = 1000
_GRID_SIZE = 8
_NUM_UNITS = 16
_BLUE = "#3b82f6"


def states(scores):
    """Draws the states of the first network, and the tuning of its units.

    Args:
        scores: the `Scores` of the study.

    Returns:
        List of (title, caption, picture as a data URL).
    """
    setting = scores.sweeps["tasks"][scores.most]
    model_dir = scores.model_dir(setting, scores.definition.seeds[0])
    trials, agent = agents.trials_of(model_dir), trained.load(model_dir)
    which = (
        f"The leaky RNN with {scores.most} tasks and seed {scores.definition.seeds[0]} "
        "in noise-free trials"
    )
    return [_components(trials, agent, which), _tuning(trials, agent, which)]


def _components(trials, agent, which):
    from matplotlib.figure import Figure
    from sklearn.decomposition import PCA

    random_state = np.random.RandomState(0)
    latents, inputs = trial_states.noise_free_trials(trials, _NUM_TRIALS, random_state)
    pca = PCA(svd_solver="full")
    places = pca.fit_transform(agent.last_states(inputs).astype(np.float64))
    shares = pca.explained_variance_ratio_
    figure = Figure(figsize=(9.5, 3.2), layout="constrained")
    first, second, bars = figure.subplots(1, 3)
    for number, (axis, latent) in enumerate(
        zip((first, second), latents.T, strict=True)
    ):
        drawn = axis.scatter(
            *places[:, :2].T, c=latent, s=5, cmap="viridis", rasterized=True
        )
        figure.colorbar(drawn, ax=axis, label=f"x{number + 1}")
        axis.set_xlabel(f"component 1 ({shares[0]:.0%} of the variance)", fontsize=9)
        axis.set_ylabel(f"component 2 ({shares[1]:.0%})", fontsize=9)
    shown = np.arange(1, min(len(shares), 8) + 1)
    bars.bar(shown, shares[: len(shown)], color=_BLUE, alpha=0.6)
    bars.set(xlabel="component", xticks=shown, ylabel="share of the variance")
    pages.plain_axes(figure.axes[:3])
    return (
        "Principal components of the states",
        f"{which}. Each point is the state after a trial, coloured by the latents x1 "
        "and x2.",
        pages.inlined_figure(figure),
    )


def _tuning(trials, agent, which):
    from matplotlib.figure import Figure

    inputs = trial_states.grid_inputs(trials, _GRID_SIZE)
    step = trial_states.last_stimulus_step(trials)
    responses = agent.states(inputs)[:, step].reshape(_GRID_SIZE, _GRID_SIZE, -1)
    extent = np.ptp(responses, axis=(0, 1))
    units = np.sort(np.argsort(-extent, kind="stable")[:_NUM_UNITS])
    figure = Figure(figsize=(9.5, 3.1), layout="constrained")
    axes = list(figure.subplots(2, (len(units) + 1) // 2, squeeze=False).flat)
    for axis, unit in zip(axes, units, strict=False):
        # Rows of an image are x2, and columns x1.
        axis.imshow(
            responses[..., unit].T, origin="lower", extent=(-0.5, 0.5, -0.5, 0.5)
        )
        axis.set_title(f"unit {unit}", fontsize=8)
        axis.set(xticks=[], yticks=[])
        for side in axis.spines.values():
            side.set_visible(False)
    for axis in axes[len(units) :]:
        axis.set_visible(False)
    return (
        "Tuning of units",
        f"{which}, at the last step of the stimulus: the {len(units)} units that vary "
        f"most, of which {int((extent > 0).sum())} of {len(extent)} vary at all. In "
        "each map, x1 rises to the right and x2 upwards, and colours range from the "
        "lowest response of the unit to its highest.",
        pages.inlined_figure(figure),
    )


def attractor(scores):
    """Draws the fixed points, their eigenvalues and amplifications.

    Returns:
        (title, caption, picture as a data URL).
    """
    from matplotlib.figure import Figure

    found = scores.evaluated(scores.sweeps["tasks"][scores.most], "fixed_points")
    figure = Figure(figsize=(9.5, 3.4), layout="constrained")
    plane, complex_plane, histogram = figure.subplots(1, 3, width_ratios=(1.2, 1, 1))
    places, shares = _plane(np.array(found[0]["points"]))
    # Smaller speeds are rounding errors.
    speeds = np.log10(np.maximum(found[0]["speeds"], 1e-12))
    drawn = plane.scatter(*places.T, c=speeds, s=14, cmap="viridis")
    figure.colorbar(drawn, ax=plane, label="log10 of the speed")
    plane.set_xlabel(f"component 1 ({shares[0]:.0%} of the variance)", fontsize=9)
    plane.set_ylabel(f"component 2 ({shares[1]:.0%})", fontsize=9)
    angles = np.linspace(0, 2 * np.pi, 200)
    complex_plane.plot(
        np.cos(angles) - 1, np.sin(angles), color=pages.GREY, linewidth=1
    )
    real, imaginary = (
        np.array(found[0][f"eigenvalues_{part}"]) for part in ("real", "imaginary")
    )
    for chosen, color in ((slice(2, None), pages.GREY), (slice(0, 2), _BLUE)):
        complex_plane.plot(
            real[:, chosen].ravel(),
            imaginary[:, chosen].ravel(),
            ".",
            color=color,
            markersize=3,
            alpha=0.6,
            rasterized=True,
        )
    complex_plane.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
    # Files hold null for an infinite amplification; neither it nor 0 has a logarithm.
    amplifications = np.concatenate([np.ravel(r["amplifications"]) for r in found])
    finite = np.array([value for value in amplifications if value], dtype=float)
    ends = np.log10([*finite, 1])
    bins = np.logspace(ends.min() - 0.1, ends.max() + 0.1, 25)
    histogram.hist(finite, bins=bins, color=_BLUE, alpha=0.6)
    histogram.set(xscale="log", xlabel="amplification")
    histogram.xaxis.set_major_formatter("{x:g}")
    histogram.xaxis.set_minor_formatter("")
    histogram.set_ylabel("directions at fixed points")
    pages.plain_axes(figure.axes[:3])
    return (
        "Fixed points without a stimulus",
        f"Left: the {len(places)} distinct points of the leaky RNN with {scores.most} "
        f"tasks and seed {scores.definition.seeds[0]} in the plane of their first two "
        "components, coloured by the speed ||F(h) − h||². Middle: the eigenvalues of "
        "the Jacobian of F(h) − h at these points, the two largest of each in blue. An "
        "eigenvalue of 0 belongs to a direction in which states stay; those inside the "
        "circle belong to directions in which states return. Right: how much longer "
        "states persist in the two slowest directions than in a single unit, at the "
        "fixed points of all networks.",
        pages.inlined_figure(figure),
    )


def _plane(points):
    """First two principal components (n, 2) of points, and their shares (2,).

    There may be one point only, which has no variance.
    """
    u, s, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    places, squares = np.zeros((len(points), 2)), np.zeros(2)
    places[:, : len(s)] = (u * s)[:, :2]
    squares[: len(s)] = np.square(s[:2])
    return places, squares / max(np.square(s).sum(), np.finfo(float).tiny)
