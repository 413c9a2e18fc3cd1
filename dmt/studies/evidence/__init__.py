"""The study of multi-task learning in networks that accumulate evidence."""

from dmt.studies.registry import SCALE, register

register(
    "evidence",
    "dmt.studies.evidence.runs:open_study",
    SCALE,
)
