import json
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import gin
import h5py
import numpy as np
import pytest

from dmt.data.ground_truth import prepared
from dmt.utils import machine
from tests.helpers import official_files

SHAPE = (100, 8, 8, 3)


@pytest.fixture
def images():
    return np.random.RandomState(0).randint(256, size=SHAPE, dtype=np.uint8)


@pytest.fixture
def source(root, images):
    path = root / "source.npz"
    np.savez_compressed(path, images=images)
    return path


def open_source(source, **changes):
    def read():
        return prepared.read_npz(source, "images", SHAPE)

    arguments = {"read": read, "shape": SHAPE, **changes}
    return prepared.open_images("name", [source], **arguments)


def test_images_come_back_and_are_read_only(source, images):
    opened = open_source(source)
    np.testing.assert_array_equal(opened, images)
    assert not opened.flags.writeable


def test_preparation_happens_once(source):
    open_source(source)
    np.testing.assert_array_equal(
        open_source(source, read=None), np.load(source)["images"]
    )


def test_seal_describes_the_source(root, source):
    open_source(source)
    meta = json.loads((root / "prepared" / "name" / "meta.json").read_text())
    assert meta["source"] == "source.npz" and meta["size"] == source.stat().st_size
    assert meta["mtime_ns"] == source.stat().st_mtime_ns and len(meta["sha256"]) == 64
    assert "format" in meta


def test_several_sources_are_watched(root, images):
    sources = [root / "a", root / "b"]
    for path in sources:
        path.write_bytes(b"old")

    def open_both(read):
        return prepared.open_images("name", sources, read, SHAPE)

    open_both(lambda: iter([images]))
    open_both(None)
    sources[1].write_bytes(b"new!")
    other = open_both(lambda: iter([images[:30], 255 - images[30:]]))
    np.testing.assert_array_equal(other[30:], 255 - images[30:])


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": 1}'])
def test_images_without_a_good_seal_are_made_again(root, source, images, content):
    open_source(source)
    folder = root / "prepared" / "name"
    (folder / "meta.json").write_text(content)
    np.save(folder / "images.npy", 255 - images)
    np.testing.assert_array_equal(open_source(source), images)


def test_new_images_never_stand_behind_an_old_seal(root, source, images, monkeypatch):
    open_source(source)
    old, times = source.read_bytes(), source.stat()
    np.savez_compressed(source, images=255 - images)
    with monkeypatch.context() as patch:
        # Dies after the images were replaced, before the new seal.
        patch.setattr(prepared.files, "write_text", None)
        with pytest.raises(TypeError):
            open_source(source)
    source.write_bytes(old)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    np.testing.assert_array_equal(open_source(source), images)


def test_images_of_another_type_are_made_again(source, images):
    open_source(source)
    wide = open_source(source, dtype="int16")
    assert wide.dtype == np.int16
    np.testing.assert_array_equal(wide, images)


def test_nothing_is_left_when_reading_fails(root, source):
    def broken():
        yield np.zeros((50, *SHAPE[1:]), dtype=np.uint8)
        raise ValueError("broken")

    def short():
        yield np.zeros((50, *SHAPE[1:]), dtype=np.uint8)

    for read, message in ((broken, "broken"), (short, "must hold 100 .* 50")):
        with pytest.raises(ValueError, match=message):
            open_source(source, read=read)
        assert not official_files.files_below(root / "prepared")


def test_source_that_changes_while_it_is_read_is_refused(root, source, images):
    def read():
        os.utime(source, ns=(1, 1))
        yield images

    with pytest.raises(ValueError, match="changed while it was read") as error:
        open_source(source, read=read)
    assert str(source) in str(error.value)
    assert not official_files.files_below(root / "prepared")


def test_no_room_is_one_error(source):
    with pytest.raises(ValueError, match="has 1000000000.0 GB of room"):
        open_source(source, shape=(10**18, 1))


@pytest.mark.parametrize("preload", ["auto", True, False])
@pytest.mark.parametrize("available", [0, 2 * 19200, 10**9])
def test_preload(monkeypatch, source, images, preload, available):
    monkeypatch.setattr(machine, "available_memory", lambda: available)
    gin.bind_parameter("official_data.preload", preload)
    opened = open_source(source)
    is_copied = available == 10**9 if preload == "auto" else preload
    assert isinstance(opened, np.memmap) != is_copied
    np.testing.assert_array_equal(opened, images)


def test_unknown_preload_is_refused(source):
    gin.bind_parameter("official_data.preload", "always")
    with pytest.raises(ValueError, match="Received: preload='always'"):
        open_source(source)


def test_open_datasets_share_one_copy(root, source):
    gin.bind_parameter("official_data.preload", True)
    first = open_source(source)
    assert open_source(source) is first
    os.utime(root / "prepared/name/images.npy", ns=(1, 1))
    assert open_source(source) is not first


def test_computed_images_are_found_by_their_facts(root, images):
    shape, facts = images.shape, {"renderer_version": "1"}
    assert prepared.open_computed("name", facts, shape) is None
    prepared.write_computed("name", facts, np.array_split(images, 3), shape)
    np.testing.assert_array_equal(prepared.open_computed("name", facts, shape), images)
    assert prepared.open_computed("name", {"renderer_version": "2"}, shape) is None
    assert prepared.open_computed("name", facts, (7, *shape[1:])) is None
    assert prepared.open_computed("name", facts, shape, "int8") is None


