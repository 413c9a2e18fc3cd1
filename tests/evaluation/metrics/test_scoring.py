"""What all metrics share: one signature, repeated draws, constant factors, any table.

The environment variable DMT_FUZZ_EXAMPLES sets how many random tables are scored.
"""

import json
import logging
import math
import os
import re
import warnings

import gin
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import tree

from dmt import metrics
from dmt.evaluation.metrics import inputs, samples, scoring, utils
from tests.golden import recipes

# Fewer draws than the defaults, and a fast classifier that breaks ties at random.
TREE = {"predictor": tree.DecisionTreeClassifier}
OPTIONS = {
    "beta_vae": {"batch_size": 4, "num_train": 30, "num_eval": 20},
    "factor_vae": {"batch_size": 4, "num_train": 30, "num_eval": 20},
    "z_max_variance": {"batch_size": 4, "num_train": 30, "num_eval": 20},
    "omes": {"num_train": 30},
    "strong_downstream_task": {"n_experiment": 1, **TREE},
    "downstream_task": TREE,
    "fairness": TREE,
    "reduced_downstream_task": TREE,
    "dci_es": {"num_trees": 2, "max_depth": 4},
}
WITH_FACTORS = [
    name for name, entry in metrics.METRICS.items() if "factors" in entry.parameters
]
WITH_KINDS = [
    name
    for name, entry in metrics.METRICS.items()
    if "continuous_factors" in entry.parameters
]
# Scores that may be nan, as their docstrings say.
MAY_BE_NAN = {
    ("dci", "disentanglement"),
    ("dci", "completeness"),
    ("dci_es", "disentanglement"),
    ("dci_es", "completeness"),
    ("unified_scores", "importance_gbt_matrix.dci"),
    ("modularity_explicitness", "explicitness_score_test"),
    ("reduced_downstream_task", "mean_test_accuracy_other_factors"),
    ("strong_downstream_task", "strong_generalization_gap"),
    ("unsupervised_scores", "gaussian_total_correlation"),
    ("unsupervised_scores", "gaussian_wasserstein_correlation_norm"),
}


def make_samples(n=120):
    random_state = np.random.RandomState(0)
    factors = np.stack([random_state.randint(k, size=n) for k in (2, 3, 4)], axis=1)
    mixing = np.eye(3) + 0.3 * random_state.standard_normal((3, 3))
    return factors, factors @ mixing + 0.2 * random_state.standard_normal((n, 3))


FACTORS, CODES = make_samples()


def score(name, factors, codes, *tests, **options):
    function = metrics.METRICS[name].function
    return function(factors, codes, *tests, **OPTIONS.get(name, {}), **options)


def check_rest_is_equal(results, expected, index, layout):
    """Checks that results equal those without the factor with this index."""

    def shifted(match):
        number = int(match[0])
        return str(number + (number >= index))

    assert results["constant_factors"] == [index]
    keys = {re.sub(layout.keys, shifted, key): key for key in expected}
    assert set(keys) == set(results) - {"constant_factors"}
    for key, old in keys.items():
        found, wanted = results[key], expected[old]
        name = re.split("[.:]", key)[-1]
        if name in layout.indices:
            wanted = [k + (k >= index) for k in wanted]
        axes = layout.axes.get(name, (0,) if name.endswith("_per_factor") else ())
        for axis in axes:
            places = np.take(np.array(found, float), index, axis)
            assert np.isnan(places).all()
        found = np.array(found, object) if not axes else np.array(found, float)
        for axis in axes:
            found = np.delete(found, index, axis)
        np.testing.assert_array_equal(found, wanted, err_msg=key)


