"""Functions of a user from observations to codes, which may want batches of one size.

They are called as disentanglement_lib calls them, and what they return is checked.
"""

import gin
import keras
import numpy as np
import pytest

from dmt.data import tasks
from dmt.evaluation import frozen_heads  # noqa: F401 (registers the heads)
from dmt.evaluation.metrics import (
    beta_vae,
    component_retrieval,
    dci,
    downstream_task,
    factor_vae,
    fairness,
    irs,
    mig,
    omes,
    reduced_downstream_task,
    sap_score,
    strong_downstream_task,
    task_heads,
    unified_scores,
    unsupervised_metrics,
    utils,
    z_max_variance,
)
from dmt.evaluation.metrics.predictors import logistic_regression_cv
from dmt.evaluation.udr.metrics.udr import compute_udr_sklearn
from tests.golden import recipes

BATCH = 8
VOTES = {"num_train": 20, "num_eval": 10}
SIZES = {"num_train": 60, "num_test": 30}
SAMPLED = {
    beta_vae.compute_beta_vae_sklearn: VOTES,
    component_retrieval.compute_component_retrieval: {"num_train": 60},
    dci.compute_dci: SIZES,
    downstream_task.compute_downstream_task: {"num_train": [60], "num_test": 30},
    factor_vae.compute_factor_vae: {**VOTES, "num_variance_estimate": 50},
    fairness.compute_fairness: {"num_train": 60, "num_test_points_per_class": 5},
    irs.compute_irs: {"num_train": 60},
    mig.compute_mig: {"num_train": 60},
    omes.compute_omes: {"num_train": 20},
    reduced_downstream_task.compute_reduced_downstream_task: {
        "num_factors_to_remove": 1,
        "num_train": [60],
        "num_test": 30,
    },
    sap_score.compute_sap: {**SIZES, "continuous_factors": False},
    strong_downstream_task.compute_strong_downstream_task: {
        "num_train": [60],
        "num_test": 30,
        "n_experiment": 1,
    },
    unified_scores.compute_unified_scores: {
        **SIZES,
        "matrix_fns": [unified_scores.mutual_information_matrix],
    },
    unsupervised_metrics.unsupervised_metrics: {"num_train": 60},
    z_max_variance.compute_z_max_variance: {**VOTES, "num_variance_estimate": 50},
}
LABELLED = {
    dci.compute_dci_on_fixed_data: {"train_percentage": 0.7},
    mig.compute_mig_on_fixed_data: {},
    sap_score.compute_sap_on_fixed_data: {
        "train_percentage": 0.7,
        "continuous_factors": False,
    },
    unified_scores.compute_unified_score_on_fixed_data: {
        "train_percentage": 0.7,
        "matrix_fns": [unified_scores.mutual_information_matrix],
    },
}


@pytest.fixture(autouse=True)
def bins_and_classifier():
    gin.parse_config(
        "discretizer.discretizer_fn = @histogram_discretizer\n"
        "discretizer.num_bins = 5\n"
    )
    gin.bind_parameter("predictor.predictor_fn", logistic_regression_cv)
    gin.bind_parameter(
        "reduced_representation.correlation_measure",
        unified_scores.mutual_information_matrix,
    )


def codes_of(observations):
    observations = np.reshape(observations, (len(observations), -1))
    return np.stack([observations[:, 0], observations[:, 1] - observations[:, 2]], 1)


def whole_batches_only(observations):
    if len(observations) != BATCH:
        raise TypeError(f"I encode {BATCH}, not {len(observations)}.")
    return codes_of(observations)


def padded_to_the_batch(observations):
    """Like a placeholder of a graph, which always gives as many codes."""
    codes = np.full((BATCH, 2), 7.0)
    codes[: len(observations)] = codes_of(observations)[:BATCH]
    return codes


def score(metric, representation, batch_size=BATCH):
    np.random.seed(0)
    if metric in SAMPLED:
        return metric(
            recipes.Grid([3, 4, 5], sigma=0.1),
            representation,
            np.random.RandomState(0),
            batch_size=batch_size,
            **SAMPLED[metric],
        )
    factors, observations = recipes.Grid([3, 4, 5], sigma=0.1).sample(
        50, np.random.RandomState(0)
    )
    return metric(
        observations,
        factors.T,
        representation,
        batch_size=batch_size,
        **LABELLED[metric],
    )


def name(metric):
    return getattr(metric, "__name__", "")


@pytest.mark.parametrize("metric", [*SAMPLED, *LABELLED], ids=name)
def test_functions_get_batches_and_all_codes_count(metric):
    sizes = []

    def counting(observations):
        sizes.append(len(observations))
        return codes_of(observations)

    expected = score(metric, counting)
    assert max(sizes) == BATCH
    for function in (whole_batches_only, padded_to_the_batch):
        np.testing.assert_equal(score(metric, function), expected)


