"""Trials of evidence: periods, targets, noise, latents, the same on the device."""

import gin
import keras
import numpy as np
import pytest
from keras import ops

from dmt.data.evidence.trials import EvidenceTrials

VARIANTS = {
    "lines": {},
    "delay": {"fixation": 3, "delay": 5, "num_steps": 7},
    "random": {"boundaries": "random", "dim": 5, "offsets": [0.1] * 24},
    "hyperbolas": {"boundaries": "hyperbolas"},
    "correlated": {"latent_correlation": 0.7},
    "anisotropic": {"noise": "anisotropic"},
    "ar1": {"noise": "ar1"},
    "gumbel": {"noise": "gumbel"},
    "features": {"noise_site": "features", "num_features": 6},
    "free": {"mode": "free", "bound": 0.5},
    "free odd": {"mode": "free", "num_tasks": 3, "offsets": [0.1, -0.1, 0.0]},
}


def compiled(function):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    import jax

    return jax.jit(function)


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS.keys())
def test_batches_are_the_same_on_the_device(values):
    trials = EvidenceTrials(**values)
    expected = keras.tree.flatten(trials.load_batch(3, 7, 8))
    function = compiled(lambda step: trials.draw([3, 4], step, 8))
    found = keras.tree.flatten(function(ops.convert_to_tensor(7, "int32")))
    for tensor, array in zip(found, expected, strict=True):
        assert array.dtype == np.float32
        assert tuple(tensor.shape) == (2, *array.shape)
        scale = max(1.0, np.abs(array).max())
        np.testing.assert_allclose(
            ops.convert_to_numpy(tensor)[0], array, rtol=0, atol=2e-6 * scale
        )


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS.keys())
def test_batches_are_functions_of_seed_and_step(values):
    trials = EvidenceTrials(**values)
    first, again, *others = (
        keras.tree.flatten(EvidenceTrials(**values).load_batch(*place, 8))
        for place in ((3, 7), (3, 7), (3, 8), (4, 7))
    )
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    for other in others:
        assert not np.array_equal(first[0], other[0])
    latents = trials.latents(3, 7, 8)
    of_latents = keras.tree.flatten(trials.of_latents(latents, 3, 7))
    for one, same in zip(first, of_latents, strict=True):
        np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize("name", ["lines", "delay", "random", "hyperbolas"])
def test_periods_of_a_trial(name):
    trials = EvidenceTrials(**VARIANTS[name])
    inputs, targets = trials.load_batch(0, 0, 50)
    assert inputs.shape == (50, trials.length, trials.num_inputs)
    assert targets.shape == (50, trials.length, trials.num_tasks)
    np.testing.assert_array_equal(inputs[:, :-1, 0], 1)
    np.testing.assert_array_equal(inputs[:, -1, 0], 0)
    first, steps = trials.fixation_steps, trials.num_steps
    stimulus = inputs[:, :, 1:]
    assert (stimulus[:, first : first + steps] != 0).all()
    assert not stimulus[:, :first].any() and not stimulus[:, first + steps :].any()
    assert trials.length == first + steps + trials.delay + 1
    np.testing.assert_array_equal(targets[:, :-1], 0.5)
    labels = trials.labels(trials.latents(0, 0, 50))
    np.testing.assert_array_equal(targets[:, -1], labels)
    assert set(np.unique(labels)) == {0, 1}
    np.testing.assert_array_equal(
        trials.evidence(inputs), stimulus[:, first : first + steps]
    )


def test_the_default_trial_has_22_steps():
    assert (EvidenceTrials().length, EvidenceTrials().num_inputs) == (22, 3)


def test_labels_tell_the_side():
    offsets = [0.1, -0.2, 0.0]
    trials = EvidenceTrials(dim=4, num_tasks=3, boundaries="random", offsets=offsets)
    x = trials.latents(0, 0, 1000)
    expected = x.astype(float) @ trials.normals.T > offsets
    np.testing.assert_array_equal(trials.labels(x), expected)


def test_hyperbolas_are_numbered_by_quadrants():
    trials = EvidenceTrials(boundaries="hyperbolas", num_tasks=24)
    # The product is 0.12, above the first five of six thresholds.
    points = np.array([[0.3, 0.4], [-0.3, 0.4], [-0.3, -0.4], [0.3, -0.4]], "float32")
    for quadrant, labels in enumerate(trials.labels(points)):
        fires = np.flatnonzero(labels)
        np.testing.assert_array_equal(fires, 6 * quadrant + np.arange(5))
    assert not trials.labels(np.array([[0.01, 0.01]], "float32")).any()


