"""The arm over the cube: feasible scenes, draws of them, pictures that show them."""

import concurrent.futures
import hashlib

import numpy as np
import pytest

from dmt.data import registry
from dmt.data.ground_truth import armcube_rendered
from dmt.data.rendering import armcube

DATA = registry.open_dataset("armcube_rendered")
HELDOUT = registry.open_dataset("armcube_rendered_heldout_colors")
SHIFTED = registry.open_dataset("armcube_rendered_shifted")
SETS = [DATA, HELDOUT, SHIFTED]

# The tip is deep in the cube.
INFEASIBLE = [0, 14, 10, 14, 14, 26, 0]


def grid_rows(num, seed=0):
    sizes = DATA.factors_num_values
    return np.random.RandomState(seed).randint(sizes, size=(num, 7))


def rotation(axis, angle):
    matrix = np.eye(3)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[j, i] = np.sin(angle)
    matrix[i, j] = -matrix[j, i]
    return matrix


def elbow_and_tip(row):
    angles = [
        np.linspace(-limit, limit, 30)[value]
        for limit, value in zip((0.65, 0.5, 0.8), row[1:4], strict=True)
    ]
    upper = rotation(1, angles[0]) @ rotation(0, -angles[1])
    link = np.array([0, 0, -0.16])
    elbow = np.array([0, 0, 0.29]) + upper @ link
    return elbow, elbow + upper @ rotation(0, angles[2]) @ link


def is_feasible(row):
    elbow, tip = elbow_and_tip(row)
    if tip[2] < 0.0145:
        return False
    positions = np.linspace(-0.11, 0.11, 30)
    center = np.array([positions[row[4]], positions[row[5]], 0.0325])
    points = tip + np.linspace(0, 0.6, 9)[:, None] * (elbow - tip)
    local = (points - center) @ rotation(2, row[6] * np.pi / 20)
    distance = np.linalg.norm(np.maximum(np.abs(local) - 0.0325, 0), axis=1)
    radius = np.where(np.arange(9) == 0, 0.0145, 0.7 * 0.0145)
    return bool((distance >= radius).all())


def test_feasible_is_what_the_closed_forms_say():
    rows = grid_rows(1500)
    expected = [is_feasible(row) for row in rows]
    np.testing.assert_array_equal(DATA.is_feasible(rows), expected)


def test_half_of_the_combinations_are_feasible():
    assert abs(DATA.is_feasible(grid_rows(400_000)).mean() - 0.52) < 0.01


def test_factors_are_correlated_like_the_published_ones():
    factors = DATA.sample_feasible(200_000, np.random.RandomState(0))
    assert DATA.is_feasible(factors).all()
    assert abs(np.corrcoef(factors[:, 2], factors[:, 3])[0, 1] + 0.327) < 0.02
    bent = np.abs(factors[:, 1:4] - 14.5)
    assert abs(np.corrcoef(bent[:, 0], bent[:, 1])[0, 1] + 0.19) < 0.02
    assert abs(np.corrcoef(bent[:, 0], bent[:, 2])[0, 1] + 0.24) < 0.02
    # The hue has no influence.
    assert np.ptp(np.bincount(factors[:, 0])) < 0.05 * len(factors) / 8


@pytest.mark.parametrize("data", SETS)
def test_what_the_sets_are(data):
    assert data.size == 100_000
    assert data.factors_num_values == [4 if data is HELDOUT else 8, *[30] * 5, 10]
    assert len(data.factor_names) == data.num_factors == 7
    assert data.observation_shape == [64, 64, 3]
    assert data.origin == "rendered" and data.renderer_version == "1"
    assert not data.is_grid and not data.has_grid_draws


def test_names_and_resolutions():
    for name in ("", "_heldout_colors", "_shifted"):
        data = registry.open_dataset(f"armcube_rendered{name}_128")
        assert data.name == f"armcube_rendered{name}_128"
        assert data.observation_shape == [128, 128, 3]
        assert data.images_at([5]).shape == (1, 128, 128, 3)


@pytest.mark.parametrize("data", [DATA, HELDOUT])
def test_list_holds_different_feasible_scenes_of_all_values(data):
    factors = data.factors_at(np.arange(data.size))
    assert data.is_feasible(factors).all()
    assert len(np.unique(factors, axis=0)) == data.size
    for column, num_values in zip(factors.T, data.factors_num_values, strict=True):
        assert set(column) == set(range(num_values))
    indices = np.random.RandomState(0).permutation(data.size)
    np.testing.assert_array_equal(data.indices_of(factors[indices]), indices)


def test_domains_show_the_same_scenes_and_hues_are_disjoint():
    indices = np.arange(100)
    np.testing.assert_array_equal(DATA.factors_at(indices), SHIFTED.factors_at(indices))
    assert (DATA.images_at(indices) != SHIFTED.images_at(indices)).mean() > 0.5
    hues = armcube_rendered.TRAINING_HUES + armcube_rendered.HELDOUT_HUES
    assert sorted(hues) == list(range(0, 360, 30))


