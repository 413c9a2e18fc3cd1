"""Several metrics in one call: some cannot be computed, or the process is killed."""

import functools
import json
import re
import signal

import numpy as np
import pytest

from tests.helpers.commands import GIN_FILES, contents, names
from tests.helpers.killed import KILL
from tests.helpers.runs import TINY, bindings, check_mistake, printed, results

BETA_VAE = {
    "dataset.name": "'auto'",
    "evaluation.evaluation_fn": "@beta_vae_sklearn",
    "evaluation.random_seed": "0",
    "beta_vae_sklearn.batch_size": "4",
    "beta_vae_sklearn.num_train": "20",
    "beta_vae_sklearn.num_eval": "10",
}
MINE = {
    "dataset.name": "'auto'",
    "evaluation.evaluation_fn": "@mine",
    "evaluation.random_seed": "0",
}
UDR = {
    "dataset.name": "'auto'",
    "evaluation.evaluation_fn": "@udr_sklearn",
    "evaluation.random_seed": "0",
    "udr_sklearn.batch_size": "10",
    "udr_sklearn.num_data_points": "60",
}
LABELLED = (
    "--gin_bindings=validation.random_seed = 0",
    "--gin_bindings=validation.num_labelled_samples = 20",
    "--gin_bindings=labeller.labeller_fn = @perfect_labeller",
)
# A user's metric, whose code tests choose.
METRIC = """
import gin
import numpy as np
@gin.configurable("mine", module="tests")
def mine(ground_truth_data, representation_function, random_state):
    {}
"""
VALIDATION_METRIC = METRIC.replace("ground_truth_data", "observations, labels").replace(
    ", random_state", ""
)
UDR_METRIC = METRIC.replace("representation_function", "representation_functions")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, forks):
    """Own images, 20 of 60 combinations of factors; two models and a representation."""
    folder = tmp_path_factory.mktemp("metrics")
    rows = np.random.RandomState(0).permutation(60)[:20]
    factors = np.stack([rows % 3, rows // 3 % 4, rows // 12], axis=1)
    images = np.zeros((20, 64, 64, 1), np.uint8)
    for image, (grey, row, column) in zip(images, factors, strict=True):
        image[12 * row : 12 * row + 9, 12 * column : 12 * column + 9] = 80 * grey + 60
    np.savez(
        folder / "own.npz",
        images=images,
        factors=factors,
        factor_names=["grey", "row", "column"],
    )
    for path, lines in {
        "model.gin": {
            **TINY,
            "dataset.name": "'npz_images'",
            "npz_images.path": f"'{folder}/own.npz'",
        },
        "mean.gin": GIN_FILES["postprocess/mean"],
        "missing/a_beta.gin": BETA_VAE,
        "missing/b_mig.gin": GIN_FILES["metrics/mig"],
        "missing/c_mine.gin": MINE,
        "killed_evaluation/a_evaluate.gin": GIN_FILES["metrics/mig"],
        "killed_evaluation/b_mine.gin": MINE,
        "killed_udr/a_udr.gin": UDR,
        "killed_udr/b_mine.gin": MINE,
        "killed_validation/a_validate.gin": GIN_FILES["validation/mig"],
        "killed_validation/b_mine.gin": {
            **{k: v for k, v in MINE.items() if k == "dataset.name"},
            "validation.validation_fn": "@mine",
        },
        "validation/a_sap.gin": {
            **GIN_FILES["validation/sap_score"],
            "sap_score_validation.train_percentage": "1.0",
        },
        "validation/b_mig.gin": GIN_FILES["validation/mig"],
    }.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text("\n".join(bindings(lines)))
    for seed in (0, 1):
        printed(
            forks(
                "dmt_train",
                f"--model_dir=model{seed}",
                "--gin_config=model.gin",
                f"--gin_bindings=model.random_seed = {seed}",
                folder=folder,
            )
        )
    printed(
        forks(
            "dmt_postprocess",
            "--model_dir=model0",
            "--output_dir=mean",
            "--gin_config=mean.gin",
            folder=folder,
        )
    )
    return folder


@pytest.fixture
def evaluate(folder, forks, tmp_path):
    flags = ("--input_dir=mean", f"--output_dir={tmp_path}/scores")
    return functools.partial(forks, "dmt_evaluate", *flags, folder=folder)


def test_metrics_that_cannot_be_computed_are_named(evaluate, tmp_path):
    process = evaluate(
        "--gin_evaluation_config_glob=missing/*.gin",
        code=METRIC.format("return {}['no']"),
    )
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    lines = process.stderr.splitlines()
    (beta,) = [line for line in lines if line.startswith("Without a_beta")]
    for word in ("missing/a_beta.gin", "grey = ", "row = ", "column = "):
        assert word in beta
    (mine,) = [line for line in lines if line.startswith("Without c_mine")]
    assert "KeyError" in mine and "'no'" in mine
    assert lines[-1] == "2 of 3 metrics are missing: a_beta, c_mine."
    assert names(tmp_path / "scores") == {"b_mig"}
    assert process.stdout.split()[:2] == ["b_mig", "discrete_mig"]


def test_metrics_that_take_long_are_counted_in_the_log(evaluate):
    process = evaluate(
        "--gin_evaluation_config_glob=missing/[ab]*.gin",
        code="from dmt.utils import progress; progress.SECONDS = 0.01",
    )
    assert process.returncode == 1
    assert "1 of 2 metrics: a_beta failed: the error is above, " in process.stderr
    assert "2 of 2 metrics: b_mig is complete, " in process.stderr
    assert "metrics:" not in process.stdout


def test_all_metrics_may_be_missing(evaluate, tmp_path):
    process = evaluate("--gin_evaluation_config_glob=missing/a*.gin")
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == "1 of 1 metrics are missing: a_beta."
    assert not (tmp_path / "scores").exists()


def test_a_single_metric_is_a_mistake(evaluate, tmp_path):
    process = evaluate("--gin_config=missing/a_beta.gin")
    check_mistake(process, "grey = ", "row = ", "column = ")
    assert not (tmp_path / "scores").exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit", "metrics_of_mine.py, line 5 ends the program"),
        ("raise SystemExit(3)", "line 5 ends the program (exit status 3)"),
        ("return 1 / 0", "metrics_of_mine.py, line 5: ZeroDivisionError: division by"),
        ("return np.zeros(2)[[3]]", "metrics_of_mine.py, line 5: IndexError: index 3"),
        ("return {'set': {1}}", "Results must be numbers, text, or lists"),
    ],
)
def test_mistakes_in_code_of_users_are_one_line(evaluate, tmp_path, code, words):
    (tmp_path / "metrics_of_mine.py").write_text(METRIC.lstrip().format(code))
    lines = ["import metrics_of_mine", *bindings(MINE)]
    (tmp_path / "mine.gin").write_text("\n".join(lines))
    process = evaluate(
        f"--gin_config={tmp_path}/mine.gin",
        code=f"import sys; sys.path.insert(0, {str(tmp_path)!r})",
    )
    assert len(check_mistake(process, words)) == 1
    assert not (tmp_path / "scores").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--gin_bindings=mig.num_trains = 3"], ["num_trains"]),
        (["--input_dir=nothing"], ["nothing", "not complete"]),
        (["--gin_bindings=dataset.name = 'nothing'"], ["nothing"]),
    ],
)
def test_mistakes_that_concern_all_metrics_are_one_line(
    evaluate, tmp_path, flags, words
):
    process = evaluate("--gin_evaluation_config_glob=killed_evaluation/a*.gin", *flags)
    check_mistake(process, *words)
    assert "Without" not in process.stderr
    assert not (tmp_path / "scores").exists()


