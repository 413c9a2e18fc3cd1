"""Gin configurables become plain functions that no longer read gin."""

import gin
import pytest

from dmt.methods.shared import losses
from dmt.utils.resolution import resolved


@gin.configurable("resolution_inner", module="tests")
def inner(x, scale=1.0, shift=0.0):
    return scale * x + shift


@gin.configurable("resolution_outer", module="tests", denylist=["x"])
def outer(x, function=gin.REQUIRED, power=1):
    return function(x) ** power


def operative():
    return [line for line in gin.operative_config_str().splitlines() if "=" in line]


def test_parameters_are_those_of_the_moment():
    gin.parse_config(
        ["resolution_outer.function = @resolution_inner", "resolution_inner.scale = 3"]
    )
    function = resolved(outer, 1, function=1)
    assert function(2) == outer(2) == 6
    gin.clear_config()
    assert function(2) == 6


def test_operative_configuration_is_that_of_a_call():
    lines = [
        "resolution_outer.function = @resolution_inner",
        "resolution_inner.shift = 2.0",
        "resolution_inner.x = 5",
    ]
    gin.parse_config(lines)
    outer(1)
    expected = operative()
    gin.clear_config()
    gin.parse_config(lines)
    function = resolved(outer, 1, function=1)
    assert operative() == expected
    # A parameter that the caller gives is never taken from gin.
    assert function(1) == 3


def test_scopes_of_a_reference_count():
    gin.parse_config(
        [
            "resolution_outer.function = @first/resolution_inner",
            "resolution_inner.scale = 2",
            "first/resolution_inner.scale = 5",
        ]
    )
    assert resolved(outer, 1, function=1)(1) == outer(1) == 5


def test_missing_parameters_are_named_as_in_a_call():
    with pytest.raises(RuntimeError) as called:
        outer(1)
    with pytest.raises(RuntimeError) as looked_up:
        resolved(outer, 1)
    assert str(looked_up.value) == str(called.value)


def test_other_functions_stay_as_they_are():
    assert resolved(abs) is abs


def test_own_loss_with_parameters_of_its_own():
    @gin.configurable("resolution_loss", module="tests")
    def loss(true_images, reconstructed_images, activation, weight=1.0):
        return weight * (true_images - reconstructed_images), activation

    gin.parse_config(
        [
            "reconstruction_loss.loss_fn = @resolution_loss",
            "reconstruction_loss.activation = 'tanh'",
            "resolution_loss.weight = 4.0",
        ]
    )
    function = losses.reconstruction_loss()
    assert "resolution_loss.weight = 4.0" in operative()
    gin.clear_config()
    assert function(3.0, 1.0) == (8.0, "tanh")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("reconstruction_loss.activation = 'relu'", "activation='relu'"),
        ("reconstruction_loss.loss_fn = 'l2'", "loss_fn='l2'"),
    ],
)
def test_losses_that_are_not_possible_are_named_before_training(line, message):
    gin.parse_config(["reconstruction_loss.loss_fn = @l2_loss", line])
    with pytest.raises(ValueError, match=message):
        losses.reconstruction_loss()
