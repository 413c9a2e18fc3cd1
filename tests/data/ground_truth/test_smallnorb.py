"""Official SmallNORB files, written here in their format."""

import gzip

import gin
import numpy as np
import pytest
from PIL import Image

from dmt.data.ground_truth import ground_truth_data, prepared, smallnorb
from tests.helpers import official_files

SIZES = [2, 4, 3, 2, 3]
STEMS = [
    "smallnorb-5x46789x9x18x6x2x96x96-training",
    "smallnorb-5x01235x9x18x6x2x96x96-testing",
]
DAT, CAT, INFO = (f"{STEMS[1]}-{kind}.mat" for kind in ("dat", "cat", "info"))


class SmallGrid(smallnorb.SmallNORB):
    """Reads files in the official format that hold a small grid."""

    factor_sizes = SIZES


class SmallUnclipped(smallnorb.UnclippedSmallNORB):
    factor_sizes = SIZES


FACTORS = np.stack(np.unravel_index(np.arange(144), SIZES), axis=1)


def matrix(values):
    magic = {"uint8": 507333717, "int32": 507333716, "float32": 507333713}
    dims = values.shape + (1,) * (3 - values.ndim)
    header = [magic[str(values.dtype)], values.ndim, *dims]
    return np.array(header, "<i4").tobytes() + values.tobytes()


def write(root, compressed=False, textured=False):
    """Writes the grid in random order, odd instances for training, even for testing.

    Images of the left camera are blocks of the factors, or strong edges; those of the
    right camera are white.

    Returns:
      The images of the left camera in the order of FACTORS.
    """
    folder = root / "small_norb"
    folder.mkdir(exist_ok=True)
    random_state = np.random.RandomState(0)
    left = np.repeat(np.repeat(FACTORS[:, :, None] * 40 + 10, 18, 1), 96, 2)
    left = np.pad(left, ((0, 0), (0, 6), (0, 0))).astype(np.uint8)
    if textured:
        left = random_state.randint(2, size=left.shape).astype(np.uint8) * 255
    order = random_state.permutation(len(FACTORS))
    for stem, parity in zip(STEMS, (1, 0), strict=True):
        rows = order[FACTORS[order, 1] % 2 == parity]
        pairs = np.stack([left[rows], np.full_like(left[rows], 255)], axis=1)
        info = FACTORS[rows, 1:] * [1, 1, 2, 1]
        for kind, values in (
            ("dat", pairs),
            ("cat", FACTORS[rows, 0].astype(np.int32)),
            ("info", info.astype(np.int32)),
        ):
            content = matrix(values)
            path = folder / f"{stem}-{kind}.mat"
            if compressed:
                path = path.with_name(f"{path.name}.gz")
                content = gzip.compress(content, 1)
            path.write_bytes(content)
    return left


@pytest.mark.parametrize("compressed", [False, True])
def test_factors_lead_to_their_images(root, monkeypatch, compressed):
    write(root, compressed)
    monkeypatch.setattr(prepared, "_READ_BYTES", 10 * 2 * 96 * 96)
    data = SmallGrid()
    assert (data.name, data.origin) == ("smallnorb", "official")
    assert not data.is_grid and data.factors_num_values == [2, 3, 2, 3]
    rows = official_files.corners_and_more(data)
    images = data.images_at(rows)
    assert images.shape == (len(rows), 64, 64, 1) and images.dtype == np.uint8
    # The middles of the blocks.
    shown = (images[:, [6, 18, 30, 42, 54], 32, 0].astype(int) - 10) // 40
    np.testing.assert_array_equal(shown, FACTORS[rows])
    np.testing.assert_array_equal(data.factors_at(rows), FACTORS[rows][:, [0, 2, 3, 4]])


