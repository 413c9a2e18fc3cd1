"""disentanglement_lib's path of the studies by name."""

from dmt.compat.config.abstract_reasoning_study_v1.stage1 import sweep as reasoning
from dmt.compat.config.fairness_study_v1 import sweep as fairness
from dmt.compat.config.unsupervised_study_v1 import sweep as unsupervised

__all__ = ["STUDIES"]

STUDIES = {
    study.name: study
    for study in (
        unsupervised.UnsupervisedStudyV1(),
        reasoning.AbstractReasoningStudyV1(),
        fairness.FairnessStudyV1(),
    )
}
