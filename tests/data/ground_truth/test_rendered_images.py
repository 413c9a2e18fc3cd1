"""Pictures that are kept."""

import concurrent.futures

import numpy as np
import pytest

from dmt.data.ground_truth import dsprites_rendered
from dmt.data.ground_truth.rendered_images import RenderedImages
from dmt.utils import machine

SHAPE = (737280, 512)


def test_threads_get_the_same_pictures():
    images = RenderedImages(dsprites_rendered.render, SHAPE)
    requests = np.random.RandomState(0).randint(2000, size=(32, 500))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(images.__getitem__, requests))
    for indices, packed in zip(requests, results, strict=True):
        np.testing.assert_array_equal(packed, dsprites_rendered.render(indices))


@pytest.mark.parametrize(("available", "times"), [(10**9, 1), (10**6, 2)])
def test_pictures_are_kept_where_memory_allows(monkeypatch, available, times):
    monkeypatch.setattr(machine, "available_memory", lambda: available)
    asked = np.zeros(1000, dtype=int)

    def draw(indices):
        np.add.at(asked, indices, 1)
        return np.repeat(indices[:, None].astype(np.uint8), 3000, axis=1)

    images = RenderedImages(draw, (1000, 3000))
    for indices in (np.array([7, 3]), np.array([3, 7])):
        np.testing.assert_array_equal(images[indices][:, 5], indices)
    assert asked[3] == asked[7] == times and asked.sum() == 2 * times