def test_bytes_are_unsigned_and_scaled_with_lanczos(root):
    left = write(root, textured=True)
    data = SmallGrid()
    for index in (0, 77, 143):
        scaled = Image.fromarray(left[index]).resize((64, 64), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(data.images_at([index])[0, ..., 0], scaled)


def test_unclipped_observations_are_those_of_signed_bytes(root):
    left = write(root, textured=True)
    data = SmallUnclipped()
    factors = data.sample_factors(5, np.random.RandomState(0))
    observed = data.sample_observations_from_factors(factors, np.random.RandomState(1))
    assert observed.dtype == np.float32 and observed.shape == (5, 64, 64, 1)
    indices = data.indices_of(factors, np.random.RandomState(1))
    for observation, index in zip(observed, indices, strict=True):
        image = Image.fromarray(left[index].view(np.int8))
        scaled = np.zeros((64, 64))
        scaled[:] = image.resize((64, 64), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(observation[..., 0], np.float32(scaled / 255))
    assert observed.min() < 0 and observed.max() > 1
    clipped = SmallGrid().sample_observations_from_factors(
        factors, np.random.RandomState(1)
    )
    assert clipped.min() == 0 and clipped.max() == 1

    assert data.size is None and not data.has_grid_draws
    with pytest.raises(NotImplementedError):
        data.images_at([0])


@pytest.mark.parametrize("unclipped", [False, True])
def test_binding_chooses_the_pixels(root, monkeypatch, unclipped):
    write(root)
    for kind in (smallnorb.SmallNORB, smallnorb.UnclippedSmallNORB):
        monkeypatch.setattr(kind, "factor_sizes", SIZES)
    gin.bind_parameter("smallnorb.unclipped", unclipped)
    assert (smallnorb.smallnorb().size is None) == unclipped
    folder = "smallnorb_unclipped" if unclipped else "smallnorb"
    assert (root / "prepared" / folder / "meta.json").is_file()


def test_instance_is_drawn(root):
    write(root)
    data = SmallGrid()
    factors = np.zeros((50, 4), dtype=np.int64)
    indices = data.indices_of(factors, np.random.RandomState(0))
    assert set(FACTORS[indices, 1]) == {0, 1, 2, 3}
    with pytest.raises(ValueError, match="RandomState"):
        data.indices_of(factors)


def test_real_sizes():
    assert smallnorb.SmallNORB.factor_sizes == [5, 10, 9, 18, 6]


@pytest.mark.parametrize("damaged", [DAT, CAT, INFO])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "damage",
    [
        official_files.truncate,
        official_files.empty,
        lambda path: path.write_bytes(path.read_bytes() + b"more"),
    ],
    ids=["truncated", "empty", "longer"],
)
def test_damaged_file_is_one_clear_error(root, compressed, damaged, damage):
    write(root, compressed)
    path = root / "small_norb" / (damaged + compressed * ".gz")
    damage(path)
    official_files.check_refused(SmallGrid, path, root, "smallnorb")


def test_flipped_bytes_in_a_compressed_file_are_one_clear_error(root):
    write(root, compressed=True)
    path = root / "small_norb" / f"{DAT}.gz"
    official_files.flip_bytes(path)
    official_files.check_refused(SmallGrid, path, root, "smallnorb")


@pytest.mark.parametrize(
    "name, values",
    [
        (DAT, np.zeros((72, 96, 96), np.uint8)),
        (DAT, np.zeros((72, 2, 64, 64), np.uint8)),
        (DAT, np.zeros((72, 2, 96, 96), np.float32)),
        (DAT, np.zeros((71, 2, 96, 96), np.uint8)),
        (DAT, np.zeros((73, 2, 96, 96), np.uint8)),
        (CAT, np.zeros(71, np.int32)),
        (CAT, np.zeros((72, 1), np.int32)),
        (CAT, np.zeros(72, np.uint8)),
        (INFO, np.zeros((72, 3), np.int32)),
    ],
)
def test_other_content_is_one_clear_error(root, name, values):
    write(root)
    path = root / "small_norb" / name
    path.write_bytes(matrix(values))
    official_files.check_refused(SmallGrid, path, root, "smallnorb")


@pytest.mark.parametrize(
    "name, values",
    [
        (CAT, np.zeros(72, np.int32)),
        (CAT, np.full(72, 7, np.int32)),
        (INFO, np.full((72, 4), -2, np.int32)),
    ],
)
def test_labels_that_are_no_grid_are_one_clear_error(root, name, values):
    write(root)
    (root / "small_norb" / name).write_bytes(matrix(values))
    official_files.check_refused(SmallGrid, root / "small_norb", root, "smallnorb")


@pytest.mark.parametrize("missing", [DAT, CAT, INFO])
def test_missing_file_says_what_to_do(root, missing):
    write(root)
    (root / "small_norb" / missing).unlink()
    with pytest.raises(ground_truth_data.DatasetNotFound) as error:
        smallnorb.SmallNORB()
    message = str(error.value)
    for part in (
        str(root / "small_norb" / missing),
        "`dmt_data fetch smallnorb`",
        "DMT_DATA",
    ):
        assert part in message
    assert "\n" not in message and not (root / "prepared").exists()
