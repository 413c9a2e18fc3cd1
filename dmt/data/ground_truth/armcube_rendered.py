"""A robot arm over a cube on a stage: correlated factors, held-out colours, a shift.

The scenes have the factors of Dittadi et al. (2021), "On the Transfer of Disentangled
Representations in Realistic Settings", https://arxiv.org/abs/2010.14407. As there, the
arm touches neither the cube nor the floor in 52 % of the combinations. The images are
not the published ones, so do not compare scores with published tables.
"""

import colorsys
import concurrent.futures
import functools
from typing import NamedTuple

import numpy as np

from dmt.data import registry
from dmt.data.ground_truth import ground_truth_data, prepared, state_space
from dmt.data.ground_truth.rendered_images import RenderedImages
from dmt.utils import machine

# Degrees around the colour circle, in the order of the published dataset.
TRAINING_HUES = (0, 330, 300, 270, 210, 180, 150, 120)
HELDOUT_HUES = (240, 90, 60, 30)

_GEOMETRY_SIZES = [30, 30, 30, 30, 30, 10]


class Look(NamedTuple):
    """Camera, light, surfaces and noise, which differ between the domains."""

    camera: tuple  # Position in metres, x to the right, y away from the viewer, z up.
    target: tuple  # The point in the centre of the image.
    tangent: float  # Tangent of half the field of view.
    light: tuple  # Direction to the lamp, of any length.
    light_color: tuple  # Brightness of each channel.
    ambient: float  # Brightness that depends on no direction.
    diffuse: float  # Brightness that depends on the direction to the lamp.
    frontal: float  # Brightness that depends on the direction to the camera.
    stage: tuple  # Colour, 0 to 255.
    ground: tuple  # Colour, 0 to 255.
    texture: float  # How far stage and ground vary around their colours, 0 to 1.
    noise: float  # Largest change of a pixel, 0 to 255.


PLAIN = Look(
    camera=(0.18, -0.46, 0.40),
    target=(0.0, 0.0, 0.095),
    tangent=0.414213562,
    light=(-0.45, -0.35, 1.0),
    light_color=(1.0, 1.0, 1.0),
    ambient=0.32,
    diffuse=0.58,
    frontal=0.22,
    stage=(196.0, 198.0, 202.0),
    ground=(62.0, 66.0, 76.0),
    texture=0.0,
    noise=0.0,
)
SHIFTED = PLAIN._replace(
    camera=(0.08, -0.51, 0.36),
    target=(0.01, 0.0, 0.1),
    tangent=0.42,
    light=(0.7, -0.25, 1.0),
    light_color=(1.0, 0.94, 0.82),
    diffuse=0.56,
    stage=(188.0, 180.0, 166.0),
    ground=(92.0, 80.0, 72.0),
    texture=0.16,
    noise=12.0,
)

_VERSION = {"renderer_version": "1"}
# Number of images that a thread renders at once.
_BLOCK = 1024


