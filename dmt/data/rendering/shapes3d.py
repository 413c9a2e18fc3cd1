"""A small ray caster for the scenes of Shapes3D.

Geometry and light were measured on published sample images.
"""

import math

import numba
import numpy as np

_SKY_COLOR = (153, 226, 249)

# Lengths in units of the height of the camera: x to the right, y to the back wall, z
# up; the object stands at the origin.
_CAMERA_DISTANCE = 2.883
_CAMERA_PITCH = 0.0256
_HALF_FIELD_OF_VIEW = 0.9346 / 2
_SIDE_WALL, _BACK_WALL, _WALL_HEIGHT = 3.62, 3.374, 2.316
_LAMP = (-1.45, 0.415, 6.36)
_LIGHT = (-0.2747, 0.0938, 0.957)
_CUBE_HALF_SIDE = 0.432
_CYLINDER_RADIUS, _CYLINDER_HEIGHT = 0.441, 0.911
_SPHERE_RADIUS = 0.525
_CAPSULE_RADIUS, _CAPSULE_HEIGHT = 0.398, 1.639
_SHADOW = 0.33
_WHITE = 0.12

_CUBE, _CYLINDER, _SPHERE, _CAPSULE = range(4)
_FLOOR, _WALL, _OBJECT, _WHITE_LIGHT, _SKY = range(5)

# Rays per pixel, along each axis.
_SAMPLES = 3


@numba.njit(cache=True, nogil=True)
def mix(maps, scenes, colors, images):
    """Writes images, the sums of the maps (in units of 1/255) times their colours."""
    for i in range(len(scenes)):
        floor, wall, thing, white, sky = maps[scenes[i]]
        color, image = colors[i], images[i]
        for pixel in range(len(floor)):
            for c in range(3):
                value = (
                    np.int32(floor[pixel]) * color[0, c]
                    + np.int32(wall[pixel]) * color[1, c]
                    + np.int32(thing[pixel]) * color[2, c]
                    + np.int32(sky[pixel]) * np.int32(_SKY_COLOR[c])
                    + np.int32(white[pixel]) * np.int32(255)
                )
                value = (value * np.int32(257) + np.int32(32896)) >> np.int32(16)
                image[pixel, c] = min(value, np.int32(255))


_TAN = round(math.tan(_HALF_FIELD_OF_VIEW), 9)
_COS_PITCH = round(math.cos(_CAMERA_PITCH), 9)
_SIN_PITCH = round(math.sin(_CAMERA_PITCH), 9)


@numba.njit(cache=True, nogil=True)
def render(shape, size, cos, sin, resolution):
    """Shares of the five materials in each pixel, float64 (5, resolution**2)."""
    maps = np.zeros((5, resolution * resolution))
    camera = (_CAMERA_DISTANCE * sin, -_CAMERA_DISTANCE * cos, 1.0)
    steps = resolution * _SAMPLES
    weight = 1.0 / _SAMPLES**2
    for row in range(steps):
        v = _TAN * (1 - (2 * row + 1) / steps)
        for column in range(steps):
            u = _TAN * ((2 * column + 1) / steps - 1)
            along = _COS_PITCH + v * _SIN_PITCH
            x = u * cos - along * sin
            y = u * sin + along * cos
            z = v * _COS_PITCH - _SIN_PITCH
            norm = math.sqrt(x * x + y * y + z * z)
            ray = (x / norm, y / norm, z / norm)
            pixel = row // _SAMPLES * resolution + column // _SAMPLES
            material, light, white = _trace(shape, size, camera, ray)
            maps[material, pixel] += weight * light
            maps[_WHITE_LIGHT, pixel] += weight * white
    return maps


@numba.njit(cache=True, nogil=True)
def _trace(shape, size, camera, ray):
    """Material, brightness in [0, 1] and white light where a ray hits the scene."""
    distance, normal = _hit(shape, size, camera, ray)
    if distance < np.inf:
        lit = _dot(normal, _LIGHT)
        light = 0.555 + 0.926 * lit - 0.398 * _dot(normal, ray)
        return _OBJECT, _clip(light), _WHITE if lit > 0.1 else 0.0
    material, light = _SKY, 1.0
    distance = (_BACK_WALL - camera[1]) / ray[1] if ray[1] > 0 else np.inf
    facing, base, gain = ray[1], 0.28, 0.72
    if ray[0] > 0:
        right = (_SIDE_WALL - camera[0]) / ray[0]
        if right < distance:
            distance, facing, base, gain = right, ray[0], 0.30, 0.47
    elif ray[0] < 0:
        left = (-_SIDE_WALL - camera[0]) / ray[0]
        if left < distance:
            distance, facing, base, gain = left, -ray[0], 0.17, 0.77
    if ray[2] < 0 and -camera[2] / ray[2] < distance:
        distance = -camera[2] / ray[2]
        x = camera[0] + distance * ray[0]
        y = camera[1] + distance * ray[1]
        return _FLOOR, _floor_light(shape, size, x, y), 0.0
    if camera[2] + distance * ray[2] < _WALL_HEIGHT:
        material, light = _WALL, _clip(base + gain * facing)
    return material, light, 0.0