def test_mistakes_in_the_last_file_are_found_before_work_starts(
    evaluate, tmp_path, folder
):
    (folder / "slip").mkdir()
    (folder / "slip/a.gin").write_text(
        (folder / "killed_evaluation/a_evaluate.gin").read_text()
    )
    (folder / "slip/b.gin").write_text("mig.num_trains = 3\n")
    flag = "--gin_evaluation_config_glob=slip/*.gin"
    check_mistake(evaluate(flag), "num_trains")
    assert not (tmp_path / "scores").exists()
    (tmp_path / "scores/b/old").mkdir(parents=True)
    (folder / "slip/b.gin").write_text(
        (folder / "killed_evaluation/a_evaluate.gin").read_text()
    )
    check_mistake(evaluate(flag), "scores/b exists")
    assert names(tmp_path / "scores") == {"b"}
    assert names(tmp_path / "scores/b") == {"old"}


def check_resumed(command, metric, code, out, step="evaluation"):
    """Kills a command in its second metric; the rest must not encode images again."""
    first = "a" + command.args[0].removeprefix("dmt")
    process = command(code=metric.format(KILL))
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert names(out) == {first}
    before = contents(out / first)
    process = command("--resume", code=metric.format(code))
    printed(process)
    assert contents(out / first) == before
    assert {path.name for path in out.iterdir()} == {first, "b_mine"}
    resumed = results(out / "b_mine", step)
    printed(command("--overwrite", code=metric.format(code)))
    assert results(out / "b_mine", step) == resumed
    assert resumed["codes"]
    return process.stderr