class ArmCube(ground_truth_data.GroundTruthData):
    """A fixed list of random feasible scenes, the same on every machine.

    The factors are
        0 - cube hue (8 or 4),
        1, 2, 3 - joints of the arm (30 each: +-0.65, +-0.5, +-0.8 radians),
        4, 5 - cube x and y (30 each: +-0.11 metres),
        6 - cube angle (10: 0 to 81 degrees).

    Indices and `sample_factors` refer to the scenes of the list. Every feasible scene
    can be rendered, even if it is not in the list. The scenes do not depend on the
    look: index i is the same scene in all domains with the same number of hues.
    """

    has_all_combinations = False
    origin = "rendered"
    renderer_version = _VERSION["renderer_version"]
    factor_names = [
        "cube hue",
        "joint 0",
        "joint 1",
        "joint 2",
        "cube x",
        "cube y",
        "cube angle",
    ]

    def __init__(
        self, name, hues=TRAINING_HUES, look=PLAIN, resolution=64, size=100_000
    ):
        """Chooses the scenes and how they look.

        Args:
            name: the name of the dataset.
            hues: colours of the cube in degrees.
            look: a `Look`.
            resolution: height and width of the images.
            size: number of scenes in the list.
        """
        self.name = name
        self.factors_num_values = [len(hues), *_GEOMETRY_SIZES]
        self.observation_shape = [resolution, resolution, 3]
        self._look = look
        self._colors = np.array(
            [[255 * v for v in colorsys.hsv_to_rgb(hue / 360, 1, 1)] for hue in hues]
        )
        self.size = size
        self._shape = (size, *self.observation_shape)

    @functools.cached_property
    def _images(self):
        images = prepared.open_computed(self.name, _VERSION, self._shape)
        return RenderedImages(self._draw_at, self._shape) if images is None else images

    def _draw_at(self, indices):
        return self._draw(self.factors_at(indices))

    def prepare(self):
        """Renders all images on all cores and writes them to a file for later uses.

        Without the file, each process renders the images that it needs, about 5,000
        per second.

        Raises:
            ValueError: if no folder has room for the file.
        """
        num_threads = machine.num_cores()
        blocks = [
            np.arange(start, min(start + _BLOCK, self.size))
            for start in range(0, self.size, _BLOCK)
        ]

        def draw(executor):
            # One block for each thread at a time, so that few blocks wait in memory.
            for first in range(0, len(blocks), num_threads):
                batch = blocks[first : first + num_threads]
                yield from executor.map(self._draw_at, batch)

        with concurrent.futures.ThreadPoolExecutor(num_threads) as executor:
            prepared.write_computed(self.name, _VERSION, draw(executor), self._shape)

    @functools.cached_property
    def _scenes(self):
        return _scenes(tuple(self.factors_num_values), self.size)

    def is_feasible(self, factors):
        """Whether the arm touches neither the cube nor the floor.

        Args:
            factors: int array of shape (n, 7).

        Returns:
            bool array of shape (n,).
        """
        state_space.factors_to_index(factors, self.factors_num_values)
        return _kernels().feasible(_plain(factors))

    def sample_factors(self, num, random_state):
        """Draws scenes of the list: int64 factors, shape (num, 7)."""
        return self._scenes.factors[random_state.randint(self.size, size=num)]

    def sample_factors_given(self, fixed, num, random_state):
        """Draws scenes of the list that have some fixed values.

        Args:
            fixed: dictionary from the number of a factor to its value, or to num
                values.
            num: number of scenes.
            random_state: numpy RandomState.

        Returns:
            int64 array of shape (num, 7).

        Raises:
            ValueError: if no scene of the list has these values.
        """
        return self._scenes.sample_given(fixed, num, random_state)

    def sample_feasible(self, num, random_state, fixed=None):
        """Draws from all feasible scenes, whether they are in the list or not.

        Args:
            num: number of scenes.
            random_state: numpy RandomState.
            fixed: see `sample_factors_given`; None to draw all factors.

        Returns:
            int64 array of shape (num, 7), uniform over the feasible scenes with the
            fixed values.

        Raises:
            ValueError: if no feasible scene with the fixed values was found.
        """
        return _sample_feasible(self.factors_num_values, num, random_state, fixed or {})

    def factors_at(self, indices):
        """Factors of the scenes at the indices: int64, shape (n, 7)."""
        return self._scenes.factors[indices]

    def indices_of(self, factors, random_state=None):
        """Indices of the scenes with the factors: int64, shape (n,).

        Raises:
            ValueError: if such a scene is not feasible or not in the list.
        """
        self._check_feasible(factors)
        return self._scenes.find(factors)

    def images_at(self, indices):
        """Images at the indices: uint8, shape (n, *observation_shape)."""
        return self._images[self.checked(indices)]

    def sample_observations_from_factors(self, factors, random_state=None):
        """Renders images of any feasible scenes.

        Args:
            factors: int array of shape (n, 7).
            random_state: unused, because the factors determine the image.

        Returns:
            float32 array of shape (n, *observation_shape), values in [0, 1].

        Raises:
            ValueError: if a scene is not feasible.
        """
        self._check_feasible(factors)
        return self._draw(factors).astype(np.float32) / 255

    def _check_feasible(self, factors):
        feasible = self.is_feasible(factors)
        if not feasible.all():
            raise ValueError(
                "The arm would touch the cube or the floor: use metrics that do not "
                "fix factors, such as mig, dci and sap_score, or draw factors with "
                "sample_factors_given or sample_feasible. "
                f"Received: factors={np.asarray(factors)[~feasible][0].tolist()}"
            )

    def _draw(self, factors):
        images = np.empty((len(factors), *self.observation_shape), dtype=np.uint8)
        look, kernels = self._look, _kernels()
        view = kernels.view(look, self.observation_shape[0])
        kernels.render(_plain(factors), self._colors, look.noise, view, images)
        return images


def _kernels():
    # Importing Numba takes long.
    from dmt.data.rendering import armcube

    return armcube


def _plain(factors):
    # Numba compiles the kernel again for every other type or layout.
    return np.array(factors, dtype=np.int64, order="C")


