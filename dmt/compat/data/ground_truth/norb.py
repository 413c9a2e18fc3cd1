"""disentanglement_lib's path of SmallNORB."""

from dmt.data.ground_truth.ground_truth_data import data_root
from dmt.data.ground_truth.smallnorb import PARTS, SmallNORB

__all__ = ["SMALLNORB_CHUNKS", "SMALLNORB_TEMPLATE", "SmallNORB"]

SMALLNORB_CHUNKS = list(PARTS)
SMALLNORB_TEMPLATE = str(data_root() / "small_norb" / "smallnorb-{}-{}.mat")
