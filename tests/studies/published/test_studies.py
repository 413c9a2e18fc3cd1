"""Published studies are, number for number, those of disentanglement_lib."""

import ast
import hashlib
import json
import os
import pathlib

import gin
import pytest

import dmt.methods.train  # noqa: F401 (registers the models)
from dmt.studies.published import studies as published
from dmt.utils import configuration, results

GOLDEN = pathlib.Path(__file__).parents[2] / "golden"
SURFACE = json.loads((GOLDEN / "dlib_surface.json").read_text())
MODELS = json.loads((GOLDEN / "studies.json").read_text())
SHA256 = {
    "unsupervised_study_v1": (
        "32db734e4952603d971cb641915285a592c156e8b970ab8f4e696203d73f9050"
    ),
    "fairness_study_v1": (
        "32db734e4952603d971cb641915285a592c156e8b970ab8f4e696203d73f9050"
    ),
    "abstract_reasoning_study_v1": (
        "039971193ed7cc37c4ec8d9b215ae24d9c8bca46b968771619302e73d6cdd78b"
    ),
}
FOLDERS = {
    "unsupervised_study_v1": "config/unsupervised_study_v1",
    "fairness_study_v1": "config/fairness_study_v1",
    "abstract_reasoning_study_v1": "config/abstract_reasoning_study_v1/stage1",
}


@pytest.mark.parametrize("name", SHA256)
def test_all_models_are_those_of_the_original(name):
    study = published.STUDIES[name]
    lines = [study.model_bindings(number) for number in range(len(study.settings))]
    assert hashlib.sha256(json.dumps(lines).encode()).hexdigest() == SHA256[name]
    for number, expected in MODELS[name].items():
        assert study.model_bindings(int(number)) == expected


@pytest.mark.parametrize("name", FOLDERS)
def test_gin_files_hold_what_the_original_files_hold(name):
    study, folder = published.STUDIES[name], FOLDERS[name]
    for kind, files in (
        ("model_configs", [study.model_file]),
        ("postprocess_configs", study.postprocess_files),
        ("metric_configs", study.evaluation_files),
    ):
        expected = {
            os.path.basename(path): content
            for path, content in SURFACE["gin_files"].items()
            if path.startswith(f"{folder}/{kind}/")
        }
        assert [os.path.basename(path) for path in files] == sorted(expected)
        for path in files:
            found = parsed(results.gin_dict(path))
            if kind == "model_configs":
                # Original FactorVAEs always count an update as two steps.
                assert found.pop("factor_vae.steps_per_update") == 2
            assert found == parsed(expected[os.path.basename(path)])


def parsed(content):
    return {
        name: value if value.startswith("@") else ast.literal_eval(value)
        for name, value in content.items()
    }


@pytest.mark.parametrize("number", [-1, 12600])
def test_models_that_do_not_exist_are_refused(number):
    with pytest.raises(ValueError, match="models 0 to 12599"):
        published.STUDIES["unsupervised_study_v1"].model_bindings(number)


def test_models_of_the_unsupervised_study_are_those_that_they_are_named_after():
    study = published.STUDIES["unsupervised_study_v1"]
    found = []
    for number in range(0, 1800, 50):
        lines = study.model_bindings(number)
        with configuration.gin_configuration([study.model_file], lines):
            make = gin.query_parameter("model.model").scoped_configurable_fn
            found.append(type(make()).__name__)
    kinds = ("BetaVAE", "FactorVAE", "DIPVAE", "DIPVAE", "BetaTCVAE", "AnnealedVAE")
    assert found == [kind for kind in kinds for _ in range(6)]


@pytest.mark.parametrize(
    ("name", "method", "arguments"),
    [
        ("unsupervised_study_v1", "factor_vae", ()),
        ("few_labels_study", "s2_factor_vae", ([3, 4],)),
    ],
)
def test_factor_vaes_count_each_update_as_two_steps(name, method, arguments):
    study = published.STUDIES[name]
    names = [setting["model.name"] for setting in study.settings]
    lines = study.model_bindings(names.index(method))
    with configuration.gin_configuration([study.model_file], lines):
        make = gin.query_parameter("model.model").scoped_configurable_fn
        assert make(*arguments).steps_per_update == 2


def test_weak_study_has_each_combination_once():
    study = published.STUDIES["weakly_supervised_study"]
    lines = {tuple(study.model_bindings(n)) for n in range(len(study.settings))}
    assert len(lines) == len(study.settings) == 25 * 4 * 6 * 10
    assert study.model_bindings(0) == [
        "dataset.name = 'dsprites_full'",
        "dynamics.k = 1",
        "encoder.encoder_fn = @conv_encoder",
        "decoder.decoder_fn = @deconv_decoder",
        "model.name = 'group_vae_labels'",
        "group_vae.beta = 1.0",
        "model.model = @group_vae_labels()",
        "model.random_seed = 0",
    ]


def test_few_labels_study_has_each_combination_once():
    study = published.STUDIES["few_labels_study"]
    lines = {tuple(study.model_bindings(n)) for n in range(len(study.settings))}
    assert len(lines) == len(study.settings) == 4 * 2 * 4 * 4 * 36 * 5
    assert study.model_bindings(6) == [
        "dataset.name = 'dsprites_full'",
        "encoder.encoder_fn = @conv_encoder",
        "decoder.decoder_fn = @deconv_decoder",
        "model.num_labelled_samples = 100",
        "labeller.labeller_fn = @perfect_labeller",
        "model.name = 's2_vae'",
        "model.model = @s2_vae",
        "s2_vae.beta = 1.0",
        "s2_vae.gamma_sup = 2.0",
        "model.model_seed = 1",
        "model.unsupervised_data_seed = 1",
        "model.supervised_data_seed = 1",
    ]
