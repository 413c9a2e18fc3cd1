"""The study of multi-task learning in networks that accumulate evidence."""

from dmt.studies.registry import Option, register

register(
    "evidence",
    "dmt.studies.evidence.runs:open_study",
    Option(
        "scale",
        "small, reduced to an hour on two cores, or paper, as in the paper; by default "
        "small.",
        default="small",
        kind="enum",
        choices=("small", "paper"),
    ),
)
