"""Parts of a dataset, and datasets with correlated factors.

Each wraps another dataset and is bound by its name, in training and in evaluation:

    dataset.name = "split"
    split.base = "dsprites_rendered"
    split.held_out = {"shape": [2]}
    split.part = "train"

Factor values keep the numbers that they have in the base, so that a predictor trained
on one part can be tested on another.

Training draws images uniformly from a part, and so does `sample_factors`. A metric that
fixes factors may ask for a combination that the part lacks. This is an error, because
another combination would silently change what the metric means. If values of a single
factor are held out, no combination of the remaining values is missing. Only metrics
that use all values of each factor (`fairness`) then fail. If one value of a factor is
left, the factor has no entropy and `mig` is not defined.
"""

import gin
import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import table_data, wrapped
from dmt.utils import checks, stages


class Subset(table_data.FactorTable, wrapped.DatasetWrapper):
    """A list of observations of another dataset."""

    def __init__(self, name, base, rows):
        """Looks up the factors of the list.

        Args:
            name: the name of the dataset.
            base: the `GroundTruthData`, with `size`.
            rows: int array of shape (n,), indices into the base; may repeat.
        """
        wrapped.DatasetWrapper.__init__(self, name, base)
        super().__init__(
            base.factors_at(rows), base.factors_num_values, base.continuous_factors
        )
        self._rows = rows
        if base.image_names is not None:
            self.image_names = [base.image_names[row] for row in rows]

    def images_at(self, indices):
        """Images at the indices: uint8, shape (n, *observation_shape)."""
        return self._base.images_at(self._rows[indices])

    def image_numbers(self, indices):
        """See `GroundTruthData`."""
        return self._base.image_numbers(self._rows[indices])

    def _missing(self, factors):
        return (
            f"{super()._missing(factors)} of {self.factor_names}. Bind dataset.name to "
            f"the base of {self.name!r} to evaluate with all combinations."
        )


@registry.dataset("split")
@stages.configurable("split", "dataset")
def split(
    base=gin.REQUIRED, part=gin.REQUIRED, held_out=None, train_share=None, seed=0
):
    """One of the two parts of a dataset.

    Args:
        base: name of the dataset, or a reference to a configurable that makes it, such
            as `@correlated()` or `@inner/split()`.
        part: "train" or "test".
        held_out: dictionary from names of factors to lists of value numbers. The test
            part holds the observations that have one of the listed values for every
            factor of the dictionary. One factor holds out values, and several factors
            hold out combinations. With a list of dictionaries, the test part holds the
            observations of any of them.
        train_share: share of the observations that are drawn for the train part, in
            (0, 1). It is used instead of `held_out`.
        seed: seed of this draw, an integer in [0, 2**32).

    Raises:
        ValueError: if an argument is out of range or the part is empty.
    """
    base = _open(base, "split")
    checks.one_of("split.part", part, ("train", "test"))
    if (held_out is None) == (train_share is None):
        raise ValueError(
            "Bind one of split.held_out and split.train_share. "
            f"Received: held_out={held_out!r}, train_share={train_share!r}"
        )
    if held_out is not None:
        is_test = _is_held_out(base, held_out)
    else:
        is_test = _is_drawn(base, train_share, seed)
    rows = np.flatnonzero(is_test == (part == "test"))
    if not rows.size:
        raise ValueError(
            f"The {part} part of {base.name} is empty. Received: held_out={held_out!r},"
            f" train_share={train_share!r}"
        )
    return Subset("split", base, rows)


