"""BetaVAE score: does the difference of two codes tell which factor was shared?

Higgins et al.: beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
Framework, 2017, section 3 (https://openreview.net/forum?id=Sy2fzU9gl).
"""

import functools
from typing import Any

import gin
import numpy as np

from dmt.evaluation.metrics import predictors, registry, votes
from dmt.evaluation.metrics.information import class_indices
from dmt.evaluation.metrics.resampling import bootstrap
from dmt.evaluation.metrics.samples import on_samples


@registry.metric(
    "beta_vae_sklearn",
    scores=["eval_accuracy"],
    intervals={},
    without_intervals={
        "eval_accuracy": "it is a score of the given rows, from which it draws"
    },
    # The regression is regularised.
    invariances=registry.EVERYTHING - {"scale codes"},
)
def beta_vae(
    factors: np.ndarray,
    codes: np.ndarray,
    *,
    batch_size: int = 64,
    num_train: int = 10000,
    num_eval: int = 5000,
    seed: int = 0,
) -> dict[str, Any]:
    """BetaVAE score of a table of samples.

    To make one point, choose a factor k, draw pairs of samples that share the value of
    k, and average |z_first - z_second| over the pairs. A logistic regression predicts k
    from the average.

    The pairs are drawn with replacement from the given samples, so the table must hold
    several samples for each value: all of a dataset, or many random ones.

    Args:
        factors: array-like of shape (n, num_factors), discrete values.
        codes: array-like of shape (n, num_codes).
        batch_size: pairs per point.
        num_train: points that train the classifier.
        num_eval: points that test it.
        seed: integer seed of all draws.

    Returns:
        Dictionary:
            train_accuracy, eval_accuracy: shares of the points that are classified
                correctly, in [0, 1], 1 is best. If only one factor is ever chosen, the
                prediction is always that factor. (disentanglement_lib fails in this
                case, because scikit-learn refuses a single class.)
            train_accuracy_per_factor, eval_accuracy_per_factor: the same for the points
                of one factor, lists (num_factors,); nan where there is no point.
            num_train, num_eval, batch_size, scikit_learn: the settings, and the version
                of the classifier's library.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> factors = np.indices([3, 4]).reshape(2, -1).T
        >>> beta_vae(factors, -2.0 * factors, num_train=100)["eval_accuracy"]
        1.0
    """
    random_state = np.random.RandomState(seed)
    num_samples, num_factors = factors.shape
    values = class_indices(factors)
    # In `order`, samples with the same value follow each other, beginning at `start`.
    order = [np.argsort(column, kind="stable") for column in values]
    count = [np.bincount(column) for column in values]
    start = [np.cumsum(counts) - counts for counts in count]

    def draw_points(num_points):
        fixed = random_state.randint(num_factors, size=num_points)
        features = np.empty((num_points, codes.shape[1]))
        for point, factor in enumerate(fixed):
            first = random_state.randint(num_samples, size=batch_size)
            value = values[factor][first]
            offset = random_state.randint(count[factor][value])
            second = order[factor][start[factor][value] + offset]
            features[point] = np.abs(codes[first] - codes[second]).mean(axis=0)
        return fixed, features

    return _score(draw_points, num_train, num_eval, batch_size, num_factors)


@on_samples("beta_vae_sklearn")
def compute_beta_vae_sklearn(
    sampler, batch_size=gin.REQUIRED, num_train=gin.REQUIRED, num_eval=gin.REQUIRED
):
    """BetaVAE score on samples of a dataset; see `beta_vae` for the settings."""

    def share(factors, fixed):
        rows = np.arange(len(fixed))
        factors[rows, 1, :, fixed] = factors[rows, 0, :, fixed]

    def difference(codes):
        # In float64 the classifier's solver needs fewer steps.
        return np.abs(codes[:, 0] - codes[:, 1]).mean(axis=1).astype(np.float64)

    def draw_points(num_points):
        return votes.sample_votes(sampler, num_points, 2, batch_size, share, difference)

    num_factors = sampler.data.num_factors
    return _score(
        draw_points, num_train, num_eval, batch_size, num_factors, with_intervals=True
    )


def _score(
    draw_points, num_train, num_eval, batch_size, num_factors, with_intervals=False
):
    """Trains and tests the classifier.

    `draw_points` maps a number of points to the fixed factors (num_points,) and the
    mean differences (num_points, num_codes). For `with_intervals` see `votes`.
    """
    import sklearn

    score = functools.partial(_accuracies, num_factors=num_factors)
    tables = [draw_points(num_train), draw_points(num_eval)]
    scores = (
        bootstrap(
            score, tables, ranges={"train_accuracy": (0, 1), "eval_accuracy": (0, 1)}
        )
        if with_intervals
        else score(*tables[0], *tables[1])
    )
    return scores | {
        "num_train": num_train,
        "num_eval": num_eval,
        "batch_size": batch_size,
        "scikit_learn": sklearn.__version__,
    }


def _accuracies(train, train_features, evaluation, eval_features, num_factors):
    from sklearn import linear_model

    (model,) = predictors.fit(
        linear_model.LogisticRegression, train_features, train[:, None]
    )
    scores = {}
    for name, fixed, features in (
        ("train", train, train_features),
        ("eval", evaluation, eval_features),
    ):
        correct = model.predict(features) == fixed
        count = np.bincount(fixed, minlength=num_factors)
        with np.errstate(invalid="ignore"):
            per_factor = np.bincount(fixed[correct], minlength=num_factors) / count
        scores[f"{name}_accuracy"] = float(correct.mean())
        scores[f"{name}_accuracy_per_factor"] = per_factor.tolist()
    return scores
