"""disentanglement_lib's paths of the gin files that both packages have.

The gin files of the folders `config/<study>/` there are shared by all studies here.
Those of `config/tests/` are for dry runs.
"""

import glob
import os
from collections.abc import Iterator

from dmt.studies.published.studies import STUDIES
from dmt.utils.configuration import shipped

__all__ = ["get_file", "get_files_in_folder"]

# {name of a study here: its folder there}
FOLDERS = {
    "unsupervised_study_v1": "config/unsupervised_study_v1",
    "abstract_reasoning_study_v1": "config/abstract_reasoning_study_v1/stage1",
    "fairness_study_v1": "config/fairness_study_v1",
}
# {its folder there: the folder here}, of gin files for dry runs.
_CONFIG = os.path.join(os.path.dirname(os.path.dirname(__file__)), "config")
TESTS = {
    **{
        f"config/tests/{name}": os.path.join(_CONFIG, "tests", *name.split("/"))
        for name in (
            "evaluation/evaluate_test_configs",
            "methods/semi_supervised",
            "methods/unsupervised",
            "methods/weakly_supervised",
        )
    },
    "config/tests/methods/udr": shipped("udr"),
    "config/tests/postprocessing/postprocess_test_configs": shipped("postprocess"),
    "config/tests/validation/validation_test_configs": shipped("validation"),
}


def get_file(path: str) -> str:
    """The place of a gin file of a study.

    Args:
        path: its path in disentanglement_lib, for example
            "config/unsupervised_study_v1/metric_configs/mig.gin".

    Raises:
        FileNotFoundError: if this package does not have it.
    """
    folder, _, name = path.replace("//", "/").rpartition("/")
    for found in _folders().get(folder, ()):
        if os.path.basename(found) == name:
            return found
    raise FileNotFoundError(
        f"There is no gin file of this path. Received: path={path!r}. Known "
        f"folders are {', '.join(_folders())}."
    )


def get_files_in_folder(path: str) -> Iterator[str]:
    """Yields the places of the gin files of a folder, in the order of their names.

    Args:
        path: its path in disentanglement_lib, for example
            "config/unsupervised_study_v1/metric_configs".

    Raises:
        FileNotFoundError: if this package does not have it.
    """
    files = _folders().get(path.rstrip("/"))
    if files is None:
        raise FileNotFoundError(
            f"There is no folder of gin files of this path. Received: path={path!r}. "
            f"Known folders are {', '.join(_folders())}."
        )
    yield from files


def _folders():
    """{folder of disentanglement_lib: the places of its files here}."""
    of_studies = {
        f"{folder}/{kind}_configs": files
        for study, folder in FOLDERS.items()
        for kind, files in (
            ("model", [STUDIES[study].model_file]),
            ("postprocess", STUDIES[study].postprocess_files),
            ("metric", STUDIES[study].evaluation_files),
        )
    }
    of_tests = {
        folder: sorted(glob.glob(os.path.join(glob.escape(place), "*.gin")))
        for folder, place in TESTS.items()
    }
    return of_studies | of_tests
