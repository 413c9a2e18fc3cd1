"""The scenes of `armcube_rendered`: which are feasible, and how they look."""

import functools
import math

import numba
import numpy as np

# Lengths in metres. The first two joints are in the base above the centre of the stage
# and rotate about +y and -x. The third rotates about +x. At zero, the arm hangs down.
_BASE_HEIGHT = 0.29
_LINK = 0.16
_UPPER_RADIUS, _ELBOW_RADIUS, _LOWER_RADIUS = 0.022, 0.025, 0.0145
_BASE_RADIUS, _BASE_HALF_LENGTH = 0.03, 0.035
_BLACK_TIP = 0.85
_CUBE_HALF_SIDE = 0.0325
_STAGE_RADIUS = 0.19

# The lower 60 % of the last link must not touch the cube. This check uses a smaller
# radius than the images.
_CHECKED = 0.6
_NUM_CHECKED = 9
_CHECKED_RADIUS = 0.7 * _LOWER_RADIUS


def _rounded(values):
    # Processors may differ in the last bit.
    return np.round(values, 9)


_POSITIONS = _rounded(np.linspace(-0.11, 0.11, 30))
_JOINT_COSINES, _JOINT_SINES = (
    _rounded([f(np.linspace(-limit, limit, 30)) for limit in (0.65, 0.5, 0.8)])
    for f in (np.cos, np.sin)
)
_CUBE_COSINES, _CUBE_SINES = (
    _rounded(f(np.arange(10) * np.pi / 20)) for f in (np.cos, np.sin)
)


# Division by zero gives infinity, as in NumPy.
_compiled = functools.partial(numba.njit, cache=True, nogil=True, error_model="numpy")

# Base, upper link, elbow, lower link, tip of the lower link.
_ARM_COLORS = np.array(
    [[62, 66, 78], [214, 216, 222], [62, 66, 78], [186, 192, 204], [24, 24, 28]],
    dtype=np.float64,
)
_RADII = np.array([_BASE_RADIUS, _UPPER_RADIUS, _ELBOW_RADIUS, _LOWER_RADIUS])
_CUBE = 4
_SAMPLES = 2


@_compiled()
def _elbow_and_tip(factors):
    cos0, sin0 = _JOINT_COSINES[0, factors[1]], _JOINT_SINES[0, factors[1]]
    cos1, sin1 = _JOINT_COSINES[1, factors[2]], _JOINT_SINES[1, factors[2]]
    cos2, sin2 = _JOINT_COSINES[2, factors[3]], _JOINT_SINES[2, factors[3]]
    elbow = (-_LINK * cos1 * sin0, -_LINK * sin1, _BASE_HEIGHT - _LINK * cos1 * cos0)
    down = _LINK * (cos1 * cos2 + sin1 * sin2)
    tip = (
        elbow[0] - down * sin0,
        elbow[1] + _LINK * (cos1 * sin2 - sin1 * cos2),
        elbow[2] - down * cos0,
    )
    return elbow, tip


@_compiled()
def feasible(factors):
    """Whether the arm touches neither the cube nor the floor: bool (n,)."""
    results = np.empty(len(factors), dtype=np.bool_)
    for i in range(len(factors)):
        elbow, tip = _elbow_and_tip(factors[i])
        ok = tip[2] >= _LOWER_RADIUS
        x0, y0 = _POSITIONS[factors[i, 4]], _POSITIONS[factors[i, 5]]
        cos, sin = _CUBE_COSINES[factors[i, 6]], _CUBE_SINES[factors[i, 6]]
        for k in range(_NUM_CHECKED):
            if not ok:
                break
            s = _CHECKED * k / (_NUM_CHECKED - 1)
            x = tip[0] + s * (elbow[0] - tip[0]) - x0
            y = tip[1] + s * (elbow[1] - tip[1]) - y0
            z = tip[2] + s * (elbow[2] - tip[2]) - _CUBE_HALF_SIDE
            dx = max(abs(cos * x + sin * y) - _CUBE_HALF_SIDE, 0.0)
            dy = max(abs(cos * y - sin * x) - _CUBE_HALF_SIDE, 0.0)
            dz = max(abs(z) - _CUBE_HALF_SIDE, 0.0)
            radius = _LOWER_RADIUS if k == 0 else _CHECKED_RADIUS
            ok = dx * dx + dy * dy + dz * dz >= radius * radius
        results[i] = ok
    return results