@numba.njit(cache=True, nogil=True)
def _floor_light(shape, size, x, y):
    dx, dy, dz = _LAMP[0] - x, _LAMP[1] - y, _LAMP[2]
    norm = math.sqrt(dx * dx + dy * dy + dz * dz)
    cos = dz / norm
    # The power 3.75 from square roots, which are the same on every processor.
    root = math.sqrt(cos)
    light = _clip(-0.038 + 1.253 * cos * cos * cos * root * math.sqrt(root))
    to_lamp = (dx / norm, dy / norm, dz / norm)
    in_shadow = _hit(shape, size, (x, y, 0.0), to_lamp)[0] < np.inf
    return _SHADOW * light if in_shadow else light


@numba.njit(cache=True, nogil=True)
def _hit(shape, size, start, ray):
    """Distance (infinite if missed) and outer normal where a ray enters the object."""
    if shape == _CUBE:
        return _hit_cube(_CUBE_HALF_SIDE * size, start, ray)
    if shape == _CYLINDER:
        radius, height = _CYLINDER_RADIUS * size, _CYLINDER_HEIGHT * size
        side, normal = _hit_tube(radius, 0.0, height, start, ray)
        if ray[2] < 0:
            top = (height - start[2]) / ray[2]
            x, y = start[0] + top * ray[0], start[1] + top * ray[1]
            if 0 < top < side and x * x + y * y < radius * radius:
                return top, (0.0, 0.0, 1.0)
        return side, normal
    if shape == _SPHERE:
        radius = _SPHERE_RADIUS * size
        return _hit_sphere(radius, radius, start, ray)
    radius = _CAPSULE_RADIUS * size
    upper = _CAPSULE_HEIGHT * size - radius
    distance, normal = _hit_tube(radius, radius, upper, start, ray)
    for center in (radius, upper):
        cap, cap_normal = _hit_sphere(radius, center, start, ray)
        if cap < distance:
            distance, normal = cap, cap_normal
    return distance, normal


@numba.njit(cache=True, nogil=True)
def _hit_cube(half, start, ray):
    entry, leave = 0.0, np.inf
    normal = (0.0, 0.0, 0.0)
    for axis in range(3):
        center = half if axis == 2 else 0.0
        if ray[axis] == 0:
            if abs(start[axis] - center) > half:
                return np.inf, normal
            continue
        sign = 1.0 if ray[axis] > 0 else -1.0
        near = (center - sign * half - start[axis]) / ray[axis]
        far = (center + sign * half - start[axis]) / ray[axis]
        leave = min(leave, far)
        if near > entry:
            entry = near
            normal = (
                -sign if axis == 0 else 0.0,
                -sign if axis == 1 else 0.0,
                -sign if axis == 2 else 0.0,
            )
    return (entry if 0 < entry < leave else np.inf), normal


@numba.njit(cache=True, nogil=True)
def _hit_tube(radius, bottom, top, start, ray):
    """Distance and outer normal where a ray enters the side of a vertical cylinder."""
    a = ray[0] * ray[0] + ray[1] * ray[1]
    b = start[0] * ray[0] + start[1] * ray[1]
    c = start[0] * start[0] + start[1] * start[1] - radius * radius
    root = b * b - a * c
    if root > 0 and a > 0:
        t = (-b - math.sqrt(root)) / a
        if t > 0 and bottom <= start[2] + t * ray[2] <= top:
            x, y = start[0] + t * ray[0], start[1] + t * ray[1]
            return t, (x / radius, y / radius, 0.0)
    return np.inf, (0.0, 0.0, 0.0)


@numba.njit(cache=True, nogil=True)
def _hit_sphere(radius, height, start, ray):
    z = start[2] - height
    b = start[0] * ray[0] + start[1] * ray[1] + z * ray[2]
    c = start[0] * start[0] + start[1] * start[1] + z * z - radius * radius
    root = b * b - c
    if root > 0:
        t = -b - math.sqrt(root)
        if t > 0:
            x, y = start[0] + t * ray[0], start[1] + t * ray[1]
            return t, (x / radius, y / radius, (z + t * ray[2]) / radius)
    return np.inf, (0.0, 0.0, 0.0)


@numba.njit(cache=True, nogil=True)
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(cache=True, nogil=True)
def _clip(light):
    return min(max(light, 0.0), 1.0)
