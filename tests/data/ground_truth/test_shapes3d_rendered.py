"""The rendered twin of Shapes3D: factors as recorded, pictures that show them."""

import concurrent.futures
import hashlib
from pathlib import Path

import numpy as np
import pytest

from dmt.data.ground_truth import shapes3d_rendered

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "sampling_variants.npz")
DATA = shapes3d_rendered.shapes3d_rendered()
LARGE = shapes3d_rendered.shapes3d_rendered_128()

CUBE, CYLINDER, SPHERE, CAPSULE = range(4)


def pictures(*factors):
    return DATA.images_at(DATA.indices_of(np.array(factors))).astype(int)


def is_object(*factors):
    """Where red and cyan objects differ."""
    red, cyan = (pictures(*[[0, 0, hue, *row] for row in factors]) for hue in (0, 5))
    return (red != cyan).any(axis=3)


def test_same_draws_as_the_original():
    random_state = np.random.RandomState(GOLDEN["shapes3d.seed"])
    factors = DATA.sample_factors(20, random_state)
    indices = DATA.indices_of(factors, random_state)
    np.testing.assert_array_equal(factors, GOLDEN["shapes3d.factors"])
    np.testing.assert_array_equal(indices, GOLDEN["shapes3d.image_index"])
    assert random_state.randint(1 << 30) == GOLDEN["shapes3d.next_draw"]
    np.testing.assert_array_equal(DATA.factors_at(indices), factors)


def test_what_the_set_is():
    assert DATA.size == LARGE.size == 480_000
    assert DATA.is_grid and DATA.has_grid_draws
    assert DATA.origin == "rendered" and DATA.renderer_version == "1"
    assert DATA.factors_num_values == [10, 10, 10, 8, 4, 15]
    assert len(DATA.factor_names) == 6
    assert DATA.observation_shape == [64, 64, 3]
    assert LARGE.observation_shape == [128, 128, 3]
    assert LARGE.name == "shapes3d_rendered_128"


@pytest.mark.parametrize("factor", range(6))
def test_each_factor_changes_the_picture(factor):
    sizes = np.array(DATA.factors_num_values)
    factors = np.random.RandomState(0).randint(sizes, size=(50, 6))
    others = factors.copy()
    others[:, factor] = (factors[:, factor] + 1) % sizes[factor]
    changed = (pictures(*factors) != pictures(*others)).any(axis=3)
    assert changed.sum(axis=(1, 2)).min() > 40


def test_all_scenes_differ():
    assert len({image.tobytes() for image in DATA.images_at(np.arange(480))}) == 480


@pytest.mark.parametrize("factor", range(3))
def test_hue_is_linear(factor):
    # Red, orange and yellow-green have 0, 153 and 255 green.
    rows = np.random.RandomState(1).randint([10, 10, 10, 8, 4, 15], size=(40, 6))
    greens = []
    for hue in range(3):
        rows[:, factor] = hue
        greens.append(pictures(*rows)[..., 1])
    is_dark = greens[2] < 255
    some, full = ((green - greens[0])[is_dark] for green in greens[1:])
    np.testing.assert_allclose(some * 255 / 153, full, atol=1.9)
    assert full.max() > 150


def test_objects_have_their_shapes():
    upright = is_object(*[[7, shape, 7] for shape in range(4)])
    rows = upright.any(axis=2).sum(axis=1)
    columns = upright.any(axis=1).sum(axis=1)
    assert rows[CAPSULE] == rows.max() > 1.5 * columns[CAPSULE]
    assert abs(rows[SPHERE] - columns[SPHERE]) <= 1
    share = upright.sum(axis=(1, 2)) / (rows * columns)
    assert abs(share[SPHERE] - np.pi / 4) < 0.05
    assert share[CUBE] > 0.97 > share[CYLINDER] > share[CAPSULE] > share[SPHERE]


def test_objects_grow_with_the_scale_on_the_floor():
    for shape in range(4):
        sizes = is_object(*[[scale, shape, 7] for scale in range(8)])
        assert (np.diff(sizes.sum(axis=(1, 2))) > 0).all()


def test_orientation_turns_the_room():
    # Edges between two walls, far from the object.
    right, left = pictures([0, 3, 0, 0, 2, 0], [0, 3, 0, 0, 2, 14])[:, 24].max(axis=2)
    assert np.abs(np.diff(right[40:])).max() > 30 > np.abs(np.diff(right[:24])).max()
    assert np.abs(np.diff(left[:24])).max() > 30 > np.abs(np.diff(left[40:])).max()


def test_sky_has_its_colour():
    images = DATA.images_at(np.random.RandomState(0).randint(DATA.size, size=50))
    assert (images[:, 0, [0, 63]] == [153, 226, 249]).all()


def test_floor_holds_a_shadow():
    red = pictures([0, 5, 5, 7, 2, 7])[0]
    floor = (red[..., 0] > 0) & (red[..., 1:] == 0).all(axis=2)
    levels = red[..., 0][floor]
    assert levels.max() > 220
    assert 100 < (levels < 90).sum() < 400


def test_resolutions_agree():
    indices = np.random.RandomState(0).randint(480_000, size=20)
    pooled = LARGE.images_at(indices).reshape(20, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    error = np.abs(pooled - DATA.images_at(indices))
    assert error.mean() < 0.7


def test_pictures_are_the_same_everywhere():
    indices = np.arange(0, 480_000, 1999)
    for data, start in ((DATA, "dde37b545f42fec8"), (LARGE, "3c0dc0710b1bea89")):
        pixels = data.images_at(indices).tobytes()
        assert hashlib.sha256(pixels).hexdigest().startswith(start)


def test_batches_and_threads_get_the_same_pictures():
    requests = np.random.RandomState(0).randint(480_000, size=(20, 16))
    expected = [DATA.images_at(request) for request in requests]
    for index, image in zip(requests[0], expected[0], strict=True):
        np.testing.assert_array_equal(DATA.images_at([index])[0], image)
    fresh = shapes3d_rendered.RenderedShapes3D()
    fresh._maps = shapes3d_rendered._maps.__wrapped__(64)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        np.testing.assert_array_equal(
            list(pool.map(fresh.images_at, requests)), expected
        )


def test_observations_are_images():
    factors, observations = DATA.sample(20, np.random.RandomState(0))
    assert observations.dtype == np.float32
    np.testing.assert_allclose(255 * observations, pictures(*factors), atol=1e-4)


@pytest.mark.parametrize("index", [-1, 480_000])
def test_indices_out_of_range_are_refused(index):
    with pytest.raises(ValueError, match=r"\[0, 480000\)"):
        DATA.images_at(np.array([0, index]))
