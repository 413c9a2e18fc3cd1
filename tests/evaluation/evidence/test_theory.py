"""The ideal observer, the inversion of its outputs, and ceilings."""

import math

import numpy as np
import pytest
from scipy import special

from dmt.data.evidence import boundaries
from dmt.data.evidence.trials import EvidenceTrials
from dmt.evaluation.evidence import theory


def ideal_agent(num_tasks, batch_size=20_000, **values):
    """Latents, means of the evidence, and logits of the answers."""
    trials = EvidenceTrials(num_tasks=num_tasks, **values)
    inputs, _ = trials.load_batch(0, 0, batch_size)
    evidence = trials.evidence(inputs)
    boundary = (trials.normals, trials.offset_values, trials.sigma)
    logits = theory.ideal_logits(evidence, *boundary)
    assert np.isfinite(logits).all()
    means = evidence.astype(float).mean(axis=1)
    return trials.latents(0, 0, batch_size), means, logits[:, -1], boundary


def r2(estimates, latents):
    return 1 - 12 * np.square(estimates - latents).mean()


@pytest.mark.parametrize("num_tasks", [2, 6, 24])
@pytest.mark.parametrize("weighted", [None, True])
def test_outputs_of_the_ideal_agent_are_inverted(num_tasks, weighted):
    latents, means, logits, boundary = ideal_agent(num_tasks)
    found = theory.latent_from_outputs(logits, *boundary, 20, weighted=weighted)
    np.testing.assert_allclose(found, means, atol=1e-7)
    assert r2(found, latents) == pytest.approx(0.976, abs=0.002)
    # What clipped probabilities lose.
    limit = -special.logit(1e-7)
    clipped = np.clip(logits, -limit, limit)
    lossy = theory.latent_from_outputs(clipped, *boundary, 20)
    assert r2(lossy, latents) < 0.85


def test_inversion_with_offsets_and_normals_of_any_length():
    offsets = [0.2, -0.1, 0.0, 0.3, -0.3, 0.1]
    values = {"dim": 3, "boundaries": "random", "offsets": offsets}
    _, means, logits, (normals, offsets, sigma) = ideal_agent(6, 500, **values)
    lengths = np.arange(1, 7)
    scaled = (lengths[:, None] * normals, lengths * offsets, sigma)
    found = theory.latent_from_outputs(logits, *scaled, 20)
    np.testing.assert_allclose(found, means, atol=1e-7)


def test_ideal_probabilities_after_each_step():
    evidence = np.random.RandomState(0).normal(0, 0.3, size=(5, 4, 2))
    normals = boundaries.line_normals(3)
    logits = theory.ideal_logits(evidence, normals, 0.1, 0.3)
    for t in range(1, 5):
        mean = evidence[:, :t].mean(axis=1)
        z = (mean @ normals.T - 0.1) * math.sqrt(t) / 0.3
        np.testing.assert_allclose(special.expit(logits[:, t - 1]), special.ndtr(z))


def test_ideal_answers_are_calibrated():
    trials = EvidenceTrials(num_tasks=6)
    _, _, logits, _ = ideal_agent(6)
    labels = trials.labels(trials.latents(0, 0, 20_000))
    assert np.mean((logits > 0) == labels) == pytest.approx(0.96, abs=0.003)
    # log(1 + exp(-m)), for the margin m of the right answer.
    losses = np.logaddexp(0, np.where(labels == 1, -logits, logits))
    assert losses.mean() == pytest.approx(0.0906, abs=0.005)


def test_linear_link_inverts_logits_that_are_linear():
    _, means, _, (normals, offsets, sigma) = ideal_agent(6, 500)
    z = means @ normals.T * math.sqrt(20) / sigma
    for weighted in (None, False):
        found = theory.latent_from_outputs(
            z / 0.5886, normals, offsets, sigma, 20, "linear", weighted
        )
        np.testing.assert_allclose(found, means, atol=1e-9)


def test_weights_favour_uncertain_answers():
    normals = np.eye(2)[[0, 0, 1]]
    # The first two tasks contradict each other; the first is close to its boundary.
    logits = np.array([[0.5, 8.0, 0.0]])
    plain, weighted = (
        theory.latent_from_outputs(logits, normals, 0.0, 1.0, 1, "linear", flag)[0, 0]
        for flag in (False, True)
    )
    assert plain == pytest.approx(0.5886 * 4.25)
    assert weighted == pytest.approx(0.5886 * 0.5, abs=0.05)


def test_slope_is_the_best_for_the_logistic_function():
    z = np.linspace(-10, 10, 20_001)
    slopes = np.linspace(0.58, 0.6, 201)
    errors = [np.square(special.expit(z) - special.ndtr(a * z)).mean() for a in slopes]
    assert slopes[np.argmin(errors)] == pytest.approx(theory.PROBIT_SLOPE, abs=2e-4)


