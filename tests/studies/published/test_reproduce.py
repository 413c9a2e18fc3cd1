"""Pipelines have the seeds, bindings and directories of disentanglement_lib."""

import os

import numpy as np
import pytest

from dmt.studies.published import reproduce
from dmt.studies.published import studies as published
from dmt.studies.published.sweeps import sweep
from dmt.utils import files, results
from tests.helpers import processes
from tests.helpers.runs import TINY, bindings

# The seeds of the two representations, then of each metric of the mean and the sampled
# one, as the original draws them: without and with the fairness metric.
POSTPROCESSING_SEEDS = [2357136044, 2546248239]
EVALUATION_SEEDS = {
    "unsupervised_study_v1": {
        "beta_vae_sklearn": [3071714933, 1650906866],
        "dci": [3626093760, 1879422756],
        "downstream_task_boosted_trees": [2588848963, 1277901399],
        "downstream_task_logistic_regression": [3684848379, 3830135878],
        "factor_vae_metric": [2340255427, 243580376],
        "mig": [3638918503, 4138900056],
        "modularity_explicitness": [1819583497, 1171049868],
        "sap_score": [2678185683, 1646868794],
        "unsupervised": [2774094101, 2051556033],
    },
    "fairness_study_v1": {
        "beta_vae_sklearn": [3071714933, 1879422756],
        "dci": [3626093760, 1277901399],
        "downstream_task_boosted_trees": [2588848963, 3830135878],
        "downstream_task_logistic_regression": [3684848379, 243580376],
        "factor_vae_metric": [2340255427, 4138900056],
        "fairness": [3638918503, 1171049868],
        "mig": [1819583497, 1646868794],
        "modularity_explicitness": [2678185683, 2051556033],
        "sap_score": [2774094101, 3400433126],
        "unsupervised": [1650906866, 3488238119],
    },
}
EVALUATION_SEEDS["abstract_reasoning_study_v1"] = EVALUATION_SEEDS[
    "unsupervised_study_v1"
]
FOLDERS = ("models", "postprocess", "metrics", "validation")


def of_kind(steps, kind):
    return [step for step in steps if step.kind == kind]


def bound(step):
    return dict(line.split(" = ") for line in step.gin_bindings)


def seeds_of(steps, kind, binding):
    """The seed that each step binds, by what it writes."""
    return {step.output: int(bound(step)[binding]) for step in of_kind(steps, kind)}


@pytest.mark.parametrize("name", EVALUATION_SEEDS)
def test_study_draws_the_seeds_of_the_original(name):
    output = f"output/{name}/7"
    steps = reproduce.plan_study(published.STUDIES[name], 7, output)
    found = seeds_of(steps, "postprocess", "postprocess.random_seed")
    assert found == {
        f"{output}/postprocessed/mean": POSTPROCESSING_SEEDS[0],
        f"{output}/postprocessed/sampled": POSTPROCESSING_SEEDS[1],
    }
    expected = {
        f"{output}/metrics/{representation}/{metric}": seeds[place]
        for place, representation in enumerate(("mean", "sampled"))
        for metric, seeds in EVALUATION_SEEDS[name].items()
    }
    found = seeds_of(steps, "evaluate", "evaluation.random_seed")
    assert list(found.items()) == list(expected.items())


def test_study_trains_the_model_and_scores_its_representations():
    study = published.STUDIES["unsupervised_study_v1"]
    output = "output/unsupervised_study_v1/10800"
    steps = reproduce.plan_study(study, 10800, output)
    train, visualize, mean, _, score = steps[:5]
    assert (train.kind, train.output) == ("train", f"{output}/model")
    assert train.gin_files == (study.model_file,)
    assert train.gin_bindings == (
        "model.name = 'shared'",
        "model.model_num = 10800",
        *study.model_bindings(10800),
    )
    assert (visualize.input, visualize.output) == (
        f"{output}/model",
        f"{output}/visualizations",
    )
    assert mean.input == f"{output}/model"
    assert bound(mean)["postprocess.name"] == "'mean'"
    assert score.input == f"{output}/postprocessed/mean"
    assert bound(score)["evaluation.name"] == "'beta_vae_sklearn'"
    assert len(steps) == 4 + 2 * 9


def test_model_that_is_given_is_not_trained():
    study = published.STUDIES["unsupervised_study_v1"]
    steps = reproduce.plan_study(study, 0, "output", model_dir="some/model")
    assert not of_kind(steps, "train")
    assert {step.input for step in steps[:3]} == {"some/model"}
    assert steps[0].output == "output/visualizations"
    trained = reproduce.plan_study(study, 0, "output")
    for with_model, without in zip(steps, trained[1:], strict=True):
        assert with_model.gin_bindings == without.gin_bindings


