"""UDR: the original's scores, their invariances, and models in, ranking out."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from keras import ops

from dmt.data.ground_truth import dummy_data, named_data
from dmt.evaluation.udr import evaluate
from dmt.evaluation.udr.metrics.udr import (
    compute_udr_sklearn,
    lasso_correlation_matrix,
    relative_strength_disentanglement,
    spearman_correlation_conv,
    udr,
)
from dmt.methods import gaussian_encoder_model
from dmt.methods.train import train_with_gin
from dmt.utils import results
from tests.golden import recipes
from tests.helpers.runs import TINY, bindings

GOLDEN = recipes.load("udr.json")
COMPONENTS = {
    "udr.relative_strength_disentanglement": relative_strength_disentanglement,
    "udr.spearman_correlation": spearman_correlation_conv,
    "udr.lasso_correlation": lasso_correlation_matrix,
}
KINDS = pytest.mark.parametrize("kind", ["lasso", "spearman"])


def as_numbers(value):
    """Nested lists as arrays; nan is written as a text."""
    return np.array(value, dtype=np.float64)


def golden_functions(case):
    def function_of(model):
        encode = recipes.make_representation(model["codes"])
        return lambda observations: (encode(observations), np.array(model["kl"]))

    return [function_of(model) for model in case["models"]]


@pytest.mark.parametrize("case", [pytest.param(c, id=c["id"]) for c in GOLDEN["cases"]])
def test_golden(case):
    random_state = np.random.RandomState(case["seed"])
    scores = compute_udr_sklearn(
        recipes.make_dataset(case["dataset"]),
        golden_functions(case),
        random_state,
        **case["params"],
    )
    for key, value in case["output"].items():
        np.testing.assert_allclose(
            as_numbers(scores[key]), as_numbers(value), rtol=1e-6, atol=1e-9
        )
    if case["params"]["correlation_matrix"] == "spearman":
        # Solving a Lasso draws a number too, which nothing uses.
        assert random_state.randint(1 << 30) == case["next_draw"]


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c["id"]) for c in GOLDEN["components"]]
)
def test_golden_components(case):
    inputs = [np.array(value) for value in case["inputs"].values()]
    found = COMPONENTS[case["component"]](*inputs)
    np.testing.assert_allclose(found, case["output"], rtol=1e-6, atol=1e-9)


def identity_models(*transforms, kl=None):
    def function_of(transform):
        def mean_and_kl(observations):
            codes = transform(np.array(observations, dtype=np.float64))
            return codes, np.ones(10) if kl is None else kl

        return mean_and_kl

    return [function_of(transform) for transform in transforms]


def permuted_with_signs(seed):
    random_state = np.random.RandomState(seed)
    order, signs = random_state.permutation(10), random_state.choice([-1, 1], 10)
    return lambda x: x[:, order] * signs


@KINDS
def test_permutation_and_signs_do_not_matter(kind):
    models = identity_models(*map(permuted_with_signs, range(5)))
    scores = compute_udr_sklearn(
        dummy_data.IdentityObservationsData(),
        models,
        np.random.RandomState(0),
        batch_size=10,
        num_data_points=1000,
        correlation_matrix=kind,
    )
    assert min(scores["model_scores"]) >= 0.8
    assert scores["num_data_points"] == 1000
    assert scores["batch_size"] == 10
    assert scores["correlation_matrix"] == kind


@KINDS
def test_codes_of_low_kl_are_left_out(kind):
    kl = np.where(np.arange(10) < 2, 1.0, 0.001)

    def scores_of(filter_low_kl):
        return compute_udr_sklearn(
            dummy_data.IdentityObservationsData(),
            identity_models(lambda x: x, lambda x: -x, lambda x: 2 * x, kl=kl),
            np.random.RandomState(0),
            batch_size=10,
            num_data_points=1000,
            correlation_matrix=kind,
            filter_low_kl=filter_low_kl,
        )["model_scores"]

    assert max(scores_of(False)) <= 0.2
    assert min(scores_of(True)) >= 0.8


def test_relative_strength():
    block = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]])
    assert relative_strength_disentanglement(np.eye(3)) == 1.0
    assert 0.6 <= relative_strength_disentanglement(block) <= 0.7
    assert 0.3 <= relative_strength_disentanglement(np.ones((3, 3))) <= 0.4
    assert relative_strength_disentanglement(np.zeros((3, 3))) == 0.0
    assert relative_strength_disentanglement(np.zeros((0, 3))) == 0.0


def test_correlation_matrices_of_permuted_noise():
    codes = np.random.RandomState(0).standard_normal((10_000, 10))
    order = np.random.RandomState(1).permutation(10)
    wanted = np.eye(10)[:, order]
    found = spearman_correlation_conv(codes, -codes[:, order])
    np.testing.assert_allclose(found, wanted, atol=0.1)
    found = lasso_correlation_matrix(codes, -codes[:, order])
    np.testing.assert_allclose(found, wanted, atol=0.2)


def test_spearman_is_scipys_with_ties_and_constants():
    from scipy import stats

    random_state = np.random.RandomState(0)
    codes = random_state.randint(4, size=(200, 3)).astype(float)
    others = np.round(codes @ random_state.standard_normal((3, 4)))
    others[:, 2] = 5
    with np.errstate(invalid="ignore"):
        wanted = [
            [abs(stats.spearmanr(code, other).statistic) for other in others.T[[0, 1]]]
            for code in codes.T
        ]
    found = spearman_correlation_conv(codes, others)
    np.testing.assert_allclose(found[:, :2], wanted, rtol=1e-12)
    assert np.isnan(found[:, 2]).all()


@pytest.mark.parametrize("num_points", [8, 500])
def test_lasso_is_scikit_learns(num_points):
    from sklearn import linear_model

    random_state = np.random.RandomState(0)
    codes = random_state.standard_normal((num_points, 7)) + 3
    others = np.tanh(codes @ random_state.standard_normal((7, 5)))
    wanted = np.abs(linear_model.Lasso(alpha=0.1).fit(codes, others).coef_).T
    found = lasso_correlation_matrix(codes, others)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)


@KINDS
def test_models_may_differ_in_the_number_of_codes(kind):
    codes = np.random.RandomState(0).standard_normal((300, 4))
    models = [codes, codes[:, :1], codes[:, ::-1]]
    scores = udr(models, [np.ones(4), [1.0], np.ones(4)], correlation_matrix=kind)
    raw = scores["raw_correlations"]
    assert np.shape(raw[0][1]) == (4, 1)
    assert np.shape(raw[1][2]) == (1, 4)
    assert scores["pairwise_disentanglement_scores"][0][2][0] > 0.8
    assert np.isfinite(scores["model_scores"]).all()
    quiet = udr(
        models,
        [np.ones(4), [1.0], np.ones(4)],
        correlation_matrix=kind,
        include_raw_correlations=False,
    )
    assert set(scores) - set(quiet) == {"raw_correlations"}


@KINDS
def test_model_without_information_scores_0(kind):
    codes = np.random.RandomState(0).standard_normal((300, 4))
    kl = [np.ones(4), np.ones(4), np.full(4, 0.001)]
    scores = udr([codes, codes, codes], kl, correlation_matrix=kind)
    assert scores["model_scores"][2] == 0
    np.testing.assert_array_equal(
        np.array(scores["pairwise_disentanglement_scores"])[2, :, 0], 0
    )
    # A constant code that its KL does not give away.
    constant = codes * [1, 1, 1, 0]
    scores = udr([codes, constant], np.ones((2, 4)), correlation_matrix=kind)
    assert np.isfinite(scores["model_scores"]).all()


def test_tables_of_any_type():
    torch = pytest.importorskip("torch")
    codes, kl = np.random.RandomState(0).standard_normal((2, 50, 3)), np.ones((2, 3))
    tensors = [torch.tensor(array, requires_grad=True) for array in (codes, kl)]
    assert udr(*tensors) == udr(codes, kl)


def test_mistakes():
    codes, kl = np.random.RandomState(0).standard_normal((2, 50, 3)), np.ones((2, 3))
    with pytest.raises(ValueError, match="2 at least"):
        udr(codes[:1], kl[:1])
    with pytest.raises(ValueError, match="pearson"):
        udr(codes, kl, correlation_matrix="pearson")
    with pytest.raises(ValueError, match=r"\(49, 3\)"):
        udr([codes[0], codes[1][:49]], kl)
    with pytest.raises(ValueError, match=r"\(2,\)"):
        udr(codes, [kl[0], kl[1][:2]])
    for wrong, message in (
        (None, "codes of type NoneType"),
        ([codes[0], None], r"codes\[1\] with None"),
        ([codes[0], codes[1] + 1j], r"codes\[1\] with complex"),
        (codes * 1e200, r"codes\[0\] with"),
        ([codes[0], codes[1] + [0, 0, np.inf]], r"finite codes\[1\]"),
    ):
        with pytest.raises(ValueError, match=message):
            udr(wrong, kl)
    with pytest.raises(ValueError, match=r"finite kl\[0\]"):
        udr(codes, kl * np.nan)
    with pytest.raises(ValueError, match="dmt_udr"):
        compute_udr_sklearn(None, lambda x: x, np.random.RandomState(0), 10, 100)


@pytest.fixture(scope="module")
def model_dirs(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    paths = [root / f"seed{seed}" for seed in range(2)]
    for seed, path in enumerate(paths):
        train_with_gin(
            str(path), gin_bindings=bindings(TINY, model__random_seed=str(seed))
        )
    return [str(path) for path in paths]


def udr_lines(**changes):
    return bindings(
        {
            "dataset.name": "'auto'",
            "evaluation.evaluation_fn": "@udr_sklearn",
            "evaluation.random_seed": "3",
            "udr_sklearn.batch_size": "10",
            "udr_sklearn.num_data_points": "200",
        },
        **changes,
    )


# Images that are encoded once, and images with random pixels.
@pytest.mark.parametrize("name", ["auto", "dummy_data"])
def test_scores_are_those_of_the_models_encoders(name, model_dirs, tmp_path):
    output_dir = tmp_path / "udr"
    lines = udr_lines(dataset__name=f"'{name}'", udr_sklearn__kl_filter_threshold="0.0")
    evaluate.evaluate_with_gin(model_dirs, str(output_dir), gin_bindings=lines)
    found = results.load_json(output_dir / "results/json/evaluation_results.json")

    known = "dsprites_rendered_small" if name == "auto" else name
    dataset = named_data.get_named_ground_truth_data(known)
    random_state = np.random.RandomState(3)
    images = np.concatenate(
        [dataset.sample_observations(10, random_state) for _ in range(20)]
    )
    codes, kl = [], []
    for path in model_dirs:
        model = gaussian_encoder_model.load_model(path)
        mean, logvar = map(ops.convert_to_numpy, model.encode(images))
        codes.append(mean)
        kl.append(0.5 * np.mean(mean**2 + np.exp(logvar) - logvar - 1, axis=0))
    wanted = udr(codes, kl, kl_filter_threshold=0.0)
    for key in ("mean_kl", "model_scores", "raw_correlations"):
        np.testing.assert_allclose(found[key], wanted[key], rtol=1e-4, atol=1e-5)
    assert found["model_dirs"] == model_dirs


def call(*arguments):
    binary = pathlib.Path(__file__).parents[3] / "bin" / "dmt_udr"
    return subprocess.run(
        [sys.executable, binary, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(binary.parents[1])},
    )


def test_command(model_dirs, tmp_path):
    pattern = os.path.join(os.path.dirname(model_dirs[0]), "seed*")
    gin = [f"--gin_bindings={line}" for line in udr_lines()]
    output_dir = tmp_path / "udr"
    process = call(f"--model_dirs={pattern}", f"--output_dir={output_dir}", *gin)
    assert process.returncode == 0, process.stderr[-2000:]
    assert all(path in process.stdout for path in model_dirs)
    aggregate = results.load_json(output_dir / "results/aggregate/evaluation.json")
    assert len(aggregate["evaluation_results.model_scores"]) == 2
    assert aggregate["evaluation_config.udr_sklearn.num_data_points"] == "200"
    assert aggregate["evaluation_config.evaluation.evaluation_fn"] == "@udr_sklearn"
    assert aggregate["train_config.model.random_seed"] == "0"
    shapes = {
        "raw_correlations": (2, 2, 4, 4),
        "pairwise_disentanglement_scores": (2, 2, 1),
        "mean_kl": (2, 4),
    }
    for key, shape in shapes.items():
        assert np.shape(aggregate[f"evaluation_results.{key}"]) == shape
    for key in ("uuid", "elapsed_time", "versions", "origin", "batch_size"):
        assert f"evaluation_results.{key}" in aggregate

    # The directories as the original takes them; the output is not replaced.
    models = f"--model_dirs={','.join(model_dirs)}"
    process = call(models, f"--output_dir={output_dir}", *gin)
    assert process.returncode == 2
    assert "--overwrite" in process.stderr.strip().splitlines()[-1]


class OddImages(dummy_data.DummyData):
    observation_shape = [60, 60, 1]


@pytest.mark.parametrize(
    ("choose", "changes", "word"),
    [
        (lambda paths: paths[:1], {}, "2 models"),
        (lambda paths: [*paths, paths[0]], {}, "each once"),
        (lambda paths: [paths[0], f"{paths[1]}_not"], {}, "seed1_not"),
        (lambda paths: paths, {"evaluation__evaluation_fn": "@mig"}, "dmt_evaluate"),
        (lambda paths: paths, {"dataset__name": "'odd_images'"}, r"\(60, 60, 1\)"),
    ],
)
def test_mistakes_of_the_step(choose, changes, word, model_dirs, tmp_path):
    named_data.register("odd_images", OddImages)
    output_dir = tmp_path / "udr"
    with pytest.raises((ValueError, OSError), match=word):
        evaluate.evaluate_with_gin(
            choose(model_dirs), str(output_dir), gin_bindings=udr_lines(**changes)
        )
    assert not output_dir.exists()


def test_missing_binding_is_named(model_dirs, tmp_path):
    lines = [line for line in udr_lines() if "batch_size" not in line]
    with pytest.raises(ValueError, match="udr_sklearn.batch_size"):
        evaluate.evaluate_with_gin(
            model_dirs, str(tmp_path / "udr"), gin_bindings=lines
        )


def test_resume(model_dirs, tmp_path):
    output_dir = str(tmp_path / "udr")
    path = tmp_path / "udr/results/json/evaluation_results.json"
    evaluate.evaluate_with_gin(model_dirs, output_dir, gin_bindings=udr_lines())
    before = path.read_text()
    arguments = {"gin_bindings": udr_lines(), "resume": True}
    evaluate.evaluate_with_gin(model_dirs, output_dir, **arguments)
    assert path.read_text() == before
    with pytest.raises(ValueError, match="other models"):
        evaluate.evaluate_with_gin(model_dirs[::-1], output_dir, **arguments)


def test_command_names_the_pattern_without_a_match(tmp_path):
    process = call(f"--model_dirs={tmp_path}/no*", f"--output_dir={tmp_path}/out")
    assert process.returncode == 2
    assert f"{tmp_path}/no*" in process.stderr.strip().splitlines()[-1]