@pytest.fixture(scope="module", params=metrics.METRICS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def base(name):
    return score(name, FACTORS, CODES, seed=0)


def test_types_constant_factors_and_repetition_change_nothing(name, base):
    """One call shows all three, as some metrics take a second."""
    pandas = pytest.importorskip("pandas")
    factors = pandas.DataFrame(
        {
            "binary": FACTORS[:, 0].astype(bool),
            "camera": ["left"] * len(FACTORS),
            "shape": np.array(["2", "10", "30"])[FACTORS[:, 1]],
            "size": FACTORS[:, 2] / 7,
        }
    )
    np.random.seed(5)
    before = np.random.get_state()[1].tolist()
    results = score(name, factors, CODES.tolist(), seed=0)
    assert np.random.get_state()[1].tolist() == before
    if name in WITH_FACTORS:
        check_rest_is_equal(results, base, 1, metrics.METRICS[name].layout)
    else:
        assert results == base


def test_codes_alone_are_enough_for_metrics_of_codes():
    results = score("unsupervised_scores", FACTORS, CODES)
    assert metrics.unsupervised_scores(CODES) == results
    assert metrics.unsupervised_scores(codes=CODES, seed=3) == results
    assert metrics.unsupervised_scores(None, CODES) == results


def test_seeds_are_checked_and_change_draws():
    scores = [
        score("factor_vae", FACTORS, CODES, seed=seed)["votes_eval"] for seed in (0, 1)
    ]
    assert scores[0] != scores[1]
    for name in ("mig", "dci", "factor_vae"):
        with pytest.raises(ValueError, match="seed=-1"):
            score(name, FACTORS, CODES, seed=-1)


def test_unknown_arguments_are_named():
    with pytest.raises(TypeError, match=r"mig\(\).*bins"):
        metrics.mig(FACTORS, CODES, bins=3)
    with pytest.raises(TypeError, match=r"mig\(\).*codes"):
        metrics.mig(FACTORS)


@pytest.mark.parametrize("name", WITH_FACTORS)
def test_no_factor_varies(name):
    with pytest.raises(ValueError, match="in which a factor varies"):
        score(name, np.ones((90, 2)), CODES[:90])


@pytest.mark.parametrize(
    "wrong",
    [None, {"a": [1]}, CODES + 1j, CODES.astype("M8[s]"), [[1], [2, 3]], [[1, None]]],
    ids=["None", "dictionary", "complex", "datetimes", "ragged", "missing"],
)
def test_tables_of_other_types_are_refused_by_name(name, wrong):
    if name in WITH_FACTORS or wrong is not None:
        with pytest.raises(ValueError, match="factors") as error:
            score(name, wrong, CODES)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="codes") as other:
        score(name, FACTORS, wrong)
    assert "\n" not in str(other.value)


def test_precision_of_equal_codes_does_not_matter(name):
    single = np.round(CODES, 2).astype(np.float32)
    results = [
        score(name, FACTORS, codes, seed=0)
        for codes in (single, single.astype(float), single.astype(">f4"))
    ]
    for key in metrics.METRICS[name].scores:
        np.testing.assert_allclose(
            [found[key] for found in results[1:]], results[0][key], rtol=1e-5
        )


@pytest.mark.parametrize("scale", [1e200, 1e308])
def test_large_codes_are_refused_in_one_line(name, scale):
    with pytest.raises(ValueError, match="codes must hold numbers of magnitude"):
        score(name, FACTORS, CODES / np.abs(CODES).max() * scale)


@pytest.mark.parametrize("name", WITH_KINDS)
def test_kinds_of_factors_may_differ(name):
    random_state = np.random.RandomState(1)
    factors = np.stack([random_state.uniform(size=120), np.arange(120) % 3], axis=1)
    codes = factors + 0.1 * random_state.standard_normal((120, 2))
    constant = np.insert(factors, 1, 0.5, axis=1)
    mixed = score(name, factors, codes, continuous_factors=[True, False])
    again = score(name, constant, codes, continuous_factors=[True, True, False])
    for key in metrics.METRICS[name].scores:
        assert np.isfinite(mixed[key])
        assert again[key] == mixed[key]
    if "continuous_factors" in mixed:
        assert again["continuous_factors"] == [True, True, False]
    discrete = score(name, FACTORS, CODES)
    assert score(name, FACTORS, CODES, continuous_factors=[False] * 3) == (
        discrete | {"continuous_factors": [False] * 3}
        if "continuous_factors" in discrete
        else discrete
    )


