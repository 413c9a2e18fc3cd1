"""Pipelines of published studies: few labels, pairs, repeated metrics, a study."""

import functools
import signal

import pytest

from tests.helpers import all_codes
from tests.helpers.commands import (
    PLAN,
    SEEDS,
    STEPS,
    VALIDATION,
    bound,
    complete,
    contents,
    has_results,
    load,
    model,
    names,
    scores,
)
from tests.helpers.runs import printed, results, state


def test_few_labels(few_labels):
    assert names(few_labels) == {
        *("model", "visualizations", "postprocessed", "validation", "metrics")
    }
    assert names(few_labels / "postprocessed") == {"mean"}
    validation = few_labels / "validation" / "mean"
    assert names(validation) == {"mig_validation_5_40", "sap_score_validation_5_40"}
    metrics = few_labels / "metrics"
    assert names(metrics) == {"mean", "aggregated_results.json"}
    assert names(metrics / "mean") == {"mig_5", "unsupervised_5"}
    assert has_results(few_labels / "model", "train")
    assert has_results(few_labels / "postprocessed/mean", "train", "postprocess")
    for path in validation.iterdir():
        assert has_results(path, "train", "postprocess", "validation")
    assert has_results(metrics / "mean/mig_5", *STEPS)
    assert names(few_labels / "visualizations") >= {
        "reconstructions",
        "sampled",
        "traversals",
        "animated_traversals",
        "interventional_effects",
    }

    found = load(
        validation / "sap_score_validation_5_40/results/aggregate/validation.json"
    )
    for key, value in {
        "train_config.model.name": "'s2_vae'",
        "train_config.model.supervised_data_seed": "5",
        "train_config.model.num_labelled_samples": "40",
        "train_config.model.train_percentage": "0.9",
        "train_config.labeller.labeller_fn": "@perfect_labeller",
        "train_results.global_step": 6,
        "postprocess_config.postprocess.name": "'mean'",
        "validation_config.validation.name": "'sap_score'",
        "validation_config.validation.random_seed": "5",
        "validation_config.validation.num_labelled_samples": "40",
        "validation_config.sap_score_validation.train_percentage": "0.9",
        "validation_config.labeller.labeller_fn": "@perfect_labeller",
        "validation_config.dataset.name": "'dsprites_rendered_small'",
    }.items():
        assert found[key] == value, key
    assert "validation_results.SAP_score" in found
    losses = ("reconstruction_loss", "elbo", "regularizer", "kl_loss", "loss")
    for key in (*losses, "supervised_loss", "elapsed_time", "uuid"):
        assert f"train_results.{key}" in found


def test_model_of_few_labels_is_scored_again(few_labels, world, run):
    flags = ("--model_dir=few_labels", "--output_directory=again", *PLAN, VALIDATION)
    printed(run("dmt_reproduce_semi_supervised", *flags, *SEEDS))
    again = world / "again"
    assert names(again) == names(few_labels) - {"model"}
    folder = "metrics/mean/mig_5"
    assert scores(again / folder) == scores(few_labels / folder)
    folder = "validation/mean/mig_validation_5_40"
    found = results(again / folder, "validation")
    assert found == results(few_labels / folder, "validation")


def test_pairs(pairs):
    assert names(pairs) == {"model", "visualizations", "postprocessed", "metrics"}
    # Without the metric that needs no factors, and without a table.
    assert names(pairs / "metrics") == {"mean"}
    assert names(pairs / "metrics/mean") == {"mig_0"}
    assert has_results(pairs / "metrics/mean/mig_0", *STEPS)
    animation = pairs / "model/visualizations/weak/animation.gif"
    assert animation.read_bytes().startswith(b"GIF8")
    found = load(pairs / "metrics/mean/mig_0/results/aggregate/evaluation.json")
    assert found["train_config.model.name"] == "'group_vae'"
    assert found["train_config.model.model"] == "@group_vae_argmax()"
    assert found["evaluation_config.evaluation.name"] == "'mig'"
    for key in ("reconstruction_loss", "elbo", "regularizer", "kl_loss", "loss"):
        assert f"train_results.{key}" in found


def test_training_with_pairs(pairs, world, run):
    config = pairs / "model/results/gin/train.gin"
    folder, name = config.parent, config.name
    flags = (f"--gin_model_dir={folder}", f"--gin_file_name={name}")
    printed(run("dmt_train_weakly_supervised", "--model_dir=repeated", *flags))
    assert state(world / "repeated") == state(pairs / "model")
    assert results(world / "repeated") == results(pairs / "model")


