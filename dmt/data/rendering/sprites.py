"""Kernels that colour sprites, compiled when they are first called."""

import numba


@numba.njit(cache=True, nogil=True)
def paint(masks, inside, outside, images):
    """Gives each image one colour inside the mask and one outside."""
    for i in range(len(masks)):
        for pixel in range(masks.shape[1]):
            color = inside[i] if masks[i, pixel] else outside[i]
            for channel in range(3):
                images[i, pixel, channel] = color[channel]


@numba.njit(cache=True, nogil=True)
def whiten(masks, pixels, images):
    """Copies the pixels and makes those inside the mask white."""
    for i in range(len(masks)):
        for pixel in range(masks.shape[1]):
            for channel in range(3):
                value = 1.0 if masks[i, pixel] else pixels[i, pixel, channel]
                images[i, pixel, channel] = value


@numba.njit(cache=True, nogil=True)
def invert(masks, background, corners, colors, images):
    """Averages a piece of the background with a colour, inverts it inside the mask."""
    for i in range(len(masks)):
        for y in range(64):
            for x in range(64):
                source = background[corners[i, 0] + y, corners[i, 1] + x]
                mask = masks[i, 64 * y + x]
                for channel in range(3):
                    value = (source[channel] + colors[i, channel]) / 2
                    images[i, 64 * y + x, channel] = 1 - value if mask else value
