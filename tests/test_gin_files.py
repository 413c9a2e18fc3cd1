"""The original's gin files run unmodified, and write the original's files and keys."""

import json
import os
import pathlib

import pytest

from dmt.evaluation.evaluate import evaluate_with_gin
from dmt.evaluation.udr import evaluate as udr
from dmt.methods.train import train_with_gin
from dmt.postprocessing.postprocess import postprocess_with_gin
from dmt.utils import results
from dmt.validation.validate import validate_with_gin
from tests.helpers.runs import TINY, bindings

SURFACE = json.loads(
    (pathlib.Path(__file__).parent / "golden" / "dlib_surface.json").read_text()
)
FILES = SURFACE["gin_files"]

# What a gin file needs that is not in this version, by a word of its path.
MISSING = {
    "from_representation": "pgm",
    "abstract_reasoning/": "abstract_reasoning",
    "stage2": "abstract_reasoning",
}
# Bindings that make a file's run short.
SHORT = {
    "model": ["model.training_steps = 2", "model.eval_steps = 2"],
    "mig": ["mig.num_train = 50"],
    "dci": ["dci.num_train = 50", "dci.num_test = 20"],
    "factor_vae_score": [
        "factor_vae_score.num_train = 50",
        "factor_vae_score.num_eval = 20",
        "factor_vae_score.num_variance_estimate = 50",
    ],
    "beta_vae_sklearn": [
        "beta_vae_sklearn.num_train = 50",
        "beta_vae_sklearn.num_eval = 20",
    ],
    "sap_score": ["sap_score.num_train = 50", "sap_score.num_test = 20"],
    "modularity_explicitness": [
        "modularity_explicitness.num_train = 50",
        "modularity_explicitness.num_test = 20",
    ],
    "irs": ["irs.num_train = 50"],
    "unsupervised_metrics": ["unsupervised_metrics.num_train = 50"],
    "downstream_task": [
        "downstream_task.num_train = [10]",
        "downstream_task.num_test = 20",
    ],
    "reduced_downstream_task": [
        "reduced_downstream_task.num_train = [20]",
        "reduced_downstream_task.num_test = 10",
    ],
    "fairness": [
        "fairness.num_train = 50",
        "fairness.num_test_points_per_class = 5",
    ],
    "udr_sklearn": ["udr_sklearn.num_data_points = 50"],
    "validation": ["validation.num_labelled_samples = 100"],
}
OFFICIAL = "dataset.name = 'dsprites_rendered_small'"


def missing_piece(path):
    found = [piece for word, piece in MISSING.items() if word in path]
    return found[0] if found else None


def shortening(content):
    lines = []
    for configurable, short in SHORT.items():
        if any(name.startswith(f"{configurable}.") for name in content):
            lines += short
    if content.get("dataset.name") == '"dsprites_full"':
        lines.append(OFFICIAL)  # The official files are not on a test machine.
    return lines


def kind_of(content):
    if content.get("evaluation.evaluation_fn") == "@udr_sklearn":
        return "udr"
    for name, step in (
        ("model.model", "train"),
        ("postprocess.postprocess_fn", "postprocess"),
        ("evaluation.evaluation_fn", "evaluate"),
        ("validation.validation_fn", "validation"),
    ):
        if name in content:
            return step
    return "other"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    train_with_gin(str(root / "model"), gin_bindings=bindings(TINY))
    lines = bindings(TINY, model__random_seed="1")
    train_with_gin(str(root / "other_model"), gin_bindings=lines)
    postprocess_with_gin(
        str(root / "model"),
        str(root / "mean"),
        gin_bindings=[
            "dataset.name = 'auto'",
            "postprocess.postprocess_fn = @mean_representation",
            "postprocess.random_seed = 0",
        ],
    )
    return root


def run(path, content, trained, output_dir, tmp_path):
    gin_file = tmp_path / os.path.basename(path)
    gin_file.write_text("".join(f"{k} = {v}\n" for k, v in content.items()))
    lines = shortening(content)
    kind = kind_of(content)
    if kind == "train":
        train_with_gin(output_dir, False, [str(gin_file)], lines)
    elif kind == "postprocess":
        source = str(trained / "model")
        postprocess_with_gin(source, output_dir, False, [str(gin_file)], lines)
    elif kind == "udr":
        sources = [str(trained / "model"), str(trained / "other_model")]
        udr.evaluate_with_gin(sources, output_dir, False, [str(gin_file)], lines)
    elif kind == "validation":
        source = str(trained / "mean")
        validate_with_gin(source, output_dir, False, [str(gin_file)], lines)
    else:
        source = str(trained / "mean")
        evaluate_with_gin(source, output_dir, False, [str(gin_file)], lines)
    return kind


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path, marks=[pytest.mark.slow] if "reduced_downstream" in path else []
        )
        for path in FILES
        if not missing_piece(path)
    ],
)
def test_runs_unmodified(path, trained, tmp_path):
    output_dir = tmp_path / "out"
    kind = run(path, FILES[path], trained, str(output_dir), tmp_path)
    step = {"evaluate": "evaluation", "udr": "evaluation"}.get(kind, kind)
    config = results.load_json(output_dir / "results/json" / f"{step}_config.json")
    overridden = {line.split(" = ")[0] for line in shortening(FILES[path])}
    for name, value in FILES[path].items():
        if name in config and name not in (*overridden, "dataset.name"):
            assert eval_gin(config[name]) == eval_gin(value), name
    found = results.load_json(output_dir / "results/json" / f"{step}_results.json")
    assert set(expected_keys(FILES[path])) <= set(found)