def test_repeated_metrics(world, run):
    flags = ("--random_seed=0", "--num_eval=2", "--scores_list=mig")
    flags += ("--evaluation_num_samples_train=30,60", "--output_directory=repetitions")
    flags += (*model("vae"), *PLAN, *bound(vae__beta=3.0))
    printed(run("dmt_reproduce_jmlr", *flags))
    output = world / "repetitions"
    assert names(output) == {"model", "visualizations", "postprocessed", "metrics"}
    metrics = output / "metrics/mean"
    assert names(metrics) == {
        *("mig_30_0", "mig_60_0", "mig_30_1", "mig_60_1"),
        *("unsupervised_0", "unsupervised_1"),
    }
    found = load(metrics / "mig_60_1/results/aggregate/evaluation.json")
    assert found["evaluation_config.mig.num_train"] == "60"
    assert found["train_config.vae.beta"] == "3.0"
    assert scores(metrics / "mig_60_0") != scores(metrics / "mig_60_1")
    # The seed of the file, both times.
    assert scores(metrics / "unsupervised_0") == scores(metrics / "unsupervised_1")
    table = load(output / "metrics/aggregated_results.json")
    assert len(table["path"]) == 6


def test_killed_pipeline_keeps_its_codes(few_labels, world, run):
    (world / "killed").mkdir()
    (world / "killed/a_mig.gin").write_text((world / "metrics/mig.gin").read_text())
    (world / "killed/b_all.gin").write_text(all_codes.GIN)
    flags = ("--model_dir=few_labels", *PLAN[:1], *SEEDS, VALIDATION)
    flags += ("--gin_evaluation_config_glob=killed/*.gin",)
    pipeline = functools.partial(run, "dmt_reproduce_semi_supervised", *flags)
    printed(pipeline("--output_directory=alone"))
    killed = pipeline(
        "--output_directory=stopped", code="import os; os.environ['DMT_TEST_KILL'] = ''"
    )
    assert killed.returncode == -signal.SIGKILL
    process = pipeline("--output_directory=stopped")
    printed(process)
    assert "4608 images were encoded before" in process.stderr
    assert not (world / "stopped/.moments").exists()
    for name in ("a_mig_5", "b_all_5"):
        first, second = (
            scores(world / folder / "metrics/mean" / name)
            for folder in ("alone", "stopped")
        )
        assert first == second


@pytest.mark.slow
def test_study(study):
    assert names(study) == {"model", "visualizations", "postprocessed", "metrics"}
    assert names(study / "metrics/mean") == {"mig", "unsupervised"}
    assert has_results(study / "metrics/mean/mig", *STEPS)
    hidden = (path.relative_to(study) for path in study.rglob(".tmp*"))
    # The last checkpoint is written twice, and not again if the second try is killed.
    assert not [path for path in hidden if "tf_checkpoint" not in path.parts]
    found = load(study / "metrics/mean/mig/results/aggregate/evaluation.json")
    for key, value in {
        "train_config.model.name": "'vae'",
        "train_config.model.model_num": "1",
        "train_config.vae.beta": "3.0",
        "train_results.global_step": 6,
        "postprocess_config.postprocess.random_seed": "2357136044",
        "evaluation_config.evaluation.random_seed": "2546248239",
    }.items():
        assert found[key] == value, key


@pytest.mark.slow
def test_complete_study_is_skipped_or_repeated(study, world, run):
    before, found = contents(study), scores(study / "metrics/mean/mig")
    command = (world / "dmt_reproduce", "--study=tiny", "--model_num=1")
    printed(run(*command))
    assert contents(study) == before
    # A killed study ends where one ends that is made at once.
    printed(run(*command, "--overwrite"))
    after = contents(study)
    assert complete(study).keys() <= {
        path for path in after if after[path] != before.get(path)
    }
    assert scores(study / "metrics/mean/mig") == found


@pytest.mark.parametrize(
    ("command", "flags", "lines"),
    [
        (
            "dmt_reproduce",
            ["--model_num=10850"],
            [
                "train: out/model",
                "dataset.name = 'shapes3d'",
                "model.model_num = 10850",
                "evaluate: out/postprocessed/mean -> out/metrics/mean/mig",
            ],
        ),
        (
            "dmt_reproduce_jmlr",
            [*model("vae"), *PLAN, "--random_seed=0"],
            [
                "model.random_seed = 2357136044",
                "evaluate: out/postprocessed/mean -> out/metrics/mean/mig_0",
                "-> out/metrics/aggregated_results.json",
            ],
        ),
        (
            "dmt_reproduce_semi_supervised",
            ["--model_dir=few_labels", *PLAN, VALIDATION, *SEEDS],
            [
                "visualize: few_labels/model -> out/visualizations",
                "out/validation/mean/mig_validation_5_40",
                "validation.num_labelled_samples = 40",
                "labeller.labeller_fn = @perfect_labeller",
            ],
        ),
        (
            "dmt_reproduce_weakly_supervised",
            [*model("group_vae"), *PLAN, "--pipeline_seed=0"],
            ["train: out/model", "models/group_vae.gin", "out/metrics/mean/mig_0"],
        ),
    ],
)
def test_only_print_writes_nothing(command, flags, lines, few_labels, world, run):
    before = contents(world)
    text = printed(run(command, "--output_directory=out", "--only_print", *flags))
    for line in lines:
        assert line in text
    assert "train:" in text or "few_labels" in text
    assert contents(world) == before and not (world / "out").exists()
