"""Comparison of the images of two datasets with the same factors."""

import sys

import numpy as np

_CHUNK = 1024


def compare(data, other):
    """Compares the images of all factors of variation, pixel by pixel.

    Args:
        data: a `GroundTruthData` whose observations have indices.
        other: another one with the same factors and image shape.

    Returns:
        Dictionary with
            num_images: number of pairs of images,
            equal_images: share of pairs that agree in every pixel, in [0, 1],
            equal_pixels: share of pixels that agree in every channel, in [0, 1],
            largest_difference: largest difference of two values, in [0, 255],
            mean_difference: mean absolute difference of two values, in [0, 255],
            most_different: factors of the pair with the largest mean difference.

    Raises:
        ValueError: if the datasets cannot be compared.
    """
    for datum in (data, other):
        if datum.size is None:
            raise ValueError(
                f"Images of {datum.name} hold random pixels and cannot be compared."
            )
    for what in ("factors_num_values", "size", "observation_shape"):
        values = [getattr(datum, what) for datum in (data, other)]
        if values[0] != values[1]:
            raise ValueError(
                f"Only datasets with the same {what} can be compared. Received: "
                f"{data.name} with {values[0]} and {other.name} with {values[1]}"
            )
    equal_images = equal_pixels = num_pixels = largest = total = 0
    worst, worst_index = -1, 0
    for start in range(0, data.size, _CHUNK):
        indices = np.arange(start, min(start + _CHUNK, data.size))
        if not np.array_equal(data.factors_at(indices), other.factors_at(indices)):
            raise ValueError(
                f"{data.name} and {other.name} do not have their images in the same "
                "order and cannot be compared."
            )
        difference = np.abs(
            data.images_at(indices).astype(np.int16) - other.images_at(indices)
        )
        per_pixel = difference.max(axis=-1)
        per_image = difference.sum(axis=(1, 2, 3), dtype=np.int64)
        equal_images += np.count_nonzero(per_image == 0)
        equal_pixels += np.count_nonzero(per_pixel == 0)
        num_pixels += per_pixel.size
        largest = max(largest, int(per_pixel.max()))
        total += int(per_image.sum())
        if per_image.max() > worst:
            worst, worst_index = per_image.max(), indices[per_image.argmax()]
        if sys.stderr.isatty():
            print(
                f"{indices[-1] + 1:,} of {data.size:,} images",
                end="\r",
                file=sys.stderr,
            )
    return {
        "num_images": data.size,
        "equal_images": equal_images / data.size,
        "equal_pixels": equal_pixels / num_pixels,
        "largest_difference": largest,
        "mean_difference": total / (data.size * np.prod(data.observation_shape)),
        "most_different": data.factors_at(np.array([worst_index]))[0].tolist(),
    }
