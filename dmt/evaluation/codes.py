"""From images to codes. Each image of a dataset is encoded at most once."""

import contextlib
import functools
import hashlib
import logging
import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from dmt.data.pipeline import IndexedData
from dmt.evaluation.kept_moments import KeptMoments, digest_of
from dmt.methods.shared.layers import (
    as_images,
    convolutions_as,
    population_convolutions,
)
from dmt.postprocessing.representation import Representation
from dmt.utils import files, progress
from dmt.utils.compilation import BATCH_SIZE, compiled

logger = logging.getLogger(__name__)


def kl_per_code(means: np.ndarray, logvars: np.ndarray) -> np.ndarray:
    """Mean KL divergence (num_codes,) of each code from the standard normal prior.

    Takes means and log-variances (n, num_codes); the result is in nats, at least 0.
    """
    return 0.5 * np.mean(means**2 + np.exp(logvars) - logvars - 1, axis=0)


class MomentTable:
    """The encoder's outputs for a dataset's images, each image encoded at most once.

    Called with indices (n,), it returns means and log-variances (n, 2 * num_latent), or
    with several encoders (n, number of encoders, 2 * num_latent).

    Args:
        dataset: an indexable `GroundTruthData`.
        encoders: a `keras.Model` from images to means and log-variances; or a list of
            them, of one architecture.
        folder: folder that keeps the outputs of one encoder in a file, from which
            another process continues; None to keep nothing.
    """

    def __init__(
        self,
        dataset: Any,
        encoders: keras.Model | list[keras.Model],
        folder: str | None = None,
    ):
        if isinstance(encoders, list):
            width = 2 * encoders[0].outputs[0].shape[-1]
            shape: tuple[int, ...] = (len(encoders), width)
            self._encode = _stacked_moments(encoders)
        else:
            shape = (2 * encoders.outputs[0].shape[-1],)
            self._encode = _moments(encoders)
        self._dataset = dataset
        # The operating system gives memory to pages only when they are written.
        self._moments = np.zeros((dataset.size, *shape), dtype="float32")
        self._known = np.zeros(dataset.size, dtype=bool)
        self._kept = None
        if folder is not None:
            name = moments_file(dataset, encoders, of_all=False)
            path = os.path.join(folder, name)
            self._kept = KeptMoments(path, dataset.size, *shape)
            self._read_kept()
        self._progress = _progress(dataset.size, int(self._known.sum()))

    def _read_kept(self):
        records = self._kept.read()
        self._moments[records["row"]] = records["moments"]
        self._known[records["row"]] = True
        if len(records):
            logger.info("%d images were encoded before.", self._known.sum())

    def __call__(self, indices: np.ndarray) -> np.ndarray:
        """Moments of the images at `indices` (n,)."""
        missing = np.unique(indices[~self._known[indices]])
        for start in range(0, len(missing), 16 * BATCH_SIZE):
            chunk = missing[start : start + 16 * BATCH_SIZE]
            with self._progress.doing(len(chunk)):
                self._moments[chunk] = self._encode(self._dataset.images_at(chunk))
            if self._kept is not None:
                self._kept.append(chunk, self._moments[chunk])
        self._known[missing] = True
        return self._moments.take(indices, axis=0)

    def of(self, k: int) -> Callable[[np.ndarray], np.ndarray]:
        """The table of encoder `k` of several, as a function of indices."""
        return lambda indices: self(indices)[:, k]


def _progress(size, done=0):
    return progress.Work("Encoding", size, "images", done)


def moments_file(dataset: Any, encoder: keras.Model, of_all: bool) -> str:
    """Name of the file of moments, which depends on the images and on the encoder.

    Args:
        dataset: an indexable `GroundTruthData`.
        encoder: a `keras.Model`.
        of_all: whether it is the file of all images that `write_moments` writes.
    """
    # A digest of images also changes if the images change, but no binding does.
    rows = np.linspace(0, dataset.size - 1, 16).astype(int)
    images = np.ascontiguousarray(dataset.images_at(rows))
    facts = f"{dataset.size} {images.shape} {images.dtype}".encode()
    digest = hashlib.sha256(facts + images.tobytes()).hexdigest()
    name = f"moments_{digest[:16]}_{digest_of(encoder, with_layers=not of_all)}"
    return f"{name}.npy" if of_all else name


