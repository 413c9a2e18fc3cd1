"""The study of multi-task learning and disentanglement."""

from dmt.studies.registry import Option, register

register(
    "multitask",
    "dmt.studies.multitask.runs:open_study",
    Option(
        "dataset",
        "name of the dataset, by default dsprites_rendered.",
        default="dsprites_rendered",
    ),
    Option(
        "scale",
        "small, reduced to an hour on two cores, or paper, as in the paper; by default "
        "small.",
        default="small",
        kind="enum",
        choices=("small", "paper"),
    ),
    is_default=True,
)