def noise_of(**values):
    trials = EvidenceTrials(sigma=0.3, **values)
    inputs, _ = trials.load_batch(0, 0, 5000)
    return trials.evidence(inputs) - trials.latents(0, 0, 5000)[:, None]


def test_gaussian_noise():
    noise = noise_of().reshape(-1, 2)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=4e-3)
    np.testing.assert_allclose(noise.std(axis=0), 0.3, rtol=0.01)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.015


def test_anisotropic_noise():
    noise = noise_of(noise="anisotropic").reshape(-1, 2)
    np.testing.assert_allclose(noise.std(axis=0), [0.3, 0.6], rtol=0.01)


def test_ar1_noise_is_stationary():
    noise = noise_of(noise="ar1")
    np.testing.assert_allclose(noise.std(axis=0), 0.3, rtol=0.05)
    for lag in (1, 3):
        products = (noise[:, lag:] * noise[:, :-lag]).mean(axis=(0, 2)) / 0.3**2
        np.testing.assert_allclose(products, 0.7**lag, atol=0.05)


def test_gumbel_noise():
    noise = noise_of(noise="gumbel")
    assert noise.mean() == pytest.approx(0.5772 * 0.3, abs=4e-3)
    assert noise.var() == pytest.approx(np.pi**2 / 6 * 0.3**2, rel=0.02)


def test_noise_at_the_features_is_apart():
    trials = EvidenceTrials(sigma=0.1, noise_site="features", num_features=40)
    inputs, targets = trials.load_batch(0, 0, 500)
    assert inputs.shape == (500, 22, trials.num_inputs) == (500, 22, 43)
    noise = inputs[:, :, 3:]
    latents = trials.latents(0, 0, 500)
    np.testing.assert_array_equal(
        trials.evidence(inputs), latents[:, None] + 0 * noise[:, 1:21, :1]
    )
    assert targets.shape == (500, 22, 24)
    assert not noise[:, 0].any() and not noise[:, -1].any()
    assert noise[:, 1:-1].std() == pytest.approx(0.1, rel=0.01)


def test_latents_are_uniform():
    latents = EvidenceTrials(dim=3, boundaries="random").latents(0, 0, 20_000)
    assert np.abs(latents).max() < 0.5
    np.testing.assert_allclose(latents.var(axis=0), 1 / 12, rtol=0.02)
    np.testing.assert_allclose(np.corrcoef(latents.T), np.eye(3), atol=0.02)


@pytest.mark.parametrize("rho", [0.7, -0.4, 1.0])
def test_copula_correlates_uniform_latents(rho):
    values = {"dim": 2, "boundaries": "random", "latent_correlation": rho}
    latents = EvidenceTrials(**values).latents(0, 0, 20_000)
    np.testing.assert_allclose(latents.var(axis=0), 1 / 12, rtol=0.02)
    expected = 6 / np.pi * np.arcsin(rho / 2)
    assert np.corrcoef(latents.T)[0, 1] == pytest.approx(expected, abs=0.015)


def test_correlations_of_many_latents_are_equal():
    values = {"dim": 4, "boundaries": "random", "latent_correlation": -1 / 3}
    latents = EvidenceTrials(**values).latents(0, 0, 20_000)
    found = np.corrcoef(latents.T)[np.triu_indices(4, 1)]
    np.testing.assert_allclose(found, 6 / np.pi * np.arcsin(-1 / 6), atol=0.02)


def test_free_targets_are_absorbed():
    trials = EvidenceTrials(mode="free", num_tasks=6, bound=2.0)
    inputs, targets = trials.load_batch(0, 0, 200)
    assert inputs.shape == (200, 20, 2) and targets.shape == (200, 20, 6)
    slopes = np.tan((np.arange(6) + 0.5) * np.pi / 6)
    for trial in range(200):
        sums, expected = np.zeros(6), np.zeros((20, 6))
        is_absorbed = np.zeros(6, bool)
        for t in range(20):
            x = inputs[trial, t].astype(float)
            sums = np.where(is_absorbed, sums, sums + x[1] - slopes * x[0])
            is_absorbed |= np.abs(sums) > 2
            sums = np.where(is_absorbed, 2 * np.sign(sums), sums)
            expected[t] = sums
        np.testing.assert_allclose(targets[trial], expected, atol=1e-5)
    last = np.abs(targets[:, -1])
    assert 0.1 < np.mean(last == 2) < 1


