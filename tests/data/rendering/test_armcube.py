import numpy as np
import pytest

from dmt.data.ground_truth import armcube_rendered
from dmt.data.rendering import armcube


@pytest.mark.parametrize("look", [armcube_rendered.PLAIN, armcube_rendered.SHIFTED])
def test_pixels_that_are_skipped_show_the_empty_stage(look):
    look = look._replace(noise=0.0)
    data = armcube_rendered.ArmCube("armcube", look=look)
    factors = data.factors_at(np.arange(0, 100_000, 1700))
    view = armcube.view(look, 64)
    everything = np.full((64, 64), 2**10 - 1, dtype=np.uint16)
    for row, image in zip(factors, data._draw(factors), strict=True):
        full = np.empty_like(image)
        armcube._shade(
            everything,
            *armcube._place_arm(row),
            armcube._place_cube(row),
            data._colors[row[0]],
            view,
            full,
        )
        # The empty stage is rounded half to even.
        np.testing.assert_allclose(image.astype(int), full, atol=1)
