"""disentanglement_lib's pictures of the relation of codes and factors."""

import os

import numpy as np

from dmt.evaluation.metrics import unified_scores
from dmt.utils import files

__all__ = [
    "bfs",
    "heat_square",
    "plot_bar_palette",
    "plot_matrix_squares",
    "plot_recovery_vs_independent",
    "precision",
    "recall",
]


def heat_square(
    matrix, output_dir, name, xlabel, ylabel, max_val=None, factor_names=None
):
    """Draws a matrix as squares, whose sizes and colours are its entries.

    Args:
        matrix: array (num_codes, num_factors), values in [0, max_val].
        output_dir: folder of the picture.
        name: name of the picture without its suffix ".png".
        xlabel: what the rows of the matrix are.
        ylabel: what the columns of the matrix are.
        max_val: value of the largest square, None for the largest entry.
        factor_names: names of the columns, None for their numbers.

    Raises:
        ValueError: if an entry is larger than max_val.
    """
    matrix = np.asarray(matrix)
    if max_val is None:
        max_val = matrix.max() or 1.0
    elif max_val < matrix.max():
        raise ValueError(
            "Entries must be at most max_val. Received: "
            f"max_val={max_val}, largest entry {matrix.max()}"
        )
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    grid, bar = figure.subplots(1, 2, width_ratios=[14, 1])
    palette = colormaps["Blues"](np.linspace(0, 1, 256))
    largest = (250 / max(matrix.shape)) ** 2
    plot_matrix_squares(matrix, max_val, palette, largest, grid)
    plot_bar_palette(palette, max_val, bar)
    grid.set(xlabel=xlabel, ylabel=ylabel, xticks=range(len(matrix)))
    grid.set_yticks(range(matrix.shape[1]), factor_names)
    _save(figure, output_dir, name)


def plot_matrix_squares(matrix, max_val, palette, size_scale, ax):
    """Draws the squares of `heat_square`.

    Args:
        matrix: array (num_codes, num_factors), values in [0, max_val].
        max_val: value of the largest square.
        palette: colours (n, 3) or (n, 4) from 0 to max_val.
        size_scale: area of the largest square, in points squared.
        ax: matplotlib axes.
    """
    shares = np.asarray(matrix) / max_val
    colors = np.asarray(palette)[(shares * (len(palette) - 1)).astype(int)]
    rows, columns = np.indices(shares.shape)
    ax.scatter(
        rows.ravel(),
        columns.ravel(),
        s=size_scale * shares.ravel(),
        c=colors.reshape(-1, colors.shape[-1]),
        marker="s",
    )
    ax.set_xlim(-0.5, len(shares) - 0.5)
    ax.set_ylim(-0.5, shares.shape[1] - 0.5)
    ax.set_aspect(1)


def plot_bar_palette(palette, max_val, ax):
    """Draws a bar with the colours of values from 0 to max_val."""
    ax.imshow(
        np.asarray(palette)[:, None],
        extent=(0, 1, 0, max_val),
        aspect="auto",
        origin="lower",
    )
    ax.set(xticks=[], yticks=np.linspace(0, max_val, 3))
    ax.yaxis.tick_right()


def plot_recovery_vs_independent(matrix, output_dir, name):
    """Draws `precision` and `recall` for all thresholds, from the largest on.

    Args:
        matrix: array (num_factors, num_codes), at least 0.
        output_dir: folder of the picture.
        name: name of the picture without its suffix ".png".
    """
    from matplotlib.figure import Figure

    thresholds = np.sort(matrix, axis=None)[::-1]
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    for score, style, label in (
        (precision, "-", "Independent groups"),
        (recall, "--", "Discovered"),
    ):
        axes.plot([score(matrix, t) for t in thresholds], style, label=label)
    ticks = range(0, len(thresholds), 10)
    axes.set_xticks(ticks, [f"{thresholds[tick]:.2f}" for tick in ticks])
    axes.set(xlabel="Threshold", ylabel="Number of factors")
    axes.set_ylim(0, 1.1 * len(matrix))
    axes.legend()
    _save(figure, output_dir, name)


def precision(matrix, th):
    """Number of groups of rows and columns that entries of at least `th` connect."""
    return unified_scores.precision(np.asarray(matrix), th)


def recall(matrix, th):
    """Number of rows with an entry of at least `th`; zeros do not count."""
    matrix = np.asarray(matrix)
    return int(np.sum(np.any((matrix >= th) & (matrix != 0), axis=1)))


def bfs(matrix, to_visit, factors, codes, size):
    """Visits all nodes that the last node of `to_visit` is connected with.

    Args:
        matrix: array (num_factors, num_codes); entries other than 0 are edges.
        to_visit: list of nodes (index, kind), kind 0 for a factor, 1 for a code.
        factors: array (num_factors,), 1 for visited ones; changed in place.
        codes: array (num_codes,), 1 for visited ones; changed in place.
        size: number of nodes before, the first one included.

    Returns:
        factors, codes, and the number of nodes with those that were found.
    """
    edges, visited = np.asarray(matrix) != 0, (factors, codes)
    start, kind = to_visit.pop()
    visited[kind][start] = 1
    waiting = [(start, kind)]
    while waiting:
        node, kind = waiting.pop()
        neighbours = edges[node] if kind == 0 else edges[:, node]
        for found in np.flatnonzero(neighbours & (np.asarray(visited[1 - kind]) == 0)):
            visited[1 - kind][found] = 1
            waiting.append((found, 1 - kind))
            size += 1
    return factors, codes, size


def _save(figure, output_dir, name):
    with files.replacing(os.path.join(output_dir, f"{name}.png")) as temporary:
        figure.savefig(temporary)
