"""disentanglement_lib's paths of the gin files that both packages have.

The gin files of the folders `config/<study>/` there are shared by all studies here.
"""

import os
from collections.abc import Iterator

from dmt.studies.published.studies import STUDIES

__all__ = ["get_file", "get_files_in_folder"]

# {name of a study here: its folder there}
FOLDERS = {
    "unsupervised_study_v1": "config/unsupervised_study_v1",
    "abstract_reasoning_study_v1": "config/abstract_reasoning_study_v1/stage1",
    "fairness_study_v1": "config/fairness_study_v1",
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
        f"There is no gin file of this path. Received: path={path!r}. Those of studies "
        f"are in {', '.join(_folders())}."
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
            f"Those of studies are {', '.join(_folders())}."
        )
    yield from files


def _folders():
    """{folder of disentanglement_lib: the places of its files here}."""
    return {
        f"{folder}/{kind}_configs": files
        for study, folder in FOLDERS.items()
        for kind, files in (
            ("model", [STUDIES[study].model_file]),
            ("postprocess", STUDIES[study].postprocess_files),
            ("metric", STUDIES[study].evaluation_files),
        )
    }
