"""Bins, entropy and mutual information."""

import numpy as np
from sklearn.metrics import mutual_info_score

from dmt.evaluation.metrics import information


def test_mutual_information_equals_scikit_learn():
    random_state = np.random.RandomState(0)
    codes = random_state.randint(-3, 9, size=(500, 4))
    codes[:, 3] = 7
    factors = np.stack([codes[:, 0] // 2, random_state.randint(3, size=500)], axis=1)
    factors = factors + 0.5
    expected = [
        [mutual_info_score(v, z) for v in (factors.T * 2).astype(int)] for z in codes.T
    ]
    found = information.mutual_information(codes, factors)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found[3], [0, 0])


def test_known_values():
    target = np.array([[0.1, 0.1, 0.5, 0.5, 0.9, 0.9], [0.9, 0.9, 0.5, 0.5, 0.1, 0.1]])
    bins = information.in_bins(target.T, num_bins=3)
    np.testing.assert_array_equal(bins.T, [[1, 1, 2, 2, 3, 3], [3, 3, 2, 2, 1, 1]])
    np.testing.assert_allclose(information.entropy(bins[:, :1]), np.log(3))
    independent = np.array([[1, 1], [2, 1], [1, 2], [2, 2]])
    np.testing.assert_allclose(
        information.mutual_information(independent, independent),
        np.log(2) * np.eye(2),
        atol=1e-15,
    )


def test_values_that_differ_by_rounding_only_are_one_bin():
    nearly_constant = np.full(10, 0.7, dtype=np.float32)
    nearly_constant[3] = np.nextafter(np.float32(0.7), np.float32(1))
    values = np.stack([nearly_constant, np.arange(10, dtype=np.float32)], axis=1)
    bins = information.in_bins(values, num_bins=20)
    assert (bins[:, 0] == 1).all() and len(np.unique(bins[:, 1])) == 10