@pytest.mark.parametrize("name", sorted(set(WITH_FACTORS) - set(WITH_KINDS)))
def test_metrics_of_discrete_factors_say_so(name):
    with pytest.raises(ValueError, match=f"{name} needs factors with discrete values"):
        score(name, FACTORS, CODES, continuous_factors=[False, True, False])


def test_one_line_names_constant_factors(caplog):
    with caplog.at_level(logging.WARNING):
        metrics.mig(np.insert(FACTORS, [0, 2], 1, axis=1), CODES)
    (record,) = caplog.records
    assert record.getMessage() == (
        "mig leaves out factors that have one value in the sample: those with the "
        "indices 0, 3."
    )


def test_one_line_says_what_few_samples_are_worth(caplog):
    factors, codes = make_samples(20)
    with caplog.at_level(logging.WARNING):
        expected = metrics.mig(factors, codes)["discrete_mig"]
    (record,) = caplog.records
    found = re.fullmatch(
        r"mig of 20 samples is uncertain. In random order, the same codes have "
        r"discrete_mig=(0\.\d\d) instead of (0\.\d\d)\.",
        record.getMessage(),
    )
    assert 0.05 < float(found[1]) < float(found[2]) == round(expected, 2)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        metrics.bootstrap(metrics.mig, [factors, codes], num_resamples=5)
    assert len(caplog.records) == 1


def test_errors_name_factors_by_the_indices_that_users_know():
    factors = np.column_stack([np.zeros(4), np.eye(4)])
    with pytest.raises(ValueError, match=r"factors\[:, 1\]"):
        metrics.z_max_variance(factors, CODES[:4])


SETTINGS = {
    "beta_vae_sklearn": {"batch_size": 4, "num_train": 60, "num_eval": 30},
    "factor_vae_score": {
        "batch_size": 4,
        "num_train": 60,
        "num_eval": 30,
        "num_variance_estimate": 50,
    },
    "z_max_variance": {
        "batch_size": 8,
        "num_train": 60,
        "num_eval": 30,
        "num_variance_estimate": 50,
    },
    "fairness": {"num_train": 60, "num_test_points_per_class": 10},
    "downstream_task": {"num_train": [60], "num_test": 30},
    "reduced_downstream_task": {
        "num_train": [60],
        "num_test": 30,
        "num_factors_to_remove": 1,
    },
    "strong_downstream_task": {"num_train": [60], "num_test": 30, "n_experiment": 1},
    "unified_scores": {
        "num_train": 60,
        "num_test": 30,
        "matrix_fns": ["accuracy_svm_matrix", "mutual_information_matrix"],
    },
    "sap_score": {"num_train": 60, "num_test": 30, "continuous_factors": False},
    "irs": {"num_train": 60, "batch_size": 16},
    "dci": {"num_train": 60, "num_test": 30},
    "dci_es": {"num_train": 60, "num_test": 30},
    "modularity_explicitness": {"num_train": 60, "num_test": 30},
}


@pytest.mark.parametrize("name", WITH_FACTORS)
def test_factors_with_one_value_in_a_dataset_change_nothing(name):
    entry = metrics.METRICS[name]
    options = dict(SETTINGS.get(entry.gin_name, {"num_train": 60}))
    gin.bind_parameter("discretizer.num_bins", 10)
    gin.bind_parameter("discretizer.discretizer_fn", utils.histogram_discretize)
    gin.bind_parameter("predictor.predictor_fn", TREE["predictor"])
    gin.bind_parameter(
        "reduced_representation.correlation_measure",
        gin.get_configurable("factorwise_dci"),
    )
    if "matrix_fns" in options:
        options["matrix_fns"] = list(map(gin.get_configurable, options["matrix_fns"]))
    results = []
    for sizes in ([2, 3], [2, 1, 3]):
        np.random.seed(0)
        shown = [0, len(sizes) - 1]
        results.append(
            gin.get_configurable(entry.gin_name)(
                recipes.Grid(sizes),
                lambda x, shown=shown: x[:, shown] @ [[1.0, 0.2], [0.1, 1.0]],
                np.random.RandomState(0),
                **options,
            )
        )
    check_rest_is_equal(results[1], results[0], 1, entry.layout)


