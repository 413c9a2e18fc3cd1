"""The study of multi-task learning and disentanglement."""

from dmt.studies.registry import SCALE, Option, register

register(
    "multitask",
    "dmt.studies.multitask.runs:open_study",
    Option(
        "dataset",
        "name of the dataset, by default dsprites_rendered.",
        default="dsprites_rendered",
    ),
    SCALE,
    is_default=True,
)
