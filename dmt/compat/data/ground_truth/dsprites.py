"""Names of disentanglement_lib for `dmt.data.ground_truth.dsprites`."""

from dmt.data.ground_truth import dsprites_variants
from dmt.data.ground_truth.dsprites import FILE_STEM, DSprites, dsprites_full
from dmt.data.ground_truth.dsprites_variants import BACKGROUND_COLORS, OBJECT_COLORS
from dmt.data.ground_truth.ground_truth_data import data_root

__all__ = [
    "BACKGROUND_COLORS",
    "DSPRITES_PATH",
    "OBJECT_COLORS",
    "SCREAM_PATH",
    "AbstractDSprites",
    "ColorDSprites",
    "NoisyDSprites",
    "ScreamDSprites",
]

DSPRITES_PATH = str(data_root() / "dsprites" / f"{FILE_STEM}.npz")
SCREAM_PATH = str(data_root() / "scream" / "scream.jpg")


class ColorDSprites(dsprites_variants.ColorDSprites):
    """The official dSprites in a random light colour; see `DSprites`."""

    def __init__(self, latent_factor_indices=None):
        super().__init__("color_dsprites", DSprites(latent_factor_indices))


class NoisyDSprites(dsprites_variants.NoisyDSprites):
    """The official dSprites on coloured noise; see `DSprites`."""

    def __init__(self, latent_factor_indices=None):
        super().__init__("noisy_dsprites", DSprites(latent_factor_indices))


class ScreamDSprites(dsprites_variants.BackgroundDSprites):
    """The official dSprites on pieces of The Scream; see `DSprites`."""

    def __init__(self, latent_factor_indices=None):
        sprites = DSprites(latent_factor_indices)
        background = dsprites_variants.load_scream()
        super().__init__("scream_dsprites", sprites, background)


class AbstractDSprites(dsprites_variants.AbstractDSprites):
    """The official dSprites in the colours of abstract reasoning."""

    def __init__(self):
        super().__init__("abstract_dsprites", dsprites_full())
