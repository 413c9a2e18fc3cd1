"""disentanglement_lib's path of weakly supervised training."""

import os

import gin
import numpy as np

from dmt.compat.methods import training
from dmt.compat.visualize import visualize_util
from dmt.methods.train import train_with_gin

__all__ = [
    "simple_dynamics",
    "train",
    "train_with_gin",
    "visualize_weakly_supervised_dataset",
    "weak_dataset_from_ground_truth_data",
]


def train(
    model_dir,
    overwrite=False,
    model=gin.REQUIRED,
    training_steps=gin.REQUIRED,
    random_seed=gin.REQUIRED,
    batch_size=gin.REQUIRED,
    name="",
):
    """Trains a model; see `dmt.methods.train.train`. Gin binds what is not given."""
    training.run(
        model_dir,
        overwrite,
        name,
        model=model,
        training_steps=training_steps,
        random_seed=random_seed,
        batch_size=batch_size,
    )


def simple_dynamics(
    z, ground_truth_data, random_state, return_index=False, k=gin.REQUIRED
):
    """Draws some factors again, in place; `dmt.data.pairs` makes whole batches.

    Which factors change is drawn from `random_state`, but their new values from numpy's
    global generator, as in disentanglement_lib. A new value may equal the old one.

    Args:
        z: int array (1, num_factors).
        ground_truth_data: a `GroundTruthData`.
        random_state: numpy RandomState.
        return_index: whether to return the last factor that was drawn again, instead of
            k.
        k: largest number of factors to draw again, which is the number in half of the
            cases, and 1 in the others; -1 to draw it. Gin's `dynamics.k` if it is not
            given.

    Returns:
        z, and an integer; see `return_index`.
    """
    k = gin.query_parameter("dynamics.k") if k is gin.REQUIRED else k
    if k == -1:
        k = random_state.randint(1, ground_truth_data.num_factors)
    number = random_state.choice([1, k])
    factors = random_state.choice(z.shape[1], number, replace=False)
    for factor in factors:
        z[:, factor] = np.random.choice(ground_truth_data.factors_num_values[factor])
    return z, factors[-1] if return_index else k


def weak_dataset_from_ground_truth_data(ground_truth_data, random_seed):
    """Endless stream of pairs of images; see `simple_dynamics`.

    Models of this package are trained on other ones, see `dmt.data.pairs`.

    Args:
        ground_truth_data: a `GroundTruthData`.
        random_seed: integer in [0, 2**32). Each iteration begins with it.

    Returns:
        tf.data.Dataset of both images, one above the other, float32 (2 * height, width,
        channels), and the factor that changed last, int32 (1,).
    """
    import tensorflow as tf

    height, width, channels = ground_truth_data.observation_shape

    def generate():
        random_state = np.random.RandomState(random_seed)
        draw = ground_truth_data.sample_observations_from_factors
        while True:
            factors = ground_truth_data.sample_factors(1, random_state)
            first = draw(factors, random_state)
            factors, changed = simple_dynamics(
                factors, ground_truth_data, random_state, return_index=True
            )
            second = draw(factors, random_state)
            yield np.concatenate([first[0], second[0]]), [changed]

    return tf.data.Dataset.from_generator(
        generate,
        output_signature=(
            tf.TensorSpec((2 * height, width, channels), tf.float32),
            tf.TensorSpec((1,), tf.int32),
        ),
    )


def visualize_weakly_supervised_dataset(
    data, path, num_animations=10, num_frames=20, fps=10
):
    """Writes `<path>/animation.gif`, chains of images that are pairs.

    Args:
        data: a `GroundTruthData`.
        path: folder to write to.
        num_animations: number of chains, side by side.
        num_frames: number of times that factors change.
        fps: number of frames per second.
    """
    random_state = np.random.RandomState(0)
    chains = []
    for _ in range(num_animations):
        factors = data.sample_factors(1, random_state)
        images = [data.sample_observations_from_factors(factors, random_state)]
        for _ in range(num_frames):
            factors, _ = simple_dynamics(factors, data, random_state)
            images.append(data.sample_observations_from_factors(factors, random_state))
        chains.append(np.concatenate(images))
    animation = os.path.join(path, "animation.gif")
    visualize_util.save_animation(chains, animation, fps)
