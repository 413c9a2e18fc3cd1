"""Batches of unlabelled images and as many labelled images."""

import numpy as np

from dmt.data import labellers, pipeline


class SemiSupervisedData(pipeline.Examples):
    """Random images of a dataset, and labelled images in a fixed order that repeats.

    Args:
        dataset: a `GroundTruthData`.
        observations: labelled observations; indices (n,) if the dataset has them.
        labels: float32 (n, num_labels).
    """

    def __init__(self, dataset, observations, labels):
        self.dataset = dataset
        self._observations = observations
        self._labels = labels

    def load_batch(self, seed, step, batch_size):
        """Images (2 * batch_size, height, width, channels), the labelled ones last.

        Also returns their labels (batch_size, num_labels); see `Examples.load_batch`.
        """
        (unlabelled,) = pipeline.load_batch(self.dataset, seed, step, batch_size)
        rows = (step * batch_size + np.arange(batch_size)) % len(self._labels)
        labelled = self._observations[rows]
        if self.dataset.size is not None:
            labelled = self.dataset.images_at(labelled)
        images = np.concatenate([unlabelled, labelled]).astype(unlabelled.dtype)
        return images, self._labels[rows]


def semi_supervised_data(dataset, seed, num_labelled_samples, train_percentage):
    """Draws labelled images, to train on and to evaluate on.

    Args:
        dataset: a `GroundTruthData`.
        seed: integer in [0, 2**32), seed of the labelled images and their labels.
        num_labelled_samples: number of labelled images.
        train_percentage: see `labellers.train_test_split`.

    Returns:
        `SemiSupervisedData` to train on, another to evaluate on, and the number of
        values of each label.
    """
    source = dataset if dataset.size is None else pipeline.IndexedData(dataset)
    observations, labels, factor_sizes = labellers.sample_supervised_data(
        seed, source, num_labelled_samples
    )
    parts = labellers.train_test_split(observations, labels, train_percentage)
    both = [SemiSupervisedData(dataset, *part) for part in (parts[:2], parts[2:])]
    return *both, factor_sizes
