"""Boundaries of binary tasks on points of a cube.

Task i of linear boundaries asks whether c_i . x > b_i, with a unit normal c_i and an
offset b_i. The boundaries are those of Vafidis, Bhargava and Rangel (ICLR 2025,
"Disentangling representations through multi-task learning").
"""

import numpy as np

from dmt.utils import checks

# Signs of the coordinates in the four quadrants, counter-clockwise.
QUADRANTS = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], dtype=np.float32)
# Thresholds of the paper's public code, by the number of tasks.
_THRESHOLDS = {
    24: (0.005, 0.02, 0.04, 0.07, 0.11, 0.15),
    48: (
        *(0.005, 0.01, 0.018, 0.027, 0.04, 0.052),
        *(0.07, 0.085, 0.105, 0.125, 0.15, 0.18),
    ),
}


def line_normals(num_tasks: int) -> np.ndarray:
    """Unit normals of evenly spaced lines through the origin of the plane.

    The angle of line i is phi_i = (i + 1/2) pi / num_tasks, and its task asks whether
    x_2 > tan(phi_i) x_1. For two or more lines, C'C = (num_tasks / 2) I.

    Args:
        num_tasks: number of lines, at least 1.

    Returns:
        float64 array C of shape (num_tasks, 2).
    """
    angles = (np.arange(num_tasks) + 0.5) * (np.pi / num_tasks)
    normals = np.stack([-np.sin(angles), np.cos(angles)], axis=1)
    return np.where(np.cos(angles) < 0, -1.0, 1.0)[:, None] * normals


def random_normals(num_tasks: int, dim: int, seed: int) -> np.ndarray:
    """Random unit normals, uniform on the sphere.

    Args:
        num_tasks: number of tasks, at least 1. More tasks begin with the same normals.
        dim: number of coordinates, at least 1.
        seed: integer in [0, 2**32).

    Returns:
        float64 array of shape (num_tasks, dim).
    """
    checks.seed("seed", seed)
    draws = np.random.RandomState(seed).standard_normal((num_tasks, dim))
    return draws / np.linalg.norm(draws, axis=1, keepdims=True)


def hyperbola_thresholds(num_tasks: int) -> np.ndarray:
    """Thresholds on |x_1 x_2| of the tasks of one quadrant, in ascending order.

    Args:
        num_tasks: number of tasks of all four quadrants, divisible by 4.

    Returns:
        float64 array of shape (num_tasks / 4,). For 24 and 48 tasks they are those of
        the paper's public code, and evenly spaced up to 0.2 otherwise.

    Raises:
        ValueError: if `num_tasks` is not a positive multiple of 4.
    """
    checks.integer("num_tasks", num_tasks, 1)
    if num_tasks % 4:
        raise ValueError(
            "num_tasks must be a multiple of 4 for hyperbolas, which lie in four "
            f"quadrants. Received: num_tasks={num_tasks}"
        )
    if num_tasks in _THRESHOLDS:
        return np.array(_THRESHOLDS[num_tasks])
    return 0.2 * np.linspace(1 / (2 * num_tasks), 1, num_tasks // 4)
