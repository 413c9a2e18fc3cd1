import pytest

from dmt.data import agreement
from dmt.data.ground_truth import dummy_data, named_data


class Altered:
    """A dataset with other values in three pixels of two images."""

    def __init__(self, data, **attributes):
        self._data, self._attributes = data, attributes

    def __getattr__(self, name):
        return self._attributes.get(name, getattr(self._data, name))

    def images_at(self, indices):
        images = self._data.images_at(indices).copy()
        images[indices == 7, 0, 0] = 200
        images[indices == 4000, :2, 0] = 10
        return images


def test_compare():
    data = named_data.get_named_ground_truth_data("dsprites_rendered_small")
    assert agreement.compare(data, data) == {
        "num_images": 4608,
        "equal_images": 1.0,
        "equal_pixels": 1.0,
        "largest_difference": 0,
        "mean_difference": 0.0,
        "most_different": [0, 0, 0, 0, 0],
    }
    found = agreement.compare(data, Altered(data))
    assert found["equal_images"] == 4606 / 4608
    assert found["equal_pixels"] == 1 - 3 / (4608 * 64 * 64)
    assert found["largest_difference"] == 200
    assert found["mean_difference"] == pytest.approx(220 / (4608 * 64 * 64))
    assert found["most_different"] == [0, 0, 0, 0, 7]


def test_compare_refuses_what_differs():
    data = named_data.get_named_ground_truth_data("dsprites_rendered_small")
    shape = Altered(data, observation_shape=[64, 64, 3])
    with pytest.raises(ValueError, match=r"observation_shape.*\[64, 64, 3\]"):
        agreement.compare(data, shape)
    order = Altered(data, factors_at=lambda indices: data.factors_at(indices)[::-1])
    with pytest.raises(ValueError, match="same order"):
        agreement.compare(data, order)
    with pytest.raises(ValueError, match="random pixels"):
        agreement.compare(dummy_data.DummyData(), dummy_data.DummyData())
    other = Altered(data, factors_num_values=[3, 3, 8, 8, 9])
    with pytest.raises(ValueError, match="factors_num_values"):
        agreement.compare(data, other)
