"""Versions of the packages that compute scores."""

from importlib import metadata

import dmt

PACKAGES = ("keras", "numba", "numpy", "scikit-learn", "scipy")


def versions() -> dict[str, str]:
    """The versions for the record, as {"package": "version"}."""
    return {
        "dmt": dmt.__version__,
        **{package: metadata.version(package) for package in PACKAGES},
    }