@functools.cache
def view(look, resolution):
    """Computes everything that all images with one look share.

    Returns:
        frame: float64 (8, 3): camera, its right, up and forward directions, two
            directions across the light, the direction to the lamp, (tangent, 0, 0).
        shading: float64 (6,): ambient, diffuse, frontal, light_color.
        rays: float64 (steps, steps, 3), unit directions through each sample.
        ground: float64 (steps, steps, 5), where the rays meet the ground: x, y, two
            coordinates across the light, and the distance from the camera.
        lit, shadowed: float64 (steps, steps, 3), the ground in light and in shadow.
        background: uint8 (resolution, resolution, 3), the image of the empty stage.
    """
    camera = np.array(look.camera)
    forward = _unit(np.array(look.target) - camera)
    right = _unit(_cross(forward, (0.0, 0.0, 1.0)))
    up = _cross(right, forward)
    light = _unit(np.array(look.light))
    across = _unit(_cross(light, (0.0, 1.0, 0.0)))
    frame = np.stack(
        [
            *(camera, right, up, forward, across, _cross(light, across), light),
            [look.tangent, 0, 0],
        ]
    )
    steps = resolution * _SAMPLES
    offset = look.tangent * ((2 * np.arange(steps) + 1) / steps - 1)
    rays = forward + offset[:, None] * right - offset[:, None, None] * up
    norm = np.sqrt(rays[..., 0] ** 2 + rays[..., 1] ** 2 + rays[..., 2] ** 2)
    rays = rays / norm[..., None]
    distance = -camera[2] / rays[..., 2]
    x, y = (camera[i] + distance * rays[..., i] for i in (0, 1))
    ground = np.stack(
        [x, y, *(x * frame[i, 0] + y * frame[i, 1] for i in (4, 5)), distance], axis=2
    )
    on_stage = x * x + y * y < _STAGE_RADIUS**2
    color = np.where(on_stage[..., None], look.stage, look.ground)
    color = color * (1 + look.texture * _grain(x, y))[..., None] * look.light_color
    shade = look.ambient - look.frontal * rays[..., 2]
    lit = color * (shade + look.diffuse * light[2])[..., None]
    shadowed = color * shade[..., None]
    background = lit.reshape(resolution, _SAMPLES, resolution, _SAMPLES, 3)
    background = sum(
        background[:, i, :, j] for i in range(_SAMPLES) for j in range(_SAMPLES)
    )
    background = np.clip(np.rint(background / _SAMPLES**2), 0, 255).astype(np.uint8)
    shading = np.array([look.ambient, look.diffuse, look.frontal, *look.light_color])
    return frame, shading, rays, ground, lit, shadowed, background


def _unit(vector):
    vector = np.asarray(vector)
    return vector / np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)


def _cross(a, b):
    return np.array(
        [
            a[1] * b[2] - a[2] * b[1],
            a[2] * b[0] - a[0] * b[2],
            a[0] * b[1] - a[1] * b[0],
        ]
    )


def _grain(x, y):
    """Smooth random numbers in [-1, 1) on the ground, stretched along x."""
    lattice = np.random.RandomState(0).randint(256, size=(64, 64)) / 128 - 1
    total = 0
    for octave, gain in ((1, 0.65), (4, 0.35)):
        u, v = x * 12 * octave, y * 60 * octave
        column, row = np.floor(u).astype(int), np.floor(v).astype(int)
        u, v = u - column, v - row
        corners = [
            lattice[(row + i) % 64, (column + j) % 64] for i in (0, 1) for j in (0, 1)
        ]
        near = corners[0] + u * (corners[1] - corners[0])
        far = corners[2] + u * (corners[3] - corners[2])
        total = total + gain * (near + v * (far - near))
    return total


@_compiled()
def render(factors, colors, noise, view, out):
    """Renders the scenes into `out`; `view` is a result of the function `view`.

    Pixels away from the objects and their shadows show the empty stage. For the others,
    `marks` holds which objects (bits 0 to 4) and which shadows on the ground (bits 5 to
    9) may be visible, in the order base, upper link, elbow, lower link, cube.
    """
    frame, background = view[0], view[6]
    marks = np.empty(background.shape[:2], dtype=np.uint16)
    for i in range(len(factors)):
        scene = factors[i]
        starts, ends = _place_arm(scene)
        cube = _place_cube(scene)
        marks[:] = 0
        for part in range(4):
            _mark_capsule(marks, part, starts[part], ends[part], _RADII[part], frame)
        _mark_cube(marks, cube, frame)
        out[i] = background
        _shade(marks, starts, ends, cube, colors[scene[0]], view, out[i])
        if noise > 0:
            _add_noise(out[i], scene, noise)


