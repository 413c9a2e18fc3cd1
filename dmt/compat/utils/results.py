"""Names of disentanglement_lib for `dmt.utils.results`."""

import json
import shutil
from typing import Any

import gin
import numpy as np

from dmt.utils import files

__all__ = ["Encoder", "copydir", "save_gin"]


class Encoder(json.JSONEncoder):
    """Encoder of `json.dump` for numbers and arrays of NumPy."""

    def default(self, obj: Any) -> Any:
        """Numbers and lists for values of NumPy."""
        if isinstance(obj, (np.ndarray, np.generic)):
            return obj.tolist()
        return super().default(obj)


def copydir(path_to_old_dir: str, path_to_new_dir: str) -> None:
    """Copies a directory into another one, which is made if necessary."""
    shutil.copytree(path_to_old_dir, path_to_new_dir, dirs_exist_ok=True)


def save_gin(config_path: str) -> None:
    """Writes the operative gin configuration to a file."""
    files.write_text(config_path, gin.operative_config_str())
