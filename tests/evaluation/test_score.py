"""Scores of arrays that other programs saved."""

import json

import gin
import numpy as np
import pytest

from dmt import metrics
from dmt.data.ground_truth import named_data
from dmt.data.ground_truth.table_data import TableData
from dmt.evaluation.evaluate import evaluate_with_gin
from dmt.evaluation.score import score_arrays, score_with_gin
from dmt.postprocessing.representation import load_representation
from dmt.utils.arrays import load_tables
from dmt.utils.compilation import compiled
from tests.golden import recipes
from tests.helpers.runs import call, check_mistake, printed

CONFIGS = {
    "beta_vae": """
evaluation.evaluation_fn = @beta_vae_sklearn
beta_vae_sklearn.batch_size = 8
beta_vae_sklearn.num_train = 60
beta_vae_sklearn.num_eval = 30
""",
    "irs": """
evaluation.evaluation_fn = @irs
irs.num_train = 200
irs.batch_size = 16
discretizer.num_bins = 20
discretizer.discretizer_fn = @histogram_discretizer
""",
    "fairness": """
evaluation.evaluation_fn = @fairness
fairness.num_train = 300
fairness.num_test_points_per_class = 20
predictor.predictor_fn = @gradient_boosting_classifier
""",
    "strong": """
evaluation.evaluation_fn = @strong_downstream_task
strong_downstream_task.num_train = [300]
strong_downstream_task.num_test = 50
strong_downstream_task.n_experiment = 1
predictor.predictor_fn = @gradient_boosting_classifier
""",
}


def test_arrays_of_another_program_score_as_the_pipeline(run_dir, results, tmp_path):
    dataset = named_data.get_named_ground_truth_data("dsprites_rendered_small")
    everything = np.arange(dataset.size)
    encode = compiled(load_representation(run_dir / "mean"))
    np.save(tmp_path / "codes.npy", encode(dataset.images_at(everything)))
    # The program numbers values in its own way and shuffles nothing.
    np.save(tmp_path / "factors.npy", dataset.factors_at(everything) * 2.5 - 1)
    configs = tmp_path / "configs"
    configs.mkdir()
    for path in (run_dir / "configs").glob("*.gin"):
        (configs / path.name).write_text(path.read_text())
    for name, text in CONFIGS.items():
        (configs / f"{name}.gin").write_text(
            f"dataset.name = 'auto'\nevaluation.random_seed = 1\n{text}"
        )
    process = call(
        "dmt_score",
        f"--codes={tmp_path}/codes.npy",
        f"--factors={tmp_path}/factors.npy",
        f"--gin_evaluation_config_glob={configs}/*.gin",
        f"--output_path={tmp_path}/scores.json",
    )
    assert process.returncode == 0, process.stderr[-2000:]
    found = json.loads((tmp_path / "scores.json").read_text())
    assert set(found) == {"seed", "versions", "mig", "dci", "factor_vae", *CONFIGS}
    for path in configs.glob("*.gin"):
        evaluate_with_gin(
            str(run_dir / "mean"),
            str(tmp_path / path.stem),
            gin_config_files=[str(path)],
        )
        expected = results(tmp_path / path.stem)
        for key, value in found[path.stem].items():
            assert expected[key] == value, key


@pytest.fixture
def grid():
    factors = np.array([[a, b] for a in range(4) for b in range(5)] * 12)
    noise = 0.3 * np.random.RandomState(0).standard_normal((len(factors), 3))
    return factors, factors @ np.array([[1, 0, 1], [0, 1, 1]]) + noise


def score(tmp_path, *flags):
    return call(
        "dmt_score", "--codes", tmp_path / "codes.npy", "--metrics=mig,dci", *flags
    )


def test_every_kind_of_file_gives_the_same_scores(grid, tmp_path):
    factors, codes = grid
    np.save(tmp_path / "codes.npy", codes)
    np.save(tmp_path / "factors.npy", factors)
    np.savez(tmp_path / "both.npz", factors=factors, codes=codes, other=codes[:5])
    words = np.array(["round", "square", "star", "thin"])
    lines = [f"{words[a]},{b}" for a, b in factors]
    (tmp_path / "named.csv").write_text("\n".join(["shape,size", *lines]))
    (tmp_path / "plain.csv").write_text("\n".join(f"{a},{b}" for a, b in factors))
    outputs = set()
    for source in ("factors.npy", "both.npz", "both.npz:factors", "named.csv"):
        process = score(tmp_path, "--factors", tmp_path / source)
        assert process.returncode == 0, process.stderr
        outputs.add(process.stdout)
    assert len(outputs) == 1 and "discrete_mig" in outputs.pop()
    np.testing.assert_array_equal(
        load_tables([f"{tmp_path}/plain.csv"], "codes")[0], factors
    )
    expected = metrics.mig(factors, codes)["discrete_mig"]
    assert f"{expected:.4f}" in process.stdout.splitlines()[0]


