"""Base class of datasets that change the observations of another dataset."""

from dmt.data import registry
from dmt.data.ground_truth import ground_truth_data


class DatasetWrapper(ground_truth_data.GroundTruthData):
    """A dataset that has the factors of another one and draws them as it does."""

    def __init__(self, name: str, base: ground_truth_data.GroundTruthData):
        """Copies factors, image shape and origin of the base.

        Args:
            name: the name of the dataset.
            base: the `GroundTruthData` to wrap.
        """
        self.name = name
        self._base = base
        self.origin = base.origin
        self.renderer_version = base.renderer_version
        self.factors_num_values = base.factors_num_values
        self.factor_names = base.factor_names
        self.observation_shape = base.observation_shape
        self.continuous_factors = base.continuous_factors
        self.has_all_combinations = base.has_all_combinations

    def sample_factors(self, num, random_state):
        """Draws factors: int64, shape (num, num_factors)."""
        return self._base.sample_factors(num, random_state)

    def check_factors(self, user, discrete=True):
        """See `GroundTruthData`; the message is about the other dataset."""
        self._base.check_factors(user, discrete)

    def scaled_factors(self, factors):
        """See `GroundTruthData`; the range is that of the other dataset."""
        return self._base.scaled_factors(factors)


def open_base(base, wrapper):
    """Opens the dataset that a wrapper is bound to.

    Args:
        base: name of a dataset, or a `GroundTruthData`.
        wrapper: gin name of the wrapper.

    Raises:
        ValueError: if the wrapper is bound to itself, or there is no such dataset.
    """
    if isinstance(base, ground_truth_data.GroundTruthData):
        return base
    if base == wrapper:
        raise ValueError(
            f"{wrapper}.base is the dataset to wrap, bind another one. To wrap twice, "
            f"bind it to @inner/{wrapper}() and bind inner/{wrapper}.base. "
            f"Received: base={base!r}"
        )
    return registry.open_dataset(base)
