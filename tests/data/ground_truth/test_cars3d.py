"""Official Cars3D files, written here in their format."""

import numpy as np
import pytest
import scipy.io
from PIL import Image

from dmt.data.ground_truth import cars3d, ground_truth_data
from tests.helpers import official_files

NAMES = ["car_001_mesh", "car_002_mesh", "car_010_mesh", "car_011_mesh"]


class SmallCars3D(cars3d.Cars3D):
    """Reads files in the official format, but fewer of them."""

    factor_sizes = [4, 24, len(NAMES)]


def mesh(car):
    """Pictures of a car that are (elevation, azimuth, car), with a mark on top left.

    Returns:
      uint8 array of shape (128, 128, 3, 24, 4).
    """
    azimuth, elevation = np.meshgrid(np.arange(24), np.arange(4), indexing="ij")
    factors = np.stack([elevation, azimuth, np.full_like(azimuth, car)])
    im = np.broadcast_to(factors * 10, (128, 128, 3, 24, 4)).astype(np.uint8)
    im[:20, :40] = 255
    return im


def write(root, names=NAMES, **changes):
    folder = root / "cars"
    folder.mkdir(exist_ok=True)
    for car, name in enumerate(names):
        content = {"im": mesh(car), "mask": np.zeros((2, 2), np.uint8), **changes}
        # Half of the files are compressed.
        path = folder / f"{name}.mat"
        scipy.io.savemat(path, content, do_compression=car % 2 == 0)
    return folder


def check(data, cars):
    """Images show their factors, where cars are the numbers of the object types."""
    rows = official_files.corners_and_more(data)
    images, factors = data.images_at(rows), data.factors_at(rows)
    shown = images[:, 50, 50] // 10
    np.testing.assert_array_equal(shown[:, :2], factors[:, :2])
    np.testing.assert_array_equal(shown[:, 2], np.array(cars)[factors[:, 2]])
    assert (images[:, 5, 15] == 255).all() and (images[:, 15, 5] < 255).all()


def test_factors_lead_to_their_images(root):
    write(root)
    data = SmallCars3D()
    assert (data.name, data.origin) == ("cars3d", "official")
    assert data.is_grid and data.has_grid_draws
    check(data, [0, 1, 2, 3])
    names = [path.name for path in official_files.files_below(root / "prepared")]
    assert names == ["images.npy", "meta.json"]
    check(SmallCars3D(), [0, 1, 2, 3])
    observed = data.sample_observations(3, np.random.RandomState(0))
    assert observed.shape == (3, 64, 64, 3) and observed.dtype == np.float32
    assert observed.max() == 1


def test_images_are_scaled_with_lanczos(root):
    texture = np.random.RandomState(0).randint(
        256, size=(128, 128, 3, 24, 4), dtype=np.uint8
    )
    write(root, im=texture)
    data = SmallCars3D()
    for elevation, azimuth in ((0, 0), (3, 23), (2, 7)):
        picture = Image.fromarray(texture[..., azimuth, elevation].copy())
        picture.thumbnail((64, 64), Image.Resampling.LANCZOS)
        index = data.indices_of(np.array([[elevation, azimuth, 1]]))
        np.testing.assert_array_equal(data.images_at(index)[0], np.asarray(picture))


@pytest.mark.parametrize("suffix", ["", ".mat"])
def test_list_gives_the_order_of_the_cars(root, suffix):
    folder = write(root)
    order = [2, 0, 3, 1]
    lines = [NAMES[car] + suffix for car in order]
    (folder / "list.txt").write_text("\n".join(lines) + "\n\n")
    check(SmallCars3D(), order)
    # Another order is another source.
    (folder / "list.txt").write_text("\r\n".join(lines[::-1]))
    check(SmallCars3D(), order[::-1])


def test_real_sizes():
    assert cars3d.Cars3D.factor_sizes == [4, 24, 183]


@pytest.mark.parametrize(
    "damage",
    [official_files.truncate, official_files.flip_bytes, official_files.empty],
)
def test_damaged_file_is_one_clear_error(root, damage):
    path = write(root) / f"{NAMES[2]}.mat"
    damage(path)
    official_files.check_refused(SmallCars3D, path, root, "cars3d")


@pytest.mark.parametrize(
    "content",
    [
        {"im": mesh(0)[..., :3]},
        {"im": mesh(0)[:64]},
        {"im": np.int16(mesh(0)[..., :1])},
        {"im": {"a": 1}},
        {"im": "text"},
    ],
    ids=["elevations", "height", "type", "struct", "text"],
)
def test_other_content_is_one_clear_error(root, content):
    path = write(root, **content) / f"{NAMES[0]}.mat"
    official_files.check_refused(SmallCars3D, path, root, "cars3d")


def test_missing_key_is_one_clear_error(root):
    path = write(root) / f"{NAMES[3]}.mat"
    scipy.io.savemat(path, {"mask": mesh(0)})
    official_files.check_refused(SmallCars3D, path, root, "cars3d")


def test_missing_or_unlisted_files_are_one_clear_error(root):
    folder = write(root)
    (folder / "list.txt").write_text("\n".join([*NAMES[:3], "car_999_mesh"]))
    official_files.check_refused(SmallCars3D, folder / "list.txt", root, "cars3d")
    (folder / "list.txt").unlink()
    (folder / f"{NAMES[1]}.mat").unlink()
    official_files.check_refused(SmallCars3D, folder, root, "cars3d")


def test_missing_files_say_what_to_do(root):
    with pytest.raises(ground_truth_data.DatasetNotFound) as error:
        cars3d.Cars3D()
    message = str(error.value)
    for part in (str(root / "cars"), "`dmt_data fetch cars3d`", "DMT_DATA"):
        assert part in message
    assert "\n" not in message and not (root / "prepared").exists()