def test_words_are_numbered_over_training_and_test_samples(tmp_path):
    random_state = np.random.RandomState(0)
    words = np.array(["blue", "green", "red", "white"])
    for name, values in (("train", range(4)), ("test", (1, 2, 3))):
        shape = random_state.choice(list(values), 300)
        np.save(tmp_path / f"{name}.npy", shape[:, None] + np.zeros(2))
        lines = "\n".join(words[shape])
        (tmp_path / f"{name}.csv").write_text(f"{lines}\n")
    process = call(
        "dmt_score",
        *(f"--codes={tmp_path}/train.npy", f"--codes_test={tmp_path}/test.npy"),
        *(f"--factors={tmp_path}/train.csv", f"--factors_test={tmp_path}/test.csv"),
        "--metrics=downstream_task",
    )
    assert process.returncode == 0, process.stderr
    assert float(process.stdout.split()[-1]) == 1.0


def test_seed_and_bootstrap(grid):
    factors, codes = grid
    scores = {
        seed: score_arrays("factor_vae", factors, codes, seed=seed) for seed in (0, 1)
    }
    assert scores[0]["votes_eval"] != scores[1]["votes_eval"]
    dci = [
        score_arrays("dci", factors, codes, seed=seed)["informativeness_test"]
        for seed in (0, 0, 1)
    ]
    assert dci[0] == dci[1] != dci[2]
    with gin.unlock_config():
        gin.bind_parameter("bootstrap.num_resamples", 10)
    found = score_arrays("mig", factors, codes)
    assert set(found["confidence_intervals"]) == {"discrete_mig"}
    assert "confidence_intervals" not in score_arrays("edi", factors, codes)


def test_kinds_of_factors(tmp_path):
    random_state = np.random.RandomState(0)
    shape, size = random_state.randint(3, size=90), random_state.uniform(size=90)
    codes = np.stack([shape + size, random_state.uniform(size=90)], axis=1)
    np.save(tmp_path / "codes.npy", codes)
    numbers, words = f"{tmp_path}/numbers.csv", f"{tmp_path}/words.csv"
    np.savetxt(numbers, np.stack([shape, size], axis=1), delimiter=",")
    lines = [f"{'abc'[a]},{b}" for a, b in zip(shape, size, strict=True)]
    (tmp_path / "words.csv").write_text("\n".join(["shape, size", *lines]))

    def run(factors, flag):
        flags = (f"--factors={factors}", "--metrics=sap_score", flag)
        return call("dmt_score", f"--codes={tmp_path}/codes.npy", *flags)

    factors = np.stack([shape, size], axis=1)
    for path, flag, kinds in (
        (numbers, "--continuous_factors", True),
        (numbers, "--continuous_factors=False,true", [False, True]),
        (words, "--continuous_factors=size", [False, True]),
    ):
        expected = metrics.sap_score(factors, codes, continuous_factors=kinds)
        assert f"{expected['SAP_score']:.4f}" in run(path, flag).stdout
    for path, flag, message in (
        (words, "--continuous_factors=size,wide", "(shape, size)"),
        (words, "--continuous_factors=true,true", "Column 1"),
    ):
        check_mistake(run(path, flag), message)


