"""The study in real processes: killed and started again, complete, with its page."""

import json
import re

import numpy as np
import pytest

from dmt.utils import locks
from tests.helpers import processes

# The shortest study: 8x8 images, two updates of each model.
TINY = [
    "multitask_study.seeds = (0, 1)",
    "multitask_study.num_tasks = 2",
    "multitask_study.nums_of_tasks = ()",
    "multitask_study.pooling = 4",
    'multitask_study.max_steps = {"tasks": 2, "decoder": 2, "autoencoder": 2, '
    '"heads": 2}',
    "multitask_study.hidden_units = (8,)",
    'multitask_study.decoder = "test_decoder"',
    "multitask_study.num_images = 100",
    "multitask_study.num_test_images = 100",
    'multitask_study.model_bindings = ["encoder.encoder_fn = @test_encoder", '
    '"model.eval_steps = 1"]',
    'multitask_study.metric_bindings = {"mig": ["mig.num_train = 100"], '
    '"factor_vae_score": ["factor_vae_score.num_variance_estimate = 50", '
    '"factor_vae_score.num_train = 20", "factor_vae_score.num_eval = 20"], '
    '"sap_score": ["sap_score.num_train = 50", "sap_score.num_test = 20"], '
    '"dci": ["dci.num_train = 50", "dci.num_test = 20"], '
    '"component_retrieval": ["component_retrieval.num_train = 100"]}',
]
RUNS = {
    f"{name}/seed_{seed}"
    for seed in (0, 1)
    for name in (
        "random",
        "one_head",
        "multi_head",
        "multi_head_random_factors",
        "multi_head_halves_factors",
        "single_task_0",
        "single_task_1",
        "autoencoder",
        "vae",
        "factor_vae",
        "random_decoder",
        "single_task_0_decoder",
        "multi_head_decoder",
    )
}


def start(output_dir, *flags, lines=TINY):
    return processes.start(
        "dmt_study",
        "--dataset=dsprites_rendered_small",
        f"--output_dir={output_dir}",
        *flags,
        lines=lines,
        data=output_dir.parent,
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study that was killed once and repeated nothing, and the second's output."""
    output_dir = tmp_path_factory.mktemp("study") / "out"
    output = processes.killed_and_finished(
        lambda: start(output_dir), output_dir, number=12
    )
    return output_dir, output


def test_all_runs_are_complete(study):
    output_dir, _ = study
    found = {
        str(path.relative_to(output_dir).parent)
        for path in output_dir.glob("*/seed_*/model")
    }
    assert found == RUNS
    for name in RUNS:
        assert (output_dir / name / "model/results/aggregate/train.json").exists()
        scores = {path.name for path in (output_dir / name / "metrics/mean").glob("*")}
        heads = {"task_heads"} if name.split("/")[0] in ("vae", "factor_vae") else set()
        if name.startswith("autoencoder"):
            heads = {"task_heads", "task_heads_on_factors"}
        metrics = {"mig", "factor_vae_score", "sap_score", "dci", "component_retrieval"}
        assert scores == (set() if "decoder/" in name else metrics | heads)
    assert not list(output_dir.rglob(".tmp.*"))


def test_tables_hold_what_the_runs_measured(study):
    output_dir, _ = study
    summary = json.loads((output_dir / "study.json").read_text())
    assert summary["num_runs"] == len(RUNS)
    tables = {table["title"]: table for table in summary["tables"]}

    def scores(name, metric, key):
        path = f"metrics/mean/{metric}/results/json/evaluation_results.json"
        return [
            json.loads((output_dir / name / f"seed_{seed}" / path).read_text())[key]
            for seed in (0, 1)
        ]

    table = tables["Scores of the encoders"]
    place = table["columns"].index("DCI disentanglement")
    rows = {label: cells for label, *cells in table["rows"]}
    expected = scores("multi_head", "dci", "disentanglement")
    cell = rows["multi-head"][place]
    np.testing.assert_allclose(cell["mean"], np.mean(expected))
    np.testing.assert_allclose(cell["std"], np.std(expected, ddof=1))
    singles = [
        scores(f"single_task_{task}", "dci", "disentanglement") for task in (0, 1)
    ]
    for label, reduce in (("mean", np.mean), ("min", np.min), ("max", np.max)):
        expected = np.mean(reduce(singles, axis=0))
        np.testing.assert_allclose(
            rows[f"single-task, {label}"][place]["mean"], expected
        )
    assert rows["paper: multi-head"][table["columns"].index("MIG")] == 0.04

    losses = {
        label: cells
        for label, *cells in tables["Test errors of every task under every model"][
            "rows"
        ]
    }
    trained = [
        json.loads(
            (
                output_dir / f"single_task_1/seed_{seed}/model/results/json"
                "/train_results.json"
            ).read_text()
        )
        for seed in (0, 1)
    ]
    own = np.mean([result["task_test_losses"][0] for result in trained])
    np.testing.assert_allclose(losses["single-task 1"][1], own, rtol=1e-5)


def test_claims_follow_from_differences_over_seeds(study):
    output_dir, _ = study
    summary = json.loads((output_dir / "study.json").read_text())
    claims = {claim["claim"]: claim for claim in summary["claims"]}
    assert len(claims) == 24
    for claim in claims.values():
        middle = (claim["low"] + claim["high"]) / 2
        np.testing.assert_allclose(claim["difference"], middle, atol=1e-9)
        verdict = "not decided"
        if claim["low"] > 0:
            verdict = "agrees"
        elif claim["high"] < 0:
            verdict = "disagrees"
        assert claim["verdict"] == verdict


def test_page_holds_all_tables_and_figures(study):
    output_dir, output = study
    page = (output_dir / "index.html").read_text()
    summary = json.loads((output_dir / "study.json").read_text())
    for table in summary["tables"]:
        assert table["title"] in page
    figures = {path.name for path in (output_dir / "figures").iterdir()}
    assert {"pca.png", "reconstructions.png", "traversals_multi-head.png"} <= figures
    assert page.count("<img ") == len(figures) + 1
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "| multi-head |" in (output_dir / "tables.md").read_text()
    assert str(output_dir / "index.html") in output


def test_second_study_in_the_directory_is_refused(study):
    with locks.only_in(study[0]):
        _, errors = processes.finish(start(study[0]), returncode=2)
    assert errors.count("\n") == 1 and "Another process" in errors


def test_other_configuration_is_refused(study):
    lines = [*TINY, "multitask_study.hidden_units = (9,)"]
    _, errors = processes.finish(start(study[0], lines=lines), returncode=2)
    assert "another configuration" in errors
    assert "multitask_study.hidden_units = (9,)" in errors


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=nothing"], "nothing"),
        (["--dataset=noisy_dsprites_rendered"], "whose images have indices"),
        (["--workers=-1"], "--workers must be at least 0"),
        (["--gin_bindings=multitask_study.seeds = (1,)"], "two seeds"),
        (["--scale=huge"], "huge"),
        (
            ["--gin_bindings=multitask_study.max_steps = {'encoder': 1}"],
            "multitask_study.max_steps are among tasks, decoder, autoencoder, heads",
        ),
    ],
)
def test_mistakes_are_one_line(flags, message, tmp_path):
    process = start(tmp_path / "out", *flags, lines=[])
    _, errors = processes.finish(process, returncode=2)
    assert errors.count("\n") == 1 and message in errors
    assert not (tmp_path / "out").exists()
