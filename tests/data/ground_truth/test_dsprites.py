"""The official dSprites files, written here in their format from the rendered twin."""

import json
import os
import zlib

import h5py
import numpy as np
import pytest

from dmt.data.ground_truth import (
    dsprites,
    dsprites_rendered,
    ground_truth_data,
    named_data,
)
from tests.helpers.official_files import files_below, flip_bytes, truncate

STEM = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64"
SMALL = dsprites_rendered.dsprites_rendered_small()


class SmallOfficialDSprites(dsprites.DSprites):
    """Reads files in the official format that hold the small grid."""

    factor_sizes = SMALL.state_space.factor_sizes


@pytest.fixture(scope="module")
def images():
    return SMALL.images_at(np.arange(SMALL.size))[..., 0] // 255


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty data root; the home folder is a temporary one too."""
    root = tmp_path / "root"
    (root / "dsprites").mkdir(parents=True)
    monkeypatch.setenv("DMT_DATA", str(root))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return root


def write_npz(root, images, **others):
    # The metadata of the published file is a pickle, which must not be opened.
    metadata = np.array({"pickled": True}, dtype=object)
    path = root / "dsprites" / f"{STEM}.npz"
    np.savez_compressed(path, metadata=metadata, imgs=images, **others)
    return path


def write_hdf5(root, images):
    path = root / "dsprites" / f"{STEM}.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("imgs", data=images, chunks=(144, 8, 16), compression=1)
    return path


@pytest.mark.parametrize("write", [write_npz, write_hdf5])
def test_official_file_gives_its_pictures(root, images, write):
    write(root, images)
    data = SmallOfficialDSprites([1, 2, 3, 4, 5])
    assert data.origin == "official"
    corners = [0, 7, 56, 63, SMALL.size - 64, SMALL.size - 1]
    rows = np.append(corners, np.random.RandomState(0).randint(SMALL.size, size=300))
    np.testing.assert_array_equal(data.images_at(rows), SMALL.images_at(rows))
    everything = np.arange(SMALL.size)
    np.testing.assert_array_equal(data.images_at(everything)[..., 0], images * 255)
    observed = data.sample_observations(5, np.random.RandomState(0))
    assert observed.dtype == np.float32 and set(np.unique(observed)) == {0, 1}


def test_prepared_file_is_used_again_until_the_source_changes(root, images):
    source = write_npz(root, images)
    SmallOfficialDSprites()
    prepared = root / "prepared" / "dsprites" / "images.npy"
    first = prepared.stat()
    assert json.loads(prepared.with_name("meta.json").read_text())["source"] == (
        source.name
    )
    SmallOfficialDSprites()
    assert prepared.stat().st_ino == first.st_ino

    write_npz(root, 1 - images)
    os.utime(source, ns=(1, 1))
    changed = SmallOfficialDSprites()
    np.testing.assert_array_equal(
        changed.images_at([9])[0, ..., 0], 255 - 255 * images[9]
    )
    assert len(files_below(root / "prepared")) == 2


def test_damaged_prepared_file_is_made_again(root, images):
    write_npz(root, images)
    SmallOfficialDSprites()
    prepared = root / "prepared" / "dsprites" / "images.npy"
    for damage in (b"", prepared.read_bytes()[:-100]):
        prepared.unlink()
        prepared.write_bytes(damage)
        data = SmallOfficialDSprites()
        np.testing.assert_array_equal(data.images_at([9]), SMALL.images_at([9]))


def test_root_that_cannot_be_written_sends_prepared_files_home(root, images, tmp_path):
    write_npz(root, images)
    (root / "prepared").write_text("a file where the folder should be")
    SmallOfficialDSprites()
    home = tmp_path / "home" / ".cache" / "dmt" / "prepared" / "dsprites"
    assert [path.name for path in files_below(home)] == ["images.npy", "meta.json"]


@pytest.mark.parametrize("damage", [truncate, flip_bytes])
@pytest.mark.parametrize("write", [write_npz, write_hdf5])
def test_damaged_file_is_one_clear_error(root, images, write, damage):
    path = write(root, images)
    damage(path)
    check_refused(root, path)


@pytest.mark.parametrize("write", [write_npz, write_hdf5])
@pytest.mark.parametrize(
    "change",
    [
        lambda images: images[:-1],
        lambda images: images * 255,
        lambda images: images.astype(np.float32),
        lambda images: images.reshape(-1, 32, 128),
    ],
    ids=["count", "values", "dtype", "shape"],
)
def test_other_content_is_one_clear_error(root, images, write, change):
    check_refused(root, write(root, change(images)))


def test_missing_key_is_one_clear_error(root):
    path = root / "dsprites" / f"{STEM}.npz"
    np.savez(path, pictures=np.zeros(3))
    check_refused(root, path)
    path = path.with_suffix(".hdf5")
    with h5py.File(path, "w") as file:
        file["pictures"] = np.zeros(3)
    check_refused(root, path)


def check_refused(root, path):
    with pytest.raises(ValueError, match="download https://") as error:
        SmallOfficialDSprites()
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert not files_below(root / "prepared")


def test_missing_file_says_what_to_do(root):
    with pytest.raises(ground_truth_data.DatasetNotFound):
        named_data.get_named_ground_truth_data("dsprites_full")
    with pytest.raises(ground_truth_data.DatasetNotFound) as error:
        dsprites.dsprites_noshape()
    message = str(error.value)
    for part in (str(root / "dsprites" / STEM), dsprites.URL, "DMT_DATA"):
        assert part in message
    assert "dsprites_rendered" in message and "\n" not in message
    assert not (root / "prepared").exists()


def test_root_falls_back_to_the_variable_of_the_original(monkeypatch):
    monkeypatch.delenv("DMT_DATA", raising=False)
    monkeypatch.setenv("DISENTANGLEMENT_LIB_DATA", "/elsewhere")
    assert str(ground_truth_data.data_root()) == "/elsewhere"
    monkeypatch.delenv("DISENTANGLEMENT_LIB_DATA")
    assert str(ground_truth_data.data_root()) == "."


@pytest.mark.slow
def test_full_official_file(root):
    twin = dsprites_rendered.dsprites_rendered()
    # Sixteen different blocks in random order, compressed once.
    blocks = twin.images_at(np.arange(16 * 1024)).reshape(16, 1024, 64, 64) // 255
    order = np.random.RandomState(0).randint(16, size=720)
    compressed = [zlib.compress(block.tobytes(), 1) for block in blocks]
    with h5py.File(root / "dsprites" / f"{STEM}.hdf5", "w") as file:
        pixels = file.create_dataset(
            "imgs", (737280, 64, 64), "u1", chunks=(1024, 64, 64), compression=1
        )
        for number, block in enumerate(order):
            pixels.id.write_direct_chunk((1024 * number, 0, 0), compressed[block])
    data = named_data.get_named_ground_truth_data("dsprites_full")
    rows = np.append([0, 737279], np.random.RandomState(0).randint(737280, size=2000))
    expected = twin.images_at(1024 * order[rows // 1024] + rows % 1024)
    np.testing.assert_array_equal(data.images_at(rows), expected)
    noshape = named_data.get_named_ground_truth_data("dsprites_noshape")
    np.testing.assert_array_equal(noshape.images_at(rows), expected)