@pytest.mark.parametrize(
    ("output_directory", "model_dir", "expected"),
    [
        (None, None, "output/fairness_study_v1/3/visualizations"),
        (None, "some/model", "output/visualizations"),
        ("out/{model_num}/of/{study}", None, "out/3/of/fairness_study_v1/vis"),
        ("{out}", None, "{out}/visualizations"),
    ],
)
def test_output_directory_names_study_and_model(
    output_directory, model_dir, expected, capsys
):
    study = published.STUDIES["fairness_study_v1"]
    reproduce.reproduce(study, 3, output_directory, model_dir, only_print=True)
    assert f"-> {expected}" in capsys.readouterr().out


@pytest.fixture
def patterns(tmp_path):
    """Empty gin files, and the arguments that name them."""
    for folder, names in zip(
        FOLDERS,
        (["vae"], ["mean", "sampled"], ["dci", "mig", "unsupervised"], ["dci", "mig"]),
        strict=True,
    ):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.gin").touch()
    return {
        "output_directory": "out",
        "gin_model_config_dir": str(tmp_path / "models"),
        "gin_model_config_name": "vae.gin",
        "gin_postprocess_config_glob": str(tmp_path / "postprocess" / "*.gin"),
        "gin_evaluation_config_glob": str(tmp_path / "metrics" / "*.gin"),
    }


# The first numbers that RandomState(0) draws below 2**32.
DRAWS = np.random.RandomState(0).randint(2**32, size=30).tolist()


def test_draws_begin_with_the_seeds_of_the_studies():
    assert DRAWS[:3] == [*POSTPROCESSING_SEEDS, 3071714933]


def test_jmlr_repeats_metrics_with_several_numbers_of_samples(patterns):
    steps = reproduce.plan_jmlr(
        reproduce.Pipeline(**patterns, gin_bindings=["vae.beta = 2"]),
        random_seed=0,
        num_eval=2,
        scores_list=["dci"],
        evaluation_num_samples_train=["100", "1000"],
    )
    assert [step.kind for step in steps] == [
        *("train", "visualize", "postprocess", "postprocess"),
        *["evaluate"] * 2 * 2 * 4,
        "aggregate",
    ]
    assert steps[0].gin_bindings == (
        f"model.random_seed = {DRAWS[0]}",
        "model.name = 'vae'",
        "vae.beta = 2",
    )
    assert steps[0].output == "out/model"
    seeds = seeds_of(steps, "postprocess", "postprocess.random_seed")
    assert list(seeds.values()) == DRAWS[1:3]
    scores = of_kind(steps, "evaluate")
    assert [step.output for step in scores[:4]] == [
        f"out/metrics/mean/{folder}"
        for folder in ("dci_100_0", "dci_1000_0", "mig_0", "unsupervised_0")
    ]
    assert scores[4].output == "out/metrics/sampled/dci_100_0"
    assert scores[8].output == "out/metrics/mean/dci_100_1"
    draws = iter(DRAWS[3:])
    for step in scores:
        lines = bound(step)
        if lines["evaluation.name"] == "'dci'":
            assert lines["evaluation.random_seed"] == str(next(draws))
            assert lines["dci.num_train"] == step.output.split("_")[1]
        else:
            # The seed of the file.
            assert list(lines) == ["evaluation.name"]
    assert steps[-1].output == "out/metrics/aggregated_results.json"
    assert steps[-1].input == "out/metrics/*/*/results/aggregate/evaluation.json"


def test_jmlr_draws_the_seed_of_a_model_that_is_given(patterns):
    steps = reproduce.plan_jmlr(
        reproduce.Pipeline(**patterns, model_dir="given"), random_seed=0
    )
    assert steps[0].kind == "visualize" and steps[0].input == "given/model"
    seeds = seeds_of(steps, "postprocess", "postprocess.random_seed")
    assert list(seeds.values()) == DRAWS[1:3]


@pytest.mark.parametrize(
    ("scores_list", "numbers", "message"),
    [
        (["dci"], [], "needs --evaluation_num_samples_train"),
        (["dci"], ["100", "1e3"], "Received: 100,1e3"),
        (["dci", "dcci"], ["100"], "among dci, mig, unsupervised. Received: dcci"),
    ],
)
def test_jmlr_needs_metrics_and_numbers_of_samples(
    patterns, scores_list, numbers, message
):
    with pytest.raises(ValueError, match=message):
        reproduce.plan_jmlr(
            reproduce.Pipeline(**patterns),
            random_seed=0,
            scores_list=scores_list,
            evaluation_num_samples_train=numbers,
        )


LABELS = {
    "supervised_seed": 5,
    "num_labelled_samples": 100,
    "train_percentage": 0.9,
    "labeller_fn": "@perfect_labeller",
}