def test_draws_are_from_the_list():
    factors = DATA.sample_factors(1000, np.random.RandomState(0))
    again = DATA.sample_factors(1000, np.random.RandomState(0))
    np.testing.assert_array_equal(factors, again)
    indices = DATA.indices_of(factors)
    np.testing.assert_array_equal(DATA.factors_at(indices), factors)
    assert len(set(indices)) > 980


def test_infeasible_scenes_are_refused():
    rows = np.array([DATA.factors_at([0])[0], INFEASIBLE])
    for ask in (
        DATA.indices_of,
        lambda rows: DATA.sample_observations_from_factors(
            rows, np.random.RandomState(0)
        ),
    ):
        with pytest.raises(ValueError, match=r"touch.*Received: .*14, 26, 0\]"):
            ask(rows)


def test_scenes_outside_the_list_can_be_drawn_but_have_no_index():
    factors = DATA.sample_feasible(50, np.random.RandomState(0))
    observations = DATA.sample_observations_from_factors(factors)
    assert observations.shape == (50, 64, 64, 3)
    with pytest.raises(ValueError, match="not among the 100000"):
        DATA.indices_of(factors)


@pytest.mark.parametrize("fixed", [{1: 3}, {0: 5, 6: 2}, {}])
def test_draws_with_fixed_values(fixed):
    for draw in (
        lambda random_state: DATA.sample_factors_given(fixed, 300, random_state),
        lambda random_state: DATA.sample_feasible(300, random_state, fixed),
    ):
        factors = draw(np.random.RandomState(0))
        assert factors.shape == (300, 7) and factors.dtype == np.int64
        for column, value in fixed.items():
            assert (factors[:, column] == value).all()
        assert DATA.is_feasible(factors).all()
        assert len(np.unique(factors, axis=0)) > 200
        np.testing.assert_array_equal(factors, draw(np.random.RandomState(0)))
    given = DATA.sample_factors_given(fixed, 300, np.random.RandomState(0))
    assert len(DATA.indices_of(given)) == 300


def test_draws_with_a_value_for_each_row():
    values = np.arange(300) % 30
    random_state = np.random.RandomState(0)
    factors = DATA.sample_factors_given({4: values, 0: 1}, 300, random_state)
    np.testing.assert_array_equal(factors[:, 4], values)
    assert (factors[:, 0] == 1).all()
    first = DATA.sample_factors(300, random_state)
    fixed = {column: first[:, column] for column in range(7) if column != 3}
    second = DATA.sample_feasible(300, random_state, fixed)
    assert ((first != second).sum(axis=1) <= 1).all()
    assert (first != second).any(axis=1).mean() > 0.8


def test_conditional_draws_are_uniform():
    fixed = {1: 14, 2: 14, 3: 29, 4: 20}
    factors = DATA.sample_feasible(20_000, np.random.RandomState(0), fixed)
    grid = np.array(
        [[0, 14, 14, 29, 20, y, angle] for y in range(30) for angle in range(10)]
    )
    feasible = DATA.is_feasible(grid)
    assert 0 < feasible.sum() < 300
    counts = np.bincount(factors[:, 5] * 10 + factors[:, 6], minlength=300)
    assert (counts[~feasible] == 0).all()
    expected = len(factors) / feasible.sum()
    assert np.abs(counts[feasible] - expected).max() < 5 * np.sqrt(expected)


def test_values_without_a_scene_are_refused():
    random_state = np.random.RandomState(0)
    fixed = dict(enumerate(INFEASIBLE))
    with pytest.raises(ValueError, match="No scene.*Received"):
        DATA.sample_factors_given(fixed, 2, random_state)
    with pytest.raises(ValueError, match="no scene.*Received"):
        DATA.sample_feasible(2, random_state, fixed)
    with pytest.raises(ValueError, match="Received: .30"):
        DATA.sample_feasible(2, random_state, {1: 30})


@pytest.mark.parametrize("factor", range(7))
def test_each_factor_changes_the_picture(factor):
    random_state = np.random.RandomState(factor)
    first = DATA.sample_feasible(200, random_state)
    second = first.copy()
    second[:, factor] = (first[:, factor] + 1) % DATA.factors_num_values[factor]
    both = DATA.is_feasible(second)
    first, second = (
        DATA.sample_observations_from_factors(rows[both]) for rows in (first, second)
    )
    changed = (first != second).any(axis=3).sum(axis=(1, 2))
    # A cube may stand behind the arm.
    assert np.mean(changed > 5) > 0.98


def hues(row, *values):
    rows = np.array([[value, *row] for value in values])
    return np.rint(255 * DATA.sample_observations_from_factors(rows)).astype(int)


