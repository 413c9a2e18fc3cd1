"""TriFinger: a robot finger and a cube, rendered and photographed.

The datasets of Dittadi et al. (2021, "On the transfer of disentangled representations
in realistic settings"), about a million rendered images with 8 colours of the cube,
others with 4 colours that are held out, and 1,809 photographs. There are no
images in which the finger would touch the cube or the floor, so the factors form a
table and not a grid.
"""

import functools
import tarfile
from pathlib import PurePosixPath

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import prepared, table_data
from dmt.utils import checks, stages

# Values of the stored factors, two of which are constant. The files hold them in a
# pickle, which is never opened.
_STORED = {
    "shape": [0],
    "color": [0, 330, 300, 270, 210, 180, 150, 120],
    "size": [0.065],
    "joint 0": np.linspace(-0.65, 0.65, 30),
    "joint 1": np.linspace(-0.5, 0.5, 30),
    "joint 2": np.linspace(-0.8, 0.8, 30),
    "position x": np.linspace(-0.11, 0.11, 30),
    "position y": np.linspace(-0.11, 0.11, 30),
    "angle": np.arange(10) * np.pi / 20,
}
_HELD_OUT_COLORS = [30, 60, 90, 240]
_SIDE = 128
_CHUNK = 64


def stored_values(folder):
    """Values of each stored factor of a dataset; see `open_trifinger`."""
    if folder != "finger_heldout_colors":
        return _STORED
    return {**_STORED, "color": _HELD_OUT_COLORS}


@stages.configurable("trifinger", "dataset", denylist=["name", "folder"])
def open_trifinger(name, folder, image_size=64):
    """Opens one of the datasets, preparing its images at the first use.

    The factors of variation are
        0 - color of the cube (8 values, hues of 0, 330, 300, 270, 210, 180, 150 and 120
            degrees; 4 for the held-out colours),
        1 - joint 0, the upper one (30: -0.65 to 0.65 rad),
        2 - joint 1, the middle one (30: -0.5 to 0.5 rad),
        3 - joint 2, the lower one (30: -0.8 to 0.8 rad),
        4 - position x of the cube (30: -0.11 to 0.11 m),
        5 - position y (30: -0.11 to 0.11 m),
        6 - angle of the cube (10: 0 to 81 degrees).

    Args:
        name: the name of the dataset.
        folder: its folder in robot_finger_datasets; its file names begin with it.
        image_size: height and width of the images, 64 or 128 (as in the files).

    Returns:
        `ImageTable` in the order of the labels.

    Raises:
        DatasetNotFound: if a file is missing.
        ValueError: if a file is damaged or image_size is another number.
    """
    checks.one_of("trifinger.image_size", image_size, (64, _SIDE))
    fetch = (
        f"run `dmt_data add {name} PATH` on the files that you got from the authors of "
        "https://arxiv.org/abs/2010.14407"
    )
    is_real = folder == "finger_real"
    stem = f"robot_finger_datasets/{folder}/{folder}"
    labels_file, images_file = (
        prepared.find(name, [f"{stem}_{part}"], fetch)
        for part in ("labels.npz", "images.npz" if is_real else "images.tar")
    )
    stored = stored_values(folder)
    with prepared.naming_damage(labels_file, fetch):
        numbers = _value_numbers(_labels(labels_file), stored)
    num_images = len(numbers)

    def read_images():
        with prepared.naming_damage(images_file, fetch):
            if is_real:
                yield from _read_npz(images_file, num_images, image_size)
            else:
                yield from _read_tar(images_file, image_size)

    rows = None if is_real else _rows(name, images_file, num_images, fetch)
    images = prepared.open_images(
        f"{name}/{image_size}",
        [images_file],
        read_images,
        (num_images, image_size, image_size, 3),
    )
    sizes = np.array([len(known) for known in stored.values()])
    names = np.array(list(stored))
    varies = sizes > 1
    return table_data.ImageTable(
        name,
        images,
        numbers[:, varies],
        names[varies].tolist(),
        sizes[varies].tolist(),
        rows,
        "official",
    )


