"""Data sets by name, the names that configs and result files use."""

import difflib
import importlib

import gin

_PACKAGE = "dmt.data.ground_truth"

# "module:callable", imported when the data set is asked for.
_SHIPPED = {
    "dummy_data": f"{_PACKAGE}.dummy_data:DummyData",
    "dsprites_full": f"{_PACKAGE}.dsprites:dsprites_full",
    "dsprites_noshape": f"{_PACKAGE}.dsprites:dsprites_noshape",
    "dsprites_rendered": f"{_PACKAGE}.dsprites_rendered:dsprites_rendered",
    "dsprites_rendered_noshape": (
        f"{_PACKAGE}.dsprites_rendered:dsprites_rendered_noshape"
    ),
    "dsprites_rendered_small": f"{_PACKAGE}.dsprites_rendered:dsprites_rendered_small",
}

_NOT_IN_THIS_VERSION = (
    "abstract_dsprites",
    "cars3d",
    "color_dsprites",
    "mpi3d_real",
    "mpi3d_realistic",
    "mpi3d_toy",
    "noisy_dsprites",
    "scream_dsprites",
    "shapes3d",
    "smallnorb",
)

_factories = dict(_SHIPPED)


def register(name, factory):
    """Makes a data set of your own available by name.

    Args:
      name: the name to use in configs.
      factory: callable without arguments that returns a GroundTruthData, or a string
        "module:callable" that is imported when needed.

    Raises:
      ValueError: if the name is one of disentanglement_lib's or of this package.
    """
    if name in _SHIPPED or name in _NOT_IN_THIS_VERSION:
        raise ValueError(
            f"The data set name is reserved, choose another. Received: name={name!r}"
        )
    _factories[name] = factory


@gin.configurable("dataset")
def get_named_ground_truth_data(name=gin.REQUIRED):
    """Returns the data set of that name.

    Args:
      name: a name of this package or one given to `register`.

    Raises:
      ValueError: if there is no such data set.
      DatasetNotFound: if its files are not on this machine.
    """
    if name in _NOT_IN_THIS_VERSION:
        raise ValueError(
            "This data set of disentanglement_lib is not in this version of dmt, which "
            f"knows {', '.join(sorted(_factories))}. Received: name={name!r}"
        )
    if name not in _factories:
        close = difflib.get_close_matches(str(name), _factories, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"Data sets are {', '.join(sorted(_factories))}.{hint} "
            f"Received: name={name!r}"
        )
    factory = _factories[name]
    if isinstance(factory, str):
        module, attribute = factory.split(":")
        factory = getattr(importlib.import_module(module), attribute)
    return factory()
