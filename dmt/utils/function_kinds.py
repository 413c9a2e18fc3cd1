"""Checks that a function which a gin file binds is of the kind that is called there.

What the caller gives distinguishes the kinds: the functions of this package name their
first parameters after it. Where it gives nothing, the names of the functions do.
"""

import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

import gin
from gin.config import ConfigurableReference

from dmt.utils import gin_files


class _Kind(NamedTuple):
    """A kind of functions.

    Attributes:
        given: names of what the caller gives by position.
        shipped: names of functions of this package of which one is shown, and which fit
            whatever their parameters are.
        named: names of what the caller gives by name.
    """

    given: str
    shipped: str = ""
    named: str = ""


_MATRIX = "mus_train ys_train mus_test ys_test"
_SUPERVISED = _Kind("", "xent l2 cov embed")
_SCHEDULE = _Kind("", "exponential_decay piecewise_constant")
_KINDS = {
    "activation": _Kind("tensor"),
    "anneal_fn": _Kind("gamma step iteration_threshold", "fixed"),
    "correlation_measure": _Kind(_MATRIX, "factorwise_dci"),
    "decoder_fn": _Kind("latent_tensor output_shape", "deconv_decoder"),
    "discretizer_fn": _Kind("target num_bins", "histogram_discretizer"),
    "discriminator_fn": _Kind("input_tensor", "fc_discriminator"),
    "encoder_fn": _Kind("input_tensor num_latent", "conv_encoder"),
    "evidence_accumulation.encoder_fn": _Kind("", "random_encoder"),
    "evidence_accumulation.network_fn": _Kind("", "leaky_rnn lstm causal_transformer"),
    "evaluation_fn": _Kind(
        "ground_truth_data representation_function", "mig udr_sklearn", "random_state"
    ),
    "kernel_initializer": _Kind("shape"),
    "labeller_fn": _Kind("labels dataset random_state", "perfect_labeller"),
    "learning_rate": _SCHEDULE,
    "matrix_fns": _Kind(_MATRIX, "importance_gbt_matrix"),
    "optimizer_fn": _Kind("", "AdamOptimizer GradientDescentOptimizer"),
    "postprocess_fn": _Kind(
        "ground_truth_data gaussian_encoder random_state save_path",
        "mean_representation",
    ),
    "predictor_fn": _Kind("", "logistic_regression_cv gradient_boosting_classifier"),
    "reconstruction_loss.loss_fn": _Kind(
        "true_images reconstructed_images activation", "bernoulli_loss"
    ),
    "score_fn": _Kind("dataset tables random_state", "pbt_mig"),
    "supervised_loss.loss_fn": _SUPERVISED,
    "validation_fn": _Kind(
        "observations labels representation_function", "mig_validation"
    ),
    "weak_loss.loss_fn": _SUPERVISED,
}


def fault(configurable: Any, parameter: str, value: Any) -> str:
    """What is wrong with the functions in a binding.

    Args:
        configurable: gin's `Configurable` of this package.
        parameter: the name of its parameter.
        value: what gin binds to the parameter.

    Returns:
        Text that begins with "must be", "" if nothing is wrong.
    """
    own = configurable.name.rpartition(".")[2]
    kind = _KINDS.get(f"{own}.{parameter}") or _KINDS.get(parameter)
    if kind is None:
        return ""
    for reference in _references(value):
        if reference.configurable is configurable or not _fits(
            reference.configurable, kind
        ):
            example, *_ = *kind.shipped.split(), None
            like = f" like @{example}" if example else " of your own"
            given = ", ".join(kind.given.split())
            takes = f", which takes ({given})" if given else ""
            required = gin_files.required_parameters(reference.configurable)
            return (
                f"must be a function{like}{takes}. Received: {parameter}={reference!r}"
                f", which takes ({', '.join(required)})"
            )
    return ""


def _references(value: Any) -> Iterator[ConfigurableReference]:
    """The references to configurables in a value, through macros."""
    for reference in gin.config.iterate_references(value):
        if reference.configurable.selector == "gin.macro":
            parameters = gin.config._CONFIG.get(reference.config_key, {})
            yield from _references(parameters.get("value"))
        elif reference.configurable.module != "gin":
            yield reference


def _fits(configurable, kind):
    given, named = kind.given.split(), kind.named.split()
    if gin_files.is_shipped(configurable):
        is_shown = configurable.name.rpartition(".")[2] in kind.shipped.split()
        return is_shown or (
            given and gin_files.required_parameters(configurable) == [*given, *named]
        )
    if not kind.given:
        return True  # The caller checks what it returns.
    try:
        parameters = inspect.signature(configurable.wrapped)
        parameters.bind_partial(*given, **dict.fromkeys(named))
    except TypeError:
        return False
    except ValueError:  # Some functions in C do not tell.
        return True
    return True