for _name, _folder, _description in (
    ("trifinger", "finger", "A robot finger and a cube in 8 colours, rendered"),
    (
        "trifinger_heldout_colors",
        "finger_heldout_colors",
        "A robot finger and a cube in 4 other colours, rendered",
    ),
    ("trifinger_real", "finger_real", "A robot finger and a cube, photographs"),
):
    registry.dataset(_name, _description)(
        functools.partial(open_trifinger, _name, _folder)
    )


def _rows(name, images_file, num_images, fetch):
    """Position in the archive of the image of each label: int64, shape (num_images,).

    The file names of the images are numbers, and labels are in the order of these
    numbers. The archive is in another order.
    """

    def read():
        with prepared.naming_damage(images_file, fetch):
            stems = np.fromiter((stem for stem, _ in _members(images_file)), np.int64)
            if len(stems) != num_images:
                raise ValueError(f"{len(stems)} images for {num_images} labels")
            if len(np.unique(stems)) != len(stems):
                raise ValueError("several images have the same number")
        yield stems

    stems = prepared.open_images(
        f"{name}/numbers", [images_file], read, (num_images,), "int64"
    )
    return np.argsort(stems)


def _labels(file):
    with np.load(file, allow_pickle=False) as arrays:
        labels = arrays["labels"]
    if labels.ndim != 2 or labels.shape[1] != len(_STORED) or not len(labels):
        raise ValueError(f"labels must have {len(_STORED)} columns, not {labels.shape}")
    return labels


def _value_numbers(labels, stored):
    """Converts labels, which are value numbers or values, to numbers: int64 (n, 9)."""
    numbers = np.empty(labels.shape, dtype=np.int64)
    for column, (name, values) in enumerate(stored.items()):
        label, values = labels[:, column], np.asarray(values, dtype=float)
        is_number = np.isin(label, np.arange(len(values)))
        if is_number.all():
            numbers[:, column] = label
            continue
        # The labels are values, so find the nearest known value.
        nearest = np.abs(label[:, None] - values).argmin(axis=1)
        tolerance = np.diff(np.sort(values)).min() / 4 if len(values) > 1 else 0.01
        far = np.abs(values[nearest] - label) > tolerance
        if far.any():
            odd = label[np.argmax(far + 1 - is_number)]
            raise ValueError(
                f"labels of {name} are neither numbers of values, 0 to "
                f"{len(values) - 1}, nor values, from {values.min():.4g} to "
                f"{values.max():.4g}, but {odd:.4g}"
            )
        numbers[:, column] = nearest
    return numbers


def _members(file):
    """Yields the number of each image of the archive and a function that reads it."""
    # The archive is not compressed, so members can be skipped without being read.
    with tarfile.open(file, "r:") as archive:
        while (member := archive.next()) is not None:
            path = PurePosixPath(member.name)
            if member.isfile() and path.suffix == ".png" and path.stem.isdigit():
                yield int(path.stem), lambda member=member: archive.extractfile(member)
            # Otherwise the archive keeps a million members in memory.
            archive.members.clear()


def _read_tar(file, image_size):
    from PIL import Image

    images = np.empty((_CHUNK, image_size, image_size, 3), dtype=np.uint8)
    count = 0
    for _, open_member in _members(file):
        with Image.open(open_member()) as image:
            images[count] = _resized(image.convert("RGB"), image_size)
        count += 1
        if count == _CHUNK:
            yield images
            count = 0
    yield images[:count]


def _read_npz(file, num_images, image_size):
    from PIL import Image

    shape = (num_images, _SIDE, _SIDE, 3)
    for images in prepared.read_npz(file, "images", shape):
        yield np.stack([_resized(Image.fromarray(i), image_size) for i in images])


def _resized(image, image_size):
    from PIL import Image

    if image.size != (_SIDE, _SIDE):
        raise ValueError(f"images must be {_SIDE}x{_SIDE}, not {image.size}")
    if image_size != _SIDE:
        image = image.resize((image_size, image_size), Image.Resampling.LANCZOS)
    return np.asarray(image)
