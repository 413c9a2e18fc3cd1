"""Tiny datasets that tensorflow-datasets writes, read in the order of a grid."""

import itertools

import gin
import numpy as np
import pytest

from dmt.data.ground_truth import ground_truth_data, named_data

tfds = pytest.importorskip("tensorflow_datasets")


class _Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    url_infos = None  # Otherwise looked for in the package of this module.
    VERSION = tfds.core.Version("2.0.0")

    def _info(self):
        labels = {
            label: tfds.features.ClassLabel(num_classes=size)
            for label, size in self.labels.items()
        }
        images = {i: tfds.features.Image(shape=self.shape) for i in self.images}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({**images, **labels})
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in self.parts}

    def _generate_examples(self, split):
        grid = itertools.product(*map(range, self.labels.values()))
        for number, row in enumerate(grid):
            if self.parts[split] in (None, row[1]):
                images = {i: self.image_of(number, i) for i in self.images}
                yield number, {**images, **dict(zip(self.labels, row, strict=True))}


class Dsprites(_Tiny, skip_registration=True):
    name = "dsprites"
    parts, images, shape = {"train": None}, ["image"], (64, 64, 1)
    labels = {
        "label_shape": 3,
        "label_scale": 2,
        "label_orientation": 2,
        "label_x_position": 2,
        "label_y_position": 3,
    }

    def image_of(self, number, name):
        image = np.zeros(self.shape, np.uint8)
        image[:number] = 1
        return image


class Shapes3d(_Tiny, skip_registration=True):
    name = "shapes3d"
    parts, images, shape = {"train": None}, ["image"], (64, 64, 3)
    labels = {
        "label_floor_hue": 3,
        "label_wall_hue": 2,
        "label_object_hue": 2,
        "label_scale": 2,
        "label_shape": 2,
        "label_orientation": 2,
    }

    def image_of(self, number, name):
        return np.full(self.shape, [number, 0, 255 - number], np.uint8)


class Smallnorb(_Tiny, skip_registration=True):
    name = "smallnorb"
    parts, shape = {"train": 1, "test": 0}, (96, 96, 1)
    images = ["image", "image2"]
    labels = {
        "label_category": 3,
        "instance": 2,
        "label_elevation": 2,
        "label_azimuth": 2,
        "label_lighting": 2,
    }

    def image_of(self, number, name):
        return np.full(self.shape, number if name == "image" else 250, np.uint8)


class CelebA(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    name = "celeb_a"
    url_infos = None
    VERSION = tfds.core.Version("2.1.0")

    def _info(self):
        attributes = {f"Attribute_{i}": np.bool_ for i in range(40)}
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(218, 178, 3), encoding_format="jpeg"
                    ),
                    "attributes": attributes,
                }
            ),
        )

    def _split_generators(self, dl_manager):
        starts = {"train": 0, "validation": 8, "test": 12}
        return {k: self._generate_examples(start) for k, start in starts.items()}

    def _generate_examples(self, start):
        for number in range(start, {0: 8, 8: 12, 12: 20}[start]):
            # The attributes are the bits of the number.
            attributes = {f"Attribute_{i}": bool(number >> i & 1) for i in range(40)}
            image = np.full((218, 178, 3), 12 * number, np.uint8)
            yield number, {"image": image, "attributes": attributes}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path / "root"))
    folder = tmp_path / "tfds"
    gin.parse_config(f"tfds.data_dir = '{folder}'")
    return folder


def prepare(builder, folder):
    builder(data_dir=folder).download_and_prepare()
    return named_data.get_named_ground_truth_data(f"tfds/{builder.name}")


@pytest.mark.parametrize("builder", [Dsprites, Shapes3d])
def test_rows_are_in_the_order_of_the_grid(folder, builder):
    data = prepare(builder, folder)
    assert (data.name, data.origin) == (f"tfds/{builder.name}", "official")
    assert data.factors_num_values == list(builder.labels.values())
    assert data.is_grid and data.has_grid_draws
    number = np.arange(data.size)
    images = data.images_at(number)
    if builder is Shapes3d:
        assert data.factor_names[0] == "floor hue"
        np.testing.assert_array_equal(images[:, 3, 5, 0], number)
        np.testing.assert_array_equal(images[:, 9, 0, 2], 255 - number)
    else:
        assert data.factor_names[-1] == "position y"
        assert set(np.unique(images)) == {0, 255}
        rows = (images[:, :, 7, 0] == 255).sum(axis=1)
        np.testing.assert_array_equal(rows, np.minimum(number, 64))
    factors = data.sample_factors(50, np.random.RandomState(0))
    found = np.ravel_multi_index(tuple(factors.T), data.factors_num_values)
    np.testing.assert_array_equal(data.indices_of(factors), found)


def test_smallnorb_joins_both_splits(folder):
    data = prepare(Smallnorb, folder)
    assert data.factor_names == ["category", "elevation", "azimuth", "lighting"]
    assert data.factors_num_values == [3, 2, 2, 2] and data.size == 48
    assert data.observation_shape == [64, 64, 1] and not data.is_grid
    images = data.images_at(np.arange(48))
    np.testing.assert_array_equal(images[:, 40, 40, 0], np.arange(48))
    factors = data.sample_factors(200, np.random.RandomState(0))
    observed = data.sample_observations_from_factors(factors, np.random.RandomState(0))
    number = np.round(255 * observed[:, 0, 0, 0]).astype(int)
    np.testing.assert_array_equal(data.factors_at(number), factors)
    assert len(set(number // 8 % 2)) == 2  # Both instances.


def test_celeb_a(folder):
    data = prepare(CelebA, folder)
    assert data.size == 20 and data.num_factors == 40
    bits = [data.factor_names.index(f"Attribute_{i}") for i in range(5)]
    number = data.factors_at(np.arange(20))[:, bits] @ [1, 2, 4, 8, 16]
    assert sorted(number) == list(range(20)) and set(number[:8]) == set(range(8))
    shown = data.images_at(np.arange(20))[:, 30, 30].astype(int)
    assert np.abs(shown - 12 * number[:, None]).max() < 4
    gin.parse_config("celeba.split = 'validation'")
    data = named_data.get_named_ground_truth_data("tfds/celeb_a")
    number = data.factors_at(np.arange(4))[:, bits] @ [1, 2, 4, 8, 16]
    assert sorted(number) == [8, 9, 10, 11]


def test_missing_data_says_what_to_do(folder):
    with pytest.raises(ground_truth_data.DatasetNotFound) as error:
        named_data.get_named_ground_truth_data("tfds/shapes3d")
    for part in ("download_and_prepare()", str(folder), "tfds.data_dir"):
        assert part in str(error.value)
    assert not folder.exists()
