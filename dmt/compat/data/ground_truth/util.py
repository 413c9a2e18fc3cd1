"""disentanglement_lib's path of state spaces, and its stream of training images."""

import numpy as np

from dmt.data.ground_truth.state_space import (
    SplitDiscreteStateSpace,
    StateSpaceAtomIndex,
)

__all__ = [
    "SplitDiscreteStateSpace",
    "StateSpaceAtomIndex",
    "tf_data_set_from_ground_truth_data",
]


def tf_data_set_from_ground_truth_data(ground_truth_data, random_seed):
    """Endless stream of random observations.

    They are those of disentanglement_lib. Models of this package are trained on other
    ones, see `dmt.data.pipeline`.

    Args:
        ground_truth_data: a `GroundTruthData`.
        random_seed: integer in [0, 2**32). Each iteration begins with it.

    Returns:
        tf.data.Dataset of float32 tensors of shape observation_shape.
    """
    import tensorflow as tf

    shape = tuple(ground_truth_data.observation_shape)

    def generate():
        random_state = np.random.RandomState(random_seed)
        while True:
            yield ground_truth_data.sample_observations(1, random_state)[0]

    return tf.data.Dataset.from_generator(
        generate, output_signature=tf.TensorSpec(shape, tf.float32)
    )
