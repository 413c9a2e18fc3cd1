"""Sweeps: lists of settings, each a dictionary {gin binding: value}.

    product(sweep("vae.beta", [1.0, 4.0]), sweep("model.random_seed", range(50)))

are 100 settings, seeds of one beta next to each other. The number of a model in a study
is its place in such a list.
"""

import itertools


def sweep(name, values):
    """Settings of one binding.

    Args:
        name: the binding, for example "vae.beta".
        values: its values, one setting each.
    """
    return [{name: value} for value in values]


def fixed(name, value):
    """The one setting of a binding that does not vary."""
    return [{name: value}]


def zip_together(*sweeps):
    """Settings of the same place merged; a sweep of length one counts for all places.

    Raises:
        ValueError: if other lengths differ.
    """
    length = max(map(len, sweeps))
    if any(len(settings) not in (1, length) for settings in sweeps):
        raise ValueError(
            "Sweeps that are zipped need one length. Received: lengths "
            f"{[len(settings) for settings in sweeps]}"
        )
    repeated = (settings * (length // len(settings)) for settings in sweeps)
    return [_merged(settings) for settings in zip(*repeated, strict=True)]


def chain(*sweeps):
    """All settings, one sweep after the other."""
    return list(itertools.chain(*sweeps))


def product(*sweeps):
    """All combinations; the last sweep varies fastest."""
    return [_merged(settings) for settings in itertools.product(*sweeps)]


def to_bindings(setting):
    """Lines of gin for one setting, strings quoted unless they are references ("@").

    Args:
        setting: dictionary {gin binding: value}.
    """
    return [
        f"{name} = {value}"
        if isinstance(value, str) and value.startswith("@")
        else f"{name} = {value!r}"
        for name, value in setting.items()
    ]


def _merged(settings):
    return {name: value for setting in settings for name, value in setting.items()}
