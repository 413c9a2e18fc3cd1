"""Opens datasets by the names that gin files and result files use.

How a dataset gets its name is described in `dmt.data.registry`.
"""

import gin

from dmt.data import registry
from dmt.data.ground_truth.ground_truth_data import GroundTruthData
from dmt.data.registry import open_dataset, register
from dmt.utils import configuration, results, stages

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


def dataset_of(gin_file: str) -> GroundTruthData:
    """Opens the dataset that a step used.

    Args:
        gin_file: operative configuration of the step.

    Raises:
        FileNotFoundError: if the step did not finish.
        ValueError: if a module that it imports cannot be imported.
    """
    name = results.bound_string(gin_file, "dataset.name")
    with configuration.gin_configuration([], []):
        configuration.bind_dataset(gin_file)
        return open_dataset(name)
