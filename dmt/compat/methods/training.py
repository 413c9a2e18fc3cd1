"""The training function with the arguments of disentanglement_lib's three ones."""

from typing import Any

import gin

from dmt.methods import train as training


def run(model_dir: str, overwrite: bool, name: str, **settings: Any) -> None:
    """Trains a model; see `dmt.methods.train.train`.

    Args:
        model_dir: directory to write.
        overwrite: whether to replace `model_dir` if it exists.
        name: label, recorded in the results; "" for the one that gin binds.
        **settings: those of `TrainingSettings`; gin binds those that are
            `gin.REQUIRED`.
    """
    given = {key: value for key, value in settings.items() if value is not gin.REQUIRED}
    if name:
        given["name"] = name
    training.train(model_dir, overwrite, **given)
