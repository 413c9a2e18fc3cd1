"""A wrong type in any gin binding is answered by the name and the type wanted."""

import contextlib
import re
from typing import Any

import gin
import pytest

from dmt.evaluation.metrics import registry
from dmt.utils import (
    bindings,
    configuration,
    function_kinds,
    gin_files,
    modules,
)

for package in ("data", "methods", "postprocessing", "evaluation", "analysis", "runs"):
    modules.import_all(f"dmt.{package}")
modules.import_all("dmt.studies")
modules.import_all("dmt.validation")

# Values of which no parameter takes more than a few.
VALUES = (
    "'a word'",
    "3.5",
    "True",
    "None",
    "[['x'], 1]",
    "{1: 'x'}",
    "@conv_encoder",
    "@conv_encoder()",
    "@test_encoder",
)


def parameters():
    """Full names of all parameters of this package that gin may bind."""
    for selector, configurable in sorted(gin.config._REGISTRY.items()):
        if configurable.wrapped.__module__.split(".")[0] != "dmt":
            continue
        for parameter in gin_files.signature_of(configurable).parameters.values():
            plain = parameter.kind == parameter.POSITIONAL_OR_KEYWORD
            allowed = parameter.name not in (configurable.denylist or ())
            if parameter.name != "self" and plain and allowed:
                yield selector, parameter.name, configurable


ALL = list(parameters())


def test_there_are_parameters():
    assert len(ALL) > 300


@pytest.mark.parametrize(
    "selector", sorted({selector for selector, *_ in ALL}), ids=str
)
def test_wrong_types_are_answered_by_name(selector):
    for _, parameter, configurable in (one for one in ALL if one[0] == selector):
        name = f"{configurable.name.rpartition('.')[2]}.{parameter}"
        if name == "model.model":  # Training checks it, with words of its own.
            continue
        assert bindings.wanted_types(configurable).get(parameter, Any) is not Any, name
        refused = 0
        for value in VALUES:
            try:
                with configuration.gin_configuration(
                    [], [f"{selector}.{parameter} = {value}"]
                ):
                    pass
            except ValueError as error:
                message = str(error)
                assert "\n" not in message
                if " in a ring: " not in message:
                    assert re.search(rf"\b{parameter}\b", message), message
                refused += 1
        assert refused >= 5, (name, refused)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("vae.beta = 'x'", "vae.beta must be a number. Received: beta='x'"),
        ("vae.beta = 1e999", "vae.beta must be a number. Received: beta=inf"),
        ("vae.beta = @conv_encoder", "a number. Received: beta=@conv_encoder"),
        (
            "mig.num_train = 0",
            "mig.num_train must be an integer, at least 1 and at most",
        ),
        ("n = -3\nmig.num_train = %n", "mig.num_train must be an integer, at least 1"),
        ("downstream_task.num_train = [9, 0]", "Received: num_train=0"),
        ("dci.batch_size = 10000000000", "dci.batch_size must be an integer, at least"),
        ("discretizer.num_bins = 10000000", "discretizer.num_bins must be an integer"),
        ("x/vae.beta = True", "x/vae.beta must be a number. Received: beta=True"),
        ("a = 'x'\nvae.beta = %a", "vae.beta must be a number. Received: beta=%a"),
        ("model.batch_size = 6.4", "model.batch_size must be an integer."),
        ("model.model_num = 'x'", "must be an integer or None."),
        ("model.name = 3", "model.name must be text in quotes. Received: name=3"),
        ("encoder.encoder_fn = 'conv_encoder'", "a function, written @name without"),
        ("encoder.encoder_fn = @vae()", "a function, written @name without"),
        (
            "encoder.encoder_fn = @conv_encoder()",
            "calls @conv_encoder without input_tensor, num_latent. Write @conv_encoder "
            "without parentheses",
        ),
        ("split.base = @split", "text in quotes or a configurable with parentheses"),
        ("correlated.pairs = ['ab', 3]", "a list in which each value is a list in"),
        ("conv_encoder.input_tensor = 3", "must be left out, because the caller gives"),
    ],
)
def test_messages(line, words):
    with pytest.raises(ValueError) as error:
        with configuration.gin_configuration([], [line]):
            pass
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        "vae.beta = 1",
        "a = 4.0\nvae.beta = %a",
        "model.jit_compile = 'auto'",
        "model.jit_compile = False",
        "encoder.encoder_fn = @conv_encoder",
        "split.base = @inner/split()\ninner/split.base = 'cars3d'",
        "vae_optimizer.learning_rate = @exponential_decay",
        "downstream_task.num_train = [10, 100]",
        "correlated.pairs = [('a', 'b')]",
        "split.held_out = {'shape': [2]}",
    ],
)
def test_right_types(line):
    with configuration.gin_configuration([], [line]):
        pass


