"""Variants of dSprites: the original's random numbers and pixels."""

import concurrent.futures
import hashlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from dmt.data import registry
from dmt.data.ground_truth import (
    dsprites_rendered,
    dsprites_variants,
    ground_truth_data,
)

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "sampling_variants.npz")
RENDERED = dsprites_rendered.dsprites_rendered()
ABSTRACT = registry.open_dataset("abstract_dsprites_rendered")
RANDOM_PIXELS = [
    registry.open_dataset("color_dsprites_rendered"),
    registry.open_dataset("noisy_dsprites_rendered"),
    registry.open_dataset("texture_dsprites_rendered"),
]


class FormulaSprites(dsprites_rendered.RenderedDSprites):
    """The masks that the recorded observations were made with."""

    def images_at(self, indices):
        y, x = np.ogrid[:64, :64]
        is_white = (y + 3 * x + indices[:, None, None]) % 7 < 3
        return 255 * is_white[..., None].astype(np.uint8)


def formula_background():
    y, x, channel = np.ogrid[:90, :120, :3]
    return (5 * y + 3 * x + 40 * channel) % 256 / 255


@pytest.mark.parametrize(
    "name, make",
    [
        ("color_dsprites", dsprites_variants.ColorDSprites),
        ("noisy_dsprites", dsprites_variants.NoisyDSprites),
        (
            "scream_dsprites",
            lambda name, sprites: dsprites_variants.BackgroundDSprites(
                name, sprites, formula_background()
            ),
        ),
        ("abstract_dsprites", dsprites_variants.AbstractDSprites),
    ],
)
def test_same_draws_and_pixels_as_the_original(name, make):
    data = make(name, FormulaSprites([1, 2, 3, 4, 5]))
    golden = {
        key: GOLDEN[f"{name}.{key}"]
        for key in ("seed", "factors", "next_draw", "mean", "observations")
    }
    random_state = np.random.RandomState(golden["seed"])
    factors, observations = data.sample(2, random_state)
    np.testing.assert_array_equal(factors, golden["factors"])
    assert random_state.randint(1 << 30) == golden["next_draw"]
    np.testing.assert_allclose(
        observations[:, 3::8, 5::8], golden["observations"], atol=1e-7
    )
    np.testing.assert_allclose(observations.mean(), golden["mean"], atol=1e-6)
    assert observations.shape == (2, 64, 64, 3)


def masks(factors):
    return RENDERED.images_at(RENDERED.indices_of(factors)) // 255


def test_colors_of_a_batch_are_drawn_at_once():
    data = RANDOM_PIXELS[0]
    factors = data.sample_factors(30, np.random.RandomState(0))
    observations = data.sample_observations_from_factors(
        factors, np.random.RandomState(1)
    )
    colors = np.random.RandomState(1).uniform(0.5, 1, size=(30, 1, 1, 3))
    np.testing.assert_allclose(observations, masks(factors) * colors, atol=1e-7)


def test_noise_of_a_batch_is_drawn_at_once():
    data = RANDOM_PIXELS[1]
    factors = data.sample_factors(30, np.random.RandomState(0))
    observations = data.sample_observations_from_factors(
        factors, np.random.RandomState(1)
    )
    noise = np.random.RandomState(1).uniform(0, 1, size=(30, 64, 64, 3))
    expected = np.minimum(masks(factors) + noise, 1)
    np.testing.assert_allclose(observations, expected, atol=1e-7)


@pytest.mark.parametrize("data", RANDOM_PIXELS)
def test_random_pixels_have_no_index_but_a_seed(data):
    assert data.size is None and not data.is_grid
    _, first = data.sample(20, np.random.RandomState(2))
    _, again = data.sample(20, np.random.RandomState(2))
    _, other = data.sample(20, np.random.RandomState(3))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.shape == (20, *data.observation_shape)
    assert first.dtype == np.float32
    assert 0 <= first.min() < first.max() <= 1
    with pytest.raises(NotImplementedError, match=data.name):
        data.images_at(np.array([0]))


@pytest.mark.parametrize("data", [*RANDOM_PIXELS, ABSTRACT])
def test_threads_get_the_same_pictures(data):
    def draw(seed):
        return data.sample_observations(8, np.random.RandomState(seed))

    expected = [draw(seed) for seed in range(12)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(draw, range(12))), expected)


