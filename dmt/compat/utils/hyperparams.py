"""disentanglement_lib's path of sweeps; `dmt.studies.published.sweeps` makes them.

A sweep is a list of settings, each a dictionary {gin binding: value}.
"""

from dmt.studies.published import sweeps
from dmt.studies.published.sweeps import sweep

__all__ = [
    "categorical",
    "chainit",
    "discrete",
    "fixed",
    "product",
    "sweep",
    "to_bindings",
    "zipit",
]


def categorical(items):
    """The values of a variable without order, as they are."""
    return items


def discrete(items):
    """The values of a number, as they are."""
    return items


def fixed(name, value, length=1):
    """`length` settings with the same value of a binding."""
    return [{name: value} for _ in range(length)]


def zipit(list_of_items):
    """Settings at the same index merged; see `sweeps.zip_together`."""
    return sweeps.zip_together(*list_of_items)


def chainit(list_of_items):
    """The settings of all sweeps, one sweep after the other."""
    return sweeps.chain(*list_of_items)


def product(list_of_items):
    """All combinations of settings; the last sweep varies fastest."""
    return sweeps.product(*list_of_items)


def to_bindings(items):
    """Lines of gin of a setting; see `sweeps.to_bindings`."""
    return sweeps.to_bindings(items)