def test_semi_supervised_validates_with_the_labels_of_the_training(patterns, tmp_path):
    validation = str(tmp_path / "validation" / "*.gin")
    steps = reproduce.plan_semi_supervised(
        reproduce.Pipeline(**patterns, gin_bindings=["s2_vae.beta = 2"]),
        pipeline_seed=0,
        eval_seed=0,
        labels=reproduce.Labels(**LABELS),
        gin_validation_config_glob=validation,
    )
    assert [step.kind for step in steps] == [
        *("train", "visualize", "postprocess", "postprocess"),
        *["validate"] * 4,
        *["evaluate"] * 6,
        "aggregate",
    ]
    assert steps[0].gin_bindings == (
        f"model.model_seed = {DRAWS[0]}",
        f"model.unsupervised_data_seed = {DRAWS[1]}",
        "model.name = 'vae'",
        "model.supervised_data_seed = 5",
        "model.num_labelled_samples = 100",
        "model.train_percentage = 0.9",
        "labeller.labeller_fn = @perfect_labeller",
        "s2_vae.beta = 2",
    )
    seeds = seeds_of(steps, "postprocess", "postprocess.random_seed")
    assert list(seeds.values()) == DRAWS[2:4]
    dci, mig = of_kind(steps, "validate")[:2]
    assert dci.output == "out/validation/mean/dci_validation_5_100"
    assert dci.input == "out/postprocessed/mean"
    shared = {
        "validation.random_seed": "5",
        "validation.num_labelled_samples": "100",
        "labeller.labeller_fn": "@perfect_labeller",
    }
    assert bound(dci) == {
        **shared,
        "validation.name": "'dci'",
        "dci_validation.train_percentage": "0.9",
    }
    assert bound(mig) == {**shared, "validation.name": "'mig'"}
    seeds = seeds_of(steps, "evaluate", "evaluation.random_seed")
    assert list(seeds.items()) == [
        (f"out/metrics/{representation}/{metric}_5", DRAWS[3 * place + k])
        for place, representation in enumerate(("mean", "sampled"))
        for k, metric in enumerate(("dci", "mig", "unsupervised"))
    ]


def test_semi_supervised_reads_the_labels_of_a_model_that_is_given(patterns, tmp_path):

    def plan(**labels):
        return reproduce.plan_semi_supervised(
            reproduce.Pipeline(**patterns, model_dir=str(tmp_path / "given")),
            pipeline_seed=0,
            eval_seed=1,
            labels=reproduce.Labels(**labels),
            gin_validation_config_glob=str(tmp_path / "validation" / "dci.gin"),
        )

    with pytest.raises(FileNotFoundError, match="train.gin"):
        plan()
    folder = tmp_path / "given/model/results/gin"
    folder.mkdir(parents=True)
    (folder / "train.gin").write_text(
        "model.supervised_data_seed = 7\n"
        "model.num_labelled_samples = 1000\n"
        "model.train_percentage = 0.5\n"
        "labeller.labeller_fn = @bin_labeller\n"
    )
    steps = plan()
    assert steps[0].kind == "visualize"
    seeds = seeds_of(steps, "postprocess", "postprocess.random_seed")
    assert list(seeds.values()) == DRAWS[2:4]
    validate = of_kind(steps, "validate")[0]
    assert validate.output == "out/validation/mean/dci_validation_7_1000"
    assert bound(validate) == {
        "dci_validation.train_percentage": "0.5",
        "validation.random_seed": "7",
        "validation.name": "'dci'",
        "validation.num_labelled_samples": "1000",
        "labeller.labeller_fn": "@bin_labeller",
    }
    assert of_kind(steps, "evaluate")[0].output == "out/metrics/mean/dci_7"
    with pytest.raises(ValueError, match="leave out --supervised_seed"):
        plan(supervised_seed=7)


def test_semi_supervised_names_what_is_missing(patterns):
    labels = {**LABELS, "labeller_fn": None}
    with pytest.raises(ValueError, match="--labeller_fn is missing"):
        reproduce.plan_semi_supervised(
            reproduce.Pipeline(**patterns),
            pipeline_seed=0,
            eval_seed=0,
            labels=reproduce.Labels(**labels),
        )


@pytest.mark.parametrize("model_dir", [None, "given"])
def test_weakly_supervised_leaves_out_unsupervised_metrics(patterns, model_dir):
    steps = reproduce.plan_weakly_supervised(
        reproduce.Pipeline(**patterns, model_dir=model_dir), pipeline_seed=0
    )
    draws = iter(DRAWS)
    if model_dir is None:
        assert steps[0].gin_bindings == (
            f"model.random_seed = {next(draws)}",
            "model.name = 'vae'",
        )
    seeds = seeds_of(steps, "postprocess", "postprocess.random_seed")
    assert list(seeds.values()) == [next(draws), next(draws)]
    seeds = seeds_of(steps, "evaluate", "evaluation.random_seed")
    assert list(seeds.items()) == [
        (f"out/metrics/{representation}/{metric}_0", next(draws))
        for representation in ("mean", "sampled")
        for metric in ("dci", "mig")
    ]
    assert steps[-1].kind == "evaluate"