def test_hue_is_linear():
    # Red, rose and magenta have 0, 127.5 and 255 blue.
    for row in DATA.factors_at(np.arange(20))[:, 1:]:
        blues = hues(row, 0, 1, 2)[..., 2]
        unclipped = blues.max(axis=0) < 255
        half, full = ((blues[i] - blues[0])[unclipped] for i in (1, 2))
        np.testing.assert_allclose(2 * half, full, atol=2.1)


def test_arm_hides_the_cube():
    cube = [7, 17, 6]
    in_front, aside = (
        (np.ptp(hues([*arm, *cube], 0, 3), axis=0) > 0).any(axis=2)
        for arm in ([19, 22, 1], [28, 1, 27])
    )
    assert 15 < in_front.sum() < 0.8 * aside.sum()
    assert not (in_front & ~aside).any()


def test_cube_hides_the_ground_and_casts_a_shadow():
    # The lamp is on the left: the shadow falls to the right.
    arm = [1, 29, 15]
    left, right = hues([*arm, 4, 8, 0], 0)[0], hues([*arm, 25, 8, 0], 0)[0]
    is_cube = (hues([*arm, 4, 8, 0], 3)[0] != left).any(axis=2)
    center = np.argwhere(is_cube).mean(axis=0)
    darker = (left.sum(axis=2) < right.sum(axis=2) - 60) & ~is_cube
    assert darker.sum() > 20
    assert np.argwhere(darker).mean(axis=0)[1] > center[1]


def test_tip_is_where_the_kinematics_put_it():
    look = armcube_rendered.PLAIN
    camera = np.array(look.camera)
    forward = np.array(look.target) - camera
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    row = [0, 20, 28, 4, 2, 28, 0]
    _, tip = elbow_and_tip(row)
    offset = tip - camera
    scale = 32 / look.tangent / (offset @ forward)
    expected = [32 - offset @ up * scale, 32 + offset @ right * scale]
    image = DATA.sample_observations_from_factors(np.array([row]))[0]
    rows, columns = np.nonzero(image.max(axis=2) < 0.11)
    near = np.hypot(rows - expected[0], columns - expected[1]) < 5
    found = np.array([rows[near].mean(), columns[near].mean()]) + 0.5
    np.testing.assert_allclose(found, expected, atol=2)


def test_resolutions_agree():
    indices = np.arange(30)
    large = registry.open_dataset("armcube_rendered_128").images_at(indices)
    pooled = large.reshape(30, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    assert np.abs(pooled - DATA.images_at(indices)).mean() < 1


def test_shifted_pictures_have_noise_of_their_own():
    quiet = armcube_rendered.ArmCube(
        "quiet", look=armcube_rendered.SHIFTED._replace(noise=0.0)
    )
    indices = np.arange(40)
    noise = SHIFTED.images_at(indices).astype(int) - quiet.images_at(indices)
    assert abs(noise.mean()) < 0.1
    assert 4 < noise.std() < 6 and np.abs(noise).max() <= 12
    flat = np.corrcoef(noise.reshape(40, -1)) - np.eye(40)
    assert np.abs(flat).max() < 0.05


def test_pictures_are_the_same_everywhere():
    hashes = [
        hashlib.sha256(data.images_at(np.arange(200)).tobytes()).hexdigest()[:16]
        for data in SETS
    ]
    assert hashes == ["0f25651aa94b8150", "60c4e63f73cb141b", "f8a5ddc485692b2f"]


@pytest.mark.parametrize("data", SETS)
def test_batches_and_threads_get_the_same_pictures(data):
    requests = np.random.RandomState(0).randint(data.size, size=(20, 16))
    expected = [data.images_at(request) for request in requests]
    for index, image in zip(requests[0], expected[0], strict=True):
        np.testing.assert_array_equal(data.images_at([index])[0], image)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        np.testing.assert_array_equal(
            list(pool.map(data.images_at, requests)), expected
        )


@pytest.mark.parametrize("index", [-1, 100_000])
def test_indices_out_of_range_are_refused(index):
    with pytest.raises(ValueError, match=r"\[0, 100000\)"):
        DATA.images_at(np.array([0, index]))


@pytest.mark.parametrize(
    "row", [[8, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, -1, 0], [0] * 6]
)
def test_factors_out_of_range_are_refused(row):
    with pytest.raises(ValueError, match="Received"):
        DATA.indices_of(np.array([row]))


def test_prepared_pictures_are_those_that_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("DMT_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def open_small():
        return armcube_rendered.ArmCube(
            "small", look=armcube_rendered.SHIFTED, size=3000
        )

    drawn = open_small().images_at(np.arange(3000))
    open_small().prepare()
    monkeypatch.setattr(armcube, "render", None)
    np.testing.assert_array_equal(open_small().images_at(np.arange(3000)), drawn)
