"""From images to codes: each image of a dataset encoded at most once."""

import keras
import numpy as np

from dmt.methods.shared.layers import as_images
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


class IndexedData:
    """A dataset whose observations are the indices of its images.

    Metrics sample from it as from the dataset itself, with the same random numbers, and
    hand the observations to a `MomentTable`, so that no image is made that has a code.

    Args:
        dataset: an indexable `GroundTruthData`.
    """

    def __init__(self, dataset):
        self._dataset = dataset

    def __getattr__(self, name):
        return getattr(self._dataset, name)

    def sample_observations_from_factors(self, factors, random_state):
        """Indices (n,) of images that show the factors (n, num_factors)."""
        return self._dataset.indices_of(factors, random_state)

    def sample(self, num, random_state):
        """Factors (num, num_factors) and indices (num,) of their images."""
        factors = self._dataset.sample_factors(num, random_state)
        return factors, self.sample_observations_from_factors(factors, random_state)

    def sample_observations(self, num, random_state):
        """Indices (num,) of random images."""
        return self.sample(num, random_state)[1]


class MomentTable:
    """The encoder's outputs for a dataset's images, each image encoded at most once.

    Called with indices (n,), returns means and log-variances (n, 2 * num_latent).

    Args:
        dataset: an indexable `GroundTruthData`.
        representation: a `Representation`.
    """

    def __init__(self, dataset, representation):
        self._dataset = dataset
        self._encode = _moments_of(representation)
        num_latent = representation.encoder.outputs[0].shape[-1]
        self._moments = np.zeros((dataset.size, 2 * num_latent), dtype="float32")
        self._known = np.zeros(dataset.size, dtype=bool)

    def __call__(self, indices):
        """Moments (n, 2 * num_latent) of the images at `indices` (n,)."""
        missing = np.unique(indices[~self._known[indices]])
        for start in range(0, len(missing), 16 * BATCH_SIZE):
            chunk = missing[start : start + 16 * BATCH_SIZE]
            self._moments[chunk] = self._encode(self._dataset.images_at(chunk))
        self._known[missing] = True
        return self._moments.take(indices, axis=0)


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


def _moments_of(representation):
    """Function from images (n, ...) to means and log-variances (n, 2 * num_latent)."""
    encode = compiled(lambda images: representation.encoder(as_images(images)))
    return lambda images: np.concatenate(encode(images), axis=1, dtype="float32")


def codes_of(dataset, representation):
    """What a metric needs: a dataset to sample from and a representation function.

    Args:
        dataset: a `GroundTruthData`.
        representation: a `Representation`.

    Returns:
        (data, codes): the dataset itself, or if its observations do not contain random
        pixels `IndexedData`, whose images are encoded once; and `Codes` of its
        observations.
    """
    if dataset.size is None:
        encode = _moments_of(representation)
        return dataset, Codes(
            lambda images: encode(np.asarray(images, dtype="float32")),
            representation.transform,
        )
    moments = MomentTable(dataset, representation)
    return IndexedData(dataset), Codes(moments, representation.transform)