def test_patterns_must_match_files_of_different_names(patterns, tmp_path):
    patterns["gin_evaluation_config_glob"] = str(tmp_path / "nothing" / "*.gin")
    with pytest.raises(ValueError, match="--gin_evaluation_config_glob=.*no file"):
        reproduce.plan_weakly_supervised(
            reproduce.Pipeline(**patterns), pipeline_seed=0
        )
    patterns["gin_evaluation_config_glob"] = str(tmp_path / "*" / "*.gin")
    with pytest.raises(ValueError, match="of the same name"):
        reproduce.plan_weakly_supervised(
            reproduce.Pipeline(**patterns), pipeline_seed=0
        )


@pytest.fixture(scope="module")
def tiny_study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gin")
    shared = {"dataset.name": "'auto'"}
    for name, lines in {
        "shared": TINY,
        "mean": {**shared, "postprocess.postprocess_fn": "@mean_representation"},
        "mig": {
            **shared,
            "evaluation.evaluation_fn": "@mig",
            "mig.num_train": "50",
            "discretizer.discretizer_fn": "@histogram_discretizer",
            "discretizer.num_bins": "20",
        },
        "beta_vae_sklearn": {
            **shared,
            "evaluation.evaluation_fn": "@beta_vae_sklearn",
            "beta_vae_sklearn.batch_size": "4",
            "beta_vae_sklearn.num_train": "50",
            "beta_vae_sklearn.num_eval": "20",
        },
    }.items():
        (folder / f"{name}.gin").write_text("\n".join(bindings(lines)))
    files = {name: str(folder / f"{name}.gin") for name in ("shared", "mean", "mig")}
    return published.PublishedStudy(
        "tiny",
        lambda: sweep("vae.beta", [1.0, 3.0]),
        files["shared"],
        (files["mean"],),
        (files["mig"], str(folder / "beta_vae_sklearn.gin")),
    )


@pytest.mark.slow
def test_tiny_study_is_reproduced_and_resumed(tiny_study, tmp_path):
    pattern = str(tmp_path / "{study}" / "{model_num}")
    reproduce.reproduce(tiny_study, 1, pattern)
    output = tmp_path / "tiny" / "1"
    assert {path.name for path in output.iterdir()} == {
        "model",
        "visualizations",
        "postprocessed",
        "metrics",
    }
    path = output / "metrics/mean/mig/results/aggregate/evaluation.json"
    scores = results.load_json(str(path))
    assert scores["train_config.vae.beta"] == "3.0"
    assert scores["train_config.model.model_num"] == "1"
    assert scores["train_config.model.name"] == "'shared'"
    assert scores["postprocess_config.postprocess.random_seed"] == str(DRAWS[0])
    assert scores["evaluation_config.evaluation.random_seed"] == str(DRAWS[2])
    assert 0 <= scores["evaluation_results.discrete_mig"] <= 1

    before = processes.complete(output)
    assert len(before) == 1 + 2 + 2 * 3
    files.remove(str(output / "metrics/mean/mig"))
    reproduce.reproduce(tiny_study, 1, pattern)
    after = processes.complete(output)
    assert after.keys() == before.keys()
    changed = {path for path in before if after[path] != before[path]}
    assert {path.parents[2].name for path in changed} == {"mig"}
    repeated = results.load_json(str(path))
    name = "evaluation_results.discrete_mig"
    assert repeated[name] == scores[name]

    with pytest.raises(ValueError, match="another configuration"):
        reproduce.reproduce(tiny_study, 0, str(output))
    files.remove(str(output / "model"))
    with pytest.raises(ValueError, match="mean was made before .*model was made anew"):
        reproduce.reproduce(tiny_study, 1, pattern)
    steps = reproduce.plan_study(tiny_study, 0, str(output))
    # The pictures take long.
    steps = [step for step in steps if step.kind != "visualize"]
    reproduce.execute(steps, str(output), overwrite=True)
    scores = results.load_json(str(path))
    assert scores["train_config.vae.beta"] == "1.0"


def test_only_print_writes_nothing(tiny_study, tmp_path, capsys):
    reproduce.reproduce(tiny_study, 1, str(tmp_path / "out"), only_print=True)
    text = capsys.readouterr().out
    for line in ("vae.beta = 3.0", f"evaluation.random_seed = {DRAWS[1]}"):
        assert line in text
    assert os.path.join("out", "metrics", "mean", "mig") in text
    assert not list(tmp_path.iterdir())