def write_moments(
    dataset: Any, encoders: list[keras.Model], folders: list[str]
) -> None:
    """Encodes all images by all encoders at once, for `codes_of` in other processes.

    Encoders whose moments are there already are left out.

    Args:
        dataset: an indexable `GroundTruthData`.
        encoders: list of `keras.Model` of one architecture.
        folders: list of folders, one per encoder, for the files of their outputs.
    """
    missing = {}
    for encoder, folder in zip(encoders, folders, strict=True):
        path = os.path.join(folder, moments_file(dataset, encoder, of_all=True))
        if not os.path.exists(path):
            missing[path] = encoder
    if not missing:
        return
    encoders = list(missing.values())
    encode, work = _stacked_moments(encoders), _progress(dataset.size)
    with contextlib.ExitStack() as stack:
        paths = [stack.enter_context(files.replacing(path)) for path in missing]
        shape = (dataset.size, 2 * encoders[0].outputs[0].shape[-1])
        tables = [
            np.lib.format.open_memmap(path, "w+", "float32", shape) for path in paths
        ]
        for start in range(0, dataset.size, 16 * BATCH_SIZE):
            rows = np.arange(start, min(start + 16 * BATCH_SIZE, dataset.size))
            with work.doing(len(rows)):
                moments = encode(dataset.images_at(rows))
            for k, table in enumerate(tables):
                table[rows] = moments[:, k]
        for table in tables:
            table.flush()


class Codes:
    """Function from observations (n, ...) to codes (n, num_codes).

    Codes are made from moments at every call, so that a representation that samples
    draws new noise for every observation.

    Args:
        moments: function from observations to means and log-variances
            (n, 2 * num_latent).
        transform: keras.Model from [means, log-variances] to codes.
    """

    takes_any_number = True

    def __init__(
        self, moments: Callable[[np.ndarray], np.ndarray], transform: keras.Model
    ):
        self._moments = moments
        self._transform = transform
        self._start = [keras.ops.convert_to_numpy(v) for v in transform.variables]

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """Codes (n, num_codes) of observations (n, ...)."""
        mean, logvar = np.split(self._moments(observations), 2, axis=1)
        # Not compiled, because each call must change the state of the noise generator.
        return keras.ops.convert_to_numpy(self._transform([mean, logvar]))

    def restart(self) -> None:
        """Resets the noise, so that codes are the same as after loading."""
        for variable, value in zip(self._transform.variables, self._start, strict=True):
            variable.assign(value)


def _moments(encoder):
    """Function from images (n, ...) to means and log-variances (n, 2 * num_latent)."""
    encode = compiled(lambda images: encoder(as_images(images)))
    return lambda images: np.concatenate(encode(images), axis=1, dtype="float32")


def _stacked_moments(encoders):
    """Function from images (n, ...) to moments (n, len(encoders), 2 * num_latent)."""
    template = encoders[0]
    stacked = [
        ops.stack([variable.value for variable in values])
        for values in zip(*(encoder.variables for encoder in encoders), strict=True)
    ]

    def encode(images):
        def encode_by(values):
            pairs = list(zip(template.variables, values, strict=True))
            with keras.StatelessScope(pairs):
                moments = template(as_images(images))
            return ops.cast(ops.concatenate(moments, axis=1), "float32")

        with convolutions_as(population_convolutions()):
            return ops.transpose(ops.vectorized_map(encode_by, stacked), (1, 0, 2))

    # Many encoders together get smaller batches, so that memory suffices.
    return compiled(encode, max(1, min(BATCH_SIZE, 16 * BATCH_SIZE // len(encoders))))


def codes_of(
    dataset: Any, representation: Representation, folder: str | None = None
) -> tuple[Any, Codes]:
    """What a metric needs: a dataset to sample from and a representation function.

    Args:
        dataset: a `GroundTruthData`.
        representation: a `Representation`.
        folder: folder in which `write_moments` may have kept the moments of all images.
            If it has not, the moments that are made are kept there, see `MomentTable`.

    Returns:
        (data, codes): an `IndexedData`, whose images are encoded once, or the dataset
        itself if its observations contain random pixels; and the `Codes` of its
        observations.

    Raises:
        ValueError: if the images of the dataset have another shape.
    """
    known, found = representation.encoder.input_shape[1:], dataset.observation_shape
    if len(known) != len(found) or any(
        side not in (None, other) for side, other in zip(known, found, strict=True)
    ):
        raise ValueError(
            f"The representation encodes images of shape {tuple(known)}, those of "
            f"{dataset.name} have {tuple(found)}."
        )
    if dataset.size is None:
        encode = _moments(representation.encoder)
        return dataset, Codes(
            lambda images: encode(np.asarray(images, dtype="float32")),
            representation.transform,
        )
    if folder is not None:
        name = moments_file(dataset, representation.encoder, of_all=True)
        path = os.path.join(folder, name)
        if os.path.exists(path):
            known = np.load(path, mmap_mode="r")
            take = functools.partial(known.take, axis=0)
            return IndexedData(dataset), Codes(take, representation.transform)
    moments = MomentTable(dataset, representation.encoder, folder)
    return IndexedData(dataset), Codes(moments, representation.transform)
