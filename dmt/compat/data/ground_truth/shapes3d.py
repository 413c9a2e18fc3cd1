"""Names of disentanglement_lib for `dmt.data.ground_truth.shapes3d`."""

from dmt.data.ground_truth.ground_truth_data import data_root

__all__ = ["SHAPES3D_PATH"]

# The published file. disentanglement_lib reads another one, which was not published.
SHAPES3D_PATH = str(data_root() / "3dshapes" / "3dshapes.h5")
