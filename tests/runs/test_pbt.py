"""Population-based training: selection by hand, and killed runs that end the same."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import gin
import numpy as np
import pytest

from dmt.runs.pbt.settings import PBT, best_of
from tests.helpers.runs import TINY

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = {
    **{k: v for k, v in TINY.items() if not k.startswith(("vae.", "discriminator"))},
    "dataset.name": "'pooled'",
    "pooled.base": "'dsprites_rendered_small'",
    "pooled.factor": "8",
    "model.model": "@beta_tc_vae()",
    "beta_tc_vae.beta": "1",
    "pbt.population_size": "3",
    "pbt.num_rounds": "3",
    "pbt.images_per_round": "64",
    "pbt.seed": "4",
    "pbt.score_fn": "@pbt_mig",
    "pbt_mig.num_samples": "200",
    "pbt.hyperparameters": (
        '{"beta_tc_vae.beta": [1, 2, 4], "AdamOptimizer.learning_rate": [0.01, 0.001],'
        ' "model.batch_size": [8, 16]}'
    ),
    "pbt.limits": '{"model.batch_size": (4, 32)}',
}


def settings(**changes):
    arguments = {
        "population_size": 6,
        "num_rounds": 2,
        "images_per_round": 100,
        "hyperparameters": {"a.beta": [1, 3], "b.rate": [0.1, 0.01]},
        "score_fn": max,
        "seed": 0,
        **changes,
    }
    return PBT(**arguments)


def scored(plan, scores, failed=()):
    return [
        {**member, "score": score, "failed": member["member"] in failed}
        for member, score in zip(plan, scores, strict=True)
    ]


@pytest.mark.parametrize(("size", "replaced"), [(56, 12), (28, 6), (6, 2), (2, 1)])
def test_the_worst_take_over_from_the_best(size, replaced):
    population = settings(population_size=size)
    scores = np.random.RandomState(1).permutation(size).astype(float)
    plan = scored(population.first_plan(), scores)
    following = population.next_plan(plan, 0)
    assert [member["member"] for member in following] == list(range(size))
    for member, before, score in zip(following, plan, scores, strict=True):
        if score < replaced:
            assert scores[member["parent"]] >= size - replaced
            parent = plan[member["parent"]]["hyperparameters"]
            factors = {
                name: member["hyperparameters"][name] / value
                for name, value in parent.items()
            }
            assert round(factors["b.rate"], 9) in (2, 1.2, 0.8, 0.5)
            beta = member["hyperparameters"]["a.beta"]
            possible = {np.ceil(parent["a.beta"] * f) for f in (2, 1.2, 0.8, 0.5)}
            assert isinstance(beta, int) and beta in possible
        else:
            assert member["parent"] == member["member"]
            assert member["hyperparameters"] == before["hyperparameters"]


def test_copies_are_spread_over_the_best_and_perturbed_one_by_one():
    population = settings(population_size=50)
    parents, factors = set(), set()
    for number in range(20):
        plan = scored(population.first_plan(), range(50))
        following = population.next_plan(plan, number)
        for member in following[:10]:
            parents.add(member["parent"])
            parent = plan[member["parent"]]["hyperparameters"]["b.rate"]
            factors.add(round(member["hyperparameters"]["b.rate"] / parent, 9))
    assert parents == set(range(40, 50)) and factors == {2, 1.2, 0.8, 0.5}


def test_plans_follow_from_the_seed():
    plans = [settings(seed=seed).first_plan() for seed in (0, 0, 1)]
    assert plans[0] == plans[1] != plans[2]
    values = {member["hyperparameters"]["a.beta"] for member in plans[0]}
    assert values <= {1, 3}
    plan = scored(plans[0], range(6))
    assert settings().next_plan(plan, 0) == settings().next_plan(plan, 0)
    assert settings().next_plan(plan, 0) != settings().next_plan(plan, 1)


def test_half_goes_on_after_the_first_round():
    population = settings(population_size=56, halve_after_first_round=True)
    plan = scored(population.first_plan(), range(56))
    following = population.next_plan(plan, 0)
    assert [member["member"] for member in following] == list(range(28, 56))
    assert sum(m["parent"] != m["member"] for m in following) == 6
    again = population.next_plan(scored(following, range(28)), 1)
    assert len(again) == 28


def test_limits_hold():
    population = settings(limits={"b.rate": (0.05, 0.06), "a.beta": (1, 3)})
    plan = scored(population.first_plan(), range(6))
    for number in range(5):
        for member in population.next_plan(plan, number)[:2]:
            assert 0.05 <= member["hyperparameters"]["b.rate"] <= 0.06
            assert 1 <= member["hyperparameters"]["a.beta"] <= 3


def test_failed_members_are_no_parents():
    population = settings()
    plan = scored(population.first_plan(), [0] * 6, failed=(0, 1, 2, 4, 5))
    assert {m["parent"] for m in population.next_plan(plan, 0)} == {3}


def test_failed_members_are_replaced_and_never_best():
    population = settings()
    plan = scored(population.first_plan(), range(6), failed=(3, 4, 5))
    following = population.next_plan(plan, 0)
    assert all(following[m]["parent"] != m for m in (3, 4))
    assert best_of([plan])["member"] == 2
    with pytest.raises(ValueError, match="All members failed"):
        best_of([scored(population.first_plan(), range(6), failed=range(6))])
    with pytest.raises(ValueError, match="All members failed in round 1"):
        population.next_plan(scored(plan, range(6), failed=range(6)), 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"population_size": 0}, "population_size=0"),
        ({"cut": 0.7}, "cut=0.7"),
        ({"seed": -1}, "seed=-1"),
        ({"hyperparameters": {}}, "pbt.hyperparameters must be"),
        ({"hyperparameters": {"a": []}}, "pbt.hyperparameters must be"),
        ({"limits": {"c": (0, 1)}}, "no hyperparameter: ..c.."),
        ({"score_fn": "mig"}, "score_fn='mig'"),
    ],
)
def test_mistakes_are_named(change, message):
    if "hyperparameters" in change and not change["hyperparameters"]:
        change = {"hyperparameters": None}
    with pytest.raises(ValueError, match=message):
        settings(**change)


@pytest.mark.parametrize("population", ["0", "many", "-1"])
def test_wrong_population_is_one_line(population, tmp_path):
    process = run(tmp_path / "out", f"--population={population}")
    assert process.returncode == 2
    assert f"Received: {population!r}" in process.stderr
    assert "Traceback" not in process.stderr


def command(output_dir, *options, **changes):
    config = {**CONFIG, **{k.replace("__", "."): v for k, v in changes.items()}}
    return [
        sys.executable,
        str(ROOT / "bin" / "dmt_pbt"),
        f"--output_dir={output_dir}",
        *options,
        *(f"--gin_bindings={name} = {value}" for name, value in config.items()),
    ]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}


def run(output_dir, *options, **changes):
    return subprocess.run(
        command(output_dir, *options, **changes),
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )


def lineage(output_dir):
    return json.loads((output_dir / "lineage.json").read_text())["rounds"]


def weights(output_dir):
    from dmt.methods.gaussian_encoder_model import load_model

    return [np.asarray(w) for w in load_model(str(output_dir / "model")).get_weights()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("pbt") / "out"
    process = run(output_dir)
    assert process.returncode == 0, process.stderr[-3000:]
    assert str(output_dir / "model") in process.stdout
    return output_dir


@pytest.mark.slow
def test_lineage_says_what_was_trained(uninterrupted):
    rounds = lineage(uninterrupted)
    assert [len(plan) for plan in rounds] == [3, 3, 3]
    for before, plan in zip(rounds, rounds[1:], strict=False):
        for member in plan:
            parent = before[member["parent"]]
            steps = round(64 / member["hyperparameters"]["model.batch_size"])
            assert member["step"] == parent["step"] + steps
    best = best_of(rounds)
    assert best["score"] == max(m["score"] for plan in rounds for m in plan)
    train = json.loads(
        (uninterrupted / "model/results/aggregate/train.json").read_text()
    )
    assert train["train_results.global_step"] == best["step"]
    for name, value in best["hyperparameters"].items():
        assert float(train[f"train_config.{name}"]) == value
    # Of the rounds before the last, only what a resumed run may need is kept.
    assert len(list(uninterrupted.glob("round_*/*/model_0"))) <= 4


def test_score_is_that_of_the_best_model(uninterrupted):
    from dmt.data.ground_truth import named_data
    from dmt.evaluation.codes import MomentTable
    from dmt.methods.gaussian_encoder_model import load_model
    from dmt.runs.pbt.scores import mig_score

    gin.parse_config("pooled.base = 'dsprites_rendered_small'\npooled.factor = 8")
    dataset = named_data.open_data_set("pooled")
    model = load_model(str(uninterrupted / "model"))
    random_state = np.random.RandomState(4)
    table = MomentTable(dataset, model.encoder)
    score, _ = mig_score(dataset, [table], random_state, num_samples=200)
    best = best_of(lineage(uninterrupted))
    np.testing.assert_allclose(score, best["score"], atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        ("round_*/*/score.json", 4),
        # While the members of a population are saved.
        ("round_0/*/model_0/tf_checkpoint/checkpoint.npz", 1),
        ("round_*/*/model_0/tf_checkpoint/checkpoint.npz", 5),
    ],
)
def test_killed_run_ends_with_the_same_lineage_and_weights(
    uninterrupted, pattern, number, tmp_path
):
    output_dir = tmp_path / "out"
    process = subprocess.Popen(
        command(output_dir), env=ENVIRONMENT, stderr=subprocess.DEVNULL
    )
    deadline = time.time() + 200
    while len(list(output_dir.glob(pattern))) < number:
        assert process.poll() is None and time.time() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = run(output_dir)
    assert again.returncode == 0, again.stderr[-3000:]
    assert lineage(output_dir) == lineage(uninterrupted)
    for found, expected in zip(
        weights(output_dir), weights(uninterrupted), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_ray_ends_with_the_same_lineage_and_weights(uninterrupted, tmp_path):
    pytest.importorskip("ray")
    process = run(tmp_path / "out", "--engine=ray")
    assert process.returncode == 0, process.stderr[-3000:]
    assert lineage(tmp_path / "out") == lineage(uninterrupted)
    for found, expected in zip(
        weights(tmp_path / "out"), weights(uninterrupted), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_members_that_differ_in_more_than_numbers_are_trained_apart(tmp_path):
    process = run(
        tmp_path / "out",
        "--population=4",
        pbt__num_rounds="1",
        pbt__hyperparameters='{"AdamOptimizer.beta1": [0.9, 0.8, 0.7]}',
        pbt__limits="None",
    )
    assert process.returncode == 0, process.stderr[-3000:]
    groups = json.loads((tmp_path / "out/round_0/groups.json").read_text())["groups"]
    (plan,) = lineage(tmp_path / "out")
    for members, _ in groups:
        values = [plan[m]["hyperparameters"]["AdamOptimizer.beta1"] for m in members]
        assert len(set(values)) == 1


def test_small_models_are_trained_together(uninterrupted):
    groups = json.loads((uninterrupted / "round_0/groups.json").read_text())["groups"]
    assert any(together for _, together in groups)


@pytest.mark.slow
def test_members_trained_alone_are_those_trained_together(uninterrupted, tmp_path):
    process = run(tmp_path / "out", "--population=1", pbt__num_rounds="1")
    assert process.returncode == 0, process.stderr[-3000:]
    (alone,), (together, *_) = lineage(tmp_path / "out"), lineage(uninterrupted)
    for found, expected in zip(alone, together, strict=True):
        assert found["hyperparameters"] == expected["hyperparameters"]
        np.testing.assert_allclose(found["score"], expected["score"], atol=0.02)


@pytest.mark.slow
def test_udr_scores_models_that_share_hyperparameters(tmp_path):
    process = run(
        tmp_path / "out",
        pbt__score_fn="@pbt_udr",
        pbt__models_per_member="2",
        pbt__num_rounds="2",
        pbt__population_size="2",
        pbt_udr__num_samples="100",
        **{"pbt_mig.num_samples": "100"},
    )
    assert process.returncode == 0, process.stderr[-3000:]
    rounds = lineage(tmp_path / "out")
    assert all(0 <= m["score"] <= 1 and m["model"] in (0, 1) for m in rounds[1])
    assert (tmp_path / "out/round_1/member_1/model_1").is_dir()
    assert (tmp_path / "out/model/model.keras").exists()


def test_other_settings_are_refused(uninterrupted):
    process = run(uninterrupted, pbt__seed="5")
    assert process.returncode == 2
    assert "Traceback" not in process.stderr
    assert "begun with another configuration" in process.stderr


@pytest.mark.slow
def test_mistakes_are_one_line(tmp_path):
    for changes, message in (
        ({"pbt__score_fn": "@pbt_udr"}, "pbt.models_per_member"),
        ({"pbt__cut": "0.9"}, "cut=0.9"),
        ({"model__model": "@nothing()"}, "nothing"),
        (
            {
                "pbt__hyperparameters": '{"beta_tc_vae.betta": [1]}',
                "pbt__limits": "None",
            },
            "betta",
        ),
    ):
        process = run(tmp_path / "out", **changes)
        assert process.returncode == 2
        assert message in process.stderr
        assert "Traceback" not in process.stderr
