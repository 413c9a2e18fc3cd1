"""The functions of `dmt.utils.pictures` under disentanglement_lib's path."""

from dmt.utils.pictures import (  # noqa: F401
    cycle_factor,
    cycle_gaussian,
    cycle_interval,
    image_grid,
    save_animation,
    save_image,
)