def eval_gin(value):
    return (
        value
        if value.startswith("@")
        else json.loads(
            value.replace("'", '"').replace("True", "true").replace("False", "false")
            + ("0" if value.endswith(".") else "")
        )
    )


def expected_keys(content):
    always = list(SURFACE["metric_result_keys"]["_always"])
    if "model.model" in content:
        keys = SURFACE["train_result_keys"]
        family = "BaseVAE family/group_vae*/mlvae*"
        if content["model.model"] == "@s2_vae":
            family = "s2_vae/s2_dip_vae/s2_beta_tc_vae"
        return keys[family] + keys["_always"]
    metric = content.get("evaluation.evaluation_fn", "@").removeprefix("@")
    if "validation.validation_fn" in content:
        metric = content["validation.validation_fn"][1:].removesuffix("_validation")
    keys = SURFACE["metric_result_keys"].get(metric, [])
    # Names with a number of samples or of a factor are the metrics' tests to check.
    return [key for key in keys if "{" not in key] + always


@pytest.mark.parametrize("path", [p for p in FILES if missing_piece(p)])
def test_names_the_missing_piece(path, trained, tmp_path):
    output_dir = tmp_path / "out"
    with pytest.raises(ValueError) as info:
        run(path, FILES[path], trained, str(output_dir), tmp_path)
    message = str(info.value)
    assert "not part of this version" in message
    assert missing_piece(path) in message
    assert not output_dir.exists()


def files_below(directory):
    return {
        os.path.relpath(os.path.join(folder, name), directory)
        for folder, _, names in os.walk(directory)
        for name in names
    }


def step_files(*steps):
    return {
        name.format(step)
        for step in steps
        for name in (
            "results/gin/{}.gin",
            "results/json/{}_config.json",
            "results/json/{}_results.json",
            "results/aggregate/{}.json",
        )
    }


def test_directories_hold_the_originals_files(trained, tmp_path):
    train_files = files_below(trained / "model")
    assert step_files("train") | {"tfhub/saved_model.pb"} <= train_files
    assert any(f.startswith("tf_checkpoint/events.out.tfevents") for f in train_files)
    found = {f for f in files_below(trained / "model") if f.startswith("results")}
    assert found == step_files("train")

    found = {f for f in files_below(trained / "mean") if f.startswith("results")}
    assert found == step_files("train", "postprocess")
    assert "tfhub/saved_model.pb" in files_below(trained / "mean")

    content = FILES["config/unsupervised_study_v1/metric_configs/mig.gin"]
    run("mig.gin", content, trained, str(tmp_path / "out"), tmp_path)
    assert files_below(tmp_path / "out") == step_files(
        "train", "postprocess", "evaluation"
    )
    aggregate = results.load_json(tmp_path / "out/results/aggregate/evaluation.json")
    prefixes = {key.split(".")[0] for key in aggregate}
    assert prefixes == {
        f"{step}_{kind}"
        for step in ("train", "postprocess", "evaluation")
        for kind in ("config", "results")
    }
    assert aggregate["train_config.vae.beta"] == "1.0"
    assert aggregate["evaluation_config.dataset.name"] == "'dsprites_rendered_small'"
    assert "evaluation_results.discrete_mig" in aggregate


def test_factor_vae_result_keys(tmp_path):
    lines = bindings(TINY, model__model="@factor_vae()", factor_vae__gamma="1.0")
    train_with_gin(str(tmp_path / "model"), gin_bindings=lines)
    found = results.load_json(tmp_path / "model/results/json/train_results.json")
    keys = SURFACE["train_result_keys"]
    assert set(keys["factor_vae"] + keys["_always"]) <= set(found)
    assert "elbo" not in found


def test_missing_binding_is_named(tmp_path):
    lines = [line for line in bindings(TINY) if "vae.beta" not in line]
    with pytest.raises(ValueError, match="vae.beta"):
        train_with_gin(str(tmp_path / "model"), gin_bindings=lines)
    lines = [line for line in bindings(TINY) if "batch_size" not in line]
    with pytest.raises(ValueError, match="model.batch_size"):
        train_with_gin(str(tmp_path / "model"), gin_bindings=lines)
    lines = [line for line in bindings(TINY) if "encoder_fn" not in line]
    with pytest.raises(ValueError, match="encoder.encoder_fn"):
        train_with_gin(str(tmp_path / "model"), gin_bindings=lines)
    assert not (tmp_path / "model").exists()
