"""dSprites in colours, on noise and on a painting, from official or rendered images.

These are the variants of Locatello et al. (2019), "Challenging Common Assumptions in
the Unsupervised Learning of Disentangled Representations", and the coloured grid of van
Steenkiste et al. (2019), "Are Disentangled Representations Helpful for Abstract Visual
Reasoning?". Random numbers are drawn in the order of disentanglement_lib.
"""

import functools

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import (
    dsprites,
    dsprites_rendered,
    grid_data,
    prepared,
    wrapped,
)

SCREAM_URL = "https://upload.wikimedia.org/wikipedia/commons/f/f4/The_Scream.jpg"

# Number of images whose random numbers fit in the processor's cache.
_BATCH = 8

# Grey levels, and six hues of equal lightness: husl_palette(6, h=0.1, s=0.7, l=0.7)
# of seaborn.
BACKGROUND_COLORS = np.repeat(np.linspace(0, 1, 5)[:, None], 3, axis=1)
OBJECT_COLORS = np.array(
    [
        [0.9096231780824386, 0.5883403686424795, 0.3657680693481871],
        [0.6350181801577739, 0.6927729880940552, 0.3626904230371999],
        [0.3764832455369271, 0.7283900430001952, 0.5963114605342514],
        [0.39548987063404156, 0.7073922557810771, 0.7874577552076919],
        [0.6963644829189117, 0.6220697032672371, 0.899716387820763],
        [0.90815966835861, 0.5511103319168646, 0.7494337214212151],
    ]
)

_TEXTURE_VERSION = "1"
_TEXTURE_SHAPE = (274, 350)
_TEXTURE_PALETTE = np.array(
    [[204, 88, 34], [236, 172, 64], [88, 108, 76], [28, 44, 84], [120, 60, 44]]
)


def _kernels():
    # Importing Numba takes long.
    from dmt.data.rendering import sprites

    return sprites


class _RandomPixelSprites(wrapped.DatasetWrapper):
    """Sprites of another dataset, with random pixels for each observation."""

    def __init__(self, name, sprites):
        """Wraps the sprites.

        Args:
            name: the name of the dataset.
            sprites: the `DSprites` dataset that has the shapes.
        """
        super().__init__(name, sprites)
        self.observation_shape = [64, 64, 3]

    def sample_observations_from_factors(self, factors, random_state):
        """Renders the sprites with random pixels.

        Args:
            factors: int array of shape (n, num_factors).
            random_state: numpy RandomState.

        Returns:
            float32 array of shape (n, 64, 64, 3), values in [0, 1].
        """
        masks = self._base.images_at(self._base.indices_of(factors, random_state))
        observations = np.empty((len(masks), 64 * 64, 3), dtype=np.float32)
        self._fill(observations, masks.reshape(-1, 64 * 64), random_state)
        return observations.reshape(-1, *self.observation_shape)

    def _fill(self, observations, masks, random_state):
        raise NotImplementedError


class ColorDSprites(_RandomPixelSprites):
    """Sprites in a random light colour on black."""

    def _fill(self, observations, masks, random_state):
        colors = random_state.uniform(0.5, 1, size=(len(masks), 3))
        _kernels().paint(masks, colors, np.zeros_like(colors), observations)


class NoisyDSprites(_RandomPixelSprites):
    """White sprites on coloured noise."""

    def _fill(self, observations, masks, random_state):
        for start in range(0, len(masks), _BATCH):
            batch = slice(start, start + _BATCH)
            noise = random_state.random_sample(observations[batch].shape)
            _kernels().whiten(masks[batch], noise, observations[batch])


class BackgroundDSprites(_RandomPixelSprites):
    """Sprites that invert a random piece of a background, tinted in a random colour."""

    def __init__(self, name, sprites, background):
        """Wraps the sprites.

        Args:
            name: the name of the dataset.
            sprites: the `DSprites` dataset that has the shapes.
            background: float array of shape (height, width, 3), values in [0, 1],
                height and width greater than 64.
        """
        super().__init__(name, sprites)
        self._background = np.asarray(background, dtype=np.float64)

    def _fill(self, observations, masks, random_state):
        height, width, _ = self._background.shape
        corners = np.empty((len(masks), 2), dtype=np.int64)
        colors = np.empty((len(masks), 3))
        for corner, color in zip(corners, colors, strict=True):
            corner[0] = random_state.randint(height - 64)
            corner[1] = random_state.randint(width - 64)
            color[:] = random_state.random_sample(3)
        _kernels().invert(masks, self._background, corners, colors, observations)


