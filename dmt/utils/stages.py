"""Gin configurables that are marked with the stage of a run that reads them.

The mark tells what a binding can change. Bindings of "dataset" choose the images,
bindings of "supervision" choose labels, pairs and tasks, and bindings of "evaluation"
change only the scores. Configurables of models and of users have no mark.
"""

from collections.abc import Callable
from typing import Any

import gin

from dmt.utils import checks

_stage_of_name: dict[str, str] = {}


def configurable(name: str, stage: str, **parameters: Any) -> Callable:
    """Returns the decorator `gin.configurable(name)`, which also keeps the stage.

    Args:
        name: the name in gin files.
        stage: "dataset", "supervision" or "evaluation".
        **parameters: parameters of `gin.configurable`, for example denylist.
    """
    stages = ("dataset", "supervision", "evaluation")
    _stage_of_name[name] = checks.one_of("stage", stage, stages)
    return gin.configurable(name, **parameters)


def configurable_of(binding: str) -> str:
    """The configurable of a binding: "split" of "inner/split.base", "" of a macro."""
    return binding.rpartition("/")[2].rpartition(".")[0]


def stage_of(binding: str) -> str | None:
    """The stage that the configurable of a binding is marked with, None if unmarked."""
    name = configurable_of(binding)
    return _stage_of_name.get(name, _stage_of_name.get(name.rpartition(".")[2]))
