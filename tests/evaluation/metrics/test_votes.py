"""Votes: the same draws at once and one by one, from indices and from images."""

import numpy as np
import pytest

from dmt.data.ground_truth import dsprites_rendered
from dmt.evaluation.codes import IndexedData
from dmt.evaluation.metrics import beta_vae, factor_vae, samples, votes

SMALL = dsprites_rendered.dsprites_rendered_small()
NOSHAPE = dsprites_rendered.dsprites_rendered_noshape()


class OneByOne(dsprites_rendered.SmallRenderedDSprites):
    has_grid_draws = False


def of_indices(indices):
    return np.stack([np.sin(indices * k) for k in (1.0, 0.01, 0.0003)], axis=1)


def of_images(images):
    return images.reshape(len(images), -1)[:, 2080:4000:211].astype(np.float64)


SCORES = {
    "beta_vae": lambda data, codes, random_state: beta_vae.compute_beta_vae_sklearn(
        data, codes, random_state, None, 5, 1500, 30
    ),
    "factor_vae": lambda data, codes, random_state: factor_vae.compute_factor_vae(
        data, codes, random_state, None, 5, 1500, 30, 100
    ),
}


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES.keys())
@pytest.mark.parametrize(
    "wrap, codes", [(IndexedData, of_indices), (lambda data: data, of_images)]
)
def test_at_once_is_one_by_one(score, wrap, codes, monkeypatch):
    # Images are then made in several parts.
    monkeypatch.setattr(votes.encoding, "CHUNK_BYTES", 1 << 22)
    results = []
    for data in (SMALL, OneByOne([1, 2, 3, 4, 5])):
        random_state = np.random.RandomState(7)
        scores = score(wrap(data), codes, random_state)
        results.append((scores, random_state.randint(1 << 30)))
    assert results[0] == results[1]


@pytest.mark.parametrize("data", [SMALL, NOSHAPE], ids=["grid", "hidden factor"])
def test_draws_of_the_original(data):
    """Factor, batches of factors, then observations, vote by vote."""
    random_state = np.random.RandomState(5)
    expected = []
    for _ in range(4):
        factor = random_state.randint(data.num_factors)
        first = data.sample_factors(3, random_state)
        second = data.sample_factors(3, random_state)
        second[:, factor] = first[:, factor]
        indices = [data.indices_of(f, random_state) for f in (first, second)]
        expected.append((factor, np.stack(indices).tolist()))

    def share(factors, fixed):
        rows = np.arange(len(fixed))
        factors[rows, 1, :, fixed] = factors[rows, 0, :, fixed]

    repeated = np.random.RandomState(5)
    fixed, indices = votes.sample_votes(
        samples.Sampler(IndexedData(data), lambda indices: indices[:, None], repeated),
        num_votes=4,
        num_batches=2,
        batch_size=3,
        fix=share,
        summarize=lambda codes: codes[..., 0],
    )
    assert list(zip(fixed.tolist(), indices.tolist(), strict=True)) == expected
    assert repeated.randint(1 << 30) == random_state.randint(1 << 30)
