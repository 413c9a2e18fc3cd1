"""Datasets that tensorflow-datasets has prepared, under names such as "tfds/shapes3d".

The images and factors are those of the official files. The first use copies them
to `prepared/tfds` of the data root. tensorflow-datasets stores them in another order,
so the labels tell which factors an image has.
"""

from pathlib import Path

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import celeba, grid_data, prepared, state_space, table_data
from dmt.data.ground_truth.dsprites import DSprites
from dmt.data.ground_truth.ground_truth_data import DatasetNotFound
from dmt.data.ground_truth.shapes3d import Shapes3D
from dmt.data.ground_truth.smallnorb import SmallNORB
from dmt.utils import stages

_CHUNK = 256


@registry.dataset("tfds/dsprites")
def dsprites():
    """The dSprites of tensorflow-datasets, without the single colour."""
    labels = ["shape", "scale", "orientation", "x_position", "y_position"]
    labels = [f"label_{name}" for name in labels]
    return _grid("dsprites", labels, DSprites.state_space_names[1:], lambda i: i * 255)


@registry.dataset("tfds/shapes3d")
def shapes3d():
    """Shapes3D of tensorflow-datasets."""
    names = Shapes3D.state_space_names
    labels = [f"label_{name.replace(' ', '_')}" for name in names]
    return _grid("shapes3d", labels, names, lambda i: i)


@registry.dataset("tfds/smallnorb")
def smallnorb():
    """SmallNORB of tensorflow-datasets: both splits, the left camera, 64x64."""
    names = SmallNORB.state_space_names
    labels = [n if n == "instance" else f"label_{n}" for n in names]
    return _grid("smallnorb", labels, names, _scale_to_64, [0, 2, 3, 4])


@registry.dataset("tfds/celeb_a")
def celeb_a():
    """CelebA of tensorflow-datasets; celeba.split chooses the split."""
    source = _Source("celeb_a")
    names = sorted(source.features["attributes"])

    def labels_of(example):
        return [example["attributes"][name] for name in names]

    from PIL import Image

    def scaled(images):
        return np.stack([celeba.crop_and_scale(Image.fromarray(i)) for i in images])

    parts = [source.splits[split].num_examples for split in celeba.SPLITS]
    rows = celeba.rows_of_split(np.repeat(np.arange(len(parts)), parts))
    attributes = source.labels(labels_of, len(names))
    images = source.images(scaled, (celeba.IMAGE_SIZE, celeba.IMAGE_SIZE, 3))
    sizes = [2] * len(names)
    return table_data.ImageTable(
        "tfds/celeb_a", images, attributes[rows], names, sizes, rows, "official"
    )


def _scale_to_64(images):
    from PIL import Image

    scaled = [
        Image.fromarray(image[..., 0]).resize((64, 64), Image.Resampling.LANCZOS)
        for image in images
    ]
    return np.stack(scaled)[..., None]


class _Grid(grid_data.GridData):
    origin = "official"
    observation_shape: list[int] = []

    def __init__(self, name, factor_sizes, names, latent, images, rows):
        self.factor_sizes = factor_sizes
        self.state_space_names = names
        self.observation_shape = list(images.shape[1:])
        super().__init__(name, latent, images, rows)


def _grid(name, labels, names, convert, latent=None):
    """Makes a grid of the examples, which may have any order.

    The labels are names of features that hold the factors. The function `convert` makes
    images of the dataset from stored ones, uint8 (n, height, width, channels).
    """
    source = _Source(name)
    sizes = [source.features[label].num_classes for label in labels]
    factors = source.labels(
        lambda example: [example[label] for label in labels], len(labels)
    )
    with prepared.naming_damage(source.folder, source.fetch):
        atoms = state_space.StateSpaceAtomIndex(sizes, factors)
    shape = convert(np.zeros((1, *source.features["image"].shape), np.uint8)).shape[1:]
    images = source.images(convert, shape)
    return _Grid(f"tfds/{name}", sizes, names, latent, images, atoms.rows)


@stages.configurable("tfds", "dataset", denylist=["name"])
class _Source:
    """The examples of all splits of a prepared builder, in the order of its files."""

    def __init__(self, name, data_dir=None):
        """Finds the files of a builder.

        Args:
            name: the name of the builder.
            data_dir: the folder of tensorflow-datasets; None for its default.

        Raises:
            DatasetNotFound: if the builder has not prepared the dataset.
        """
        try:
            import tensorflow_datasets as tfds
        except ImportError as error:
            raise ImportError(
                f"tfds/{name} needs tensorflow-datasets: pip install "
                "tensorflow-datasets importlib_resources"
            ) from error
        self._name = name
        self._tfds = tfds
        builder = tfds.builder(name, data_dir=data_dir)
        self.folder = Path(builder.data_path)
        argument = "" if data_dir is None else f", data_dir={data_dir!r}"
        self.fetch = (
            'run `python -c "import tensorflow_datasets as tfds; '
            f"tfds.builder('{name}'{argument}).download_and_prepare()\"`"
        )
        suffix = builder.info.file_format.file_suffix
        self._files = sorted(self.folder.glob(f"*.{suffix}*"))
        if not self._files:
            raise DatasetNotFound(
                f"tensorflow-datasets has not prepared {name} in {self.folder}: "
                f"{self.fetch}, or bind tfds.data_dir to the folder with {name!r}."
            )
        # Features are read from the files, which another release may have written.
        self._builder = tfds.builder_from_directory(self.folder)
        self.features = self._builder.info.features
        self.splits = self._builder.info.splits
        known = celeba.SPLITS if name == "celeb_a" else ("train", "test")
        self._order = [split for split in known if split in self.splits]
        self._num_examples = sum(self.splits[s].num_examples for s in self._order)

    def labels(self, labels_of, num_labels):
        """Labels of all examples: int64, shape (n, num_labels)."""

        def convert(examples):
            columns = [np.asarray(c, np.int64) for c in labels_of(examples)]
            return np.stack(columns, axis=1)

        return self._open("labels", convert, (num_labels,), "int64")

    def images(self, convert, shape):
        """Images of all examples: uint8, shape (n, *shape)."""
        return self._open("images", lambda e: convert(e["image"]), shape, "uint8")

    def _open(self, kind, convert, shape, dtype):
        return prepared.open_images(
            f"tfds/{self._name}/{kind}",
            self._files,
            lambda: map(convert, self._batches(with_images=kind == "images")),
            (self._num_examples, *shape),
            dtype,
        )

    def _batches(self, with_images):
        skip = self._tfds.decode.SkipDecoding()
        images = [name for name in self.features if name.startswith("image")]
        skipped = [i for i in images if not with_images or i != "image"]
        with prepared.naming_damage(self.folder, self.fetch):
            for split in self._order:
                data = self._builder.as_dataset(
                    split=split,
                    shuffle_files=False,
                    decoders={name: skip for name in skipped},
                )
                yield from self._tfds.as_numpy(data.batch(_CHUNK))
