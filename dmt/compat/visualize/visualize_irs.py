"""disentanglement_lib's path of the picture of effects of factors on codes."""

import os

import numpy as np

from dmt.evaluation.metrics.irs import scalable_disentanglement_score
from dmt.utils import files

__all__ = ["vis_all_interventional_effects"]


def vis_all_interventional_effects(gen_factors, latents, output_dir):
    """Writes `<output_dir>/interventional_effect.png`: mean of each code per factor.

    Titles name the factor that has most influence on a code, and its interventional
    robustness.

    Args:
        gen_factors: array (n, num_factors), discrete values.
        latents: array (n, num_codes), no code constant.
        output_dir: folder of the picture.
    """
    from matplotlib.figure import Figure

    factors, codes = np.asarray(gen_factors), np.asarray(latents)
    scores = scalable_disentanglement_score(factors, codes)
    shape = codes.shape[1], factors.shape[1]
    figure = Figure(figsize=(3 * shape[1], 3 * shape[0]), layout="constrained")
    grid = figure.subplots(*shape, sharex="col", sharey="row", squeeze=False)
    for (code, factor), axes in np.ndenumerate(grid):
        values, groups = np.unique(factors[:, factor], return_inverse=True)
        means = np.bincount(groups, codes[:, code]) / np.bincount(groups)
        axes.plot(values, means, marker=".")
        axes.set(xlabel=f"factor {factor}", ylabel=f"mean of code {code}")
        if scores["parents"][code] == factor:
            robustness = scores["disentanglement_scores"][code]
            axes.set_title(f"parent {factor}, IRS {robustness:.2f}")
    path = os.path.join(output_dir, "interventional_effect.png")
    with files.replacing(path) as temporary:
        figure.savefig(temporary)
