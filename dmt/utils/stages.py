"""Gin configurables marked with the stage of a run that reads them.

The mark says what a binding can change. Bindings of "dataset" choose images, those of
"supervision" choose labels, pairs and tasks of images, those of "evaluation" change
scores only. Configurables of models, and those of users, carry no mark.
"""

import gin

STAGES = ("dataset", "supervision", "evaluation")

_stage_of_name = {}


def configurable(name, stage, **parameters):
    """`gin.configurable` that also marks the stage.

    Args:
        name: the name in gin files.
        stage: one of `STAGES`.
        **parameters: those of `gin.configurable`, for example denylist.
    """
    if stage not in STAGES:
        raise ValueError(f"stage must be one of {STAGES}. Received: stage={stage!r}")
    _stage_of_name[name] = stage
    return gin.configurable(name, **parameters)


def configurable_of(binding):
    """The configurable of a binding, without its scope, "" of a macro.

    Args:
        binding: for example "inner/split.base".
    """
    return binding.rpartition("/")[2].rpartition(".")[0]


def stage_of(binding):
    """The stage that a binding is marked with, None without a mark.

    Args:
        binding: for example "inner/split.base".
    """
    name = configurable_of(binding)
    return _stage_of_name.get(name, _stage_of_name.get(name.rpartition(".")[2]))