@pytest.mark.parametrize("metric", [*SAMPLED, *LABELLED], ids=name)
def test_missing_codes_are_an_error(metric):
    with pytest.raises(ValueError, match=r"function.*shape=\(8, 2\) for 16 obs"):
        score(metric, padded_to_the_batch, batch_size=16)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda codes: codes[:-1], r"shape=\(7, 2\) for 8"),
        (lambda codes: codes[0], r"shape=\(2,\)"),
        (lambda codes: codes[:, 0], r"shape=\(8,\)"),
        (lambda codes: codes[:, :0], r"shape=\(8, 0\)"),
        (lambda codes: codes[:, :, None], r"shape=\(8, 2, 1\)"),
        (lambda codes: np.log(codes - codes), "16 values that are not"),
        (lambda codes: codes * 1e200, r"e\+200"),
        (lambda codes: codes + 1j, "complex"),
        (lambda codes: codes.astype(str), "words"),
        (lambda codes: codes.astype("M8[s]"), "datetimes"),
        (lambda codes: np.ma.masked_less(codes, 1), "masked entries"),
        (lambda codes: {"default": codes}, "type dict"),
        (lambda codes: (codes, codes[:4]), "type tuple"),
        (lambda codes: None, "None"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_wrong_results_are_named(change, found):
    with pytest.raises(ValueError, match=f"Received: .*{found}"):
        score(mig.compute_mig, lambda x: change(codes_of(x)))


def test_numbers_of_codes_must_agree():
    widths = iter(range(1, 100))
    with pytest.raises(ValueError, match="1 and 2 and 3"):
        score(mig.compute_mig, lambda x: np.ones((len(x), next(widths))))


def torch_with_gradients(codes):
    return pytest.importorskip("torch").tensor(codes, requires_grad=True)


def data_frame(codes):
    return pytest.importorskip("polars").DataFrame(codes)


@pytest.mark.parametrize(
    "convert", [list, keras.ops.convert_to_tensor, torch_with_gradients, data_frame]
)
def test_lists_and_tensors_are_codes(convert):
    expected = score(mig.compute_mig, codes_of)["discrete_mig"]
    found = score(mig.compute_mig, lambda x: convert(codes_of(x)))["discrete_mig"]
    assert found == pytest.approx(expected, abs=1e-6)


def test_codes_of_tasks_are_those_of_images(monkeypatch, tmp_path):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    gin.bind_parameter("heads.hidden_units", (4,))
    from dmt.data.ground_truth import named_data

    shapes = []

    def representation(images):
        shapes.append(images.shape)
        assert images.dtype == np.float32 and images.max() <= 1
        return images.mean(axis=(2, 3))[:, :3]

    task_heads.compute_task_heads(
        named_data.get_named_ground_truth_data("dsprites_rendered_small"),
        representation,
        np.random.RandomState(0),
        tasks=tasks.RandomTasks(num_tasks=1, depth=1, width=2),
        training_steps=2,
        num_train=40,
        num_test=20,
        batch_size=16,
    )
    assert {shape[1:] for shape in shapes} == {(64, 64, 1)}
    assert [shape[0] for shape in shapes] == [16, 16, 8, 16, 4]


def udr(functions, num_data_points=60, batch_size=BATCH):
    return compute_udr_sklearn(
        recipes.Grid([3, 4, 5], sigma=0.1),
        functions,
        np.random.RandomState(0),
        batch_size,
        num_data_points,
    )


def test_udr_scores_all_points():
    def models(codes_of):
        return [
            lambda x: (codes_of(x), np.array([1.0, 2.0])),
            lambda x: (-codes_of(x), np.array([1.0, 2.0])),
        ]

    expected = udr(models(codes_of))
    assert expected["num_data_points"] == 60
    for function in (whole_batches_only, padded_to_the_batch):
        np.testing.assert_equal(udr(models(function)), expected)
    with pytest.raises(ValueError, match=r"shape=\(8, 2\) for 16"):
        udr(models(padded_to_the_batch), batch_size=16)
    with pytest.raises(ValueError, match="codes and the mean KL.*ndarray"):
        udr([codes_of, codes_of])
    model = models(codes_of)[0]
    tensors = [lambda x: tuple(map(torch_with_gradients, model(x)))] * 2
    assert udr(tensors)["num_data_points"] == 60


def test_functions_written_for_disentanglement_lib():
    data, state = recipes.Grid([3, 4, 5]), np.random.RandomState(0)
    codes, factors = utils.generate_batch_factor_code(
        data, padded_to_the_batch, 50, state, BATCH
    )
    np.testing.assert_array_equal(codes, codes_of(factors.T).T)
    codes = utils.obtain_representation(factors.T, padded_to_the_batch, BATCH)
    np.testing.assert_array_equal(codes, codes_of(factors.T).T)
