"""Walls and flat roofs in NumPy, and the mesh of one cell from all its faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenes import roofs
from scenes.footprints import offsets, ranges
from scenes.outlines import Outlines, following
from scenes.roofs import Faces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# u16 indices, 65,535 being the restart value that glTF forbids.
MOST_VERTICES = 65_535


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """positions: (v, 3) float64 local east-north-up metres. normals: (v, 3) int8, flat, 127 long. features: (v,) building
    of each vertex, rising. triangles: (t, 3) counter-clockwise from outside.
    """

    positions: Floats
    normals: NDArray[np.int8]
    features: Ints
    triangles: Ints


def solids(outlines: Outlines, *, skirt: Floats, floors: bool = False) -> Mesh:
    """The mesh of all buildings, of their ``faces``."""
    return assemble(faces(outlines, skirt=skirt, floors=floors))


def faces(outlines: Outlines, *, skirt: Floats, floors: bool = False) -> list[Faces]:
    """The faces of all buildings, in no order. ``skirt``: (b,) metres that walls reach below the ground height.

    Without ``floors`` a solid is open below, where nobody looks; with them it is closed (volumes, exports), and nothing is
    drawn below one that a file brought.
    """
    low = outlines.ground - skirt
    walled = _walled(outlines, floors=floors)
    fans = np.flatnonzero(outlines.convex)
    pitch = outlines.roof[outlines.owner] > 0
    four = fans[(outlines.corners[fans] == 4) & pitch[fans]]
    square = outlines.coords[outlines.rings[outlines.polygons[four]][:, None] + np.arange(4)]
    good, square = roofs.rectangles(square)
    four, square = four[good], square[good]
    flat = walled.copy()
    flat[four] = False
    owner = outlines.owner[four]
    made = roofs.pitched(square, low[owner], outlines.eave[owner], outlines.top[owner], owner, outlines.roof[owner])
    made += [_walls(outlines, flat, low), *_caps(outlines, flat & outlines.capped, outlines.top)]
    if floors:
        made += [_under(cap) for cap in _caps(outlines, outlines.capped, low)]
    if outlines.faces is not None:
        made.append(outlines.faces)
    return made


def _walled(outlines: Outlines, *, floors: bool) -> NDArray[np.bool_]:
    """(p,) which outlines have walls: all; of buildings with a solid only those that it stands on, and none in a closed mesh."""
    if outlines.faces is None or floors:
        return outlines.capped.copy()
    there = np.zeros(len(outlines.top), bool)
    there[outlines.faces.owner] = True
    return outlines.capped | there[outlines.owner]


def vertex_counts(outlines: Outlines) -> Ints:
    """(b,) how many vertices ``solids`` will give each building."""
    corners = outlines.corners
    counts = 5 * corners
    pitch = outlines.roof[outlines.owner]
    four = np.flatnonzero(outlines.convex & (corners == 4) & (pitch > 0))
    good, _ = roofs.rectangles(outlines.coords[outlines.rings[outlines.polygons[four]][:, None] + np.arange(4)])
    counts[four[good]] = roofs.VERTICES[pitch[four[good]]]
    if outlines.faces is None:
        return np.bincount(outlines.owner, counts, minlength=len(outlines.reason)).astype(np.int64)
    counts = np.where(outlines.capped, counts, np.where(_walled(outlines, floors=False), 4 * corners, 0))
    faces = np.bincount(outlines.faces.owner, outlines.faces.sizes, minlength=len(outlines.reason))
    return (faces + np.bincount(outlines.owner, counts, minlength=len(outlines.reason))).astype(np.int64)


def _walls(outlines: Outlines, chosen: NDArray[np.bool_], low: Floats) -> Faces:
    """A quadrilateral under each edge of the chosen polygons."""
    corner = np.flatnonzero(np.repeat(chosen, outlines.corners))
    owner = np.repeat(outlines.owner, outlines.corners)[corner]
    a, b = outlines.coords[corner], outlines.coords[following(outlines.rings)[corner]]
    positions = np.empty((len(corner), 4, 3))
    positions[:, (0, 3), :2] = a[:, None]
    positions[:, (1, 2), :2] = b[:, None]
    positions[:, :2, 2] = low[owner, None]
    positions[:, 2:, 2] = outlines.top[owner, None]
    return Faces(positions.reshape(-1, 3), np.full(len(corner), 4, np.int64), owner)


def _caps(outlines: Outlines, chosen: NDArray[np.bool_], level: Floats) -> list[Faces]:
    """The chosen polygons filled at ``level`` (b,): fans, then those with triangles of their own."""
    corners = outlines.corners
    starts = outlines.rings[outlines.polygons[:-1]]
    made = []
    cut = np.zeros(len(chosen), np.int64)
    cut[~outlines.convex] = np.arange(len(outlines.triangle_counts))
    first = offsets(outlines.triangle_counts)
    for convex in (True, False):
        polygon = np.flatnonzero(chosen & (outlines.convex == convex))
        if not len(polygon):
            continue
        owner = outlines.owner[polygon]
        xy = outlines.coords[ranges(starts[polygon], corners[polygon])]
        positions = np.concatenate([xy, np.repeat(level[owner], corners[polygon])[:, None]], axis=1)
        if convex:
            made.append(Faces(positions, corners[polygon], owner))
            continue
        counts = outlines.triangle_counts[cut[polygon]]
        triangles = outlines.triangles[ranges(first[cut[polygon]], counts)]
        made.append(
            Faces(positions, corners[polygon], owner, _upward(positions, corners[polygon], triangles, counts), counts)
        )
    return made


def _upward(positions: Floats, sizes: Ints, triangles: Ints, counts: Ints) -> Ints:
    """``triangles`` with those that look down turned over."""
    shift = np.repeat(offsets(sizes)[:-1], counts)[:, None]
    a, b, c = positions[triangles + shift].transpose(1, 0, 2)
    cross = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    return np.where((cross < 0)[:, None], triangles[:, (0, 2, 1)], triangles)


def _under(cap: Faces) -> Faces:
    """A cap that looks down."""
    triangles, counts = cap.triangles, cap.triangle_counts
    if triangles is None or counts is None:
        triangles, counts = _fan(cap.sizes), cap.sizes - 2
    return Faces(cap.positions, cap.sizes, cap.owner, triangles[:, (0, 2, 1)], counts)


def _fan(sizes: Ints) -> Ints:
    """Corner numbers of the fans of faces with ``sizes`` corners, (t, 3)."""
    step = ranges(np.zeros(len(sizes), np.int64), sizes - 2)
    return np.stack([np.zeros_like(step), step + 1, step + 2], axis=1)


def assemble(made: Sequence[Faces]) -> Mesh:
    """One mesh of all faces, in the order of their buildings."""
    sizes = np.concatenate([faces.sizes for faces in made])
    owner = np.concatenate([faces.owner for faces in made])
    positions = np.concatenate([faces.positions for faces in made])
    triangles = np.concatenate([_fan(f.sizes) if f.triangles is None else f.triangles for f in made])
    counts = np.concatenate([f.sizes - 2 if f.triangle_counts is None else f.triangle_counts for f in made])
    starts, first = offsets(sizes)[:-1], offsets(counts)[:-1]
    normals = _normals(positions, triangles[first] + starts[:, None])
    order = np.argsort(owner, kind="stable")
    vertex = ranges(starts[order], sizes[order])
    shift = np.repeat(offsets(sizes[order])[:-1], counts[order])
    return Mesh(
        positions[vertex],
        np.repeat(normals[order], sizes[order], axis=0),
        np.repeat(owner[order], sizes[order]),
        triangles[ranges(first[order], counts[order])] + shift[:, None],
    )


def _normals(positions: Floats, triangle: Ints) -> NDArray[np.int8]:
    """Flat normals, (f, 3) int8 of length 127, from one triangle of each face."""
    a, b, c = positions[triangle].transpose(1, 0, 2)
    u, v = b - a, c - a
    normal = np.stack(
        [
            u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1],
            u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2],
            u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0],
        ],
        axis=1,
    )
    length = np.sqrt((normal * normal).sum(axis=1))[:, None]
    unit = np.where(length > 0, normal / np.maximum(length, 1e-30), (0.0, 0.0, 1.0))
    packed: NDArray[np.int8] = np.rint(unit * 127).astype(np.int8)
    return packed
