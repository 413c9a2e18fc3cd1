"""Functions of tensors that are applied to arrays in batches."""

import keras
import numpy as np
import pytest

from dmt.utils.compilation import compiled


@pytest.mark.parametrize("num_rows", [1, 4, 11])
def test_results_are_those_of_all_rows_at_once(num_rows):
    shapes = []

    def function(images):
        shapes.append(tuple(images.shape))
        return [keras.ops.sum(images, axis=1), {"twice": 2 * images}]

    array = np.random.RandomState(0).normal(size=(num_rows, 3)).astype(np.float32)
    sums, results = compiled(function, batch_size=4)(array)
    np.testing.assert_allclose(sums, array.sum(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(results["twice"], 2 * array)
    assert set(shapes) == {(4, 3)}
