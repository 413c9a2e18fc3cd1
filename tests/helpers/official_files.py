"""Help for tests that write small files in the formats of the published ones."""

import io
import math
import tarfile
import zipfile

import numpy as np
import pytest

from dmt.data.ground_truth import shapes3d

# Values as in the labels of the published Shapes3D.
SHAPES3D_VALUES = [
    np.arange(3) / 10,
    np.arange(2) / 10,
    np.arange(4) / 10,
    np.linspace(0.75, 1.25, 2),
    np.arange(2.0),
    np.linspace(-30, 30, 3),
]


class SmallShapes3D(shapes3d.Shapes3D):
    """Reads files in the official format of Shapes3D that hold a small grid."""

    factor_sizes = [len(values) for values in SHAPES3D_VALUES]


def textures(factor_sizes, observation_shape, seed=0):
    """Random images of a grid that hold their factors in the first pixels of a column.

    Returns:
      uint8 array of shape (product of factor_sizes, *observation_shape).
    """
    num = math.prod(factor_sizes)
    images = np.random.RandomState(seed).randint(
        256, size=(num, *observation_shape), dtype=np.uint8
    )
    factors = np.stack(np.unravel_index(np.arange(num), factor_sizes), axis=1)
    images[:, : len(factor_sizes), 0, 0] = factors
    return images


def corners_and_more(data):
    """Indices of the corners of the grid and of ten random images."""
    corners = np.indices([2] * len(data.factor_sizes)).reshape(
        len(data.factor_sizes), -1
    )
    ends = np.array(data.factor_sizes)[:, None] - 1
    indices = np.ravel_multi_index(tuple(corners * ends), data.factor_sizes)
    more = np.random.RandomState(3).randint(data.size, size=10)
    return np.append(indices, more)


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_bytes(path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(255 - b for b in content[middle:][:200])
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def check_refused(open_data, path, root, name):
    """Opening is one line that names the file and the command, nothing is prepared."""
    with pytest.raises(ValueError) as error:
        open_data()
    message = str(error.value)
    assert str(path) in message and f"`dmt_data fetch {name}`" in message
    assert "Received: " in message and "\n" not in message
    assert not files_below(root / "prepared")


def make_tar(path, members, mode="w"):
    """Writes an archive of members (path, bytes), or (path, bytes, type of a link)."""
    with tarfile.open(path, mode) as archive:
        for name, content, *kind in members:
            member = tarfile.TarInfo(name)
            member.size = 0 if kind else len(content)
            if kind:
                member.type, member.linkname = kind[0], content.decode()
            archive.addfile(member, io.BytesIO(content))
    return path


def make_zip(path, members):
    """As `make_tar`."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content, *kind in members:
            member = zipfile.ZipInfo(name)
            member.external_attr = (0o120777 if kind else 0o100644) << 16
            archive.writestr(member, content)
    return path
