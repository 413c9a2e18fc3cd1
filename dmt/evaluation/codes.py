"""From images to codes: each image of a dataset encoded at most once."""

import contextlib
import functools
import hashlib
import os

import keras
import numpy as np
from keras import ops

from dmt.data.pipeline import IndexedData
from dmt.methods.shared.layers import (
    as_images,
    convolutions_as,
    population_convolutions,
)
from dmt.utils import files
from dmt.utils.compilation import BATCH_SIZE, compiled


def kl_per_code(means, logvars):
    """Mean KL divergence of each code from the standard normal prior.

    Args:
        means: (n, num_codes).
        logvars: (n, num_codes).

    Returns:
        (num_codes,) in nats, at least 0.
    """
    return 0.5 * np.mean(means**2 + np.exp(logvars) - logvars - 1, axis=0)


class MomentTable:
    """The encoder's outputs for a dataset's images, each image encoded at most once.

    Called with indices (n,), returns means and log-variances (n, 2 * num_latent); of
    several encoders (n, number of encoders, 2 * num_latent).

    Args:
        dataset: an indexable `GroundTruthData`.
        encoders: a `keras.Model` from images to means and log-variances; or a list of
            them, of one architecture.
    """

    def __init__(self, dataset, encoders):
        several = isinstance(encoders, list)
        width = 2 * (encoders[0] if several else encoders).outputs[0].shape[-1]
        shape = (len(encoders), width) if several else (width,)
        self._dataset = dataset
        self._encode = _stacked_moments(encoders) if several else _moments(encoders)
        # Memory that is never written to is never taken.
        self._moments = np.zeros((dataset.size, *shape), dtype="float32")
        self._known = np.zeros(dataset.size, dtype=bool)

    def __call__(self, indices):
        """Moments of the images at `indices` (n,)."""
        missing = np.unique(indices[~self._known[indices]])
        for start in range(0, len(missing), 16 * BATCH_SIZE):
            chunk = missing[start : start + 16 * BATCH_SIZE]
            self._moments[chunk] = self._encode(self._dataset.images_at(chunk))
        self._known[missing] = True
        return self._moments.take(indices, axis=0)

    def of(self, k):
        """The table of encoder `k` of several: a function of indices."""
        return lambda indices: self(indices)[:, k]


def moments_file(dataset):
    """Name of the file of the moments of all images, which identifies the dataset.

    Args:
        dataset: an indexable `GroundTruthData`.
    """
    # Bindings of the data set would not show what defaults and modules add to them.
    rows = np.linspace(0, dataset.size - 1, 16).astype(int)
    images = np.ascontiguousarray(dataset.images_at(rows))
    facts = f"{dataset.size} {images.shape} {images.dtype}".encode()
    digest = hashlib.sha256(facts + images.tobytes()).hexdigest()
    return f"moments_{digest[:16]}.npy"


def write_moments(dataset, encoders, folders):
    """Encodes all images by all encoders at once, for `codes_of` in other processes.

    Args:
        dataset: an indexable `GroundTruthData`.
        encoders: list of `keras.Model` of one architecture.
        folders: of their files; as many.
    """
    encode, name = _stacked_moments(encoders), moments_file(dataset)
    with contextlib.ExitStack() as stack:
        paths = [
            stack.enter_context(files.replacing(os.path.join(folder, name)))
            for folder in folders
        ]
        shape = (dataset.size, 2 * encoders[0].outputs[0].shape[-1])
        tables = [
            np.lib.format.open_memmap(path, "w+", "float32", shape) for path in paths
        ]
        for start in range(0, dataset.size, 16 * BATCH_SIZE):
            rows = np.arange(start, min(start + 16 * BATCH_SIZE, dataset.size))
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

    def __init__(self, moments, transform):
        self._moments = moments
        self._transform = transform
        self._start = [keras.ops.convert_to_numpy(v) for v in transform.variables]

    def __call__(self, observations):
        """Codes (n, num_codes) of observations (n, ...)."""
        mean, logvar = np.split(self._moments(observations), 2, axis=1)
        # Not compiled: its noise generator must move on from call to call.
        return keras.ops.convert_to_numpy(self._transform([mean, logvar]))

    def restart(self):
        """Puts the noise back to its start: codes are then as after loading."""
        for variable, value in zip(self._transform.variables, self._start, strict=True):
            variable.assign(value)


def _moments(encoder):
    """Function from images (n, ...) to means and log-variances (n, 2 * num_latent)."""
    encode = compiled(lambda images: encoder(as_images(images)))
    return lambda images: np.concatenate(encode(images), axis=1, dtype="float32")


def _stacked_moments(encoders):
    """Function from images (n, ...) to moments (n, number of encoders, 2 * num_latent).

    Args:
        encoders: list of `keras.Model` of one architecture.
    """
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

    # As much at once as of one encoder, or of a few.
    return compiled(encode, max(1, min(BATCH_SIZE, 16 * BATCH_SIZE // len(encoders))))


def codes_of(dataset, representation, folder=None):
    """What a metric needs: a dataset to sample from and a representation function.

    Args:
        dataset: a `GroundTruthData`.
        representation: a `Representation`.
        folder: where `write_moments` may have kept what its encoder makes of them.

    Returns:
        (data, codes): the dataset itself, or if its observations do not contain random
        pixels `IndexedData`, whose images are encoded once; and `Codes` of its
        observations.
    """
    if dataset.size is None:
        encode = _moments(representation.encoder)
        return dataset, Codes(
            lambda images: encode(np.asarray(images, dtype="float32")),
            representation.transform,
        )
    path = folder and os.path.join(folder, moments_file(dataset))
    if path and os.path.exists(path):
        known = np.load(path, mmap_mode="r")
        moments = functools.partial(known.take, axis=0)
    else:
        moments = MomentTable(dataset, representation.encoder)
    return IndexedData(dataset), Codes(moments, representation.transform)
