"""Right-triangulated irregular networks: a grid of heights as few right triangles, in NumPy.

After W. Evans, D. Kirkpatrick, G. Townsend, Right-Triangulated Irregular Networks, Algorithmica 30 (2001). Triangles are
halved at the middle of their longest side, level by level; both triangles at a side share its middle, so no gap opens.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@functools.lru_cache(maxsize=4)
def _levels(cells: int) -> tuple[Ints, ...]:
    """All triangles of a grid of ``cells`` (a power of two) per level: (t, 3) vertex numbers, right angle last."""
    side = cells + 1
    corner = np.array([0, cells, cells * side, cells * side + cells])
    south_west, south_east, north_west, north_east = corner
    level = np.array([[north_east, south_west, south_east], [south_west, north_east, north_west]])
    levels = [level]
    while True:
        a, b, c = level.T
        apart = np.abs(a - b)
        if int((apart // side + apart % side).min()) < 2 or not _even(a, b, side).all():
            return tuple(levels)
        middle = (a + b) // 2
        level = np.concatenate([np.stack([c, a, middle], 1), np.stack([b, c, middle], 1)])
        levels.append(level)


def _even(a: Ints, b: Ints, side: int) -> NDArray[np.bool_]:
    """Whether the middle of a and b is a vertex of the grid."""
    even: NDArray[np.bool_] = ((a % side + b % side) % 2 == 0) & ((a // side + b // side) % 2 == 0)
    return even


def errors(heights: NDArray[np.float64], *, keep_edges: bool = True) -> NDArray[np.float64]:
    """Per vertex, row by row, the metres lost in the worst place if it is left out with all that hangs on it.

    heights: (n + 1, n + 1), n a power of two. ``keep_edges``: the outer vertices are never lost, so tiles join.
    """
    side = heights.shape[0]
    flat = heights.ravel()
    found = np.zeros(flat.shape)
    if keep_edges:
        found.reshape(side, side)[[0, -1]] = np.inf
        found.reshape(side, side)[:, [0, -1]] = np.inf
    levels = _levels(side - 1)
    for depth in range(len(levels) - 2, -1, -1):
        a, b, c = levels[depth].T
        middle = (a + b) // 2
        worst = np.abs(flat[middle] - (flat[a] + flat[b]) / 2)
        if depth + 2 < len(levels):
            worst = np.maximum(worst, np.maximum(found[(a + c) // 2], found[(b + c) // 2]))
        np.maximum.at(found, middle, worst)
    return found


def triangles(found: NDArray[np.float64], cells: int, most: float) -> Ints:
    """(t, 3) vertex numbers, counter-clockwise with rows running north, that lose at most ``most`` metres."""
    levels = _levels(cells)
    alive = np.ones(2, bool)
    done: list[Ints] = []
    for depth, level in enumerate(levels):
        if depth + 1 == len(levels):
            done.append(level[alive])
            break
        middle = (level[:, 0] + level[:, 1]) // 2
        split = alive & (found[middle] > most)
        done.append(level[alive & ~split])
        alive = np.concatenate([split, split])
    return np.concatenate(done)


def surface(heights: NDArray[np.float64], found: NDArray[np.float64], most: float) -> NDArray[np.float64]:
    """(n + 1, n + 1) heights of the drawn triangles at every vertex of the grid, kept or not. ``found``: of ``errors``."""
    flat = heights.ravel().copy()
    for a, b, _ in (level.T for level in _levels(heights.shape[0] - 1)[:-1]):
        middle = (a + b) // 2
        lost = found[middle] <= most
        flat[middle[lost]] = (flat[a[lost]] + flat[b[lost]]) / 2
    return flat.reshape(heights.shape)
