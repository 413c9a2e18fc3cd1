"""Sweeps: lists of settings, each a dictionary {gin binding: value}.

    product(sweep("vae.beta", [1.0, 4.0]), sweep("model.random_seed", range(50)))

are 100 settings: first all seeds of beta = 1, then those of beta = 4. The number of a
model of a study is the index of its setting.
"""

import itertools


def sweep(name, values):
    """One setting for each of the values of a binding."""
    return [{name: value} for value in values]


def fixed(name, value):
    """A single setting, of a binding that does not vary."""
    return [{name: value}]


def zip_together(*sweeps):
    """Settings at the same index merged; a sweep of length one is repeated.

    Raises:
        ValueError: if sweeps that are longer have different lengths.
    """
    length = max(map(len, sweeps))
    if any(len(settings) not in (1, length) for settings in sweeps):
        raise ValueError(
            "Sweeps that are zipped need the same length. Received: lengths "
            f"{[len(settings) for settings in sweeps]}"
        )
    repeated = (settings * (length // len(settings)) for settings in sweeps)
    return [_merged(settings) for settings in zip(*repeated, strict=True)]


def chain(*sweeps):
    """The settings of all sweeps, one sweep after the other."""
    return list(itertools.chain(*sweeps))


def product(*sweeps):
    """All combinations of settings; the last sweep varies fastest."""
    return [_merged(settings) for settings in itertools.product(*sweeps)]


def to_bindings(setting):
    """Lines of gin of a setting; texts are quoted unless they are references ("@")."""
    return [
        f"{name} = {value}"
        if isinstance(value, str) and value.startswith("@")
        else f"{name} = {value!r}"
        for name, value in setting.items()
    ]


def _merged(settings):
    return {name: value for setting in settings for name, value in setting.items()}
