"""Functions with the names and shapes of disentanglement_lib."""

import gin
import numpy as np
import pytest

from dmt.data.ground_truth import table_data
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


def test_draws_from_a_list_of_images_have_none_in_common(caplog):
    data = table_data.TableData(np.arange(30)[:, None] * [1, 2])
    state = np.random.RandomState(0)

    def rows(num):
        codes, factors = utils.generate_batch_factor_code(
            data, lambda rows: rows[:, None], num, state, 16
        )
        np.testing.assert_array_equal(codes[0], factors[0])
        return codes[0].tolist()

    train, test = rows(20), rows(4)
    assert not set(train) & set(test) and not caplog.messages
    assert sorted(train + test + rows(100)) == list(range(30))
    assert "has 6 images left, fewer than the 100 samples" in caplog.messages[0]
    assert sorted(rows(30)) == list(range(30))
    assert "All 30 images of" in caplog.messages[1]
    assert "Sampler.train_and_test" in caplog.messages[1]
    # Another metric begins with all images.
    state = np.random.RandomState(0)
    assert rows(20) == train


def test_choices_in_gin():
    gin.bind_parameter("discretizer.discretizer_fn", utils.histogram_discretize)
    gin.bind_parameter("discretizer.num_bins", 2)
    np.testing.assert_array_equal(
        utils.make_discretizer(np.array([[0.0, 1.0, 3.0]])), [[1, 1, 2]]
    )
    gin.bind_parameter("predictor.predictor_fn", utils.logistic_regression_cv)
    assert type(utils.make_predictor_fn()()).__name__ == "LogisticRegressionCV"