class AbstractDSprites(grid_data.GridData):
    """Coloured sprites on grey, for abstract reasoning.

    The state space has the factors
        0 - background color (5 greys),
        1 - object color (6 hues),
        2 - shape (3),
        3 - scale (6),
        4 - orientation (40), not a ground-truth factor, drawn for each observation,
        5 - position x (32),
        6 - position y (32).
    """

    factor_sizes = [5, 6, *dsprites.DSprites.factor_sizes[1:]]
    state_space_names = [
        "background color",
        "object color",
        *dsprites.DSprites.state_space_names[1:],
    ]
    observation_shape = [64, 64, 3]

    def __init__(self, name, sprites):
        """Wraps the sprites.

        Args:
            name: the name of the dataset.
            sprites: the `DSprites` dataset that has the shapes.
        """
        super().__init__(name, latent_factor_indices=[0, 1, 2, 3, 5, 6])
        self._sprites = sprites
        self.origin = sprites.origin
        self.renderer_version = sprites.renderer_version

    def sample_observations_from_factors(self, factors, random_state):
        """Renders observations whose colours are not rounded to 8 bits.

        Args:
            factors: int array of shape (n, 6).
            random_state: numpy RandomState that draws the orientations.

        Returns:
            float32 array of shape (n, 64, 64, 3), values in [0, 1].
        """
        return self._colored(self.indices_of(factors, random_state), np.float32)

    def images_at(self, indices):
        """Images at the indices: uint8, shape (n, 64, 64, 3)."""
        return self._colored(
            self.checked(indices), lambda colors: np.rint(255 * colors).astype(np.uint8)
        )

    def _colored(self, indices, convert):
        object_colors = convert(OBJECT_COLORS)
        background_colors = convert(BACKGROUND_COLORS)
        colors, sprites = np.divmod(indices, self._sprites.size)
        background, foreground = np.divmod(colors, len(object_colors))
        masks = self._sprites.images_at(sprites).reshape(-1, 64 * 64)
        images = np.empty((len(masks), 64 * 64, 3), dtype=object_colors.dtype)
        _kernels().paint(
            masks, object_colors[foreground], background_colors[background], images
        )
        return images.reshape(-1, *self.observation_shape)


@functools.cache
def texture():
    """An image of swirling bands, which the rendered variant uses as background.

    Returns:
        float array of shape (274, 350, 3), values in [0, 1].
    """
    random_state = np.random.RandomState(0)
    warp = sum(_smooth_noise(random_state, 3 * 2**k) / 2**k for k in range(4))
    bands = 4 * np.linspace(0, 1, _TEXTURE_SHAPE[0])[:, None] + 5 * warp
    grain = _smooth_noise(random_state, 96) - 0.5
    # A triangle wave runs through the palette forward and back.
    position = np.abs((bands + 0.3 * grain) % 2 - 1) * (len(_TEXTURE_PALETTE) - 1)
    first = np.minimum(position.astype(int), len(_TEXTURE_PALETTE) - 2)
    share = (position - first)[..., None]
    color = (1 - share) * _TEXTURE_PALETTE[first] + share * _TEXTURE_PALETTE[first + 1]
    return np.clip(np.rint(color + 40 * grain[..., None]), 0, 255) / 255


def _smooth_noise(random_state, cells):
    """Interpolates random numbers in [0, 1) on a lattice of cells x cells."""
    lattice = random_state.randint(256, size=(cells + 1, cells + 1)) / 256
    height, width = (np.arange(n) * cells / n for n in _TEXTURE_SHAPE)
    for axis, positions in enumerate((height, width)):
        first = positions.astype(int)
        share = positions - first
        share = share * share * (3 - 2 * share)
        share = share[:, None] if axis == 0 else share
        below, above = (lattice.take(first + i, axis=axis) for i in (0, 1))
        lattice = below + share * (above - below)
    return lattice


def load_scream():
    """Edvard Munch's The Scream, reduced to fit 350x274 pixels.

    Returns:
        float array of shape (height, width, 3), values in [0, 1].

    Raises:
        DatasetNotFound: if there is no scream/scream.jpg in the data root.
        ValueError: if the file is damaged or another picture.
    """
    import PIL.Image

    fetch, twin = f"download {SCREAM_URL} to this path", "texture_dsprites_rendered"
    path = prepared.find("The Scream", ["scream/scream.jpg"], fetch, twin)
    try:
        with PIL.Image.open(path) as image:
            image.thumbnail((350, 274))
            pixels = np.asarray(image.convert("RGB")) / 255
    except Exception as error:  # A damaged file can raise errors of many kinds.
        raise ValueError(f"{path} is damaged, {fetch} again: {error}") from error
    if min(pixels.shape[:2]) <= 64:
        raise ValueError(
            f"{path} must be higher and wider than 64 pixels when it is reduced to "
            f"350x274. Received: {pixels.shape[1]}x{pixels.shape[0]}"
        )
    return pixels


def _on_official(kind, name):
    return kind(name, dsprites.dsprites_full())


def _on_rendered(kind, name):
    return kind(name, dsprites_rendered.dsprites_rendered())


for _name, _kind, _look in (
    ("color_dsprites", ColorDSprites, "in random colours"),
    ("noisy_dsprites", NoisyDSprites, "on random noise"),
    ("abstract_dsprites", AbstractDSprites, "in the colours of abstract reasoning"),
):
    registry.dataset(_name, f"The official dSprites {_look}")(
        functools.partial(_on_official, _kind, _name)
    )
    registry.dataset(f"{_name}_rendered", f"The dSprites of dsprites_rendered {_look}")(
        functools.partial(_on_rendered, _kind, f"{_name}_rendered")
    )


@registry.dataset("scream_dsprites")
def scream_dsprites():
    """The official dSprites on random pieces of The Scream."""
    return BackgroundDSprites(
        "scream_dsprites", dsprites.dsprites_full(), load_scream()
    )


@registry.dataset("texture_dsprites_rendered")
def texture_dsprites_rendered():
    """The dSprites of dsprites_rendered on random pieces of a texture."""
    data = BackgroundDSprites(
        "texture_dsprites_rendered", dsprites_rendered.dsprites_rendered(), texture()
    )
    data.renderer_version += f"-{_TEXTURE_VERSION}"
    return data
