"""The file that holds a trained network, `model.keras`."""

import os
from typing import Any

import keras

from dmt.utils import files, keras_files

NAME = "model.keras"


def save(network: keras.Model, model_dir: str) -> None:
    """Writes `<model_dir>/model.keras`."""
    with files.replacing(os.path.join(model_dir, NAME)) as path:
        network.save(path)


def shapes(network: Any) -> tuple[list[tuple], list[tuple]]:
    """Shapes of the inputs and of the outputs of a network; [] if it has none."""
    found = (getattr(network, name, None) for name in ("inputs", "outputs"))
    inputs, outputs = ([tensor.shape for tensor in tensors or []] for tensors in found)
    return inputs, outputs


def load(model_dir: str) -> keras.Model:
    """Reads what `save` wrote, on any backend.

    Raises:
        FileNotFoundError: if the directory holds no trained model.
        ValueError: if the file is damaged, or holds code and is not trusted.
    """
    return keras_files.load(
        os.path.join(model_dir, NAME), "train the model first (dmt_train)"
    )
