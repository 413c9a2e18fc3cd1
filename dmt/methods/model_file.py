"""The file that holds a trained network, `model.keras`."""

import os

import keras

from dmt.utils import files, keras_files

NAME = "model.keras"


def save(network: keras.Model, model_dir: str) -> None:
    """Writes `<model_dir>/model.keras`."""
    with files.replacing(os.path.join(model_dir, NAME)) as path:
        network.save(path)


def load(model_dir: str) -> keras.Model:
    """Reads what `save` wrote, on any backend.

    Raises:
        FileNotFoundError: if the directory holds no trained model.
        ValueError: if the file is damaged, or holds code and is not trusted.
    """
    return keras_files.load(
        os.path.join(model_dir, NAME), "train the model first (dmt_train)"
    )
