"""Populations in real processes: killed runs end the same."""

import json

import gin
import numpy as np
import pytest

from dmt.runs.pbt import engine, rounds
from dmt.runs.pbt.rounds import Members
from dmt.runs.pbt.settings import PBT, best_of
from dmt.utils import configuration
from tests.helpers import processes
from tests.helpers.runs import TINY

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


def lines(**changes):
    config = {**CONFIG, **{k.replace("__", "."): v for k, v in changes.items()}}
    return [f"{name} = {value}" for name, value in config.items()]


def start(output_dir, *flags, **changes):
    return processes.start(
        "dmt_pbt", f"--output_dir={output_dir}", *flags, lines=lines(**changes)
    )


def run(output_dir, *flags, **changes):
    return processes.finish(start(output_dir, *flags, **changes))


def lineage(output_dir):
    return json.loads((output_dir / "lineage.json").read_text())["rounds"]


def weights(output_dir):
    from dmt.methods.gaussian_encoder_model import load_model

    return [np.asarray(w) for w in load_model(str(output_dir / "model")).get_weights()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("pbt") / "out"
    output, _ = run(output_dir)
    assert str(output_dir / "model") in output
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
    dataset = named_data.open_dataset("pooled")
    model = load_model(str(uninterrupted / "model"))
    random_state = np.random.RandomState(4)
    table = MomentTable(dataset, model.encoder)
    score, _ = mig_score(dataset, [table], random_state, num_samples=200)
    best = best_of(lineage(uninterrupted))
    np.testing.assert_allclose(score, best["score"], atol=0.02)


def check_same(output_dir, expected_dir):
    assert lineage(output_dir) == lineage(expected_dir)
    for found, expected in zip(weights(output_dir), weights(expected_dir), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_killed_run_ends_with_the_same_lineage_and_weights(uninterrupted, tmp_path):
    output_dir = tmp_path / "out"
    for pattern, number in (
        # While the members of a population are saved.
        ("round_0/*/model_0/tf_checkpoint/checkpoint.npz", 1),
        ("round_*/*/score.json", 4),
        ("round_2/*/model_0/tf_checkpoint/checkpoint.npz", 2),
    ):

        def is_due(pattern=pattern, number=number):
            return len(list(output_dir.glob(pattern))) >= number

        assert not is_due()
        process = start(output_dir)
        processes.wait_until(is_due, process)
        process.kill()
        process.communicate()
    run(output_dir)
    check_same(output_dir, uninterrupted)


@pytest.mark.slow
def test_ray_ends_with_the_same_lineage_and_weights(uninterrupted, tmp_path):
    pytest.importorskip("ray")
    run(tmp_path / "out", "--engine=ray")
    check_same(tmp_path / "out", uninterrupted)


def test_members_that_differ_in_more_than_numbers_are_trained_apart(tmp_path):
    changed = lines(
        pbt__hyperparameters='{"AdamOptimizer.beta1": [0.9, 0.8, 0.7]}',
        pbt__limits="None",
    )
    with configuration.gin_configuration([], changed):
        settings = PBT()
    plan = settings.first_plan()
    values = [member["hyperparameters"]["AdamOptimizer.beta1"] for member in plan]
    members = Members(settings, str(tmp_path / "out"), (), tuple(changed))
    groups = engine.Groups(members, None, 4, 2).of(plan, 0)
    assert sorted(m["member"] for group, _ in groups for m in group) == [0, 1, 2]
    assert len(groups) == len(set(values)) > 1
    for group, _ in groups:
        assert len({values[member["member"]] for member in group}) == 1


@pytest.mark.parametrize("steps_per_update", [1, 2])
def test_images_of_a_round_do_not_depend_on_what_an_update_counts(
    steps_per_update, tmp_path
):
    discriminator = {k: v for k, v in TINY.items() if k.startswith("discriminator")}
    changed = lines(
        model__model="@factor_vae()",
        factor_vae__gamma="1.0",
        factor_vae__steps_per_update=str(steps_per_update),
        model__batch_size="16",
        pbt__hyperparameters='{"factor_vae.gamma": [1.0]}',
        pbt__limits="None",
        **discriminator,
    )
    with configuration.gin_configuration([], changed):
        settings = PBT()
    members = Members(settings, str(tmp_path), (), tuple(changed))
    first = settings.first_plan()[0]
    for number, member in enumerate((first, {**first, "parent": first["member"]})):
        rounds.train_and_score(members, number, [member], together=False)
        score = members.score(number, member["member"])
        updates = 4 * (number + 1)
        assert not score["failed"]
        assert score["step"] == updates * steps_per_update
        directory = members.model_dir(number, member["member"], 0)
        with np.load(f"{directory}/tf_checkpoint/checkpoint.npz") as checkpoint:
            counters = {float(v) for v in checkpoint.values() if not v.ndim}
        # The counters of the model and of its two optimizers.
        assert {updates, updates * steps_per_update} <= counters


def test_small_models_are_trained_together(uninterrupted):
    groups = json.loads((uninterrupted / "round_0/groups.json").read_text())["groups"]
    assert any(together for _, together in groups)


@pytest.mark.slow
def test_members_trained_alone_are_those_trained_together(uninterrupted, tmp_path):
    run(tmp_path / "out", "--population=1", pbt__num_rounds="1")
    (alone,), (together, *_) = lineage(tmp_path / "out"), lineage(uninterrupted)
    for found, expected in zip(alone, together, strict=True):
        assert found["hyperparameters"] == expected["hyperparameters"]
        np.testing.assert_allclose(found["score"], expected["score"], atol=0.02)


@pytest.mark.slow
def test_udr_scores_models_that_share_hyperparameters(tmp_path):
    run(
        tmp_path / "out",
        pbt__score_fn="@pbt_udr",
        pbt__models_per_member="2",
        pbt__num_rounds="2",
        pbt__population_size="2",
        pbt_udr__num_samples="100",
        **{"pbt_mig.num_samples": "100"},
    )
    rounds = lineage(tmp_path / "out")
    assert all(0 <= m["score"] <= 1 and m["model"] in (0, 1) for m in rounds[1])
    assert (tmp_path / "out/round_1/member_1/model_1").is_dir()
    assert (tmp_path / "out/model/model.keras").exists()


def test_other_settings_are_refused(uninterrupted):
    with pytest.raises(ValueError, match="begun with another configuration"):
        engine.train_with_gin(str(uninterrupted), [], lines(pbt__seed="5"))


@pytest.mark.parametrize("population", ["0", "many", "-1"])
def test_wrong_population_is_named(population, tmp_path):
    with pytest.raises(ValueError, match=f"Received: '{population}'"):
        engine.train_with_gin(str(tmp_path / "out"), [], lines(), 1, population)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pbt__cut": "0.9"}, "cut=0.9"),
        ({"model__model": "@nothing()"}, "nothing"),
        (
            {
                "pbt__hyperparameters": '{"beta_tc_vae.betta": [1]}',
                "pbt__limits": "None",
            },
            "betta",
        ),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        engine.train_with_gin(str(tmp_path / "out"), [], lines(**changes))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_mistake_that_a_worker_finds_is_one_line(tmp_path):
    process = start(tmp_path / "out", pbt__score_fn="@pbt_udr")
    _, errors = processes.finish(process, returncode=2)
    assert "pbt.models_per_member" in errors
    assert "Traceback" not in errors
