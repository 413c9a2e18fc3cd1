"""Properties that metrics share, and the invariances that each declares."""

import doctest
import inspect
import json
import sys

import gin
import numpy as np
import pytest

from dmt import metrics
from dmt.utils import checks

# Fewer draws than the defaults.
OPTIONS = {
    "beta_vae": {"batch_size": 16, "num_train": 300, "num_eval": 200},
    "factor_vae": {"batch_size": 16, "num_train": 300, "num_eval": 200},
    "strong_downstream_task": {"n_experiment": 1},
}
LOWER_IS_BETTER = {
    "mean_fairness:mean_pred:mean_sens",
    "strong_generalization_gap",
    "mean_test_accuracy_reduced_factor",
}
# Whether codes know factors does not show.
ABOUT_CODES = {"unsupervised_scores"}
SILENT_ABOUT_NOISE = {
    ("dci_es", "explicitness"),
    ("dci_es", "size"),
    ("edi", "modularity"),
    ("edi", "compactness"),
}

TRANSFORMATIONS = {
    "permute codes": lambda factors, codes: (factors, codes[:, [2, 0, 3, 1]]),
    "flip codes": lambda factors, codes: (factors, codes * [-1, 1, -1, -1]),
    "scale codes": lambda factors, codes: (factors, codes * [3, 0.2, 1, 10]),
    "relabel factors": lambda factors, codes: (
        np.array([7, 2, 1000, 4, -3])[factors],
        codes,
    ),
    "duplicate samples": lambda factors, codes: (
        np.repeat(factors, 2, axis=0),
        np.repeat(codes, 2, axis=0),
    ),
    "add dead code": lambda factors, codes: (
        factors,
        np.insert(codes, 4, 1 / 3, axis=1),
    ),
}


def _samples(n, seed):
    random_state = np.random.RandomState(seed)
    factors = np.stack([random_state.randint(k, size=n) for k in (3, 4, 5)], axis=1)
    mixing = np.eye(3, 4) + 0.3 * np.random.RandomState(0).standard_normal((3, 4))
    codes = factors @ mixing + 0.3 * random_state.standard_normal((n, 4))
    return factors, codes


TRAIN, TEST = _samples(600, seed=1), _samples(300, seed=2)


def run(name, train=TRAIN, test=TEST):
    """All results of a metric."""
    np.random.seed(0)
    function = metrics.METRICS[name].function
    parameters = inspect.signature(function).parameters
    if "factors_test" in parameters:
        arrays = (*train, *test)
    else:
        arrays = train if "factors" in parameters else train[1:]
    return function(*arrays, **OPTIONS.get(name, {}))


def headline(name, *samples):
    """The headline scores of a metric."""
    scores = run(name, *samples)
    return np.array([scores[key] for key in metrics.METRICS[name].scores])


@pytest.fixture(scope="module", params=metrics.METRICS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def base(name):
    return headline(name)


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_invariances_are_those_declared(name, base, transformation):
    transform = TRANSFORMATIONS[transformation]
    changes = np.abs(headline(name, transform(*TRAIN), transform(*TEST)) - base)
    if transformation in metrics.METRICS[name].invariances:
        # Equal splits of trees are chosen at random.
        assert np.all(changes < 0.02)
    else:
        assert not np.all(changes < 1e-6)


def test_invariances_are_known():
    for entry in metrics.METRICS.values():
        assert entry.invariances <= set(TRANSFORMATIONS) == metrics.EVERYTHING


def test_codes_that_know_factors_are_better_than_noise(name, base):
    def noise(factors, codes):
        return factors, np.random.RandomState(3).standard_normal(codes.shape)

    of_noise = headline(name, noise(*TRAIN), noise(*TEST))
    for key, score, noise_score in zip(
        metrics.METRICS[name].scores, base, of_noise, strict=True
    ):
        if not (
            name in ABOUT_CODES
            or key in LOWER_IS_BETTER
            or (name, key) in SILENT_ABOUT_NOISE
        ):
            assert score > noise_score
        assert np.isfinite(noise_score)


def test_results_are_plain_values(name):
    scores = run(name)
    assert json.loads(json.dumps(scores)) == scores


def test_shapes_must_fit(name):
    if name not in ABOUT_CODES:
        with pytest.raises(ValueError, match="Received"):
            run(name, (TRAIN[0][:300], TRAIN[1]))
    with pytest.raises(ValueError, match="Received"):
        run(name, (TRAIN[0], TRAIN[1][:, 0]))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float16, np.bool_])
def test_type_of_codes_does_not_matter(name, dtype):
    narrow = [
        (factors, (30 * (codes - codes.min())).astype(dtype))
        for factors, codes in (TRAIN, TEST)
    ]
    wide = [(factors, codes.astype(np.float64)) for factors, codes in narrow]
    np.testing.assert_allclose(headline(name, *narrow), headline(name, *wide))


def test_codes_must_be_finite(name):
    codes = TRAIN[1].copy()
    codes[7, 1] = np.nan
    with pytest.raises(ValueError, match="finite codes"):
        run(name, (TRAIN[0], codes))


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, entry in metrics.METRICS.items()
        if "factors_test" in inspect.signature(entry.function).parameters
    ],
)
def test_a_third_is_held_out_where_no_test_samples_are_given(name):
    np.random.seed(0)
    scores = metrics.METRICS[name].function(*TRAIN, **OPTIONS.get(name, {}))
    assert (scores["num_train"], scores["num_test"]) == (400, 200)


def test_examples_run(name):
    module = sys.modules[metrics.METRICS[name].function.__module__]
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


def test_gin_configurables_take_what_evaluate_gives():
    for entry in metrics.METRICS.values():
        parameters = inspect.signature(gin.get_configurable(entry.gin_name)).parameters
        assert list(parameters)[:4] == [
            "ground_truth_data",
            "representation_function",
            "random_state",
            "artifact_dir",
        ]


def test_functions_are_those_of_the_module():
    assert set(metrics.METRICS) < set(metrics.__all__) <= set(dir(metrics))
    for name, entry in metrics.METRICS.items():
        assert getattr(metrics, name) is entry.function


def test_counts_have_bounds(name):
    function = metrics.METRICS[name].function
    for setting in set(inspect.signature(function).parameters) & set(checks._COUNTS):
        for value in (0, -1, 10**12, 10**30, 2.5, True):
            with pytest.raises(ValueError, match=f"^{setting} must be an integer, at"):
                arrays = [
                    {"factors": TRAIN[0], "codes": TRAIN[1]}[parameter.split("_")[0]]
                    for parameter in inspect.signature(function).parameters
                    if parameter.split("_")[0] in ("factors", "codes")
                ]
                function(*arrays, **{setting: value})
