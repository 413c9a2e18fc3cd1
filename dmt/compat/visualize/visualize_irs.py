"""disentanglement_lib's path of the picture of effects of factors on codes."""

import os

import numpy as np

from dmt.visualize import visualize_model

__all__ = ["vis_all_interventional_effects"]


def vis_all_interventional_effects(gen_factors, latents, output_dir):
    """Writes `<output_dir>/interventional_effect.png`: mean of each code per factor.

    Args:
        gen_factors: int array (n, num_factors).
        latents: array (n, num_codes).
        output_dir: folder of the picture.
    """
    factors, codes = np.asarray(gen_factors), np.asarray(latents)
    visualize_model.save_effects(
        [f"Factor {i}" for i in range(factors.shape[1])],
        factors,
        codes,
        np.arange(codes.shape[1]),
        os.path.join(output_dir, "interventional_effect.png"),
    )
