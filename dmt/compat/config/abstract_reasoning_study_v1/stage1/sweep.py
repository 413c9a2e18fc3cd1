"""disentanglement_lib's path of the sweep of `abstract_reasoning_study_v1`."""

from dmt.compat.config import study
from dmt.studies.published import studies
from dmt.studies.published.studies import unsupervised_models as get_default_models
from dmt.studies.published.sweeps import sweep as _sweep

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
    names = (setting["dataset.name"] for setting in get_config())
    return _sweep("dataset.name", dict.fromkeys(names))


def get_num_latent(sweep):
    """One setting for each number of codes."""
    return _sweep("encoder.num_latent", sweep)


def get_seeds(num):
    """One setting for each seed from 0 to num - 1."""
    return _sweep("model.random_seed", range(num))


def get_config():
    """The settings of all models of the study, {gin binding: value} by number."""
    return studies.find("abstract_reasoning_study_v1").settings


class AbstractReasoningStudyV1(study.Study):
    """See `Study`."""

    name = "abstract_reasoning_study_v1"
