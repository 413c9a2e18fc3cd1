"""Data sets by name, the names that configs and result files use.

An installed package adds data sets by entry points of the group "dmt.datasets", in its
pyproject.toml:

    [project.entry-points."dmt.datasets"]
    my_data = "my_package.my_module:MyData"

A module that is not installed calls `register`, and a gin file imports it.
"""

import difflib
import importlib
import importlib.metadata

import gin

# Their parameters are bound in gin files, which are parsed before a data set is asked
# for.
from dmt.data.ground_truth import (  # noqa: F401
    celeba,
    own_data,
    pooled,
    prepared,
    smallnorb,
    splits,
    tfds_data,
    trifinger,
)
from dmt.utils import configuration, results, stages

_PACKAGE = "dmt.data.ground_truth"

# "module:callable", imported when the data set is asked for.
_SHIPPED = {
    "abstract_dsprites": f"{_PACKAGE}.dsprites_variants:abstract_dsprites",
    "abstract_dsprites_rendered": (
        f"{_PACKAGE}.dsprites_variants:abstract_dsprites_rendered"
    ),
    "armcube_rendered": f"{_PACKAGE}.armcube_rendered:armcube_rendered",
    "armcube_rendered_128": f"{_PACKAGE}.armcube_rendered:armcube_rendered_128",
    "armcube_rendered_heldout_colors": (
        f"{_PACKAGE}.armcube_rendered:armcube_rendered_heldout_colors"
    ),
    "armcube_rendered_heldout_colors_128": (
        f"{_PACKAGE}.armcube_rendered:armcube_rendered_heldout_colors_128"
    ),
    "armcube_rendered_shifted": f"{_PACKAGE}.armcube_rendered:armcube_rendered_shifted",
    "armcube_rendered_shifted_128": (
        f"{_PACKAGE}.armcube_rendered:armcube_rendered_shifted_128"
    ),
    "cars3d": f"{_PACKAGE}.cars3d:Cars3D",
    "celeba": f"{_PACKAGE}.celeba:celeba",
    "color_dsprites": f"{_PACKAGE}.dsprites_variants:color_dsprites",
    "color_dsprites_rendered": f"{_PACKAGE}.dsprites_variants:color_dsprites_rendered",
    "correlated": f"{_PACKAGE}.splits:correlated",
    "dummy_data": f"{_PACKAGE}.dummy_data:DummyData",
    "dsprites_full": f"{_PACKAGE}.dsprites:dsprites_full",
    "dsprites_noshape": f"{_PACKAGE}.dsprites:dsprites_noshape",
    "dsprites_rendered": f"{_PACKAGE}.dsprites_rendered:dsprites_rendered",
    "dsprites_rendered_noshape": (
        f"{_PACKAGE}.dsprites_rendered:dsprites_rendered_noshape"
    ),
    "dsprites_rendered_small": f"{_PACKAGE}.dsprites_rendered:dsprites_rendered_small",
    "image_folder": f"{_PACKAGE}.own_data:image_folder",
    "mpi3d_real": f"{_PACKAGE}.mpi3d:mpi3d_real",
    "mpi3d_real_complex": f"{_PACKAGE}.mpi3d:mpi3d_real_complex",
    "mpi3d_realistic": f"{_PACKAGE}.mpi3d:mpi3d_realistic",
    "mpi3d_toy": f"{_PACKAGE}.mpi3d:mpi3d_toy",
    "noisy_dsprites": f"{_PACKAGE}.dsprites_variants:noisy_dsprites",
    "noisy_dsprites_rendered": f"{_PACKAGE}.dsprites_variants:noisy_dsprites_rendered",
    "npz_images": f"{_PACKAGE}.own_data:npz_images",
    "pooled": f"{_PACKAGE}.pooled:pooled",
    "scream_dsprites": f"{_PACKAGE}.dsprites_variants:scream_dsprites",
    "shapes3d": f"{_PACKAGE}.shapes3d:Shapes3D",
    "shapes3d_rendered": f"{_PACKAGE}.shapes3d_rendered:shapes3d_rendered",
    "shapes3d_rendered_128": f"{_PACKAGE}.shapes3d_rendered:shapes3d_rendered_128",
    "smallnorb": f"{_PACKAGE}.smallnorb:smallnorb",
    "split": f"{_PACKAGE}.splits:split",
    "texture_dsprites_rendered": (
        f"{_PACKAGE}.dsprites_variants:texture_dsprites_rendered"
    ),
    "tfds/celeb_a": f"{_PACKAGE}.tfds_data:celeb_a",
    "tfds/dsprites": f"{_PACKAGE}.tfds_data:dsprites",
    "tfds/shapes3d": f"{_PACKAGE}.tfds_data:shapes3d",
    "tfds/smallnorb": f"{_PACKAGE}.tfds_data:smallnorb",
    "trifinger": f"{_PACKAGE}.trifinger:trifinger",
    "trifinger_heldout_colors": f"{_PACKAGE}.trifinger:trifinger_heldout_colors",
    "trifinger_real": f"{_PACKAGE}.trifinger:trifinger_real",
}

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
    if name in _SHIPPED:
        raise ValueError(
            f"The data set name is reserved, choose another. Received: name={name!r}"
        )
    _factories[name] = factory


def data_set_of(gin_file):
    """The data set that a step used.

    Args:
      gin_file: operative configuration of the step.

    Raises:
      FileNotFoundError: if the step did not finish.
      ValueError: if a module that it imports cannot be imported.
    """
    name = results.bound_string(gin_file, "dataset.name")
    with configuration.gin_configuration([], []):
        configuration.bind_dataset(gin_file)
        return get_named_ground_truth_data(name)


def factories():
    """What `register` and this package have given, {name: callable or its place}."""
    return dict(_factories)


@stages.configurable("dataset", "dataset")
def get_named_ground_truth_data(name=gin.REQUIRED):
    """Returns the data set of that name.

    Args:
      name: a name of this package, one given to `register` or one of an entry point.

    Raises:
      ValueError: if there is no such data set.
      DatasetNotFound: if its files are not on this machine.
    """
    return open_data_set(name)


def open_data_set(name):
    """`get_named_ground_truth_data` without a binding of its own, for wrappers."""
    factory = _factories.get(name)
    if factory is None:
        factory = _installed_factory(name)
    if isinstance(factory, str):
        module, attribute = factory.split(":")
        factory = getattr(importlib.import_module(module), attribute)
    return factory()


def _installed_factory(name):
    entry_points = importlib.metadata.entry_points(group="dmt.datasets")
    known = sorted({*_factories, *entry_points.names})
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"Data sets are {', '.join(known)}.{hint} Received: name={name!r}"
        )
    (entry_point, *others) = entry_points.select(name=name)
    if others:
        raise ValueError(
            f"Several installed packages have a data set named {name!r}: "
            f"{', '.join(e.value for e in (entry_point, *others))}. Uninstall all but "
            "one."
        )
    try:
        return entry_point.load()
    except Exception as error:
        raise ValueError(
            f"The data set {name!r} of an installed package cannot be loaded from "
            f"{entry_point.value}: {error}"
        ) from error