def test_parquet(grid, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {f"code {i}": column for i, column in enumerate(grid[1].T)}
    parquet.write_table(pyarrow.table(columns), tmp_path / "codes.parquet")
    table = load_tables([f"{tmp_path}/codes.parquet"], "codes")[0]
    np.testing.assert_array_equal(table, grid[1])


def test_mistakes(grid, tmp_path):
    factors, codes = grid
    np.save(tmp_path / "codes.npy", codes)
    np.save(tmp_path / "factors.npy", factors)
    np.save(tmp_path / "short.npy", factors[:-1])
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object))
    np.savez(tmp_path / "many.npz", a=factors, b=factors)
    (tmp_path / "torn.npy").write_bytes((tmp_path / "codes.npy").read_bytes()[:500])
    (tmp_path / "ragged.csv").write_text("1,2\n3\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "text.txt").write_text("1 2")
    (tmp_path / "semicolons.csv").write_text("1;2\n3;4\n")
    (tmp_path / "index.csv").write_text(",a\n0,1\n1,2\n")
    (tmp_path / "hole.csv").write_text("1,2\n,4\n")
    for name, words in {
        "none.npy": ["no file"],
        "short.npy": ["(239, 2)", "(240, 3)"],
        "objects.npy": ["objects.npy"],
        "many.npz": ["many.npz:KEY", "a, b"],
        "torn.npy": ["torn.npy"],
        "ragged.csv": ["ragged.csv", "cells"],
        "empty.csv": ["empty.csv"],
        "text.txt": [".parquet", "text.txt"],
        "semicolons.csv": ["semicolons.csv", "commas"],
        "index.csv": ["index.csv", "index"],
        "hole.csv": ["hole.csv", "numbers or words", "''"],
    }.items():
        process = score(tmp_path, "--factors", tmp_path / name)
        assert len(check_mistake(process, "dmt_score:", *words)) == 1, process.stderr
    process = score(tmp_path, "--factors", tmp_path / "factors.npy", "--metrics=migg")
    check_mistake(process, "migg", "factor_vae")
    output = tmp_path / "precious.json"
    output.write_text("data")
    process = score(
        tmp_path, "--factors", tmp_path / "factors.npy", "--output_path", output
    )
    check_mistake(process, "precious.json", "--overwrite")
    assert output.read_text() == "data"


def test_continuous_factors(tmp_path):
    factors = np.random.RandomState(0).uniform(size=(600, 2))
    np.save(tmp_path / "factors.npy", factors)
    np.save(tmp_path / "codes.npy", factors[:, ::-1] * [1, -2])
    flags = ("--factors", tmp_path / "factors.npy")
    process = score(tmp_path, *flags)
    check_mistake(process, "continuous_factors", "600 values")
    process = score(
        tmp_path,
        *flags,
        "--continuous_factors",
        "--metrics=mig,dci,sap_score,modularity_explicitness,irs",
    )
    assert process.returncode == 0, process.stderr
    assert len(process.stdout.splitlines()) == 8
    for line in process.stdout.splitlines():
        assert float(line.split()[-1]) > 0.8, line
    process = score(tmp_path, *flags, "--continuous_factors", "--metrics=fairness")
    check_mistake(process, "fairness", "discrete")


def test_table_of_a_grid_is_sampled_as_the_grid():
    sizes = [3, 1, 4, 2]
    grid = recipes.Grid(sizes)
    factors = np.array(list(np.ndindex(*sizes)))
    shuffled = np.random.RandomState(5).permutation(len(factors))
    table = TableData(factors[shuffled] * 7.5)
    expected, _ = grid.sample(50, np.random.RandomState(2))
    random_state = np.random.RandomState(2)
    found, rows = table.sample(50, random_state)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(factors[shuffled][rows], expected)
    np.testing.assert_array_equal(table.factors_at(rows), expected)


def test_unbalanced_and_incomplete_tables(grid):
    factors, codes = grid
    # One combination is missing, another one has twice as many rows.
    keep = ~((factors[:, 0] == 3) & (factors[:, 1] == 4))
    keep = np.concatenate([np.flatnonzero(keep), np.flatnonzero(factors[:, 0] == 0)])
    factors, codes = factors[keep], codes[keep]
    table = TableData(factors)
    sampled, rows = table.sample(3000, np.random.RandomState(0))
    np.testing.assert_array_equal(factors[rows], sampled)
    assert len(np.unique(rows)) > 0.9 * len(factors)
    assert np.mean(sampled[:, 0] == 0) == pytest.approx(
        np.mean(factors[:, 0] == 0), abs=0.03
    )
    mig = (
        "evaluation.evaluation_fn = @mig",
        "evaluation.random_seed = 0",
        "mig.num_train = 500",
        "discretizer.num_bins = 20",
        "discretizer.discretizer_fn = @histogram_discretizer",
    )
    assert 0 < score_with_gin([], mig, factors, codes)[2]["discrete_mig"] < 1
    factor_vae = (
        "evaluation.evaluation_fn = @factor_vae_score",
        "evaluation.random_seed = 0",
        "factor_vae_score.num_variance_estimate = 100",
        "factor_vae_score.num_train = 200",
        "factor_vae_score.num_eval = 10",
        "factor_vae_score.batch_size = 8",
    )
    with pytest.raises(ValueError, match=r"no row .*factor values \[3, 4\]"):
        score_with_gin([], factor_vae, factors, codes)
    for name in ("factor_vae", "beta_vae"):
        found = metrics.METRICS[name].function(factors, codes, num_train=200)
        assert found["eval_accuracy"] > 0.6


def test_codes_alone(grid, tmp_path):
    np.save(tmp_path / "codes.npy", grid[1])
    process = call("dmt_score", "--codes", tmp_path / "codes.npy")
    lines = printed(process).splitlines()
    assert lines and all(line.startswith("unsupervised_scores") for line in lines)
    process = call("dmt_score", "--codes", tmp_path / "codes.npy", "--metrics=dci")
    check_mistake(process, "dci needs --factors")
    (tmp_path / "irs.gin").write_text(CONFIGS["irs"] + "evaluation.random_seed = 0")
    text = CONFIGS["irs"].replace("@irs", "@unsupervised_metrics")
    text = text.replace("irs.", "unsupervised_metrics.")
    (tmp_path / "none.gin").write_text(text + "evaluation.random_seed = 0")
    process = call(
        "dmt_score",
        f"--codes={tmp_path / 'codes.npy'}",
        f"--gin_evaluation_config_glob={tmp_path}/*.gin",
    )
    assert process.returncode == 1 and "mutual_info_score" in process.stdout
    assert "Without irs" in process.stderr and "irs needs --factors" in process.stderr