def test_declared_numbers_of_values_may_be_wrong():
    data = recipes.Identity10()
    assert data.factors_num_values == [1] * 10
    sampler = samples.Sampler(data, lambda x: x, np.random.RandomState(0))
    seen = []
    samples._without_constant_factors(lambda s: seen.append(s.data) or {}, "mig")(
        sampler
    )
    assert seen == [data]


def test_results_inside_results_keep_their_indices():
    layout = scoring.Layout("metric", axes={"m": (1,)}, indices=("best",))
    results = {"m": [[math.nan, 1, 2]], "best": [1, -1], "constant_factors": [0]}
    found = scoring.restored(results, [0, 2, 3], 4, layout)
    assert found["constant_factors"] == [0, 1]
    assert found["best"] == [2, -1]
    np.testing.assert_equal(found["m"], [[math.nan, math.nan, 1, 2]])


MAGNITUDES = st.sampled_from([1.0, 1e-300, 1e-70, 1e-12, 1e8, 1e14, 1e30, 1e308])


@st.composite
def columns_of_codes(draw, n):
    """A column that a program may give: noise, a constant, outliers, levels."""
    kind = draw(st.sampled_from(["noise", "constant", "outlier", "levels", "offset"]))
    noise = np.random.RandomState(draw(st.integers(0, 99))).standard_normal(n)
    column = {
        "noise": noise,
        "constant": np.full(n, noise[0]),
        "outlier": (np.arange(n) == 0) * 1.0,
        "levels": np.round(noise),
        "offset": 1e7 + noise * 1e-9,
    }[kind]
    with np.errstate(over="ignore"):
        column = column * draw(MAGNITUDES)
    if draw(st.integers(0, 9)) == 0:
        column[0] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    return column


@st.composite
def tables(draw):
    n = draw(st.sampled_from([1, 2, 3, 5, 9, 16]))
    random_state = np.random.RandomState(draw(st.integers(0, 99)))
    sizes = draw(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=3))
    factors = np.stack([random_state.randint(k, size=n) for k in sizes], axis=1)
    kind = draw(st.sampled_from(["int", "float", "str", "object", "bool", "codes"]))
    if kind == "codes":
        factors = np.stack([draw(columns_of_codes(n)) for _ in sizes], axis=1)
    else:
        factors = factors.astype(kind)
    codes = np.stack(
        [draw(columns_of_codes(n)) for _ in range(draw(st.integers(1, 3)))], axis=1
    )
    dtype = draw(st.sampled_from(["float64", "float32", "float16", "int64", "object"]))
    with np.errstate(all="ignore"):
        return factors, codes.astype(dtype), kind == "codes" and draw(st.booleans())


@settings(
    max_examples=int(os.environ.get("DMT_FUZZ_EXAMPLES", 8)),
    derandomize="DMT_FUZZ_EXAMPLES" not in os.environ,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(table=tables())
def test_any_table_ends_in_a_score_or_in_one_clear_line(name, table):
    factors, codes, continuous = table
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            results = score(name, factors, codes, continuous_factors=continuous)
        except ValueError as error:
            assert "Received" in str(error) and "\n" not in str(error)
            return
    for key in metrics.METRICS[name].scores:
        assert math.isfinite(results[key]) or (name, key) in MAY_BE_NAN
    json.dumps(results)


def test_tables_are_those_of_the_signature():
    for entry in metrics.METRICS.values():
        names = [name for name in entry.parameters if name in inputs.TABLES]
        assert names in (["codes"], list(inputs.TABLES[:2]), list(inputs.TABLES))