def test_stored_array_is_mapped_in_place(root, images):
    path = root / "stored.npz"
    np.savez(path, before=np.arange(7), images=images, after=np.arange(9))
    mapped = prepared.map_npz(path, "images")
    assert isinstance(mapped, np.memmap) and not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, images)
    assert prepared.npz_layout(path, "images") == (SHAPE, np.uint8)


def test_array_is_found_behind_fields_that_the_directory_does_not_list(root, images):
    path = root / "stored.npz"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("images.npy")
        info.extra = struct.pack("<HH5s", 0x6375, 5, b"extra")
        with archive.open(info, "w", force_zip64=True) as file:
            np.save(file, images)
    # What precedes an archive, as in a self-extracting one, shifts its offsets.
    path.write_bytes(b"shell script" + path.read_bytes())
    np.testing.assert_array_equal(prepared.map_npz(path, "images"), images)


def test_compressed_array_is_not_mapped(source):
    assert prepared.map_npz(source, "images") is None


@pytest.mark.parametrize("offset, value", [(0, b"PX"), (8, b"\x08\0"), (26, b"\x0b\0")])
def test_contradicting_local_header_is_refused(root, images, offset, value):
    path = root / "stored.npz"
    np.savez(path, images=images)
    content = bytearray(path.read_bytes())
    content[offset : offset + 2] = value
    path.write_bytes(content)
    with (
        pytest.raises(ValueError, match="stored.npz"),
        prepared.naming_damage(path, "run"),
    ):
        assert np.array_equal(prepared.map_npz(path, "images"), images)


def test_member_that_is_longer_or_shorter_than_its_array_is_refused(root, images):
    path = root / "stored.npz"
    for change in (lambda b: b + b"more", lambda b: b[:-1]):
        np.savez(path, images=images)
        with zipfile.ZipFile(path) as archive:
            content = archive.read("images.npy")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", change(content))
        with pytest.raises(ValueError, match="contradict"):
            prepared.map_npz(path, "images")
        with pytest.raises(ValueError):
            list(prepared.read_npz(path, "images", SHAPE))


def test_pickles_are_not_opened(root):
    path = root / "pickled.npz"
    np.savez(path, images=np.array([{"a": 1}] * 100, dtype=object))
    with pytest.raises(ValueError):
        prepared.map_npz(path, "images")
    with pytest.raises(ValueError, match="uint8"):
        list(prepared.read_npz(path, "images", SHAPE))


def test_arrays_in_column_major_order_are_refused(root, images):
    path = root / "fortran.npz"
    np.savez(path, images=np.asfortranarray(images))
    for read in (prepared.map_npz, prepared.npz_layout):
        with pytest.raises(ValueError, match="column-major"):
            read(path, "images")


@pytest.mark.parametrize("chunks", [(7, 8, 8, 3), (64, 4, 2, 1), None])
def test_hdf5_is_read_in_whole_chunks(root, monkeypatch, images, chunks):
    monkeypatch.setattr(prepared, "_READ_BYTES", 30 * 192)
    with h5py.File(root / "source.h5", "w") as file:
        file.create_dataset("images", data=images, chunks=chunks)
    read = list(prepared.read_hdf5(root / "source.h5", "images", SHAPE))
    np.testing.assert_array_equal(np.concatenate(read), images)
    assert {len(rows) for rows in read[:-1]} == {
        {7: 28, 64: 64}[chunks[0]] if chunks else 30
    }


@pytest.mark.parametrize("container", ["npz", "h5"])
def test_memory_of_preparing_does_not_grow_with_the_file(root, monkeypatch, container):
    monkeypatch.setattr(prepared, "_READ_BYTES", 1 << 19)
    gin.bind_parameter("official_data.preload", False)
    shape = (4000, 64, 64, 3)
    path, images = root / f"source.{container}", np.zeros(shape, dtype=np.uint8)
    if container == "npz":
        np.savez_compressed(path, images=images)
        read = prepared.read_npz
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("images", data=images, chunks=(16, 64, 64, 3))
        read = prepared.read_hdf5
    num_bytes = images.nbytes
    del images
    tracemalloc.start()
    try:
        prepared.open_images("n", [path], lambda: read(path, "images", shape), shape)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * (1 << 19) < num_bytes / 10


def test_prepared_files_are_in_the_users_cache_unless_a_root_is_set(
    tmp_path, monkeypatch
):
    images = np.zeros((3, 2, 2, 1), np.uint8)

    def kept(version):
        facts = {"version": version}
        prepared.write_computed("mine", facts, [images], images.shape)
        return [path.relative_to(tmp_path) for path in tmp_path.rglob("images.npy")]

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(
        prepared.platformdirs, "user_cache_path", lambda name: tmp_path / name
    )
    for name in ("DMT_DATA", "DISENTANGLEMENT_LIB_DATA"):
        monkeypatch.delenv(name, raising=False)
    assert kept("1") == [Path("dmt/prepared/mine/images.npy")]
    assert prepared.open_computed("mine", {"version": "1"}, images.shape) is not None
    for name in ("DISENTANGLEMENT_LIB_DATA", "DMT_DATA"):
        monkeypatch.setenv(name, str(tmp_path / name))
        assert Path(f"{name}/prepared/mine/images.npy") in kept(name)
    assert not list((tmp_path / "here").iterdir())