@_compiled()
def _place_arm(scene):
    """Both ends of the axis of each capsule, float64 (4, 3)."""
    starts, ends = np.zeros((4, 3)), np.zeros((4, 3))
    starts[0, 1], ends[0, 1] = -_BASE_HALF_LENGTH, _BASE_HALF_LENGTH
    starts[0, 2] = ends[0, 2] = starts[1, 2] = _BASE_HEIGHT
    elbow, tip = _elbow_and_tip(scene)
    for axis in range(3):
        ends[1, axis] = starts[2, axis] = ends[2, axis] = elbow[axis]
        starts[3, axis] = elbow[axis]
        ends[3, axis] = tip[axis]
    return starts, ends


@_compiled()
def _place_cube(scene):
    """Position on the ground, cosine and sine of the angle."""
    return (
        _POSITIONS[scene[4]],
        _POSITIONS[scene[5]],
        _CUBE_COSINES[scene[6]],
        _CUBE_SINES[scene[6]],
    )


@_compiled()
def _project(x, y, z, frame, resolution):
    """Projects a point to the image: column, row and pixels per metre."""
    dx, dy, dz = x - frame[0, 0], y - frame[0, 1], z - frame[0, 2]
    right = dx * frame[1, 0] + dy * frame[1, 1] + dz * frame[1, 2]
    up = dx * frame[2, 0] + dy * frame[2, 1] + dz * frame[2, 2]
    depth = dx * frame[3, 0] + dy * frame[3, 1] + dz * frame[3, 2]
    metre = resolution / (2 * depth * frame[7, 0])
    return resolution / 2 + right * metre, resolution / 2 - up * metre, metre


@_compiled()
def _mark_capsule(marks, part, start, end, radius, frame):
    """Marks pixels near a capsule and near its shadow on the ground."""
    size = len(marks)
    light = frame[6]
    for shadow in range(2):
        sx = start[0] - shadow * light[0] / light[2] * start[2]
        sy = start[1] - shadow * light[1] / light[2] * start[2]
        ex = end[0] - shadow * light[0] / light[2] * end[2]
        ey = end[1] - shadow * light[1] / light[2] * end[2]
        sz = 0.0 if shadow else start[2]
        ez = 0.0 if shadow else end[2]
        column0, row0, metre0 = _project(sx, sy, sz, frame, size)
        column1, row1, metre1 = _project(ex, ey, ez, frame, size)
        # In perspective, discs become ellipses and nearer parts larger, hence 1.15.
        reach = 1.15 * radius * max(metre0, metre1) / (light[2] if shadow else 1.0)
        reach += 1.0
        along_column, along_row = column1 - column0, row1 - row0
        square = along_column * along_column + along_row * along_row
        bit = np.uint16(1 << (part + 5 * shadow))
        top = max(0, int(min(row0, row1) - reach))
        bottom = min(size, int(max(row0, row1) + reach) + 1)
        left = max(0, int(min(column0, column1) - reach))
        right = min(size, int(max(column0, column1) + reach) + 1)
        for row in range(top, bottom):
            for column in range(left, right):
                dc, dr = column + 0.5 - column0, row + 0.5 - row0
                if square > 0:
                    s = (dc * along_column + dr * along_row) / square
                    s = min(max(s, 0.0), 1.0)
                    dc -= s * along_column
                    dr -= s * along_row
                if dc * dc + dr * dr < reach * reach:
                    marks[row, column] |= bit


@_compiled()
def _mark_cube(marks, cube, frame):
    """Marks the rectangles around the cube and around its shadow."""
    size = len(marks)
    light = frame[6]
    for shadow in range(2):
        top, left, bottom, right = size, size, 0, 0
        for corner in range(8):
            a = _CUBE_HALF_SIDE if corner & 1 else -_CUBE_HALF_SIDE
            b = _CUBE_HALF_SIDE if corner & 2 else -_CUBE_HALF_SIDE
            z = 2 * _CUBE_HALF_SIDE if corner & 4 else 0.0
            x = cube[0] + cube[2] * a - cube[3] * b
            y = cube[1] + cube[3] * a + cube[2] * b
            if shadow:
                x -= light[0] / light[2] * z
                y -= light[1] / light[2] * z
                z = 0.0
            column, row, _ = _project(x, y, z, frame, size)
            top, bottom = min(top, int(row - 1)), max(bottom, int(row + 2))
            left, right = min(left, int(column - 1)), max(right, int(column + 2))
        bit = np.uint16(1 << (_CUBE + 5 * shadow))
        for row in range(max(0, top), min(size, bottom)):
            for column in range(max(0, left), min(size, right)):
                marks[row, column] |= bit