def test_free_targets_have_offsets():
    values = {"num_tasks": 2, "offsets": [0.1, -0.2], "sigma": 0.0, "bound": 100.0}
    trials = EvidenceTrials(mode="free", **values)
    _, targets = trials.load_batch(0, 0, 500)
    labels = trials.labels(trials.latents(0, 0, 500))
    np.testing.assert_array_equal(targets[:, -1] > 0, labels)


def test_noiseless_trials():
    trials = EvidenceTrials(sigma=0.0)
    inputs, _ = trials.load_batch(0, 0, 5)
    latents = trials.latents(0, 0, 5)
    np.testing.assert_array_equal(
        trials.evidence(inputs), np.repeat(latents[:, None], 20, axis=1)
    )


def test_trials_are_comparable():
    one, same = (EvidenceTrials(offsets=[0.1] * 24) for _ in range(2))
    assert one == same and hash(one) == hash(same)
    assert one != EvidenceTrials()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sigma": -0.1}, "sigma must be a number, at least 0. Received: sigma=-0.1"),
        ({"sigma": np.inf}, "sigma must be a number, at least 0. Received: sigma=inf"),
        ({"noise": "pink"}, "noise must be one of 'gaussian'.* Received: noise='pink'"),
        ({"boundaries": "circles"}, "boundaries must be one of .*'circles'"),
        ({"noise_site": "output"}, "noise_site must be one of .*'output'"),
        (
            {"mode": "slow"},
            "mode must be one of 'fixed', 'free'.*mode='slow'",
        ),
        ({"boundaries": "hyperbolas", "num_tasks": 6}, "multiple of 4 .*num_tasks=6"),
        ({"dim": 3}, 'dim must be 2 for boundaries "lines". Received: dim=3'),
        ({"dim": 3, "boundaries": "hyperbolas"}, "dim must be 2 .*hyperbolas.*dim=3"),
        ({"dim": 0, "boundaries": "random"}, "dim must be an integer, at least 1"),
        (
            {"dim": 3, "boundaries": "random", "mode": "free"},
            'dim must be 2 in the mode "free". Received: dim=3',
        ),
        ({"mode": "free", "delay": 2}, "delay must be 0 .*delay=2"),
        ({"mode": "free", "fixation": 1}, "fixation must be 0 .*fixation=1"),
        ({"mode": "free", "noise_site": "features"}, "noise_site must be 'input'"),
        ({"mode": "free", "boundaries": "hyperbolas"}, 'boundaries must be "lines"'),
        ({"mode": "free", "bound": 0}, "bound must be a number, above 0"),
        ({"latent_correlation": 1.1}, "at least -1.0 and at most 1. Received: .*=1.1"),
        ({"latent_correlation": -1.1}, "latent_correlation must be .*=-1.1"),
        (
            {"dim": 3, "boundaries": "random", "latent_correlation": -0.6},
            "latent_correlation must be a number, at least -0.5",
        ),
        ({"offsets": [0.1]}, r"number for each of the 24 tasks. Received: .*\[0.1\]"),
        ({"offsets": 0.1}, "number for each of the 24 tasks. Received: offsets=0.1"),
        ({"num_tasks": 1, "offsets": [np.nan]}, "offsets must be a number.*nan"),
        ({"boundaries": "hyperbolas", "offsets": [0] * 24}, "None for hyperbolas"),
        ({"boundary_seed": -1}, "boundary_seed must be an integer in"),
    ],
)
def test_mistakes_are_one_line(values, message):
    with pytest.raises(ValueError, match=message) as error:
        EvidenceTrials(**values)
    # Gin adds a line that names the configurable.
    assert "\n" not in str(error.value).partition("\n  In call to")[0]


def test_hyperbolas_have_no_normals():
    with pytest.raises(ValueError, match="Hyperbolas have no normals"):
        _ = EvidenceTrials(boundaries="hyperbolas").normals


def test_gin_configures_trials():
    with gin.unlock_config():
        gin.parse_config("evidence_trials.sigma = 0.4\nevidence_trials.num_tasks = 6")
    try:
        trials = EvidenceTrials()
        assert (trials.sigma, trials.num_tasks) == (0.4, 6)
    finally:
        gin.clear_config()
