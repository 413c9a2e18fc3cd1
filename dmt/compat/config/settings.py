"""Settings of models that the sweeps of all studies share."""

from dmt.studies.published.sweeps import sweep as _sweep

__all__ = ["datasets_of", "get_num_latent", "get_seeds"]


def datasets_of(settings):
    """One setting for each dataset in a list of settings of models."""
    names = (setting["dataset.name"] for setting in settings)
    return _sweep("dataset.name", dict.fromkeys(names))


def get_num_latent(sweep):
    """One setting for each number of codes."""
    return _sweep("encoder.num_latent", sweep)


def get_seeds(num):
    """One setting for each seed from 0 to num - 1."""
    return _sweep("model.random_seed", range(num))
