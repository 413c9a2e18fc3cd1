"""Mistakes in the code of a user's model, reported with the place in this code."""

import contextlib
import os
import re
import sysconfig
import traceback
from collections.abc import Iterator
from typing import Any

import gin
import keras
from keras import ops

from dmt.utils import checks

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# An interpreter's own modules and installed packages are nobody's model.
_LIBRARIES = (
    _PACKAGE,
    *(
        os.path.realpath(sysconfig.get_path(name))
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    ),
    *(
        os.path.dirname(os.path.dirname(os.path.realpath(module.__file__)))
        for module in (gin, keras)
    ),
)


class OwnCodeError(ValueError):
    """An error in the code of a user's model; the message says where it is."""


class MissingHook(OwnCodeError, NotImplementedError):
    """A model lacks a method that training calls."""

    def __init__(self, model: object, what: str) -> None:
        super().__init__(f"{type(model).__name__} must define {what}.")


@contextlib.contextmanager
def located() -> Iterator[None]:
    """Context in which an error out of a user's code gets the place in its message.

    Errors of the operating system, and of the package's code, are left as they are.

    Raises:
        OwnCodeError: if a file that is neither of this package nor of an installed one
            takes part in the error.
    """
    try:
        yield
    except (OSError, OwnCodeError):
        raise
    except Exception as error:
        if _is_wrong_signature(error):
            raise OwnCodeError(str(error)) from error
        place = _place(error)
        # An unbound parameter is a mistake in a gin file, which gin names.
        if place is None or "bindings for" in str(error) or "by Gin" in str(error):
            raise
        text = " ".join(str(error).split("\n  In call to configurable")[0].split())
        kind = next(t for t in type(error).__mro__ if t.__module__ == "builtins")
        raise OwnCodeError(
            f"{place.filename}, line {place.lineno}, in {place.name}: {text} "
            f"({kind.__name__})"
        ) from error


def _is_wrong_signature(error):
    """Whether a method of a user's model takes other arguments than it is given."""
    if not re.match(r"[\w.<>]+\(\) (takes|missing|got) ", str(error)):
        return False
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    model = frame.f_locals.get("self")
    own = type(model).__module__.partition(".")[0]
    return isinstance(model, keras.Model) and own not in ("dmt", "keras")


def check_attributes(model: keras.Model, numbers: dict[str, float]) -> None:
    """Checks that a model keeps nothing under a name that training uses itself.

    Args:
        model: an initialised model.
        numbers: the numbers that its constructor kept, by name of the attribute.

    Raises:
        OwnCodeError: if a number was replaced, or a method of TensorFlow 1's estimators
            is defined, which nothing calls.
    """
    name = type(model).__name__
    for attribute, value in numbers.items():
        if attribute == "step" or vars(model).get(attribute) is not value:
            raise OwnCodeError(
                f"{name} keeps its argument {attribute} in an attribute that training "
                "uses itself. Call the argument and the attribute otherwise. "
                f"Received: {attribute}={value!r}"
            )
    if hasattr(model, "model_fn"):
        raise OwnCodeError(
            f"{name} defines model_fn, which is TensorFlow 1's and never called. "
            "Override regularizer, or batch_loss(self, x, y, y_pred, sample_weight, "
            "training), instead."
        )


def _place(error):
    """The innermost line of a user's code in the traceback of an error, or None."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = os.path.realpath(frame.filename)
        is_file = frame.filename.endswith(".py")
        if is_file and not any(path.startswith(f"{d}{os.sep}") for d in _LIBRARIES):
            return frame
    return None


def scalar(value: Any, name: str) -> Any:
    """Returns a part of the loss as a float32 scalar.

    Args:
        value: a number, or a tensor of shape ().
        name: what returned it, for example "MyVAE.regularizer".

    Raises:
        OwnCodeError: if it is something else.
    """
    shape = () if checks.is_number(value) else getattr(value, "shape", None)
    if shape is None:
        received = repr(value)
    elif tuple(shape) != ():
        received = f"a tensor of shape {tuple(shape)}"
    elif keras.backend.standardize_dtype(getattr(value, "dtype", "float32")) == "bool":
        received = "a tensor of dtype bool"
    else:
        return ops.cast(value, "float32")
    raise OwnCodeError(
        f"{name} must return a scalar, the mean over the batch (keras.ops.mean). "
        f"Received: {received}"
    )