@pytest.mark.parametrize(
    ("sigma", "ceiling", "posterior"),
    [
        (0.1, 0.9940, 0.9943),
        (0.2, 0.9760, 0.9778),
        (0.3, 0.9460, 0.9527),
        (0.4, 0.9040, 0.9196),
        (0.6, 0.7840, 0.8362),
    ],
)
def test_ceilings(sigma, ceiling, posterior):
    assert theory.r2_ceiling(sigma, 20) == pytest.approx(ceiling)
    found = theory.posterior_mean_r2_ceiling(sigma, 20)
    # The expected values are of a simulation.
    assert found == pytest.approx(posterior, abs=2.5e-4)


def test_posterior_ceiling_at_its_limits():
    assert theory.posterior_mean_r2_ceiling(1e-6, 1) == pytest.approx(1, abs=1e-8)
    # A weak signal: the posterior mean is about m / (12 sigma^2).
    found = theory.posterior_mean_r2_ceiling(100.0, 1)
    assert found == pytest.approx(1 / (12 * 100.0**2), rel=1e-3)


def test_condition_numbers():
    assert theory.condition_number(boundaries.line_normals(6)) == pytest.approx(1)
    found = theory.condition_number(boundaries.random_normals(2000, 20, seed=0))
    assert found == pytest.approx(theory.expected_condition_number(2000, 20), rel=0.03)
    assert theory.expected_condition_number(8, 2) == pytest.approx(3)
    assert theory.expected_condition_number(3, 3) == math.inf


LOGITS, LINES = np.zeros((4, 3)), boundaries.line_normals(3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"normals": np.ones((3, 4)) + np.eye(3, 4)},
            "at least as many tasks as dimensions. Received: 3 tasks, 4 dimensions",
        ),
        ({"normals": np.ones((3, 2))}, "normals must have rank 2.* Received: rank 1"),
        (
            {"normals": np.zeros((3, 2))},
            "none may be 0.*of length 0",
        ),
        ({"normals": np.ones(3)}, r"shape \(num_tasks, dim\). Received: \(3,\)"),
        ({"sigma": 0}, "sigma must be a number above 0: without noise.*sigma=0"),
        ({"sigma": np.nan}, "sigma must be a number above 0.*sigma=nan"),
        ({"num_steps": 0}, "num_steps must be an integer, at least 1"),
        ({"link": "logit"}, "link must be one of 'probit', 'linear'"),
        ({"weighted": 1}, "weighted must be True or False. Received: weighted=1"),
        ({"offsets": [0.0, 0.0]}, r"each of the 3 tasks. Received: shape \(2,\)"),
        ({"logits": LOGITS[:, :2]}, r"shape \(n, 3\).* Received: \(4, 2\)"),
        ({"logits": LOGITS + np.inf}, "logits must be finite.* Received: inf"),
    ],
)
def test_mistakes_of_inversion_are_one_line(changes, message):
    arguments = {"normals": LINES, "offsets": 0.0, "sigma": 0.2, "num_steps": 20}
    with pytest.raises(ValueError, match=message) as error:
        theory.latent_from_outputs(**{"logits": LOGITS, **arguments, **changes})
    assert "\n" not in str(error.value)


def test_other_mistakes():
    with pytest.raises(ValueError, match="at least as many tasks as dimensions"):
        theory.expected_condition_number(3, 4)
    with pytest.raises(ValueError, match="rank 2"):
        theory.condition_number(np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"\(..., num_steps, 2\).* Received: \(5, 3\)"):
        theory.ideal_logits(np.zeros((5, 3)), LINES, 0.0, 0.2)
    for function in (theory.r2_ceiling, theory.posterior_mean_r2_ceiling):
        with pytest.raises(ValueError, match="sigma must be a number above 0"):
            function(0.0, 20)


def test_theory_is_public():
    from dmt import evidence

    trials = evidence.EvidenceTrials(num_tasks=6)
    inputs, _ = trials.draw(0, 0, 2000)
    boundary = (trials.normals, trials.offset_values, trials.sigma)
    logits = evidence.ideal_logits(trials.evidence(inputs), *boundary)[:, -1]
    found = evidence.latent_from_outputs(logits, *boundary, trials.num_steps)
    latents = trials.latents(0, 0, 2000)
    ceiling = evidence.r2_ceiling(trials.sigma, trials.num_steps)
    assert evidence.r2(found, latents) == pytest.approx(ceiling, abs=0.003)
    assert set(evidence.__all__) <= set(vars(evidence))
