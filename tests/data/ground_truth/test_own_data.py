"""Images of the user's own, as folders and npz files of several kinds."""

import importlib.metadata
import itertools

import numpy as np
import pytest
from PIL import Image

from dmt.data.ground_truth import ground_truth_data, named_data, own_data, state_space
from dmt.methods import train
from dmt.utils import results
from tests.helpers.runs import TINY, bindings

COLORS = ["blue", "green", "red"]
SIZES = [0.5, 2.0, 10.0]


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path / "root"))
    return tmp_path / "root"


def image_of(color, size, shift):
    """An image that tells its factors, of 64x64 pixels."""
    image = np.full((64, 64, 3), 20, dtype=np.uint8)
    image[..., color] = 60 * size + 50
    image[4 * shift : 4 * shift + 4] = 255
    return image


def rows_of(num_shifts=4):
    """Value numbers of a complete grid, in an order of its own."""
    rows = list(itertools.product(range(3), range(3), range(num_shifts)))
    np.random.RandomState(1).shuffle(rows)
    return rows


def names_only(folder):
    edit(folder, lambda lines: [line.split(",")[0] for line in lines])


def write_folder(folder, rows, header=True, suffix="png", save=Image.Image.save):
    folder.mkdir(exist_ok=True)
    lines = ["file,color,size,shift"] if header else []
    for i, (color, size, shift) in enumerate(rows):
        name = f"image {i}.{suffix}"
        save(Image.fromarray(image_of(color, size, shift)), folder / name)
        lines.append(f"{name},{COLORS[color]},{SIZES[size]:g},{shift}")
    (folder / "factors.csv").write_text("\n".join(lines) + "\n")
    return folder


def open_folder(folder, **options):
    return own_data.image_folder(folder, folder / "factors.csv", **options)


def test_each_row_has_its_image_and_its_factors(tmp_path):
    rows = rows_of()
    data = open_folder(write_folder(tmp_path / "photos", rows))
    assert (data.size, data.origin, data.name) == (36, "user", "image_folder")
    assert data.factor_names == ["color", "size", "shift"]
    assert data.factors_num_values == [3, 3, 4]
    assert data.observation_shape == [64, 64, 3]
    # 10 is more than 2 although "10" comes before "2".
    np.testing.assert_array_equal(data.factors_at(np.arange(36)), rows)
    expected = np.stack([image_of(*row) for row in rows])
    np.testing.assert_array_equal(data.images_at(np.arange(36)), expected)
    factors, observations = data.sample(50, np.random.RandomState(0))
    expected = [image_of(*row) for row in factors]
    np.testing.assert_allclose(observations * 255, expected, rtol=1e-6)


def test_complete_table_draws_like_a_grid(tmp_path):
    data = open_folder(write_folder(tmp_path / "photos", rows_of()))
    grid = state_space.SplitDiscreteStateSpace([3, 3, 4], range(3))
    np.testing.assert_array_equal(
        data.sample_factors(100, np.random.RandomState(5)),
        grid.sample_latent_factors(100, np.random.RandomState(5)),
    )
    assert data.has_grid_draws and not data.is_grid


def test_incomplete_table_draws_its_rows(tmp_path):
    rows = [row for row in rows_of() if row[0] != 1 or row[1] != 2]
    data = open_folder(write_folder(tmp_path / "photos", rows))
    drawn = data.sample_factors(2000, np.random.RandomState(0))
    assert {tuple(row) for row in drawn.tolist()} == set(rows)
    np.testing.assert_array_equal(data.factors_at(data.indices_of(drawn)), drawn)
    with pytest.raises(ValueError, match=r"image_folder has no.* \[1, 2, 0\]"):
        data.indices_of(np.array([[0, 0, 0], [1, 2, 0]]))


def test_several_images_of_the_same_factors_are_drawn_evenly(tmp_path):
    data = open_folder(write_folder(tmp_path / "photos", [(0, 0, 0)] * 3 + [(1, 1, 1)]))
    with pytest.raises(ValueError, match="RandomState"):
        data.indices_of(np.zeros((1, 3), dtype=int))
    found = data.indices_of(np.zeros((900, 3), dtype=int), np.random.RandomState(0))
    assert np.bincount(found).min() > 250 and np.bincount(found).size == 3


