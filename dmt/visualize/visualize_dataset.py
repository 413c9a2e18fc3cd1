"""Pictures of a dataset that show the effect of each factor of variation."""

import os

import numpy as np

from dmt.data.ground_truth import named_data
from dmt.utils import files, locks, pictures

_NUM_PICTURES = 16
_VALUES_PER_FACTOR = 10


def visualize_dataset(
    dataset_name, output_path, num_animations=5, num_frames=20, fps=10
):
    """Draws the factors of variation of a dataset.

    Replaces the directory `<output_path>/<dataset_name>`. It then holds:

        factors.png                    a row per factor: its values, others fixed
        variations_of_factor<i>.png    16 random values of factor i, others fixed
        animation<i>.gif               side by side, each factor through its values

    The last two show the same images as in disentanglement_lib. A dataset that lacks
    combinations of its factors gets only `samples.png`, random images. Each of the
    `num_animations` animations starts from another image.

    Raises:
        ValueError: if there is no such dataset.
        FileNotFoundError: if its files are not on this machine.
    """
    data = named_data.get_named_ground_truth_data(dataset_name)
    names = list(map(pictures.as_label, data.factor_names))
    random_state = np.random.RandomState(0)
    path = os.path.join(output_path, dataset_name)
    with locks.only_in(path), files.replacing(path) as directory:
        if not data.has_all_combinations:
            images = data.sample_observations(8 * _NUM_PICTURES, random_state)
            _save_grid(images, directory, "samples.png")
            return
        for i in range(data.num_factors):
            factors = data.sample_factors(_NUM_PICTURES, random_state)
            varied = np.repeat(factors[:1], _NUM_PICTURES, axis=0)
            varied[:, i] = factors[:, i]
            images = data.sample_observations_from_factors(varied, random_state)
            _save_grid(images, directory, f"variations_of_factor{i}.png")
        for i in range(num_animations):
            base = data.sample_factors(1, random_state)
            films = []
            for j, num_values in enumerate(data.factors_num_values):
                values = pictures.cycle_factor(base[0, j], num_values, num_frames)
                films.append(_images_of_values(data, base, j, values, random_state))
            frames = np.stack(films, axis=1)
            pictures.save_animation(
                [pictures.labelled_tiles(frame, names) for frame in frames],
                os.path.join(directory, f"animation{i}.gif"),
                fps,
            )
        pictures.save_image(
            factors_picture(data, random_state), os.path.join(directory, "factors.png")
        )


def factors_picture(data, random_state):
    """Draws a row of images per factor: its values, with the other factors fixed.

    Args:
        data: a `GroundTruthData` with an image of every combination of its factors.
        random_state: np.random.RandomState for all that the factors do not determine.

    Returns:
        One image (height, width, channels) in [0, 1].
    """
    # At middle values, the object is large and central enough to show every factor.
    base = np.array([[num_values // 2 for num_values in data.factors_num_values]])
    rows, labels = [], []
    for i, num_values in enumerate(data.factors_num_values):
        values = np.linspace(0, num_values - 1, min(num_values, _VALUES_PER_FACTOR))
        values = np.round(values).astype(np.int64)
        rows.append(_images_of_values(data, base, i, values, random_state))
        name = pictures.as_label(data.factor_names[i])
        labels.append(f"{name}\n{num_values} values")
    return pictures.labelled_rows(rows, labels)


def _save_grid(images, directory, name):
    pictures.save_image(pictures.image_grid(images), os.path.join(directory, name))


def _images_of_values(data, base, factor, values, random_state):
    factors = np.repeat(base, len(values), axis=0)
    factors[:, factor] = values
    return data.sample_observations_from_factors(factors, random_state)
