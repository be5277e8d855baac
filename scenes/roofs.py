"""Roofs over near-rectangles: skillion, gabled, hipped, pyramidal. All other outlines stay flat.

Corners come as (m, 4, 2) counter-clockwise east-north metres with the long sides first and third.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenes.footprints import ROOFS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# How far from a rectangle: cosine at a corner, and the mismatch of opposite sides as a share of the longer side.
SKEW = 0.2
MISMATCH = 0.15
NARROWEST_M = 1.5
# Vertices of one building by roof code, walls and roof, base open.
VERTICES = np.array([20, 20, 26, 30, 28, 20])


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Plane faces, each a fan or with its own triangles.

    positions: (v, 3) float64, face by face. sizes, owner: (f,). triangles: (t, 3) corner numbers inside each face, and
    triangle_counts: (f,), or None where every face is a fan.
    """

    positions: Floats
    sizes: Ints
    owner: Ints
    triangles: Ints | None = None
    triangle_counts: Ints | None = None


def rectangles(square: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Which convex quadrilaterals are near-rectangles, and all of them turned so that the long sides come first."""
    edge = np.roll(square, -1, axis=1) - square
    length = np.hypot(edge[..., 0], edge[..., 1])
    longest = length.max(axis=1)
    skew = np.abs((edge[:, 0] * edge[:, 1]).sum(axis=1)) / np.maximum(length[:, 0] * length[:, 1], 1e-9)
    apart = edge[:, 0] + edge[:, 2]
    good = (skew < SKEW) & (np.hypot(apart[:, 0], apart[:, 1]) < MISMATCH * longest)
    good &= length.min(axis=1) >= NARROWEST_M
    turn = length[:, 0] + length[:, 2] < length[:, 1] + length[:, 3]
    return good, np.where(turn[:, None, None], np.roll(square, -1, axis=1), square)


def pitched(square: Floats, low: Floats, eave: Floats, top: Floats, owner: Ints, roof: Ints) -> list[Faces]:
    """Walls and roofs of m near-rectangles. ``low``, ``eave``, ``top``: (m,) up metres; ``roof``: (m,) codes of ROOFS."""
    made: list[Faces] = []
    for name, build in _BUILDERS.items():
        chosen = roof == ROOFS.index(name)
        if chosen.any():
            corners = _Corners(square[chosen], low[chosen], eave[chosen], top[chosen])
            made += [_faces(face, owner[chosen]) for face in build(corners)]
    return made


@dataclass(frozen=True, slots=True, eq=False)
class _Corners:
    square: Floats
    low: Floats
    eave: Floats
    top: Floats

    def at(self, corner: int, level: Floats) -> Floats:
        return np.concatenate([self.square[:, corner], level[:, None]], axis=1)

    def base(self, corner: int) -> Floats:
        return self.at(corner, self.low)

    def edge(self, corner: int) -> Floats:
        return self.at(corner, self.eave)

    def middle(self, a: int, b: int) -> Floats:
        return np.concatenate([(self.square[:, a] + self.square[:, b]) / 2, self.top[:, None]], axis=1)

    def wall(self, a: int, b: int) -> list[Floats]:
        return [self.base(a), self.base(b), self.edge(b), self.edge(a)]

    def walls(self) -> list[list[Floats]]:
        return [self.wall(0, 1), self.wall(1, 2), self.wall(2, 3), self.wall(3, 0)]


def _faces(corners: Sequence[Floats], owner: Ints) -> Faces:
    """(m, 3) per corner to m faces of that many corners."""
    positions = np.stack(corners, axis=1).reshape(-1, 3)
    return Faces(positions, np.full(len(owner), len(corners), np.int64), owner)


def _skillion(c: _Corners) -> list[list[Floats]]:
    """One plane that rises from the first long side to the opposite one."""
    back_right, back_left = c.at(2, c.top), c.at(3, c.top)
    return [
        c.wall(0, 1),
        [c.base(1), c.base(2), back_right, c.edge(1)],
        [c.base(2), c.base(3), back_left, back_right],
        [c.base(3), c.base(0), c.edge(0), back_left],
        [c.edge(0), c.edge(1), back_right, back_left],
    ]


def _gabled(c: _Corners) -> list[list[Floats]]:
    """A ridge along the long sides, gables on the short ones."""
    right, left = c.middle(1, 2), c.middle(3, 0)
    return [
        c.wall(0, 1),
        c.wall(2, 3),
        [c.base(1), c.base(2), c.edge(2), right, c.edge(1)],
        [c.base(3), c.base(0), c.edge(0), left, c.edge(3)],
        [c.edge(0), c.edge(1), right, left],
        [c.edge(2), c.edge(3), left, right],
    ]


def _hipped(c: _Corners) -> list[list[Floats]]:
    """A ridge shortened by half the width at either end (0.45 of the length at most): four equal slopes where it can."""
    right, left = c.middle(1, 2), c.middle(3, 0)
    along = right - left
    length = np.hypot(along[:, 0], along[:, 1])
    side = c.square[:, 2] - c.square[:, 1]
    share = np.minimum(np.hypot(side[:, 0], side[:, 1]) / 2 / length, 0.45)[:, None]
    right, left = right - along * share, left + along * share
    return [
        *c.walls(),
        [c.edge(0), c.edge(1), right, left],
        [c.edge(2), c.edge(3), left, right],
        [c.edge(1), c.edge(2), right],
        [c.edge(3), c.edge(0), left],
    ]


def _pyramidal(c: _Corners) -> list[list[Floats]]:
    """Four triangles to the middle."""
    apex = (c.middle(0, 2) + c.middle(1, 3)) / 2
    return [*c.walls(), *([c.edge(a), c.edge((a + 1) % 4), apex] for a in range(4))]


_BUILDERS = {"skillion": _skillion, "gabled": _gabled, "hipped": _hipped, "pyramidal": _pyramidal}