@registry.dataset("correlated")
@stages.configurable("correlated", "dataset")
def correlated(base=gin.REQUIRED, pairs=gin.REQUIRED, sigma=gin.REQUIRED, seed=0):
    """A dataset in which pairs of factors are correlated.

    The probability of an observation is proportional to

        exp(-(a / (n_a - 1) - b / (n_b - 1))^2 / (2 sigma^2))

    where a and b are the value numbers of the two factors of a pair, which have n_a and
    n_b values (Traeuble et al., 2021, "On disentangled representations learned from
    correlated data"). With several pairs, it is the product of these terms.

    The dataset is a list of as many observations as the base has. Each observation is
    repeated in proportion to its probability. The number of observations of each
    combination of the paired factors is exact up to rounding. Uniform draws of indices
    therefore have this distribution on the host, on the device and in metrics.

    Args:
        base: as for `split`.
        pairs: list of pairs of names of factors.
        sigma: width of the band of values that occur together, > 0. In the paper 0.2 is
            a strong correlation and 0.7 a weak one.
        seed: integer in [0, 2**32). It decides which observations are repeated once
            more than others of the same probability.

    Raises:
        ValueError: if an argument is out of range.
    """
    base = _open(base, "correlated")
    checks.number("correlated.sigma", sigma, above=0)
    checks.seed("correlated.seed", seed)
    is_list = isinstance(pairs, (list, tuple)) and pairs
    if not is_list or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs
    ):
        raise ValueError(
            'correlated.pairs is a list of pairs of factors, as in [("a", "b")]. '
            f"Received: pairs={pairs!r}"
        )
    factors = base.factors_at(np.arange(base.size))
    exponent, cells = np.zeros(base.size), np.zeros(base.size, dtype=np.int64)
    for pair in pairs:
        columns = [_column(base, name, "correlated.pairs") for name in pair]
        sizes = [base.factors_num_values[column] for column in columns]
        if columns[0] == columns[1] or min(sizes) < 2:
            raise ValueError(
                "correlated.pairs needs two factors with two values or more. "
                f"Received: {pair!r} with {sizes} values"
            )
        a, b = (
            factors[:, column] / (num_values - 1)
            for column, num_values in zip(columns, sizes, strict=True)
        )
        exponent -= (a - b) ** 2 / (2 * sigma**2)
        cells = np.unique(
            np.stack([cells, *factors[:, columns].T]), axis=1, return_inverse=True
        )[1]
    return Subset("correlated", base, _systematic_sample(exponent, cells, seed))


def _systematic_sample(log_weights, cells, seed):
    """Draws as many row numbers as there are rows, in proportion to the weights.

    Each row occurs floor or ceil of its expected number of times. Rows of one cell have
    the same weight. They are neighbours in random order, so that the number of rows of
    each cell is floor or ceil of its expected number, too.
    """
    order = np.random.RandomState(seed).permutation(len(cells))
    order = order[np.argsort(cells[order], kind="stable")]
    ends = np.cumsum(np.exp(log_weights[order] - log_weights.max()))
    points = (np.arange(len(order)) + 0.5) * (ends[-1] / len(order))
    return np.sort(order[np.searchsorted(ends, points)])


def _open(base, wrapper):
    base = wrapped.open_base(base, wrapper)
    base.indexed_size(f"{wrapper}.base")
    return base


def _column(base, name, parameter):
    if name not in base.factor_names:
        raise ValueError(
            f"{parameter} names factors of {base.name}, which are "
            f"{', '.join(base.factor_names)}. Received: {name!r}"
        )
    column = base.factor_names.index(name)
    if base.continuous_factors[column]:
        base.check_factors(parameter)
    return column


def _is_held_out(base, held_out):
    conditions = [held_out] if isinstance(held_out, dict) else held_out
    is_list = isinstance(conditions, (list, tuple)) and conditions
    if not is_list or not all(isinstance(c, dict) and c for c in conditions):
        raise ValueError(
            'split.held_out is a dictionary such as {"shape": [2]}, or a list of them. '
            f"Received: held_out={held_out!r}"
        )
    factors = base.factors_at(np.arange(base.size))
    held = np.zeros(base.size, dtype=bool)
    for condition in conditions:
        holds = np.ones(base.size, dtype=bool)
        for name, values in condition.items():
            column = _column(base, name, "split.held_out")
            num_values = base.factors_num_values[column]
            is_list = isinstance(values, (list, tuple)) and values
            if not is_list or not all(
                checks.is_integer(value) and 0 <= value < num_values for value in values
            ):
                raise ValueError(
                    f"split.held_out lists values of {name!r} by their numbers, 0 to "
                    f"{num_values - 1}. Received: {values!r}"
                )
            holds &= np.isin(factors[:, column], values)
        held |= holds
    return held


def _is_drawn(base, train_share, seed):
    checks.number("split.train_share", train_share, above=0, below=1)
    checks.seed("split.seed", seed)
    is_test = np.ones(base.size, dtype=bool)
    order = np.random.RandomState(seed).permutation(base.size)
    is_test[order[: round(train_share * base.size)]] = False
    return is_test