@pytest.mark.parametrize(
    ("name", "metric", "step"),
    [
        ("dmt_evaluate", METRIC, "evaluation"),
        ("dmt_validate", VALIDATION_METRIC, "validation"),
    ],
)
def test_killed_evaluation_keeps_its_codes(name, metric, step, forks, tmp_path, folder):
    command = functools.partial(
        forks,
        name,
        "--input_dir=mean",
        f"--output_dir={tmp_path}/scores",
        f"--gin_evaluation_config_glob=killed_{step}/*.gin",
        *(LABELLED if step == "validation" else ()),
        folder=folder,
    )
    code = "return {'codes': representation_function(np.arange(20)).tolist()}"
    log = check_resumed(command, metric, code, tmp_path / "scores", step)
    (number,) = re.findall(r"(\d+) images were encoded before", log)
    assert int(number) > 10


def test_killed_udr_keeps_its_codes(forks, tmp_path, folder):
    command = functools.partial(
        forks,
        "dmt_udr",
        "--model_dirs=model?",
        f"--output_dir={tmp_path}/scores",
        "--gin_evaluation_config_glob=killed_udr/*.gin",
        folder=folder,
    )
    code = """return {"codes": [
        function(np.arange(20))[0].tolist() for function in representation_functions
    ]}"""
    log = check_resumed(command, UDR_METRIC, code, tmp_path / "scores")
    assert log.count("20 images were encoded before") == 2


def test_validation_goes_on_without_a_metric(forks, tmp_path, folder):
    process = forks(
        "dmt_validate",
        "--input_dir=mean",
        f"--output_dir={tmp_path}/scores",
        "--gin_evaluation_config_glob=validation/*.gin",
        *LABELLED,
        folder=folder,
    )
    assert process.returncode == 1
    assert "Without a_sap (validation/a_sap.gin): Leave samples" in process.stderr
    assert process.stdout.split()[:2] == ["b_mig", "discrete_mig"]
    assert names(tmp_path / "scores") == {"b_mig"}


def test_scores_of_arrays_go_on_without_a_metric(forks, tmp_path, folder):
    with np.load(folder / "own.npz") as file:
        np.save(tmp_path / "factors.npy", file["factors"])
    np.save(tmp_path / "codes.npy", np.random.RandomState(0).normal(size=(20, 3)))
    command = functools.partial(
        forks,
        "dmt_score",
        f"--factors={tmp_path}/factors.npy",
        f"--codes={tmp_path}/codes.npy",
        folder=folder,
    )
    flag = "--gin_evaluation_config_glob=missing/[ab]*.gin"
    process = command(flag, f"--output_path={tmp_path}/scores.json")
    assert process.returncode == 1
    assert "Without a_beta (missing/a_beta.gin): The table has no row" in process.stderr
    assert process.stdout.split()[:2] == ["b_mig", "discrete_mig"]
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert "b_mig" in scores and "a_beta" not in scores
    check_mistake(command("--gin_config=missing/a_beta.gin"), "no row")
    check_mistake(command(flag, "--gin_bindings=mig.num_trains = 1"), "num_trains")
