"""Votes, from which the BetaVAE, FactorVAE and Z-max variance scores are computed.

A vote is a few batches of observations that share the value of one factor, or that
differ in one factor only. The metrics take thousands of them.
"""

import numpy as np

from dmt.evaluation.metrics import encoding
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.utils import checks, machine

# Few enough for the codes to stay in the processor's cache, many enough for the encoder
# to work on thousands of images at once.
VOTES_AT_ONCE = 1024


def sample_votes(sampler, num_votes, num_batches, batch_size, fix, summarize):
    """Samples votes and summarises the codes of each.

    The draws of a vote are those of disentanglement_lib: which factor is fixed, then
    the factors of variation of each batch, then the observations of each batch.

    Args:
        sampler: `samples.Sampler`.
        num_votes: number of votes.
        num_batches: batches per vote.
        batch_size: samples per batch.
        fix: function of factors (n, num_batches, batch_size, num_factors) and of the
            fixed factor (n,) of each vote; it changes the factors in place.
        summarize: function from codes (n, num_batches, batch_size, num_codes) to an
            array (n, ...).

    Returns:
        The fixed factor of each vote, int64 array of shape (num_votes,), and the
        summaries, array of shape (num_votes, ...).
    """
    at_once = min(num_votes, VOTES_AT_ONCE) * num_batches * batch_size
    machine.check_memory(
        8 * (2 * num_votes + at_once * sampler.data.num_factors),
        f"batch_size={batch_size} for {num_votes} votes",
    )
    fixed = np.empty(num_votes, dtype=np.int64)
    summaries = []
    at_once = getattr(sampler.data, "has_grid_draws", False)
    draw = _draw_at_once if at_once else _draw_one_by_one
    for start in range(0, num_votes, VOTES_AT_ONCE):
        some = fixed[start : start + VOTES_AT_ONCE]
        observations = draw(
            sampler.data, sampler.random_state, some, num_batches, batch_size, fix
        )
        codes = sampler.encode(observations, batch_size)
        summaries.append(
            summarize(codes.reshape(len(some), num_batches, batch_size, -1))
        )
    return fixed, np.concatenate(summaries)


def check_sizes(batch_size, num_variance_estimate, num_train, num_eval):
    """Raises a ValueError if a number is too small for variances or accuracies."""
    checks.integer("batch_size", batch_size, low=2)
    checks.integer("num_variance_estimate", num_variance_estimate, low=2)
    checks.integer("num_train", num_train, low=1)
    checks.integer("num_eval", num_eval, low=1)


def classify_by_variance(
    draw, num_train, num_eval, variances, active, num_factors, choose, with_intervals
):
    """Trains and tests the majority vote, code -> factor.

    A vote goes to the active code whose variance in the batch, divided by its variance
    over all samples, is chosen by `choose`.

    Args:
        draw: maps a number of votes to the factor of each (num_votes,) and the
            variances of the codes in its batch (num_votes, num_codes).
        num_train: votes that make the classifier.
        num_eval: votes that test it.
        variances: variance of each code over all samples, array (num_codes,).
        active: mask of the codes that can win, array (num_codes,).
        num_factors: number of factors.
        choose: `numpy.argmin` or `numpy.argmax`.
        with_intervals: whether the votes are a random sample of those of a dataset, so
            that intervals can be computed from them. The votes of a table of samples
            do not show how uncertain the table is.

    Returns:
        Dictionary of train_accuracy and eval_accuracy in [0, 1], votes_train and
        votes_eval (num_codes, num_factors), num_train, num_eval and global_variances;
        see `bootstrap`.
    """
    num_codes = len(variances)

    def draw_votes(num_votes):
        if not active.any():
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        factors, local = draw(num_votes)
        # A constant code gives 0 / 0 = nan, which argmin prefers to any number. A code
        # that is constant only in the samples of the variances gives x / 0 = inf.
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = local[:, active] / variances[active]
        return np.flatnonzero(active)[choose(ratios, axis=1)], factors

    def count(*tables):
        counts = np.zeros((2, num_codes, num_factors), np.int64)
        np.add.at(counts[0], tables[:2], 1)
        np.add.at(counts[1], tables[2:], 1)
        train, evaluation = counts
        classifier = (np.arange(num_codes), train.argmax(axis=1))
        return {
            "train_accuracy": float(train[classifier].sum() / max(1, train.sum())),
            "eval_accuracy": float(
                evaluation[classifier].sum() / max(1, evaluation.sum())
            ),
            "votes_train": train.tolist(),
            "votes_eval": evaluation.tolist(),
        }

    tables = [draw_votes(num_train), draw_votes(num_eval)]
    scores = (
        bootstrap(
            count, tables, ranges={"train_accuracy": (0, 1), "eval_accuracy": (0, 1)}
        )
        if with_intervals
        else count(*tables[0], *tables[1])
    )
    return scores | {
        "num_train": num_train,
        "num_eval": num_eval,
        "global_variances": variances.tolist(),
    }


def _draw_one_by_one(data, random_state, fixed, num_batches, batch_size, fix):
    """Yields the observations of each batch; sets `fixed` to the fixed factors."""
    for vote in range(len(fixed)):
        fixed[vote] = random_state.randint(data.num_factors)
        factors = np.stack(
            [data.sample_factors(batch_size, random_state) for _ in range(num_batches)]
        )
        fix(factors[None], fixed[vote : vote + 1])
        for batch in factors:
            yield data.sample_observations_from_factors(batch, random_state)


def _draw_at_once(data, random_state, fixed, num_batches, batch_size, fix):
    """Like `_draw_one_by_one`, for data with `has_grid_draws`; batches are joined."""
    from dmt.data import draws

    batch = [(num_values, batch_size) for num_values in data.factors_num_values]
    calls = [(data.num_factors, 1)] + num_batches * batch
    numbers = draws.randints(random_state, calls, len(fixed))
    fixed[:] = numbers[:, 0]
    factors = numbers[:, 1:].reshape(-1, num_batches, data.num_factors, batch_size)
    factors = factors.swapaxes(2, 3)
    fix(factors, fixed)
    factors = factors.reshape(-1, data.num_factors)
    # Images of float32 in memory, unless the data's observations are mere indices.
    image_bytes = 4 * int(np.prod(data.observation_shape))
    size = batch_size * max(1, encoding.CHUNK_BYTES // 4 // image_bytes // batch_size)
    for start in range(0, len(factors), size):
        some = factors[start : start + size]
        yield data.sample_observations_from_factors(some, random_state)
