"""Tiny files in the format of CelebA."""

import io
import zipfile

import gin
import numpy as np
import pytest
from PIL import Image

from dmt.data.ground_truth import ground_truth_data, named_data

NAMES = [f"Attribute_{i}" for i in range(40)]
NUM = 30
ATTRIBUTES = np.random.RandomState(0).randint(2, size=(NUM, 40))
PARTITION = np.repeat([0, 1, 2], [20, 4, 6])


def photo(number):
    image = np.full((218, 178, 3), 5 * number, dtype=np.uint8)
    image[:16] = image[200:] = 255  # Cut off.
    image[16:109, :89, 1] = 240
    return Image.fromarray(image)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    folder = tmp_path / "celeba"
    folder.mkdir()
    lines = [str(NUM), " ".join(NAMES) + " "]
    for i, row in enumerate(ATTRIBUTES):
        values = " ".join(f"{2 * value - 1:2d}" for value in row)
        lines.append(f"{i + 1:06d}.jpg {values}")
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    lines = [f"{i + 1:06d}.jpg {part}" for i, part in enumerate(PARTITION)]
    (folder / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        archive.writestr("img_align_celeba/", "")
        for i in np.random.RandomState(1).permutation(NUM):
            content = io.BytesIO()
            photo(i).save(content, "jpeg", quality=95)
            name = f"img_align_celeba/{i + 1:06d}.jpg"
            archive.writestr(name, content.getvalue())
    return tmp_path


def check_images(data, numbers):
    assert data.observation_shape == [64, 64, 3]
    images = data.images_at(np.arange(data.size)).astype(int)
    for image, number in zip(images, numbers, strict=True):
        # The cut leaves nothing of the white above and below.
        assert np.abs(image[36:, 36:] - 5 * number).max() < 12
        assert np.abs(image[0, 40:] - 5 * number).max() < 12
        assert np.abs(image[:28, :28, 1] - 240).max() < 12


def test_faces_and_attributes(root):
    data = named_data.get_named_ground_truth_data("celeba")
    assert (data.name, data.origin, data.size) == ("celeba", "official", NUM)
    assert data.factor_names == NAMES and data.factors_num_values == [2] * 40
    np.testing.assert_array_equal(data.factors_at(np.arange(NUM)), ATTRIBUTES)
    check_images(data, range(NUM))
    factors, _ = data.sample(50, np.random.RandomState(0))
    np.testing.assert_array_equal(data.factors_at(data.indices_of(factors)), factors)
    with pytest.raises(ValueError, match="celeba has no observation"):
        data.indices_of(1 - ATTRIBUTES[:1])


@pytest.mark.parametrize("part, split", [(0, "train"), (1, "validation"), (2, "test")])
def test_splits(root, part, split):
    gin.parse_config(f"celeba.split = '{split}'")
    data = named_data.get_named_ground_truth_data("celeba")
    numbers = np.flatnonzero(PARTITION == part)
    np.testing.assert_array_equal(
        data.factors_at(np.arange(data.size)), ATTRIBUTES[numbers]
    )
    check_images(data, numbers)


def test_mistakes(root):
    gin.parse_config("celeba.split = 'valid'")
    with pytest.raises(ValueError, match="celeba.split must be one of 'all', 'train'"):
        named_data.get_named_ground_truth_data("celeba")
    gin.clear_config()
    folder = root / "celeba"
    lines = (folder / "list_attr_celeba.txt").read_text()
    extra = lines.replace("000007.jpg ", "000007.jpg 2 ")
    for damaged in (lines[:-200], extra, ""):
        (folder / "list_attr_celeba.txt").write_text(damaged)
        with pytest.raises(ValueError, match="list_attr_celeba.txt is not the off"):
            named_data.get_named_ground_truth_data("celeba")
    (folder / "list_attr_celeba.txt").write_text(lines)
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        archive.writestr("img_align_celeba/000001.jpg", b"no image")
    with pytest.raises(ValueError, match="img_align_celeba.zip is not the official"):
        named_data.get_named_ground_truth_data("celeba")
    assert not list((root / "prepared").rglob("*.*"))
    for file in folder.iterdir():
        file.rename(file.with_suffix(".elsewhere"))
        with pytest.raises(ground_truth_data.DatasetNotFound) as error:
            named_data.get_named_ground_truth_data("celeba")
        assert str(folder) in str(error.value)
        assert "dmt_data add celeba PATH" in str(error.value)
