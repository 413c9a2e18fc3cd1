"""Inputs of the golden numbers: small datasets and representations made by numpy.

A specification in the golden files is a dictionary with a `kind`. Linear maps add one
input after the other, without BLAS, and tanh is rounded, so that the same bits come
out on every machine.
"""

import functools
import json
import pathlib

import numpy as np


def load(name):
    """Reads a golden file of this folder."""
    return json.loads(pathlib.Path(__file__).with_name(name).read_text())


@functools.cache
def metric_files():
    """All golden files of metrics: dictionaries with `cases` and `components`."""
    paths = pathlib.Path(__file__).parent.glob("metrics*.json")
    return [load(path.name) for path in sorted(paths)]


class _Data:
    factors_num_values: list

    @property
    def num_factors(self):
        return len(self.factors_num_values)

    @property
    def factor_names(self):
        return [f"factor {index}" for index in range(self.num_factors)]

    def sample(self, num, random_state):
        factors = self.sample_factors(num, random_state)
        return factors, self.sample_observations_from_factors(factors, random_state)

    def sample_observations(self, num, random_state):
        return self.sample(num, random_state)[1]


class Identity10(_Data):
    """Ten factors with values 1 to 10, observed directly."""

    factors_num_values = [1] * 10  # Not 10: what the golden numbers were made with.
    observation_shape = 10

    def sample_factors(self, num, random_state):
        return random_state.randint(1, 11, size=(num, 10))

    def sample_observations_from_factors(self, factors, random_state):
        return factors


class DummyImages(_Data):
    """Ten factors with values 0 to 4 and images of noise."""

    factors_num_values = [5] * 10
    observation_shape = [64, 64, 1]

    def sample_factors(self, num, random_state):
        return random_state.randint(5, size=(num, 10))

    def sample_observations_from_factors(self, factors, random_state):
        return random_state.random_sample((len(factors), 64, 64, 1))


class Grid(_Data):
    """Independent factors, observed with noise; those not in `latent` are hidden."""

    def __init__(self, sizes, latent=None, sigma=0.0):
        self.sizes = sizes
        self.latent = list(range(len(sizes))) if latent is None else latent
        self.factors_num_values = [sizes[index] for index in self.latent]
        self.observation_shape = [len(sizes)]
        self.sigma = sigma

    @property
    def has_grid_draws(self):
        return not self.sigma and len(self.latent) == len(self.sizes)

    def sample_factors(self, num, random_state):
        columns = [random_state.randint(k, size=num) for k in self.factors_num_values]
        return np.stack(columns, axis=1)

    def sample_observations_from_factors(self, factors, random_state):
        observations = np.empty((len(factors), len(self.sizes)))
        observations[:, self.latent] = factors
        for index, size in enumerate(self.sizes):
            if index not in self.latent:
                observations[:, index] = random_state.randint(size, size=len(factors))
        if self.sigma:
            noise = random_state.standard_normal(observations.shape)
            observations += self.sigma * noise
        return observations


def make_dataset(spec):
    kinds = {"identity10": Identity10, "dummy_images": DummyImages, "grid": Grid}
    settings = {key: value for key, value in spec.items() if key != "kind"}
    return kinds[spec["kind"]](**settings)


def make_representation(spec):
    """Returns the function from observations (n, ...) to codes (n, num_codes)."""
    settings = {key: value for key, value in spec.items() if key != "kind"}
    encode = _REPRESENTATIONS[spec["kind"]]

    def representation(observations):
        observations = np.asarray(observations)
        flat = observations.reshape(len(observations), -1).astype(np.float64)
        return encode(flat, **settings)

    return representation


def _weighted_sum(x, weights):
    total = x[:, :1] * weights[0]
    for index in range(1, len(weights)):
        total = total + x[:, index : index + 1] * weights[index]
    return total


def _linear(x, seed, inputs, dim, dtype="float64"):
    weights = np.random.RandomState(seed).standard_normal((inputs, dim))
    return _weighted_sum(x, weights).astype(dtype)


def _tanh(x, seed, inputs, dim, gain):
    random_state = np.random.RandomState(seed)
    weights = random_state.standard_normal((inputs, dim))
    offset = random_state.uniform(-1.0, 1.0, dim)
    return np.round(np.tanh(gain * _weighted_sum(x, weights) + offset), 6)


def _sparse(x, terms, offset=None):
    codes = np.zeros((len(x), len(terms)))
    if offset is not None:
        codes += offset
    for code, pairs in zip(codes.T, terms, strict=True):
        for index, weight in pairs:
            code += weight * x[:, index]
    return codes


def _integer(x, coef, div):
    total = _weighted_sum(x.astype(np.int64), np.array(coef, dtype=np.int64))
    return total // np.array(div)


_REPRESENTATIONS = {
    "identity": lambda x: x,
    "first": lambda x, dim: x[:, :dim],
    "constant": lambda x, dim, value: np.full((len(x), dim), float(value)),
    "linear": _linear,
    "tanh": _tanh,
    "sparse": _sparse,
    "integer": _integer,
}