class _Scenes:
    """The scenes of a list, in random order."""

    def __init__(self, factor_sizes, size):
        self._factor_sizes = factor_sizes
        random_state = np.random.RandomState(0)
        numbers = np.empty(0, dtype=np.int64)
        while len(numbers) < size:
            factors = _sample_feasible(factor_sizes, size, random_state, {})
            more = state_space.factors_to_index(factors, factor_sizes)
            numbers = np.unique(np.concatenate([numbers, more]))
        numbers = random_state.permutation(numbers)[:size]
        self.factors = state_space.index_to_factors(numbers, factor_sizes)
        self._order = np.argsort(numbers)
        self._sorted = numbers[self._order]

    def find(self, factors):
        """Indices of scenes."""
        numbers = state_space.factors_to_index(factors, self._factor_sizes)
        places = np.searchsorted(self._sorted, numbers)
        places = np.minimum(places, len(self._sorted) - 1)
        missing = self._sorted[places] != numbers
        if missing.any():
            raise ValueError(
                f"This feasible scene is not among the {len(self._sorted)} of the "
                "dataset: use metrics that do not fix factors, such as mig, dci and "
                "sap_score, or draw factors with sample_factors_given. "
                f"Received: factors={np.asarray(factors)[missing][0].tolist()}"
            )
        return self._order[places]

    def sample_given(self, fixed, num, random_state):
        """Factors of scenes with fixed values."""
        if not fixed:
            return self.factors[random_state.randint(len(self.factors), size=num)]
        columns = list(fixed)
        values = np.stack([np.broadcast_to(fixed[c], num) for c in columns], axis=1)
        combinations, groups = np.unique(values, axis=0, return_inverse=True)
        drawn = np.empty(num, dtype=np.int64)
        order, sorted_values = self._by_value(columns[0])
        for group, combination in enumerate(combinations):
            ends = np.searchsorted(sorted_values, combination[0] + np.arange(2))
            candidates = order[slice(*ends)]
            for column, value in zip(columns[1:], combination[1:], strict=True):
                candidates = candidates[self.factors[candidates, column] == value]
            if not len(candidates):
                raise ValueError(
                    "No scene of the dataset has these values, sample_feasible draws "
                    "from all feasible scenes. Received: "
                    f"fixed={dict(zip(columns, combination.tolist(), strict=True))}"
                )
            rows = np.flatnonzero(groups.ravel() == group)
            drawn[rows] = candidates[
                random_state.randint(len(candidates), size=len(rows))
            ]
        return self.factors[drawn]

    @functools.cache  # noqa: B019
    def _by_value(self, column):
        order = np.argsort(self.factors[:, column], kind="stable")
        return order, self.factors[order, column]


_scenes = functools.cache(_Scenes)


def _sample_feasible(factor_sizes, num, random_state, fixed):
    factors = np.empty((num, len(factor_sizes)), dtype=np.int64)
    for column, value in fixed.items():
        factors[:, column] = value
        state_space.factors_to_index(factors[:, [column]], [factor_sizes[column]])
    feasible = _kernels().feasible
    free = [i for i in range(len(factor_sizes)) if i not in fixed]
    open_rows = np.arange(num)
    # These are enough draws even if only one in a hundred scenes is feasible.
    for _ in range(3000 if free else 1):
        for i in free:
            factors[open_rows, i] = random_state.randint(
                factor_sizes[i], size=len(open_rows)
            )
        open_rows = open_rows[~feasible(factors[open_rows])]
        if not len(open_rows):
            return factors
    raise ValueError(
        "Found no scene in which the arm touches neither cube nor floor. Received: "
        f"fixed={ {i: int(factors[open_rows[0], i]) for i in fixed} }"
    )


# Description and options of each dataset.
_DOMAINS: dict[str, tuple[str, dict]] = {
    "armcube_rendered": (
        "A robot arm over a cube in 8 hues, 64x64, rendered on this machine",
        {},
    ),
    "armcube_rendered_heldout_colors": (
        "A robot arm over a cube in 4 other hues, rendered on this machine",
        {"hues": HELDOUT_HUES},
    ),
    "armcube_rendered_shifted": (
        "The scenes of armcube_rendered with another camera and another light",
        {"look": SHIFTED},
    ),
}
for _name, (_description, _options) in _DOMAINS.items():
    registry.dataset(_name, _description)(functools.partial(ArmCube, _name, **_options))
    registry.dataset(f"{_name}_128", f"The scenes of {_name} at 128x128")(
        functools.partial(ArmCube, f"{_name}_128", resolution=128, **_options)
    )
