"""Lines, hyperplanes and hyperbolas."""

import numpy as np
import pytest

from dmt.data.evidence import boundaries


@pytest.mark.parametrize("num_tasks", [2, 3, 6, 7, 24])
def test_lines_are_evenly_spaced(num_tasks):
    normals = boundaries.line_normals(num_tasks)
    np.testing.assert_allclose(
        normals.T @ normals, num_tasks / 2 * np.eye(2), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)


@pytest.mark.parametrize("num_tasks", [1, 2, 3, 6, 24])
def test_lines_are_those_of_the_slopes(num_tasks):
    x = np.random.RandomState(0).uniform(-0.5, 0.5, size=(1000, 2))
    slopes = np.tan((np.arange(num_tasks) + 0.5) * np.pi / num_tasks)
    expected = x[:, 1:] > slopes * x[:, :1]
    found = x @ boundaries.line_normals(num_tasks).T > 0
    np.testing.assert_array_equal(found, expected)


def test_random_normals_follow_the_seed():
    normals = boundaries.random_normals(6, 4, seed=3)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)
    np.testing.assert_array_equal(boundaries.random_normals(9, 4, seed=3)[:6], normals)
    assert (boundaries.random_normals(6, 4, seed=4) != normals).all()
    many = boundaries.random_normals(20_000, 3, seed=0)
    np.testing.assert_allclose(many.T @ many / 20_000, np.eye(3) / 3, atol=0.01)


@pytest.mark.parametrize("num_tasks", [4, 8, 24, 48, 96])
def test_thresholds_are_within_the_square(num_tasks):
    thresholds = boundaries.hyperbola_thresholds(num_tasks)
    assert thresholds.shape == (num_tasks // 4,)
    assert (np.diff(thresholds) > 0).all()
    assert 0 < thresholds[0] and thresholds[-1] < 0.25
    if num_tasks == 8:
        np.testing.assert_allclose(thresholds, [0.0125, 0.2])


@pytest.mark.parametrize("num_tasks", [0, 6, 4.0])
def test_numbers_of_hyperbolas(num_tasks):
    with pytest.raises(ValueError, match="num_tasks must be .* Received: num_tasks="):
        boundaries.hyperbola_thresholds(num_tasks)
