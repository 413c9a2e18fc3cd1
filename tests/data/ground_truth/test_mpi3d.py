"""Official MPI3D files, written here in their format."""

import gin
import numpy as np
import pytest

from dmt.data.ground_truth import ground_truth_data, mpi3d, prepared
from tests.helpers import official_files

# The container of the published files is not known to be compressed or not.
WRITERS = [np.savez, np.savez_compressed]
DATA_SETS = {
    "mpi3d_toy": "mpi3d_toy/mpi3d_toy.npz",
    "mpi3d_realistic": "mpi3d_realistic/mpi3d_realistic.npz",
    "mpi3d_real": "mpi3d_real/mpi3d_real.npz",
    "mpi3d_real_complex": ("mpi3d_real_complex/real3d_complicated_shapes_ordered.npz"),
}
SIZES = [[3, 3, 2, 3, 3, 2, 3], [2, 2, 2, 3, 3, 2, 3]]


class SmallMPI3D(mpi3d.MPI3D):
    """Reads files in the official format that hold small grids."""

    possible_factor_sizes = SIZES


LARGER, SMALLER = (official_files.textures(sizes, [64, 64, 3]) for sizes in SIZES)


def write(root, name="mpi3d_real", images=SMALLER, save=np.savez):
    path = root / DATA_SETS[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, images=images)
    return path


def open_real():
    return SmallMPI3D("mpi3d_real")


@pytest.mark.parametrize("save", WRITERS)
@pytest.mark.parametrize("images", [LARGER, SMALLER], ids=["larger", "smaller"])
def test_factors_lead_to_their_images(root, monkeypatch, save, images):
    write(root, images=images, save=save)
    monkeypatch.setattr(prepared, "_READ_BYTES", 50 * 64 * 64 * 3)
    data = open_real()
    assert data.factors_num_values == SIZES[0 if images is LARGER else 1]
    assert data.is_grid and data.has_grid_draws and data.origin == "official"
    rows = official_files.corners_and_more(data)
    np.testing.assert_array_equal(data.images_at(rows), images[rows])
    np.testing.assert_array_equal(
        data.images_at(rows)[:, :7, 0, 0], data.factors_at(rows)
    )
    np.testing.assert_array_equal(data.images_at(np.arange(data.size)), images)
    factors, observations = data.sample(5, np.random.RandomState(0))
    assert observations.dtype == np.float32
    np.testing.assert_array_equal(
        observations, np.float32(images[data.indices_of(factors)]) / 255
    )


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_dataset_has_its_file(root, name):
    write(root, name)
    assert SmallMPI3D(name).name == name
    # The registered one knows only the published numbers of images.
    official_files.check_refused(
        lambda: mpi3d.MPI3D(name), root / DATA_SETS[name], root / "nothing", name
    )


def test_real_sizes():
    larger, smaller = mpi3d.MPI3D.possible_factor_sizes
    assert np.prod(larger) == 1036800 and np.prod(smaller) == 460800


def test_stored_images_are_not_copied_on_disk(root):
    path = write(root)
    gin.bind_parameter("official_data.preload", False)
    for _ in range(2):
        data = open_real()
        assert str(data._images.filename) == str(path)
    prepared_files = official_files.files_below(root / "prepared")
    assert [path.name for path in prepared_files] == ["meta.json"]
    seal = prepared_files[0].stat()

    write(root, images=255 - SMALLER)
    np.testing.assert_array_equal(open_real().images_at([3]), 255 - SMALLER[[3]])
    assert prepared_files[0].stat().st_mtime_ns > seal.st_mtime_ns


@pytest.mark.parametrize("save", WRITERS)
@pytest.mark.parametrize(
    "damage",
    [official_files.truncate, official_files.flip_bytes, official_files.empty],
)
def test_damaged_file_is_one_clear_error(root, save, damage):
    path = write(root, save=save)
    damage(path)
    official_files.check_refused(open_real, path, root, "mpi3d_real")


@pytest.mark.parametrize("save", WRITERS)
@pytest.mark.parametrize(
    "images",
    [
        SMALLER[:-1],
        SMALLER.reshape(*SIZES[1], 64, 64, 3),
        SMALLER.reshape(-1, 64, 192),
        SMALLER.view(np.int8),
        SMALLER.astype(object)[:, :1, :1],
        np.array(3),
        np.asfortranarray(SMALLER),
    ],
    ids=["count", "grid", "shape", "type", "pickled", "scalar", "fortran"],
)
def test_other_content_is_one_clear_error(root, images, save):
    path = write(root, images=images, save=save)
    official_files.check_refused(open_real, path, root, "mpi3d_real")


def test_other_key_is_one_clear_error(root):
    path = write(root)
    np.savez(path, pictures=SMALLER)
    official_files.check_refused(open_real, path, root, "mpi3d_real")


def test_number_of_images_is_named(root):
    write(root)
    with pytest.raises(ValueError, match="1036800 or 460800"):
        mpi3d.MPI3D("mpi3d_real")


class Marking:
    """A pickle that writes a file when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("save", WRITERS)
def test_pickles_are_not_opened(root, save):
    marker = root / "opened"
    images = np.full(len(SMALLER), None, dtype=object)
    images[0] = Marking(str(marker))
    path = write(root, images=images, save=save)
    official_files.check_refused(open_real, path, root, "mpi3d_real")
    assert not marker.exists()


@pytest.mark.parametrize("name", DATA_SETS)
def test_missing_file_says_what_to_do(root, name):
    with pytest.raises(ground_truth_data.DatasetNotFound) as error:
        mpi3d.MPI3D(name)
    message = str(error.value)
    for part in (
        str(root / DATA_SETS[name]),
        f"`dmt_data fetch {name}`",
        "DMT_DATA",
        "'armcube_rendered'",
    ):
        assert part in message
    assert "\n" not in message and not (root / "prepared").exists()
