"""The official Shapes3D file, written here in its format."""

import os
import signal
import subprocess
import sys

import gin
import h5py
import numpy as np
import pytest

from dmt.data.ground_truth import ground_truth_data, prepared, shapes3d
from tests.helpers import official_files
from tests.helpers.official_files import SHAPES3D_VALUES, SmallShapes3D

IMAGES = official_files.textures(SmallShapes3D.factor_sizes, [64, 64, 3])
LABELS = np.stack(np.meshgrid(*SHAPES3D_VALUES, indexing="ij"), axis=-1).reshape(-1, 6)


def write(root, images=IMAGES, labels=LABELS):
    path = root / "3dshapes" / "3dshapes.h5"
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "images", data=images, chunks=(24, 16, 8, 1)[: images.ndim], compression=1
        )
        file.create_dataset("labels", data=labels)
    return path


def test_factors_lead_to_their_images(root, monkeypatch):
    write(root)
    monkeypatch.setattr(prepared, "_READ_BYTES", 50 * 64 * 64 * 3)
    data = SmallShapes3D()
    assert (data.name, data.origin) == ("shapes3d", "official")
    assert data.is_grid and data.has_grid_draws and data.num_factors == 6
    rows = official_files.corners_and_more(data)
    np.testing.assert_array_equal(data.images_at(rows), IMAGES[rows])
    np.testing.assert_array_equal(
        data.images_at(rows)[:, :6, 0, 0], data.factors_at(rows)
    )
    np.testing.assert_array_equal(data.images_at(np.arange(data.size)), IMAGES)
    factors, observations = data.sample(5, np.random.RandomState(0))
    assert observations.dtype == np.float32
    np.testing.assert_array_equal(
        observations, np.float32(IMAGES[data.indices_of(factors)]) / 255
    )


def test_real_sizes():
    assert shapes3d.Shapes3D.factor_sizes == [10, 10, 10, 8, 4, 15]
    assert len(shapes3d.Shapes3D.state_space_names) == 6


@pytest.mark.parametrize(
    "damage",
    [official_files.truncate, official_files.flip_bytes, official_files.empty],
)
def test_damaged_file_is_one_clear_error(root, damage):
    path = write(root)
    damage(path)
    official_files.check_refused(SmallShapes3D, path, root, "shapes3d")


@pytest.mark.parametrize(
    "content",
    [
        {"images": IMAGES[:-1]},
        {"images": IMAGES.reshape(-1, 64, 192)},
        {"images": np.float32(IMAGES)},
        {"labels": LABELS[:-1]},
        {"labels": LABELS[:, :5]},
        {"labels": np.zeros_like(LABELS)},
    ],
)
def test_other_content_is_one_clear_error(root, content):
    path = write(root, **content)
    official_files.check_refused(SmallShapes3D, path, root, "shapes3d")


def test_missing_key_is_one_clear_error(root):
    for key in ("images", "labels"):
        path = write(root)
        with h5py.File(path, "a") as file:
            del file[key]
        official_files.check_refused(SmallShapes3D, path, root, "shapes3d")


def test_other_orders_of_the_labels_are_refused(root):
    columns_first = LABELS.reshape(*SmallShapes3D.factor_sizes, 6).swapaxes(0, 2)
    shuffled = np.random.RandomState(0).permutation(LABELS)
    swapped = LABELS.copy()
    swapped[[17, 18]] = swapped[[18, 17]]
    for labels in (columns_first.reshape(-1, 6), shuffled, swapped):
        path = write(root, labels=labels)
        with pytest.raises(ValueError, match="row-major"):
            SmallShapes3D()
        official_files.check_refused(SmallShapes3D, path, root, "shapes3d")


def test_factors_that_count_down_are_in_order_too(root):
    write(root, labels=LABELS * [1, 1, 1, 1, 1, -1])
    SmallShapes3D()


def test_missing_file_says_what_to_do(root):
    with pytest.raises(ground_truth_data.DatasetNotFound) as error:
        SmallShapes3D()
    message = str(error.value)
    for part in (
        str(root / "3dshapes" / "3dshapes.h5"),
        "`dmt_data fetch shapes3d`",
        "DMT_DATA",
        "'shapes3d_rendered'",
    ):
        assert part in message
    assert "\n" not in message and not (root / "prepared").exists()


KILLED = """
import os, signal
from dmt.data.ground_truth import prepared
from tests.helpers import official_files

read_hdf5 = prepared.read_hdf5

def read_and_die(*arguments):
    chunks = read_hdf5(*arguments)
    yield next(chunks)
    yield next(chunks)
    os.kill(os.getpid(), signal.SIGKILL)

prepared.read_hdf5 = read_and_die
prepared._READ_BYTES = 1 << 18
official_files.SmallShapes3D()
"""


def test_killed_preparation_leaves_nothing_that_looks_done(root):
    write(root)
    path = os.pathsep.join(sys.path)
    process = subprocess.run(
        [sys.executable, "-c", KILLED], env={**os.environ, "PYTHONPATH": path}
    )
    assert process.returncode == -signal.SIGKILL
    folder = root / "prepared" / "shapes3d"
    leftovers = official_files.files_below(folder)
    assert leftovers and all(path.name.startswith(".tmp.") for path in leftovers)

    gin.bind_parameter("official_data.preload", False)
    data = SmallShapes3D()
    np.testing.assert_array_equal(data.images_at(np.arange(data.size)), IMAGES)
    names = [path.name for path in official_files.files_below(folder)]
    assert names == ["images.npy", "meta.json"]
