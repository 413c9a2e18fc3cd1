"""disentanglement_lib's path of the sweep of `abstract_reasoning_study_v1`."""

from dmt.compat.config import study
from dmt.compat.config.settings import datasets_of, get_num_latent, get_seeds
from dmt.studies.published import studies
from dmt.studies.published.studies import unsupervised_models as get_default_models

__all__ = [
    "AbstractReasoningStudyV1",
    "get_config",
    "get_datasets",
    "get_default_models",
    "get_num_latent",
    "get_seeds",
]


def get_datasets():
    """One setting for each dataset of the study."""
    return datasets_of(get_config())


def get_config():
    """The settings of all models of the study, {gin binding: value} by number."""
    return studies.find("abstract_reasoning_study_v1").settings


class AbstractReasoningStudyV1(study.Study):
    """See `Study`."""

    name = "abstract_reasoning_study_v1"
