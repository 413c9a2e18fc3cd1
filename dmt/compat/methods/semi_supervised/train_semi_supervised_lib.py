"""disentanglement_lib's path of semi-supervised training."""

import gin

from dmt.compat.data.ground_truth.util import tf_data_set_from_ground_truth_data
from dmt.compat.methods import training
from dmt.compat.methods.semi_supervised.semi_supervised_utils import train_test_split
from dmt.methods.train import train_with_gin

__all__ = ["semi_supervised_dataset_from_ground_truth_data", "train", "train_with_gin"]


def train(
    model_dir,
    overwrite=False,
    model=gin.REQUIRED,
    training_steps=gin.REQUIRED,
    unsupervised_data_seed=gin.REQUIRED,
    supervised_data_seed=gin.REQUIRED,
    model_seed=gin.REQUIRED,
    batch_size=gin.REQUIRED,
    num_labelled_samples=gin.REQUIRED,
    train_percentage=gin.REQUIRED,
    name="",
):
    """Trains a model; see `dmt.methods.train.train`. Gin binds what is not given."""
    training.run(
        model_dir,
        overwrite,
        name,
        model=model,
        training_steps=training_steps,
        unsupervised_data_seed=unsupervised_data_seed,
        supervised_data_seed=supervised_data_seed,
        model_seed=model_seed,
        batch_size=batch_size,
        num_labelled_samples=num_labelled_samples,
        train_percentage=train_percentage,
    )


def semi_supervised_dataset_from_ground_truth_data(
    ground_truth_data,
    num_labelled_samples,
    unsupervised_data_seed,
    sampled_observations,
    sampled_factors,
    train_percentage=1.0,
    validation=False,
):
    """Endless stream of a random image without label and an image with its label.

    Images without labels are those of `tf_data_set_from_ground_truth_data`. Images with
    labels come in their order, again and again.

    Args:
        ground_truth_data: a `GroundTruthData`.
        num_labelled_samples: number of labelled images.
        unsupervised_data_seed: integer in [0, 2**32), seed of the other images.
        sampled_observations: labelled images, array (num_labelled_samples, ...).
        sampled_factors: their labels, array (num_labelled_samples, num_labels).
        train_percentage: see `semi_supervised_utils.train_test_split`.
        validation: whether to give the labelled images to test, not those to train.

    Returns:
        tf.data.Dataset of (observation, (observation, labels)), all float32.
    """
    import tensorflow as tf

    parts = train_test_split(
        sampled_observations, sampled_factors, num_labelled_samples, train_percentage
    )
    observations, labels = parts[2:] if validation else parts[:2]
    labelled = tf.data.Dataset.from_tensor_slices(
        (tf.cast(observations, tf.float32), tf.cast(labels, tf.float32))
    )
    unlabelled = tf_data_set_from_ground_truth_data(
        ground_truth_data, unsupervised_data_seed
    )
    return tf.data.Dataset.zip((unlabelled, labelled.repeat()))
