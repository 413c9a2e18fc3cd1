"""The study in real processes: killed and started again, complete, with its page."""

import json
import re

import numpy as np
import pytest

from dmt.evaluation.evidence import theory
from dmt.studies import registry
from dmt.studies.evidence.scores import Scores
from tests.helpers import processes

# The shortest study: the number of tasks does not vary, so that most settings are one.
TINY = [
    "evidence_study.seeds = (0, 1)",
    "evidence_study.long_steps = 20",
    "evidence_study.short_steps = 20",
    "evidence_study.num_tasks = 4",
    "evidence_study.nums_of_tasks = (4,)",
    "evidence_study.compared_nums = ()",
    "evidence_study.lengths = ()",
    "evidence_study.sigmas = (0.2,)",
    "evidence_study.correlations = (0.0,)",
    "evidence_study.nums_by_dim = {}",
    "evidence_study.variants = ()",
    "evidence_study.durations = (2, 3)",
    'evidence_study.model_bindings = ("model.eval_steps = 1",)',
    'evidence_study.evaluation_bindings = ("latent_decoders.num_batches = 5", '
    '"latent_decoders.num_test = 50", "fixed_points.num_iterations = 20")',
]
DEFAULT = "leaky_rnn-4_tasks-20_steps"
EVALUATIONS = {
    DEFAULT: {
        "ood_decoding",
        "ood_decoding_ridge",
        "decoder_angles",
        "closed_form_recovery",
        "state_variance",
        "unit_tuning",
        "fixed_points",
        "lifetime_sparseness",
    },
    f"{DEFAULT}-last_step": {"ood_decoding"},
    f"{DEFAULT}-free_reaction_time": {
        "ood_decoding",
        "ood_decoding_2",
        "ood_decoding_3",
    },
}
FIGURES = (
    "R² against the number of tasks",
    "Angles between the directions of the two latents",
    "Principal components of the states",
    "Tuning of units",
    "Fixed points without a stimulus",
    "Sparseness and R² against the number of updates",
    "R² against the number of steps",
    "R² against noise and correlation",
    "OOD R² of variants",
)


def start(output_dir, *flags):
    return processes.start(
        "dmt_study",
        "--study=evidence",
        f"--output_dir={output_dir}",
        *flags,
        lines=TINY,
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study that was killed once and repeated nothing, and the second's output."""
    output_dir = tmp_path_factory.mktemp("study") / "out"
    output = processes.killed_and_finished(
        lambda: start(output_dir, "--workers=1"), output_dir, number=6
    )
    return output_dir, output


def test_all_runs_are_complete(study):
    output_dir, _ = study
    found = {
        name: {
            seed: {
                path.name for path in (output_dir / name / seed / "metrics").iterdir()
            }
            for seed in ("seed_0", "seed_1")
        }
        for name in (path.name for path in output_dir.iterdir() if path.is_dir())
        if not name.startswith(".")
    }
    assert found == {
        name: {"seed_0": metrics, "seed_1": metrics}
        for name, metrics in EVALUATIONS.items()
    }
    assert not list(output_dir.rglob(".tmp.*"))


def test_tables_hold_what_the_runs_measured(study):
    output_dir, _ = study
    summary = json.loads((output_dir / "study.json").read_text())
    assert (summary["num_runs"], summary["num_updates"]) == (6, 6 * 20)
    tables = {table["title"]: table for table in summary["tables"]}

    def measured(name, key):
        path = f"metrics/{name}/results/json/evaluation_results.json"
        return [
            json.loads((output_dir / DEFAULT / f"seed_{seed}" / path).read_text())[key]
            for seed in (0, 1)
        ]

    for title, name in (
        ("Number of tasks", "ood_decoding"),
        ("Number of tasks, decoded by ridge regression", "ood_decoding_ridge"),
    ):
        (row,) = tables[title]["rows"]
        for cell, key in zip(row[1:3], ("ood_r2_values", "id_r2_values"), strict=True):
            expected = np.percentile(measured(name, key), [25, 50, 75])
            found = [cell["first"], cell["median"], cell["third"]]
            np.testing.assert_allclose(found, expected)
        # The ceiling of the paper's default, sigma = 0.2 and 20 steps.
        np.testing.assert_allclose(row[3], 0.976)
    (row,) = tables["Latents from the answers, in closed form"]["rows"]
    np.testing.assert_allclose(
        row[1]["median"], np.median(measured("closed_form_recovery", "r2"))
    )


def test_claims_follow_from_numbers_over_seeds(study):
    output_dir, _ = study
    summary = json.loads((output_dir / "study.json").read_text())
    claims = {claim["claim"]: claim for claim in summary["claims"]}
    assert {claim["number"] for claim in claims.values()} == {1, 4, 5, 6, 8, 9}
    r2 = [
        [
            json.loads(
                (
                    output_dir / name / f"seed_{seed}/metrics/ood_decoding/results/json"
                    "/evaluation_results.json"
                ).read_text()
            )["ood_r2"]
            for seed in (0, 1)
        ]
        for name in (DEFAULT, f"{DEFAULT}-last_step")
    ]
    found = claims[
        "OOD R² with a loss of all steps minus that with a loss of the last step"
    ]
    np.testing.assert_allclose(found["values"], np.subtract(*r2))


def test_page_holds_all_tables_and_figures(study):
    output_dir, output = study
    page = (output_dir / "index.html").read_text()
    summary = json.loads((output_dir / "study.json").read_text())
    for table in summary["tables"]:
        assert table["title"] in page
    for title in FIGURES:
        assert f'alt="{title}"' in page
    assert page.count("<img ") == len(FIGURES)
    assert not re.findall(r'src="(?!data:)', page)
    assert "| 4 tasks |" in (output_dir / "tables.md").read_text()
    assert str(output_dir / "index.html") in output


def test_ceiling_is_that_of_the_theory(study):
    output_dir, _ = study
    definition = registry.open_study("evidence", TINY)
    scores = Scores(definition, str(output_dir))
    (free,) = scores.sweeps["free"].values()
    assert scores.trials(free).mode == "free"
    np.testing.assert_allclose(scores.ceiling(free, 5), theory.r2_ceiling(0.2, 5))
