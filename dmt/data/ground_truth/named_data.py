"""Opens datasets by the names that gin files and result files use.

How a dataset gets its name is described in `dmt.data.registry`.
"""

from collections.abc import Iterable

import gin

from dmt.data import registry
from dmt.data.ground_truth.ground_truth_data import GroundTruthData
from dmt.data.registry import open_dataset, register
from dmt.utils import configuration, stages

__all__ = ["dataset_of", "get_named_ground_truth_data", "open_dataset", "register"]

# Scripts for earlier versions use this name.
open_data_set = open_dataset

# Gin must know the parameters of all datasets before it parses a file.
registry.import_shipped()


@stages.configurable("dataset", "dataset")
def get_named_ground_truth_data(name: str = gin.REQUIRED) -> GroundTruthData:
    """Opens the dataset that `dataset.name` is bound to.

    Args:
        name: name of a dataset of this package, of `register` or of an entry point.

    Raises:
        ValueError: if there is no such dataset.
        DatasetNotFound: if its files are not on this machine.
    """
    return open_dataset(name)


def dataset_of(
    gin_file: str,
    gin_config_files: Iterable[str] = (),
    gin_bindings: Iterable[str] = (),
) -> GroundTruthData:
    """Opens the dataset that a step used, or another one that gin is told to open.

    Args:
        gin_file: operative configuration of the step.
        gin_config_files: paths of gin files that override it.
        gin_bindings: lines of gin that override the files.

    Raises:
        FileNotFoundError: if the step did not finish.
        ValueError: if gin refuses a line, or a module that is imported fails or may not
            be imported.
    """
    with configuration.gin_configuration(gin_config_files, gin_bindings):
        configuration.bind_default("dataset.name", "'auto'")
        configuration.resolve_auto_dataset(gin_file)
        return get_named_ground_truth_data()
