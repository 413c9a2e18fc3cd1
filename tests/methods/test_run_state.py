"""Damaged checkpoints are named, and take no memory."""

import numpy as np
import pytest

from dmt.methods.train import prepare_with_gin, train_with_gin
from tests.helpers.runs import TINY, bindings


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """A directory that is not complete, and the arrays of its checkpoint."""
    model_dir = tmp_path_factory.mktemp("state") / "model"
    train_with_gin(str(model_dir), gin_bindings=bindings(TINY))
    for path in sorted((model_dir / "results").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (model_dir / "results").rmdir()
    with np.load(model_dir / "tf_checkpoint/checkpoint.npz") as file:
        return model_dir, dict(file)


def resume(model_dir):
    return prepare_with_gin(str(model_dir), gin_bindings=bindings(TINY), resume=True)


def shape(values):
    return values[:1]


def pickled(values):
    return np.array([{}], dtype=object)


def large(values):
    return np.zeros(10**9, "int8")


@pytest.mark.parametrize("change", [shape, pickled, large, None])
def test_arrays_of_another_model(change, arrays):
    model_dir, good = arrays
    path = model_dir / "tf_checkpoint/checkpoint.npz"
    largest = max(good, key=lambda name: good[name].size)
    bad = {name: values for name, values in good.items() if name != largest}
    if change:
        bad[largest] = change(good[largest])
    np.savez_compressed(path, **bad)
    with pytest.raises(ValueError, match="delete it to train from the start") as error:
        resume(model_dir)
    assert str(path) in str(error.value)
    np.savez(path, **good)
    assert resume(model_dir).state.step() == 6


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"PK\3\4"])
def test_files_that_are_no_checkpoint(content, arrays):
    model_dir, good = arrays
    path = model_dir / "tf_checkpoint/checkpoint.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read; delete it"):
        resume(model_dir)
    np.savez(path, **good)
