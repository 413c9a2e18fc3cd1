"""Claims and figures of studies whose results are made up."""

import json

import numpy as np
import pytest

from dmt.studies import registry
from dmt.studies.evidence import figures, network_figures
from dmt.studies.evidence.claims import CLAIMS, claims
from dmt.studies.evidence.scores import Scores

SEEDS = (0, 1, 2)
STUDY = (
    f"evidence_study.seeds = {SEEDS}",
    "evidence_study.long_steps = 500",
    "evidence_study.short_steps = 100",
    "evidence_study.transformer_steps = 100",
    "evidence_study.nums_of_tasks = (2, 6, 24)",
    "evidence_study.compared_nums = (2, 24)",
    "evidence_study.lengths = (50,)",
    "evidence_study.sigmas = (0.1, 0.2, 0.4)",
    "evidence_study.correlations = (0.0, 0.7, 1.0)",
    "evidence_study.nums_by_dim = {2: (2, 24), 4: (2, 48)}",
    'evidence_study.variants = ("delay", "noise_at_features")',
    "evidence_study.durations = (5, 20)",
)
NOTHING_VARIES = (
    *STUDY,
    "evidence_study.nums_of_tasks = (24,)",
    "evidence_study.compared_nums = ()",
    "evidence_study.lengths = ()",
    "evidence_study.sigmas = ()",
    "evidence_study.correlations = ()",
    "evidence_study.nums_by_dim = {}",
    "evidence_study.variants = ()",
    "evidence_study.durations = ()",
)


def as_claimed(setting, steps):
    """OOD R², ID R² as the paper would have them."""
    trials = dict(line.split(" = ") for line in setting.lines)
    sigma = float(trials.get("evidence_trials.sigma", 0.2))
    ceiling = 1 - 12 * sigma**2 / (steps or 20)
    ood = ceiling - 0.4 / setting.num_tasks
    if "transformer" in setting.name:
        ood += 0.1 / setting.num_tasks
    if setting.name.endswith("correlation_1.0"):
        ood -= 0.5
    if setting.name.endswith("last_step"):
        ood -= 0.1
    return ood, ceiling


def made_up(setting, name, seed):
    """Results of an evaluation that agree with all claims."""
    rest = name.removeprefix("ood_decoding").strip("_")
    noise = 0.001 * seed
    ood, within = as_claimed(setting, int(rest) if rest.isdigit() else None)
    if name.startswith("ood_decoding"):
        return {
            "ood_r2": ood + noise,
            "ood_r2_values": [[ood + noise] * 2] * 4,
            "id_r2": within - noise,
            "id_r2_values": [within - noise] * 2,
        }
    return {
        "decoder_angles": {
            "angle": 90 + noise,
            "angles": [80.0, 90.0, 100.0],
            "cosine": 1 / setting.num_tasks + noise,
            "chance_cosine": 0.1,
        },
        "fixed_points": {
            "num_points": 2,
            "points": [[0.0, 1.0, 2.0], [1.0, 0.0, 0.0]],
            "speeds": [0.0, 1e-5],
            "eigenvalues_real": [[0.01, -0.01, -0.9]] * 2,
            "eigenvalues_imaginary": [[0.0, 0.0, 0.0]] * 2,
            "median_eigenvalues": [0.01 + noise, -0.01, -0.9],
            # An infinite number in a file is null.
            "amplifications": [[None, 50.0], [20.0, 30.0]],
            "median_amplification": None,
        },
        "lifetime_sparseness": {
            "mean_sparseness": setting.steps / 1000 - noise,
            "active_share": 1 - setting.steps / 1000 + noise,
            "silent_units": 0.5,
        },
        "closed_form_recovery": {
            "r2": 0.9,
            "rescaled_r2": 0.95,
            "scale": 1.2,
            "ceiling": 0.976,
            "condition_number": 1.0,
        },
        "state_variance": {
            "explained_variance_ratio": [0.6, 0.3, 0.1],
            "participation_ratio": 2.2,
            "latent_variance": 0.9,
        },
        "unit_tuning": {},
    }[name]


def scores_of(lines, folder):
    """`Scores` of a study whose results are made up."""
    definition = registry.open_study("evidence", lines)
    for setting in definition.settings().values():
        for seed in SEEDS:
            run = folder / setting.name / f"seed_{seed}"
            gin = run / "model/results/gin/train.gin"
            gin.parent.mkdir(parents=True)
            trials = [x for x in setting.lines if x.startswith("evidence_trials.")]
            head = "evidence_accumulation.trials = @evidence_trials()"
            gin.write_text("\n".join([head, *trials]) + "\n")
            write(run / "model", "train", {"task_accuracy": 0.95})
            for name in setting.evaluations:
                found = made_up(setting, name, seed)
                write(run / "metrics" / name, "evaluation", found)
    return Scores(definition, str(folder))


def write(folder, step, values):
    path = folder / f"results/json/{step}_results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    return scores_of(STUDY, tmp_path_factory.mktemp("study"))


def drawn(scores, monkeypatch):
    """Titles of the figures, less those for which a trained network is needed."""
    monkeypatch.setattr(network_figures, "states", lambda scores: [])
    found = [one for part in figures.draw_all(scores).values() for one in part]
    for _, caption, url in found:
        assert caption.endswith(".") and url.startswith("data:image/svg+xml;base64,")
    return [title for title, _, _ in found]


def test_results_as_in_the_paper_agree_with_all_claims(scores):
    found = claims(scores)
    assert {row["number"] for row in found} == set(CLAIMS)
    assert [row["claim"] for row in found if row["verdict"] != "agrees"] == []


def test_numbers_are_paired_over_seeds(scores):
    rows = {row["claim"]: row["values"] for row in claims(scores)}
    np.testing.assert_allclose(
        rows["OOD R² of 24 tasks minus that of 2"], 0.4 / 2 - 0.4 / 24
    )
    np.testing.assert_allclose(
        rows["Transformer, 4 dimensions: OOD R² of 48 tasks minus that of 2"],
        0.3 / 2 - 0.3 / 48,
    )
    np.testing.assert_allclose(
        rows["ID R² with σ = 0.4 minus the ceiling"], [0, -0.001, -0.002], atol=1e-12
    )
    np.testing.assert_allclose(
        rows["OOD R² after 5 steps minus the ceiling"],
        np.array([0, 0.001, 0.002]) - 0.4 / 24,
    )


def test_rows_of_settings_that_are_missing_are_left_out(tmp_path, monkeypatch):
    scores = scores_of(NOTHING_VARIES, tmp_path)
    assert {row["number"] for row in claims(scores)} == {1, 4, 5, 9}
    tables = scores.tables()
    assert tables["free"] == []
    titles = [table["title"] for table in tables["changes"]]
    assert titles == ["Steps in the loss"]
    assert drawn(scores, monkeypatch)[-1] == "OOD R² of variants"


def test_all_figures_of_settings_are_drawn(scores, monkeypatch):
    assert drawn(scores, monkeypatch) == [
        "R² against the number of tasks",
        "Angles between the directions of the two latents",
        "Fixed points without a stimulus",
        "Sparseness and R² against the number of updates",
        "R² against the number of steps",
        "R² against noise and correlation",
        "OOD R² in more dimensions",
        "OOD R² of variants",
    ]