def test_many_continuous_factors_need_no_grid_that_can_be_numbered(tmp_path):
    random_state = np.random.RandomState(0)
    factors = random_state.normal(size=(300, 12))
    images = random_state.randint(256, size=(300, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, factors=factors)
    data = own_data.npz_images(tmp_path / "mine.npz")
    some = random_state.randint(300, size=50)
    found = data.indices_of(data.factors_at(some))
    np.testing.assert_array_equal(found, some)
    np.testing.assert_array_equal(data.factors_at(some), factors[some])
    assert all(data.continuous_factors) and not data.has_all_combinations
    lacking = data.factors_at(some[:1])
    lacking[0, -1] = data.factors_at([(some[0] + 1) % 300])[0, -1]
    with pytest.raises(ValueError, match="no observation"):
        data.indices_of(lacking)
    with pytest.raises(ValueError, match="no observation"):
        data.indices_of(data.factors_at(some[:1]) + 1e-9)


def test_factors_are_continuous_in_part(tmp_path):
    random_state = np.random.RandomState(0)
    factors = np.stack([np.arange(60) % 3, random_state.normal(size=60)], axis=1)
    images = random_state.randint(256, size=(60, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, factors=factors)
    data = own_data.npz_images(tmp_path / "mine.npz")
    assert data.continuous_factors == [False, True]
    assert data.factors_num_values == [3, 60]
    drawn, observations = data.sample(20, np.random.RandomState(0))
    rows = [np.flatnonzero(factors[:, 1] == value)[0] for value in drawn[:, 1]]
    np.testing.assert_array_equal(drawn, factors[rows])
    np.testing.assert_allclose(observations[..., 0] * 255, images[rows], rtol=1e-6)
    scaled = data.scaled_factors(factors)
    assert (scaled[:, 1].min(), scaled[:, 1].max()) == (0, 1)
    np.testing.assert_array_equal(scaled[:, 0], factors[:, 0])
    with pytest.raises(
        ValueError, match=r"^mig needs.*npz_images.num_bins.*Factor 1 is"
    ):
        data.check_factors("mig")
    binned = own_data.npz_images(tmp_path / "mine.npz", num_bins=5)
    assert binned.factors_num_values == [3, 5]
    binned.check_factors("mig")


@pytest.mark.parametrize("kind", ["folder", "names", "npz", "npy"])
def test_images_without_labels(tmp_path, kind):
    rows = rows_of()
    folder = write_folder(tmp_path / "photos", rows)
    images = np.stack([image_of(*row) for row in rows])
    if kind == "folder":
        data = own_data.image_folder(folder)
        names = sorted(f"image {i}.png" for i in range(36))
        assert list(data.image_names) == names
        images = images[[int(name.split()[1].split(".")[0]) for name in names]]
    elif kind == "names":
        names_only(folder)
        data = open_folder(folder)
    elif kind == "npz":
        np.savez(tmp_path / "mine.npz", images=images)
        data = own_data.npz_images(tmp_path / "mine.npz")
    else:
        np.save(tmp_path / "mine.npy", images)
        data = own_data.npz_images(tmp_path / "mine.npy")
    np.testing.assert_array_equal(data.images_at(np.arange(36)), images)
    assert (data.num_factors, data.size) == (0, 36)
    assert not data.has_all_combinations
    factors, observations = data.sample(50, np.random.RandomState(0))
    assert factors.shape == (50, 0) and observations.shape == (50, 64, 64, 3)
    assert len(np.unique(observations.reshape(50, -1), axis=0)) > 20
    with pytest.raises(ValueError, match="^mig needs factors.*whose images have none"):
        data.check_factors("mig")


def test_table_without_header(tmp_path):
    data = open_folder(write_folder(tmp_path / "photos", rows_of(), header=False))
    assert data.size == 36
    assert data.factor_names == ["Factor 0", "Factor 1", "Factor 2"]


def test_resized_and_grey(tmp_path):
    def save(image, path):
        image.resize((40, 30)).save(path)

    folder = write_folder(tmp_path / "photos", rows_of(), save=save, suffix="bmp")
    Image.new("RGB", (50, 20)).save(folder / "image 7.bmp")
    data = open_folder(folder, image_size=16, grey=True)
    assert data.observation_shape == [16, 16, 1]
    assert not data.images_at([7]).any() and data.images_at([6]).max() > 100
    with Image.open(folder / "image 6.bmp") as image:
        expected = image.convert("L").resize((16, 16), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(data.images_at([6])[0, ..., 0], np.asarray(expected))
    with pytest.raises(ValueError, match="image_folder.image_size = 64") as error:
        open_folder(folder)
    assert "image 7.bmp" in str(error.value)


def test_images_are_kept_until_one_changes(tmp_path, root):
    folder = write_folder(tmp_path / "photos", rows_of())
    open_folder(folder)
    (kept,) = root.rglob("images.npy")
    first = kept.stat()
    open_folder(folder)
    assert kept.stat().st_mtime_ns == first.st_mtime_ns
    Image.new("RGB", (64, 64)).save(folder / "image 3.png")
    assert not open_folder(folder).images_at([3]).any()
    assert len(list(root.rglob("*.npy"))) == 1


def check_one_line(error):
    # Gin adds a second one, which the command lines leave out.
    message = str(error.value).split("\n  In call to configurable")[0]
    assert "\n" not in message


def remove_image(folder):
    (folder / "image 5.png").unlink()


def remove_first_image_without_header(folder):
    (folder / "image 0.png").unlink()
    edit(folder, lambda lines: lines[1:])


def damage_image(folder):
    (folder / "image 5.png").write_bytes(b"no image")


def deep_image(folder):
    deep = np.full((64, 64), 40000, dtype=np.uint16)
    Image.fromarray(deep).save(folder / "image 5.png")


def edit(folder, change):
    table = folder / "factors.csv"
    table.write_text("\n".join(change(table.read_text().splitlines())))


def no_table(folder):
    (folder / "factors.csv").unlink()


def short_line(folder):
    edit(folder, lambda lines: [*lines[:4], lines[4].rpartition(",")[0], *lines[5:]])


def empty_cell(folder):
    edit(folder, lambda lines: [line.replace("red", "") for line in lines])


def not_a_number(folder):
    edit(folder, lambda lines: [line.replace(",10,", ",nan,") for line in lines])


@pytest.mark.parametrize(
    "damage, words",
    [
        (remove_image, "1 of the 36 images .* image 5.png"),
        (remove_first_image_without_header, "1 of the 36 images .* image 0.png"),
        (damage_image, "image 5.png cannot be read"),
        (deep_image, "8 bits.*image 5.png"),
        (no_table, "image_folder.csv names no file"),
        (short_line, "needs 4 cells.* for image 4"),
        (empty_cell, "cells, none of them empty"),
        (not_a_number, "finite.*for size"),
        (lambda folder: edit(folder, lambda lines: lines[:2]), "at least two images"),
        (lambda folder: edit(folder, lambda lines: []), "at least two images"),
    ],
)
def test_mistakes_in_a_folder_are_one_line(tmp_path, root, damage, words):
    folder = write_folder(tmp_path / "photos", rows_of())
    damage(folder)
    with pytest.raises((ValueError, OSError), match=words) as error:
        open_folder(folder)
    check_one_line(error)
    assert not list(root.rglob("*.npy"))


def test_other_mistakes(tmp_path):
    with pytest.raises(ground_truth_data.DatasetNotFound, match="no folder"):
        own_data.image_folder(tmp_path / "nowhere", "factors.csv")
    folder = write_folder(tmp_path / "photos", rows_of())
    with pytest.raises(ValueError, match="image_size must be an integer, at least 1"):
        open_folder(folder, image_size=(64, 64))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save):
    rows = rows_of()
    images = np.stack([image_of(*row) for row in rows])
    words = np.array([[COLORS[c], f"size {s}", f"shift {h}"] for c, s, h in rows])
    path = tmp_path / "mine.npz"
    save(path, images=images, factors=words, factor_names=["a", "b", "c"])
    data = own_data.npz_images(path)
    assert data.factor_names == ["a", "b", "c"] and data.name == "npz_images"
    np.testing.assert_array_equal(data.factors_at(np.arange(36)), rows)
    np.testing.assert_array_equal(data.images_at(np.arange(36)), images)
    save(path, images=images[..., 0], factors=words[:, 0])
    grey = own_data.npz_images(path)
    assert grey.observation_shape == [64, 64, 1]
    np.testing.assert_array_equal(
        grey.images_at([9, 0])[..., 0], images[[9, 0], ..., 0]
    )


IMAGES, FACTORS = np.zeros((4, 8, 8), np.uint8), np.arange(8.0).reshape(4, 2)
INFINITE = np.where(FACTORS == 3, np.inf, FACTORS)


@pytest.mark.parametrize(
    "arrays, words",
    [
        ({"imgs": IMAGES, "factors": FACTORS}, "the arrays images and factors"),
        ({"images": IMAGES.astype(float), "factors": FACTORS}, "nothing to learn"),
        ({"images": IMAGES[0], "factors": FACTORS}, "must hold images"),
        ({"images": IMAGES, "factors": FACTORS[:3]}, "each of the 4"),
        ({"images": IMAGES, "factors": INFINITE}, "finite"),
        ({"images": IMAGES, "factors": FACTORS.astype(object)}, "Python objects"),
        ({"images": IMAGES.astype(object), "factors": FACTORS}, "Python objects"),
        ({"images": IMAGES[:1], "factors": FACTORS[:1]}, "two images"),
        (
            {"images": IMAGES, "factors": FACTORS, "factor_names": ["a"]},
            "2 names",
        ),
    ],
)
def test_mistakes_in_an_npz_are_one_line(tmp_path, arrays, words):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=words) as error:
        own_data.npz_images(path)
    check_one_line(error)
    assert str(path) in str(error.value)


def test_npz_that_is_missing_or_no_npz(tmp_path):
    with pytest.raises(ground_truth_data.DatasetNotFound, match="npz_images.path"):
        own_data.npz_images(tmp_path / "mine.npz")
    (tmp_path / "mine.npz").write_bytes(b"PK no zip")
    with pytest.raises(ValueError, match="must be an npz file"):
        own_data.npz_images(tmp_path / "mine.npz")


def test_installed_package_brings_datasets(tmp_path, monkeypatch):
    package = tmp_path / "site"
    (package / "flowers-1.0.dist-info").mkdir(parents=True)
    (package / "flowers-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: flowers\nVersion: 1.0\n"
    )
    (package / "flowers-1.0.dist-info" / "entry_points.txt").write_text(
        "[dmt.datasets]\nroses = flowers_data:Roses\ntulips = flowers_data:Tulips\n"
    )
    (package / "flowers_data.py").write_text(
        "from dmt.data.ground_truth import dummy_data\n"
        "class Roses(dummy_data.DummyData):\n    name = 'roses'\n"
    )
    monkeypatch.syspath_prepend(str(package))
    assert "roses" in importlib.metadata.entry_points(group="dmt.datasets").names
    assert named_data.get_named_ground_truth_data("roses").name == "roses"
    with pytest.raises(ValueError, match="cannot be loaded from flowers_data:Tulips"):
        named_data.get_named_ground_truth_data("tulips")
    with pytest.raises(ValueError, match="mean 'roses'"):
        named_data.get_named_ground_truth_data("rose")


def test_run_on_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "photos", rows_of())
    lines = bindings(
        TINY,
        dataset__name="'image_folder'",
        image_folder__path="'photos'",
        image_folder__csv="'photos/factors.csv'",
        image_folder__image_size="64",
    )
    train.train_with_gin("model", False, [], lines)
    found = results.load_json(tmp_path / "model/results/aggregate/train.json")
    assert found["train_results.origin"] == "user"
    assert found["train_config.image_folder.path"] == "'photos'"

    (tmp_path / "photos" / "image 5.png").unlink()
    with pytest.raises(ground_truth_data.DatasetNotFound, match=r"image 5\.png"):
        train.train_with_gin("other", False, [], lines)
    assert not (tmp_path / "other").exists()