@_compiled()
def _shade(marks, starts, ends, cube, hue, view, image):
    """Draws the marked pixels.

    Functions of the inner loops take numbers instead of arrays, which is much faster.
    """
    frame, shading, rays, ground, lit, shadowed, _ = view
    # Axis of each capsule, the camera relative to its start, and constants of all rays.
    parts = np.empty((4, 9))
    # Both ends of each capsule, in two coordinates across the light and one along it.
    across = np.empty((4, 6))
    for part in range(4):
        for k in range(3):
            parts[part, k] = ends[part, k] - starts[part, k]
            parts[part, 3 + k] = frame[0, k] - starts[part, k]
            for end, points in enumerate((starts, ends)):
                across[part, 3 * end + k] = (
                    points[part, 0] * frame[4 + k, 0]
                    + points[part, 1] * frame[4 + k, 1]
                    + points[part, 2] * frame[4 + k, 2]
                )
        ax, ay, az, cx, cy, cz = parts[part, :6]
        parts[part, 6] = ax * ax + ay * ay + az * az
        parts[part, 7] = ax * cx + ay * cy + az * cz
        parts[part, 8] = cx * cx + cy * cy + cz * cz - _RADII[part] * _RADII[part]
    camera_x, camera_y, camera_z = frame[0]
    light_x, light_y, light_z = frame[6]
    cube_x, cube_y, cos, sin = cube
    # The camera and the light in the coordinates of the cube.
    x, y = camera_x - cube_x, camera_y - cube_y
    from_x, from_y = cos * x + sin * y, cos * y - sin * x
    toward_x = cos * light_x + sin * light_y
    toward_y = cos * light_y - sin * light_x
    ambient, diffuse, frontal = shading[0], shading[1], shading[2]
    samples = _SAMPLES * _SAMPLES
    sums = np.empty(4)
    for pixel in range(marks.size):
        row, column = pixel // len(marks), pixel % len(marks)
        mark = np.int64(marks[row, column])
        if not mark:
            continue
        sums[:] = 0
        for sample in range(samples):
            y = row * _SAMPLES + sample // _SAMPLES
            x = column * _SAMPLES + sample % _SAMPLES
            rx, ry, rz = rays[y, x, 0], rays[y, x, 1], rays[y, x, 2]
            nearest, hit, place, face = ground[y, x, 4], -1, 0.0, 0
            for part in range(4):
                if mark & (1 << part):
                    ax, ay, az, cx, cy, cz, aa, ac, cc = parts[part]
                    t, s = _hit_capsule(ax, ay, az, cx, cy, cz, aa, ac, cc, rx, ry, rz)
                    if t < nearest:
                        nearest, hit, place = t, part, s
            if mark & (1 << _CUBE):
                dx, dy = cos * rx + sin * ry, cos * ry - sin * rx
                t, side = _hit_cube(from_x, from_y, camera_z, dx, dy, rz)
                if t < nearest:
                    nearest, hit, face = t, _CUBE, side
            facing = 1.0
            if hit < 0:
                # Only marked shadows can fall here.
                casting = mark >> 5
                px, py, pz = ground[y, x, 0], ground[y, x, 1], 0.0
                u, v, w = ground[y, x, 2], ground[y, x, 3], -np.inf
            else:
                casting = 31 - (1 << hit)
                px = camera_x + nearest * rx
                py = camera_y + nearest * ry
                pz = camera_z + nearest * rz
                u = px * frame[4, 0] + py * frame[4, 1] + pz * frame[4, 2]
                v = px * frame[5, 0] + py * frame[5, 1] + pz * frame[5, 2]
                w = px * light_x + py * light_y + pz * light_z
                if hit == _CUBE:
                    nx, ny, nz = _cube_normal(face, cos, sin)
                else:
                    radius = _RADII[hit]
                    nx = parts[hit, 3] + nearest * rx - place * parts[hit, 0]
                    ny = parts[hit, 4] + nearest * ry - place * parts[hit, 1]
                    nz = parts[hit, 5] + nearest * rz - place * parts[hit, 2]
                    nx, ny, nz = nx / radius, ny / radius, nz / radius
                facing = nx * light_x + ny * light_y + nz * light_z
            visible = facing > 0
            for part in range(4):
                if visible and casting & (1 << part):
                    su, sv, sw, eu, ev, ew = across[part]
                    radius = _RADII[part]
                    visible = not _hides(su, sv, sw, eu, ev, ew, radius, u, v, w)
            if visible and casting & (1 << _CUBE):
                x0, y0 = px - cube_x, py - cube_y
                dx, dy = cos * x0 + sin * y0, cos * y0 - sin * x0
                t, _ = _hit_cube(dx, dy, pz, toward_x, toward_y, light_z)
                visible = t == np.inf
            if hit < 0:
                for c in range(3):
                    sums[c] += lit[y, x, c] if visible else shadowed[y, x, c]
                continue
            light = ambient - frontal * (nx * rx + ny * ry + nz * rz)
            if visible:
                light += diffuse * facing
            if hit == _CUBE:
                sums[3] += light
            else:
                surface = 4 if hit == 3 and place > _BLACK_TIP else hit
                for c in range(3):
                    sums[c] += light * _ARM_COLORS[surface, c] * shading[3 + c]
        for c in range(3):
            value = (sums[c] + sums[3] * hue[c] * shading[3 + c]) / samples
            image[row, column, c] = np.uint8(min(value + 0.5, 255.0))


