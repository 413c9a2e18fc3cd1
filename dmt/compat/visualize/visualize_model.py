"""Names of disentanglement_lib for `dmt.visualize.visualize_model`."""

import numbers

import numpy as np

__all__ = ["latent_traversal_1d_multi_dim", "sigmoid", "tanh"]


def latent_traversal_1d_multi_dim(
    generator_fn, latent_vector, dimensions=None, values=None, transpose=False
):
    """Draws codes that differ from one code vector in one code at a time.

    Args:
        generator_fn: function of codes (n, num_codes) that returns images (n, height,
            width, channels).
        latent_vector: array (num_codes,).
        dimensions: the codes to change, array (m,), or how many of the first codes;
            None for all.
        values: their values, array (k,), or how many from -1 to 1; None for 11.
        transpose: whether codes are rows and values columns; otherwise the reverse.

    Returns:
        One image.

    Raises:
        ValueError: if an array is not one-dimensional, or a number out of range.
    """
    base = np.asarray(latent_vector)
    if dimensions is None:
        dimensions = len(base)
    if isinstance(dimensions, numbers.Integral):
        dimensions = np.arange(dimensions)
    if values is None or isinstance(values, numbers.Integral):
        values = np.linspace(-1, 1, 11 if values is None else int(values))
    dimensions, values = np.asarray(dimensions), np.asarray(values)
    shapes = [array.ndim for array in (base, dimensions, values)]
    if shapes != [1, 1, 1] or not dimensions.size or len(values) < 2:
        raise ValueError(
            "Give a vector of codes, one of the codes to change and one of at least 2 "
            f"values. Received: shapes {base.shape}, {dimensions.shape}, {values.shape}"
        )
    if dimensions.max() >= len(base):
        raise ValueError(
            f"There are {len(base)} codes. Received: dimensions={dimensions.tolist()}"
        )
    films = []
    for dimension in dimensions:
        codes = np.tile(base, (len(values), 1))
        codes[:, dimension] = values
        images = generator_fn(codes)
        films.append(np.concatenate(list(images), axis=1 if transpose else 0))
    return np.concatenate(films, axis=0 if transpose else 1)


def sigmoid(x):
    """The logistic function of an array, in [0, 1]."""
    from scipy import special

    return special.expit(x)


def tanh(x):
    """The hyperbolic tangent of an array, scaled to [0, 1]."""
    return np.tanh(x) / 2 + 0.5
