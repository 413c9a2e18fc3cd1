"""Shapes3D without a download: the same factors, with images from a small ray caster.

Geometry and light were measured on published sample images of the dataset of Burgess
and Kim (2018), https://github.com/google-deepmind/3d-shapes. The images are
similar but not equal to the published ones, so do not compare scores with published
tables.

Five maps of each scene (scale, shape, orientation) hold the shares of floor, wall,
object, white light and sky in each pixel. An image is the sum of the maps times their
colours.
"""

import colorsys
import functools
import math

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import grid_data, shapes3d
from dmt.data.ground_truth.rendered_images import RenderedImages

_NUM_SCENES = 8 * 4 * 15
_SCALES = np.linspace(0.75, 1.25, 8)
_ANGLES = np.linspace(-math.pi / 6, math.pi / 6, 15)
_COLORS = np.array(
    [[round(255 * v) for v in colorsys.hsv_to_rgb(h / 10, 1, 1)] for h in range(10)]
)


def _kernels():
    # Importing Numba takes long.
    from dmt.data.rendering import shapes3d as kernels

    return kernels


class RenderedShapes3D(grid_data.GridData):
    """Rendered version of Shapes3D.

    The factors are
        0 - floor hue (10, around the colour circle),
        1 - wall hue (10),
        2 - object hue (10),
        3 - scale (8: 0.75 to 1.25),
        4 - shape (4: cube, cylinder, sphere, capsule),
        5 - orientation (15: -30 to 30 degrees).
    """

    origin = "rendered"
    renderer_version = "1"
    factor_sizes = shapes3d.Shapes3D.factor_sizes
    state_space_names = shapes3d.Shapes3D.state_space_names

    def __init__(self, name="shapes3d_rendered", resolution=64):
        """Sets up the grid; scenes are rendered when they are first needed.

        Args:
            name: the name of the dataset.
            resolution: height and width of the images.
        """
        super().__init__(name)
        self.observation_shape = [resolution, resolution, 3]
        self._maps = _maps(resolution)

    def images_at(self, indices):
        """Images at the indices: uint8, shape (n, *observation_shape)."""
        # Numba compiles the kernel again for every other integer type.
        indices = self.checked(indices).astype(np.int64)
        hues, scenes = np.divmod(indices, _NUM_SCENES)
        # Many images show the same scene, so each scene is looked up once.
        different, scenes = np.unique(scenes, return_inverse=True)
        maps = self._maps[different]
        images = np.empty((len(scenes), maps.shape[2], 3), dtype=np.uint8)
        floor, wall, thing = np.unravel_index(hues, (10, 10, 10))
        colors = np.stack([_COLORS[floor], _COLORS[wall], _COLORS[thing]], axis=1)
        _kernels().mix(maps, scenes, colors.astype(np.int32), images)
        return images.reshape(-1, *self.observation_shape)


def _draw(resolution, scenes):
    """Maps of the scenes: uint8, shape (n, 5, resolution**2)."""
    maps = np.empty((len(scenes), 5, resolution**2), dtype=np.uint8)
    for row, scene in zip(maps, scenes, strict=True):
        scale, shape, orientation = np.unravel_index(scene, (8, 4, 15))
        # Processors may differ in the last bit, so the values are rounded.
        cos, sin = (round(f(_ANGLES[orientation]), 9) for f in (math.cos, math.sin))
        shares = _kernels().render(shape, _SCALES[scale], cos, sin, resolution)
        row[:] = np.rint(255 * shares).reshape(5, -1)
    return maps


@functools.cache
def _maps(resolution):
    shape = (_NUM_SCENES, 5, resolution**2)
    return RenderedImages(functools.partial(_draw, resolution), shape)


@registry.dataset("shapes3d_rendered")
def shapes3d_rendered():
    """An object in a room, with the factors of shapes3d, rendered on this machine."""
    return RenderedShapes3D()


@registry.dataset("shapes3d_rendered_128")
def shapes3d_rendered_128():
    """The images of shapes3d_rendered at 128x128."""
    return RenderedShapes3D("shapes3d_rendered_128", resolution=128)
