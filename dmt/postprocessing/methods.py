"""How the distribution of a code becomes a representation.

A method is a function `(ground_truth_data, gaussian_encoder, random_state, save_path)`
that returns `(transform_fn, checkpoint_path)`. `transform_fn(mean, logvar)` maps
tensors (batch, num_latent) to a representation (batch, num_codes) with Keras layers and
`keras.ops`; weights of its own are saved with it, so checkpoint_path is None.
"""

import gin

from dmt.methods.shared.layers import Sampling

_CALLER = ["ground_truth_data", "gaussian_encoder", "random_state"]


@gin.configurable("mean_representation", denylist=_CALLER)
def mean_representation(ground_truth_data, gaussian_encoder, random_state, save_path):
    """The representation is the mean of the encoder's distribution."""
    del ground_truth_data, gaussian_encoder, random_state, save_path
    return lambda mean, logvar: mean, None


@gin.configurable("sampled_representation", denylist=_CALLER)
def sampled_representation(
    ground_truth_data, gaussian_encoder, random_state, save_path
):
    """The representation is one draw from the encoder's distribution.

    Unlike in disentanglement_lib, the noise is seeded (by `random_state`).
    """
    del ground_truth_data, gaussian_encoder, save_path
    return Sampling(seed=int(random_state.randint(2**31))), None