@_compiled()
def _hit_capsule(ax, ay, az, cx, cy, cz, length, offset, square, rx, ry, rz):
    """Distance of a capsule (infinite if missed), and place along its axis, 0 to 1."""
    along = ax * rx + ay * ry + az * rz
    toward = cx * rx + cy * ry + cz * rz
    a = length - along * along
    s = 0.0
    if a > 0:
        b = length * toward - offset * along
        root = b * b - a * (length * square - offset * offset)
        if root <= 0:
            return np.inf, 0.0
        t = (-b - math.sqrt(root)) / a
        s = (offset + t * along) / length
        if 0 < s < 1:
            return t, s
    # One of the two spheres at the ends.
    if s > 0:
        s = 1.0
        square += length - 2 * offset
        toward -= along
    else:
        s = 0.0
    root = toward * toward - square
    if root <= 0:
        return np.inf, 0.0
    return -toward - math.sqrt(root), s


@_compiled()
def _hit_cube(x, y, z, rx, ry, rz):
    """Distance where a ray enters the cube (infinite if missed), and the face's code.

    Coordinates are along the sides of the cube, from the centre of its base. Codes are
    1, 2, 3 for the faces in the positive directions, and negative for the others.
    """
    reach_x = _CUBE_HALF_SIDE if rx > 0 else -_CUBE_HALF_SIDE
    reach_y = _CUBE_HALF_SIDE if ry > 0 else -_CUBE_HALF_SIDE
    reach_z = _CUBE_HALF_SIDE if rz > 0 else -_CUBE_HALF_SIDE
    z -= _CUBE_HALF_SIDE
    leave = min((reach_x - x) / rx, (reach_y - y) / ry, (reach_z - z) / rz)
    entry, face = (-reach_x - x) / rx, -1 if rx > 0 else 1
    other = (-reach_y - y) / ry
    if other > entry:
        entry, face = other, -2 if ry > 0 else 2
    other = (-reach_z - z) / rz
    if other > entry:
        entry, face = other, -3 if rz > 0 else 3
    if 0 < entry < leave:
        return entry, face
    return np.inf, 0


@_compiled()
def _cube_normal(face, cos, sin):
    sign = 1.0 if face > 0 else -1.0
    if abs(face) == 1:
        return sign * cos, sign * sin, 0.0
    if abs(face) == 2:
        return -sign * sin, sign * cos, 0.0
    return 0.0, 0.0, sign


@_compiled()
def _hides(su, sv, sw, eu, ev, ew, radius, u, v, w):
    """Whether a capsule stands between a point and the lamp.

    Coordinates are across the light (u, v) and along it (w).
    """
    au, av, du, dv = eu - su, ev - sv, u - su, v - sv
    square = au * au + av * av
    s = 0.0
    if square > 0:
        s = min(max((du * au + dv * av) / square, 0.0), 1.0)
    du -= s * au
    dv -= s * av
    return du * du + dv * dv < radius * radius and sw + s * (ew - sw) > w


@_compiled()
def _add_noise(image, scene, noise):
    """Adds noise with a triangular distribution that is a function of the scene."""
    state = np.uint64(0)
    for value in scene:
        state = state * np.uint64(31) + np.uint64(value)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            state += np.uint64(0x9E3779B97F4A7C15)
            # The finaliser of SplitMix64.
            word = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            word ^= word >> np.uint64(31)
            for c in range(3):
                first = np.int64(word & np.uint64(255))
                second = np.int64((word >> np.uint64(8)) & np.uint64(255))
                word >>= np.uint64(16)
                value = image[row, column, c] + noise * (first - second) / 255
                image[row, column, c] = np.uint8(min(max(value + 0.5, 0.0), 255.0))
