"""CelebA: 202,599 faces with 40 binary attributes.

The dataset of Liu et al. (2015, "Deep learning face attributes in the wild"),
https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html. The attributes are labels for
downstream tasks. They do not form a grid, so metrics that fix factors cannot be
computed.
"""

import zipfile

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import prepared, table_data
from dmt.utils import checks, stages

IMAGE_SIZE = 64
SPLITS = ("train", "validation", "test")
_FILES = ("img_align_celeba.zip", "list_attr_celeba.txt", "list_eval_partition.txt")
_CROP = 178
_CHUNK = 256
_FETCH = (
    "run `dmt_data add celeba PATH` on the files of "
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
)


@stages.configurable("celeba", "dataset")
def rows_of_split(partition, split="all"):
    """Indices of the observations of a split.

    Args:
        partition: int array (n,), the index in SPLITS of each observation's split.
        split: "all", "train", "validation" or "test".

    Returns:
        int array, indices into the partition.
    """
    checks.one_of("celeba.split", split, ("all", *SPLITS))
    if split == "all":
        return np.arange(len(partition))
    rows = np.flatnonzero(partition == SPLITS.index(split))
    if not rows.size:
        raise ValueError(
            f"No image is in this split of CelebA. Received: celeba.split={split!r}"
        )
    return rows


@registry.dataset("celeba")
def celeba():
    """CelebA from the official files.

    The factors are the 40 attributes, which have two values each. Images are the centre
    squares of the aligned images, scaled to 64x64.

    Returns:
        `ImageTable` in the order of the official list.

    Raises:
        DatasetNotFound: if a file is missing.
        ValueError: if a file is damaged.
    """
    archive, attribute_list, partition_list = (
        prepared.find("celeba", [f"celeba/{name}"], _FETCH) for name in _FILES
    )
    with prepared.naming_damage(attribute_list, _FETCH):
        names, attribute_names, attributes = _read_attributes(attribute_list)
    with prepared.naming_damage(partition_list, _FETCH):
        partition = _read_partition(partition_list, names)
    rows = rows_of_split(partition)
    images = prepared.open_images(
        "celeba",
        [archive, attribute_list],
        lambda: _read_images(archive, names),
        (len(names), IMAGE_SIZE, IMAGE_SIZE, 3),
    )
    sizes = [2] * len(attribute_names)
    return table_data.ImageTable(
        "celeba", images, attributes[rows], attribute_names, sizes, rows, "official"
    )


def crop_and_scale(image):
    """Crops the centre square of an aligned image and scales it to 64x64.

    Args:
        image: `PIL.Image`, 178 pixels wide and 218 high.

    Returns:
        uint8 array (64, 64, 3).
    """
    from PIL import Image

    if image.size != (178, 218):
        raise ValueError(f"images must be 178 by 218 pixels, not {image.size}")
    top = (218 - _CROP) // 2
    square = image.convert("RGB").crop((0, top, _CROP, top + _CROP))
    image = square.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _read_attributes(file):
    """File names, names of attributes and attributes (n, num_attributes) of 0 and 1."""
    count, header, *lines = file.read_text().splitlines()
    attribute_names = header.split()
    cells = [line.split() for line in lines]
    if len(cells) != int(count):
        raise ValueError(f"{len(cells)} lines, not {count}")
    values = np.array([row[1:] for row in cells], dtype=np.int64)
    if values.shape != (len(cells), len(attribute_names)) or (abs(values) != 1).any():
        raise ValueError(f"lines must have {len(attribute_names)} numbers, 1 or -1")
    return [row[0] for row in cells], attribute_names, (values + 1) // 2


def _read_partition(file, names):
    parts = dict(line.split() for line in file.read_text().splitlines())
    return np.array([int(parts[name]) for name in names])


def _read_images(file, names):
    from PIL import Image

    with prepared.naming_damage(file, _FETCH), zipfile.ZipFile(file) as archive:
        for start in range(0, len(names), _CHUNK):
            images = []
            for name in names[start : start + _CHUNK]:
                with archive.open(f"img_align_celeba/{name}") as member:
                    images.append(crop_and_scale(Image.open(member)))
            yield np.stack(images)