@pytest.mark.parametrize("data", [*RANDOM_PIXELS, ABSTRACT])
def test_rendered_variants_say_so(data):
    assert data.name.endswith("_dsprites_rendered")
    assert data.origin == "rendered"
    assert data.renderer_version.startswith(RENDERED.renderer_version)
    assert len(data.factor_names) == data.num_factors == len(data.factors_num_values)


@pytest.mark.parametrize("name", ["color", "noisy", "scream", "abstract"])
def test_official_variants_need_the_official_file(name, tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    with pytest.raises(ground_truth_data.DatasetNotFound, match="dsprites_rendered"):
        registry.open_dataset(f"{name}_dsprites")


def test_abstract_images_are_rounded_observations():
    factors, observations = ABSTRACT.sample(200, np.random.RandomState(0))
    indices = ABSTRACT.indices_of(factors, np.random.RandomState(0))
    again = ABSTRACT.sample_observations_from_factors(factors, np.random.RandomState(0))
    images = ABSTRACT.images_at(indices)
    assert images.dtype == np.uint8 and observations.dtype == np.float32
    np.testing.assert_allclose(images / 255, again, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(ABSTRACT.factors_at(indices), factors)


def test_abstract_factors_are_in_the_picture():
    random_state = np.random.RandomState(1)
    factors = ABSTRACT.sample_factors(200, random_state)
    indices = ABSTRACT.indices_of(factors, random_state)
    images = ABSTRACT.images_at(indices)
    greys = np.array([0, 64, 128, 191, 255])
    np.testing.assert_array_equal(
        images[:, 0, 0], np.repeat(greys[factors[:, :1]], 3, axis=1)
    )
    orientation = indices // 1024 % 40
    sprites = np.insert(factors[:, 2:], 2, orientation, axis=1)
    is_object = (images != images[:, :1, :1]).any(axis=3)
    np.testing.assert_array_equal(is_object, masks(sprites)[..., 0])
    colors = [
        images[factors[:, 1] == i][is_object[factors[:, 1] == i]] for i in range(6)
    ]
    assert all((color == color[0]).all() for color in colors)
    assert len({tuple(color[0]) for color in colors}) == 6


def test_abstract_orientation_is_drawn():
    assert not ABSTRACT.is_grid and not ABSTRACT.has_grid_draws
    factors = np.tile([4, 2, 2, 5, 16, 16], (300, 1))
    drawn = ABSTRACT.indices_of(factors, np.random.RandomState(0)) // 1024 % 40
    assert set(drawn) == set(range(40))
    with pytest.raises(ValueError, match="RandomState"):
        ABSTRACT.indices_of(factors)


def test_last_orientation_repeats_the_first():
    indices = np.random.RandomState(0).randint(ABSTRACT.size, size=300)
    first = indices - indices // 1024 % 40 * 1024
    np.testing.assert_array_equal(
        ABSTRACT.images_at(first), ABSTRACT.images_at(first + 39 * 1024)
    )


def test_texture_is_the_same_everywhere():
    texture = dsprites_variants.texture()
    assert texture.shape == (274, 350, 3)
    assert 0 <= texture.min() < texture.max() <= 1
    # No piece is empty.
    pieces = texture[:256, :320].reshape(4, 64, 5, 64, 3)
    assert pieces.std(axis=(1, 3)).min() > 0.03
    pixels = np.rint(255 * texture).astype(np.uint8)
    assert hashlib.sha256(pixels.tobytes()).hexdigest().startswith("078450f780affd90")


def test_scream_fits_its_frame(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    with pytest.raises(ground_truth_data.DatasetNotFound, match="scream.jpg"):
        dsprites_variants.load_scream()
    (tmp_path / "scream").mkdir()
    PIL.Image.new("RGB", (700, 900), (255, 0, 51)).save(
        tmp_path / "scream" / "scream.jpg"
    )
    background = dsprites_variants.load_scream()
    assert background.shape == (274, 213, 3)
    np.testing.assert_allclose(background[100, 100], [1, 0, 0.2], atol=0.02)


@pytest.mark.parametrize("content", ["", "text", "cut", "small"])
def test_another_picture_than_the_scream_is_named(tmp_path, monkeypatch, content):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    path = tmp_path / "scream" / "scream.jpg"
    path.parent.mkdir()
    path.write_bytes(content.encode())
    if content in ("cut", "small"):
        size = (40, 30) if content == "small" else (400, 500)
        PIL.Image.new("RGB", size).save(path)
    if content == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="scream.jpg"):
        dsprites_variants.load_scream()
