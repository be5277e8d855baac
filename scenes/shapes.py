"""Bodies along lines: ribbons on the ground, tubes and walls, in NumPy.

Each takes vertices in local east-north-up metres and gives a mesh whose ends lie square to the line, so that pieces of
one line, cut at a cell's border, meet without a gap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenes.footprints import offsets
from scenes.mesh import Mesh

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# A corner sharper than this is cut off rather than drawn out: 1 / cos of half its turn.
LONGEST_MITRE = 2.0
UP = np.array([0.0, 0.0, 1.0])


def tangents(points: Floats, ends: Ints) -> tuple[Floats, Floats]:
    """(n, d) unit directions at the vertices of polylines, the mean of both sides, and (n,) how much wider a mitre is there."""
    n = len(points)
    step = np.zeros_like(points)
    step[:-1] = points[1:] - points[:-1]
    step[ends[1:] - 1] = 0.0
    step = _unit(step)
    back = np.zeros_like(step)
    back[1:] = step[:-1]
    back[ends[:-1]] = 0.0
    one_sided = (step == 0).all(axis=1) | (back == 0).all(axis=1)
    both = step + back
    # A line that turns back on itself has no mean: there the way on counts.
    both = np.where(((both * both).sum(axis=1) < 1e-9)[:, None], step, both)
    both = _unit(both)
    forward = np.where((step == 0).all(axis=1)[:, None], back, step)
    cosine = np.abs((both * forward).sum(axis=1))
    mitre = np.where(one_sided, 1.0, np.minimum(1 / np.maximum(cosine, 1e-6), LONGEST_MITRE))
    return both.reshape(n, -1), mitre


def _unit(vectors: Floats) -> Floats:
    length = np.sqrt((vectors * vectors).sum(axis=1))[:, None]
    unit: Floats = vectors / np.where(length > 0, length, 1.0)
    return unit


def ribbon(left: Floats, right: Floats, ends: Ints, features: Ints) -> Mesh:
    """Ribbons between (n, 3) left and right sides of polylines, seen from above. features: (l,)."""
    at = _segments(ends)
    positions = np.stack([left, right], axis=1).reshape(-1, 3)
    along, _ = tangents((left + right) / 2, ends)
    normals = _unit(np.cross(right - left, along))
    normals = np.where((normals[:, 2] <= 0)[:, None], UP, normals)
    i = 2 * at[:, None]
    triangles = (i + np.array([0, 1, 3, 0, 3, 2])).reshape(-1, 3)
    return Mesh(positions, _packed(np.repeat(normals, 2, axis=0)), np.repeat(features, 2 * np.diff(ends)), triangles)


def tube(points: Floats, ends: Ints, radius: Floats, features: Ints, *, sides: int = 6) -> Mesh:
    """Tubes of (n,) radius metres around polylines (n, 3), open at their ends. features: (l,)."""
    n, at = len(points), _segments(ends)
    along, _ = tangents(points, ends)
    across = np.cross(along, UP)
    upright = (across * across).sum(axis=1) < 1e-6
    across = _unit(np.where(upright[:, None], [1.0, 0.0, 0.0], across))
    above = np.cross(across, along)
    angle = 2 * np.pi * np.arange(sides) / sides
    out = np.cos(angle)[None, :, None] * across[:, None] + np.sin(angle)[None, :, None] * above[:, None]
    positions = points[:, None] + radius[:, None, None] * out
    k = np.arange(sides)
    after = (k + 1) % sides
    quads = np.stack([k, k + sides, after + sides, k, after + sides, after], axis=1).reshape(-1)
    triangles = (sides * at[:, None] + quads).reshape(-1, 3)
    who = np.repeat(features, sides * np.diff(ends))
    return Mesh(positions.reshape(-1, 3), _packed(out.reshape(n * sides, 3)), who, triangles)


def wall(foot: Floats, head: Floats, ends: Ints, features: Ints) -> Mesh:
    """Upright quadrilaterals between (n, 3) foot and head of polylines, one for each segment. features: (l,)."""
    at = _segments(ends)
    positions = np.stack([foot[at], foot[at + 1], head[at + 1], head[at]], axis=1).reshape(-1, 3)
    along = _unit(foot[at + 1] - foot[at])
    normals = _unit(np.cross(along, UP))
    i = 4 * np.arange(len(at))[:, None]
    triangles = (i + np.array([0, 1, 2, 0, 2, 3])).reshape(-1, 3)
    who = np.repeat(features, 4 * (np.diff(ends) - 1))
    return Mesh(positions, _packed(np.repeat(normals, 4, axis=0)), who, triangles)


def _segments(ends: Ints) -> Ints:
    """The first vertex of every segment."""
    first = np.ones(int(ends[-1]), bool)
    first[ends[1:] - 1] = False
    return np.flatnonzero(first)


def joined(meshes: list[Mesh]) -> Mesh:
    """One mesh of several, one after another."""
    shift = offsets(np.array([len(one.positions) for one in meshes], np.int64))
    return Mesh(
        np.concatenate([one.positions for one in meshes]),
        np.concatenate([one.normals for one in meshes]),
        np.concatenate([one.features for one in meshes]),
        np.concatenate([one.triangles + first for one, first in zip(meshes, shift[:-1], strict=True)]),
    )


def _packed(normals: Floats) -> NDArray[np.int8]:
    packed: NDArray[np.int8] = np.rint(normals * 127).astype(np.int8)
    return packed
