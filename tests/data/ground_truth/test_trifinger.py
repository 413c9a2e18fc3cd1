"""Tiny files in the layout of the TriFinger datasets."""

import io
import tarfile

import gin
import numpy as np
import pytest
from PIL import Image

from dmt.data.ground_truth import ground_truth_data, named_data

SIZES = [1, 8, 1, 30, 30, 30, 30, 30, 10]
VALUES = [
    [0],
    [0, 330, 300, 270, 210, 180, 150, 120],
    [0.065],
    np.linspace(-0.65, 0.65, 30),
    np.linspace(-0.5, 0.5, 30),
    np.linspace(-0.8, 0.8, 30),
    np.linspace(-0.11, 0.11, 30),
    np.linspace(-0.11, 0.11, 30),
    np.arange(10) * np.pi / 20,
]
NUM = 70


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    return tmp_path


def labels_of(num, colors=8):
    random_state = np.random.RandomState(0)
    labels = random_state.randint([1, colors, *SIZES[2:]], size=(num, 9))
    labels[0], labels[-1] = 0, np.array([1, colors, *SIZES[2:]]) - 1
    return labels


def image_of(number):
    """An image that tells its number, also when it is made smaller."""
    image = np.zeros((128, 128, 3), dtype=np.uint8)
    image[:64] = [number, 255 - number, 7]
    image[64:, :, 2] = number // 2
    return image


def write_labels(root, folder, labels):
    folder = root / "robot_finger_datasets" / folder
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{folder.name}_labels.npz", labels=labels)
    # A pickle, which must not be opened.
    info = np.array({"joint0": np.zeros(3)}, dtype=object)
    np.savez(folder / f"{folder.name}_info.npz", factor_values=info)
    return folder


def write_tar(root, folder="finger", numbers=range(NUM), labels=None):
    labels = labels_of(len(numbers)) if labels is None else labels
    folder = write_labels(root, folder, labels)
    order = np.random.RandomState(2).permutation(len(numbers))
    with tarfile.open(folder / f"{folder.name}_images.tar", "w") as archive:
        top = tarfile.TarInfo(f"{folder.name}_images")
        top.type = tarfile.DIRTYPE
        archive.addfile(top)
        for i in order:
            stem = f"{numbers[i]:06d}"
            content = io.BytesIO()
            Image.fromarray(image_of(i)).save(content, "png")
            member = tarfile.TarInfo(f"{top.name}/{'/'.join(stem[:5])}/{stem}.png")
            member.size = content.tell()
            content.seek(0)
            archive.addfile(member, content)
    return folder


