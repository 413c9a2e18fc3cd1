"""Golden cases of losses, and how they are compared."""

import json
import pathlib

import numpy as np
from keras import ops

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


def load(name):
    """Reads golden cases as {case: {"in": arrays by name, "out": ..., settings}}."""
    file = np.load(GOLDEN / f"{name}.npz")
    return {
        case: {
            **entry,
            **{
                kind: {key: file[array] for key, array in entry[kind].items()}
                for kind in ("in", "out")
            },
        }
        for case, entry in json.loads(file["cases"].tobytes()).items()
    }


def check(actual, expected, rtol=1e-5, atol=1e-5):
    """Compares tensors; `atol` is relative to the largest value expected, if > 1."""
    np.testing.assert_allclose(
        ops.convert_to_numpy(actual), expected, rtol=rtol, atol=atol * _scale(expected)
    )


def _scale(expected):
    return max(1.0, np.abs(expected).max())


class ConstantDiscriminator:
    """Gives the recorded logits: first of the codes, then of the shuffled codes."""

    trainable_variables = ()
    non_trainable_variables = ()

    def __init__(self, logits, logits_shuffled):
        self.logits = logits
        self.logits_shuffled = logits_shuffled

    def stateless_call(self, trainable, non_trainable, codes):
        return self.logits, non_trainable

    def __call__(self, codes):
        return np.concatenate([self.logits, self.logits_shuffled])