def test_the_file_and_line_are_named(tmp_path):
    path = tmp_path / "file.gin"
    path.write_text("\nvae.beta = 'x'\n")
    with pytest.raises(ValueError, match=f"^{path}, line 2: vae.beta must be a number"):
        with configuration.gin_configuration([str(path)], []):
            pass
    with configuration.gin_configuration([str(path)], ["vae.beta = 2.0"]):
        pass


# The names of the functions of this package that fit, as a regular expression.
FITTING = {
    "encoder.encoder_fn": r"\w+_encoder",
    "decoder.decoder_fn": r"\w+_decoder",
    "discriminator.discriminator_fn": r"\w+_discriminator",
    "vae_optimizer.optimizer_fn": r"\w+Optimizer",
    "discriminator_optimizer.optimizer_fn": r"\w+Optimizer",
    "AdamOptimizer.learning_rate": "exponential_decay|piecewise_constant",
    "reconstruction_loss.loss_fn": "bernoulli_loss|l2_loss",
    "reconstruction_loss.activation": "none",
    "heads.kernel_initializer": "none",
    "supervised_loss.loss_fn": "xent|l2|cov|embed",
    "weak_loss.loss_fn": "xent|l2|cov|embed",
    "annealer.anneal_fn": "fixed|anneal|fine_tune",
    "labeller.labeller_fn": r"\w+_labeller",
    "discretizer.discretizer_fn": "histogram_discretizer",
    "predictor.predictor_fn": "logistic_regression_cv|gradient_boosting_classifier",
    "dci.predictor_fn": "logistic_regression_cv|gradient_boosting_classifier",
    "reduced_representation.correlation_measure": r"factorwise_dci|\w+_matrix",
    "unified_scores.matrix_fns": r"factorwise_dci|\w+_matrix",
    "evaluation.evaluation_fn": r"(?!\w+_validation|pbt_)\w+",
    "validation.validation_fn": r"\w+_validation",
    "pbt.score_fn": r"pbt_\w+",
    "postprocess.postprocess_fn": r"(mean|sampled)_representation",
}


def fitting(parameter):
    """Names of the functions of this package that a parameter takes."""
    value = "[@{}]" if parameter.endswith("_fns") else "@{}"
    for selector, configurable in gin.config._REGISTRY.items():
        if configurable.wrapped.__module__.split(".")[0] != "dmt":
            continue
        try:
            with configuration.gin_configuration(
                [], [f"{parameter} = {value.format(selector)}"]
            ):
                yield configurable.name
        except ValueError as error:
            assert "\n" not in str(error) and parameter in str(error)
            assert "must be a function" in str(error)


@pytest.mark.parametrize("parameter", FITTING)
def test_functions_of_other_kinds_are_answered_by_name(parameter):
    found = set(fitting(parameter))
    assert all(re.fullmatch(FITTING[parameter], name) for name in found), found
    shipped = function_kinds._KINDS.get(parameter.rpartition(".")[2])
    assert shipped is None or set(shipped.shipped.split()) <= found
    if parameter == "evaluation.evaluation_fn":
        metrics = {entry.gin_name for entry in registry.all_metrics().values()}
        assert metrics <= found


def test_all_functions_have_a_kind():
    for _, parameter, configurable in ALL:
        hint = bindings.wanted_types(configurable).get(parameter, Any)
        if bindings.fits(_reference_of(configurable), hint):
            name = f"{configurable.name}.{parameter}"
            kinds = function_kinds._KINDS
            assert name in kinds or parameter in kinds or name in ANY_FUNCTION, name


def _reference_of(configurable):
    return gin.config.ConfigurableReference(configurable.selector, False)


# The type is that of a caller in Python, or the step has a message of its own.
ANY_FUNCTION = ("bootstrap.metric", "model.model")


def of_users(target, num_bins, more=None):
    return target, num_bins, more


@pytest.mark.parametrize(
    ("parameter", "fits"),
    [
        ("discretizer.discretizer_fn", True),
        ("vae_optimizer.optimizer_fn", True),
        ("labeller.labeller_fn", True),
        ("postprocess.postprocess_fn", False),
        ("evaluation.evaluation_fn", False),
        ("heads.activation", True),
    ],
)
def test_functions_of_users_take_what_the_caller_gives(parameter, fits):
    gin.external_configurable(of_users, "of_users_of_bindings_test", module="own")
    lines = ["f = @of_users_of_bindings_test", f"{parameter} = %f"]
    expected = (
        contextlib.nullcontext()
        if fits
        else pytest.raises(ValueError, match=f"^{parameter} must be a function like @")
    )
    with expected, configuration.gin_configuration([], lines):
        pass


def test_functions_of_users_may_take_anything():
    @gin.configurable("own_of_bindings_test", module="own")
    def own(value: int = 3, other="x"):
        return value, other

    own.__wrapped__.__module__ = "own"
    lines = ["own_of_bindings_test.value = 'x'", "own_of_bindings_test.other = 3"]
    with configuration.gin_configuration(
        [], [*lines, "vae.beta = @own_of_bindings_test()"]
    ):
        assert own() == ("x", 3)