def check(data, labels):
    assert data.num_factors == 7 and data.factor_names[:2] == ["color", "joint 0"]
    np.testing.assert_array_equal(
        data.factors_at(np.arange(data.size)), labels[:, [1, 3, 4, 5, 6, 7, 8]]
    )
    rows = np.array([data.size - 1, 0, 5, 31, 5])
    images = data.images_at(rows)
    side = data.observation_shape[0]
    expected = np.stack([image_of(row)[:: 128 // side, :: 128 // side] for row in rows])
    # Away from the edge that scaling blurs.
    for part in (slice(0, side // 2 - 4), slice(side // 2 + 4, side)):
        np.testing.assert_array_equal(images[:, part], expected[:, part])
    factors, observations = data.sample(20, np.random.RandomState(0))
    found = data.images_at(data.indices_of(factors))
    np.testing.assert_allclose(observations * 255, found, rtol=1e-6)


@pytest.mark.parametrize("image_size", [64, 128])
def test_images_and_labels_of_the_archive(root, image_size):
    write_tar(root)
    gin.parse_config(f"trifinger.image_size = {image_size}")
    data = named_data.get_named_ground_truth_data("trifinger")
    assert (data.name, data.origin, data.size) == ("trifinger", "official", NUM)
    assert data.observation_shape == [image_size, image_size, 3]
    assert data.factors_num_values == [8, 30, 30, 30, 30, 30, 10]
    check(data, labels_of(NUM))
    assert not data.is_grid and not data.has_grid_draws


def test_numbers_of_images_may_have_gaps(root):
    write_tar(root, numbers=[3 * i + 12 for i in range(NUM)])
    check(named_data.get_named_ground_truth_data("trifinger"), labels_of(NUM))


def test_labels_may_be_values(root):
    numbers = labels_of(NUM)
    values = [np.array(VALUES[i])[numbers[:, i]] for i in range(9)]
    write_tar(root, labels=np.stack(values, axis=1).astype(np.float32))
    check(named_data.get_named_ground_truth_data("trifinger"), numbers)


def test_held_out_colors(root):
    numbers = labels_of(NUM, 4)
    for labels in (numbers, numbers.astype(float)):
        write_tar(root, "finger_heldout_colors", labels=labels)
        data = named_data.get_named_ground_truth_data("trifinger_heldout_colors")
        assert data.factors_num_values[0] == 4
        check(data, numbers)
    hues = np.array(numbers, dtype=float)
    hues[:, 1] = np.array([30, 60, 90, 240])[numbers[:, 1]]
    write_tar(root, "finger_heldout_colors", labels=hues)
    check(named_data.get_named_ground_truth_data("trifinger_heldout_colors"), numbers)


def test_photographs(root):
    folder = write_labels(root, "finger_real", labels_of(40))
    images = np.stack([image_of(i) for i in range(40)])
    np.savez_compressed(folder / "finger_real_images.npz", images=images)
    check(named_data.get_named_ground_truth_data("trifinger_real"), labels_of(40))
    np.savez(folder / "finger_real_images.npz", images=images[:-1])
    with pytest.raises(ValueError, match="finger_real_images.npz is not"):
        named_data.get_named_ground_truth_data("trifinger_real")


def test_missing_files_say_what_to_do(root):
    for name in ("trifinger", "trifinger_heldout_colors", "trifinger_real"):
        with pytest.raises(ground_truth_data.DatasetNotFound) as error:
            named_data.get_named_ground_truth_data(name)
        assert f"dmt_data add {name} PATH" in str(error.value)
        assert str(root / "robot_finger_datasets") in str(error.value)
    write_labels(root, "finger", labels_of(NUM))
    with pytest.raises(ground_truth_data.DatasetNotFound, match="finger_images.tar"):
        named_data.get_named_ground_truth_data("trifinger")


def truncate(folder):
    path = folder / "finger_images.tar"
    path.write_bytes(path.read_bytes()[:20_000])


def too_few(folder):
    write_tar(folder.parents[1], numbers=range(NUM - 1), labels=labels_of(NUM))


def same_number(folder):
    write_tar(folder.parents[1], numbers=[*range(NUM - 1), 0])


def other_labels(folder):
    labels = labels_of(NUM).astype(float)
    labels[3, 4] = 0.31
    np.savez(folder / "finger_labels.npz", labels=labels)


def columns(folder):
    np.savez(folder / "finger_labels.npz", labels=labels_of(NUM)[:, 1:])


def pickle(folder):
    labels = labels_of(NUM).astype(object)
    np.savez(folder / "finger_labels.npz", labels=labels)


@pytest.mark.parametrize(
    "damage, words",
    [
        (truncate, "finger_images.tar is not the official file or is damaged"),
        (too_few, "finger_images.tar.*69 images for 70 labels"),
        (same_number, "several images have the same number"),
        (other_labels, "finger_labels.npz.*joint 1.*0.31"),
        (columns, "9 columns"),
        (pickle, "finger_labels.npz"),
    ],
)
def test_damage_is_one_clear_error_and_leaves_nothing(root, damage, words):
    damage(write_tar(root))
    with pytest.raises(ValueError, match=words):
        named_data.get_named_ground_truth_data("trifinger")
    assert not list(root.rglob("prepared/trifinger/64/*"))


def test_size_of_images(root):
    gin.parse_config("trifinger.image_size = 32")
    with pytest.raises(ValueError, match="one of 64, 128"):
        named_data.get_named_ground_truth_data("trifinger")
