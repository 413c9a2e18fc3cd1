"""Names of disentanglement_lib for `dmt.data.ground_truth.cars3d`."""

from dmt.data.ground_truth.ground_truth_data import data_root

__all__ = ["CARS3D_PATH"]

CARS3D_PATH = str(data_root() / "cars")
