"""Sampling, discretisation and information that the metrics share."""

import gin
import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from dmt.evaluation.metrics import utils
from tests.golden import recipes

COMPONENTS = [
    case
    for case in recipes.load("metrics.json")["components"]
    if case["component"].startswith("utils.")
]


def _generate(dataset, representation, num_points, batch_size, seed):
    random_state = np.random.RandomState(seed)
    codes, factors = utils.generate_batch_factor_code(
        recipes.make_dataset(dataset),
        recipes.make_representation(representation),
        num_points,
        random_state,
        batch_size,
    )
    next_draw = random_state.randint(1 << 30)
    return {"codes": codes, "factors": factors, "next_draw": next_draw}


FUNCTIONS = {
    "utils.generate_batch_factor_code": _generate,
    "utils.histogram_discretize": lambda x, num_bins, dtype="float64": (
        utils.histogram_discretize(np.array(x, dtype), num_bins)
    ),
    "utils.split_train_test": lambda x, train_percentage: utils.split_train_test(
        np.array(x), train_percentage
    ),
    "utils.normalize_data": lambda x: utils.normalize_data(np.array(x)),
    "utils.discrete_mutual_info": utils.discrete_mutual_info,
    "utils.discrete_entropy": utils.discrete_entropy,
}


@pytest.mark.parametrize("case", COMPONENTS, ids=lambda case: case["id"])
def test_golden_components(case):
    output = FUNCTIONS[case["component"]](**case["inputs"])
    if isinstance(output, dict):
        assert output.keys() == case["output"].keys()
        output, golden = output.values(), case["output"].values()
    else:
        golden = case["output"]
    for value, expected in zip(output, golden, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-12)


def test_mutual_information_equals_scikit_learn():
    random_state = np.random.RandomState(0)
    mus = random_state.randint(-3, 9, size=(4, 500))
    mus[3] = 7
    ys = np.stack([mus[0] // 2, random_state.randint(3, size=500)]) + 0.5
    expected = [[mutual_info_score(y, mu) for y in (ys * 2).astype(int)] for mu in mus]
    np.testing.assert_allclose(
        utils.discrete_mutual_info(mus, ys), expected, rtol=0, atol=1e-12
    )
    np.testing.assert_array_equal(utils.discrete_mutual_info(mus, ys)[3], [0, 0])


def test_known_values():
    target = np.array([[0.1, 0.1, 0.5, 0.5, 0.9, 0.9], [0.9, 0.9, 0.5, 0.5, 0.1, 0.1]])
    bins = utils.histogram_discretize(target, num_bins=3)
    np.testing.assert_array_equal(bins, [[1, 1, 2, 2, 3, 3], [3, 3, 2, 2, 1, 1]])
    np.testing.assert_allclose(utils.discrete_entropy(bins[:1]), np.log(3))
    independent = np.array([[1, 2, 1, 2], [1, 1, 2, 2]])
    np.testing.assert_allclose(
        utils.discrete_mutual_info(independent, independent),
        np.log(2) * np.eye(2),
        atol=1e-15,
    )


@pytest.mark.parametrize("dataset", [recipes.DummyImages(), recipes.Grid([5, 9])])
def test_chunks_do_not_change_codes(dataset, monkeypatch):
    calls = []

    def representation(observations):
        calls.append(len(observations))
        return observations.reshape(len(observations), -1)[:, :2]

    def generate():
        calls.clear()
        return utils.generate_batch_factor_code(
            dataset, representation, 50, np.random.RandomState(0), batch_size=16
        )

    codes, factors = generate()
    assert calls == [50]
    monkeypatch.setattr(utils, "CHUNK_BYTES", 1)
    chunked_codes, chunked_factors = generate()
    assert calls == [16, 16, 16, 2]
    np.testing.assert_array_equal(codes, chunked_codes)
    np.testing.assert_array_equal(factors, chunked_factors)


def test_obtain_representation_in_chunks(monkeypatch):
    indices = np.arange(10)
    table = np.random.RandomState(0).standard_normal((10, 3))
    monkeypatch.setattr(utils, "CHUNK_BYTES", 4 * indices.itemsize)
    codes = utils.obtain_representation(indices, lambda index: table[index])
    np.testing.assert_array_equal(codes, table.T)


def test_choices_in_gin():
    gin.bind_parameter("discretizer.discretizer_fn", utils.histogram_discretize)
    gin.bind_parameter("discretizer.num_bins", 2)
    np.testing.assert_array_equal(
        utils.make_discretizer(np.array([[0.0, 1.0, 3.0]])), [[1, 1, 2]]
    )
    gin.bind_parameter("predictor.predictor_fn", utils.logistic_regression_cv)
    assert type(utils.make_predictor_fn()()).__name__ == "LogisticRegressionCV"


def test_values_that_differ_by_rounding_only_are_one_bin():
    nearly_constant = np.full(10, 0.7, dtype=np.float32)
    nearly_constant[3] = np.nextafter(np.float32(0.7), np.float32(1))
    target = np.stack([nearly_constant, np.arange(10, dtype=np.float32)])
    bins = utils.histogram_discretize(target, num_bins=20)
    assert (bins[0] == 1).all() and len(np.unique(bins[1])) == 10


def test_errors():
    with pytest.raises(ValueError, match=r"codes.shape=\(3, 2\)"):
        utils.check_samples(np.zeros((4, 2)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="num_points=0"):
        utils.generate_batch_factor_code(
            recipes.Grid([2]), lambda x: x, 0, np.random.RandomState(0), 16
        )


def test_classifiers_are_trained_with_one_blas_thread():
    import threadpoolctl
    from sklearn import linear_model

    def num_threads():
        pools = threadpoolctl.threadpool_info()
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]

    class Classifier(linear_model.LogisticRegression):
        def fit(self, codes, target):
            during.extend(num_threads())
            return super().fit(codes, target)

    during, samples = [], np.arange(20.0)[:, None]
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        utils.fit(Classifier, samples, (samples > 9).astype(int))
        assert set(during) == {1} and set(num_threads()) == {2}
