"""Polylines as packed arrays: cut at the cells' borders, and given a vertex wherever the ground below them bends.

A cut lies where the border crosses the whole line, whoever asks, so both sides of a border end at the same place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from scenes.footprints import offsets, ranges
from scenes.frame import METRES_PER_DEGREE
from scenes.quadtree import Grid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Two vertices nearer than this, as a share of their segment, are one.
SAME = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """``l`` polylines; a line of one vertex is a point.

    coords: (n, 2) degrees. up: (n,) metres in the datum of the ground, NaN where the line follows the ground.
    ends: (l + 1,) offsets into coords. owner: (l,) feature of each line. shift: (l,) metres to the right of its feature.
    """

    coords: Floats
    up: Floats
    ends: Ints
    owner: Ints
    shift: Floats

    def __len__(self) -> int:
        return len(self.owner)

    @property
    def line(self) -> Ints:
        """(n,) the line of each vertex."""
        return np.repeat(np.arange(len(self.owner)), np.diff(self.ends))

    @property
    def starts(self) -> Ints:
        """(s,) the first vertex of every segment."""
        first = np.ones(len(self.coords), bool)
        first[self.ends[1:] - 1] = False
        return np.flatnonzero(first)

    def lengths(self) -> Floats:
        """(l,) metres."""
        at = self.starts
        step = (self.coords[at + 1] - self.coords[at]) * METRES_PER_DEGREE
        step[:, 0] *= np.cos(np.radians(self.coords[at, 1]))
        lengths: Floats = np.bincount(self.line[at], np.hypot(step[:, 0], step[:, 1]), minlength=len(self)).astype(
            float
        )
        return lengths

    def take(self, chosen: NDArray[np.bool_]) -> Lines:
        """The chosen (l,) lines."""
        counts = np.diff(self.ends)
        at = ranges(self.ends[:-1][chosen], counts[chosen])
        return Lines(self.coords[at], self.up[at], offsets(counts[chosen]), self.owner[chosen], self.shift[chosen])


def lines_of(geometries: NDArray[Any]) -> Lines:
    """The lines of points, lines and polygons' rings, multi or not; repeated and infinite vertices are left out.

    ``Any``: geometries of shapely. What has no length gives no line, unless it is a point.
    """
    parts, owner = shapely.get_parts(geometries, return_index=True)
    rings, of = shapely.get_rings(parts, return_index=True)
    plain = shapely.get_dimensions(parts) < 2
    owner = np.concatenate([owner[plain], owner[of]]).astype(np.int64)
    parts = np.concatenate([parts[plain], rings])
    order = np.argsort(owner, kind="stable")
    owner, parts = owner[order], parts[order]
    coords, line = shapely.get_coordinates(parts, return_index=True)
    good = np.isfinite(coords).all(axis=1)
    coords, line = coords[good], line[good]
    same = np.zeros(len(coords), bool)
    same[1:] = (line[1:] == line[:-1]) & (coords[1:] == coords[:-1]).all(axis=1)
    coords, line = coords[~same], line[~same]
    counts = np.bincount(line, minlength=len(parts)).astype(np.int64)
    made = Lines(coords, np.full(len(coords), np.nan), offsets(counts), owner, np.zeros(len(owner)))
    return made.take((counts > 1) | ((counts == 1) & (shapely.get_dimensions(parts) == 0)))


def crossed(lines: Lines, fields: Sequence[Floats]) -> Lines:
    """``lines`` with a vertex wherever one of the ``fields`` passes a whole number. Each field: (n,), linear on segments."""
    at = lines.starts
    vertex, share = [np.arange(len(lines.coords))], [np.zeros(len(lines.coords))]
    for field in fields:
        a, b = field[at], field[at + 1]
        first = np.floor(np.minimum(a, b)).astype(np.int64) + 1
        counts = np.maximum(np.ceil(np.maximum(a, b)).astype(np.int64) - first, 0)
        segment = np.repeat(np.arange(len(at)), counts)
        t = (ranges(first, counts) - a[segment]) / (b - a)[segment]
        inside = (t > SAME) & (t < 1 - SAME)
        vertex.append(at[segment[inside]])
        share.append(t[inside])
    vertices, shares = np.concatenate(vertex), np.concatenate(share)
    order = np.lexsort((shares, vertices))
    vertices, shares = vertices[order], shares[order]
    keep = np.ones(len(vertices), bool)
    keep[1:] = (vertices[1:] != vertices[:-1]) | (shares[1:] - shares[:-1] > SAME)
    vertices, shares = vertices[keep], shares[keep]
    after = np.where(shares > 0, np.minimum(vertices + 1, len(lines.coords) - 1), vertices)
    coords = lines.coords[vertices] + shares[:, None] * (lines.coords[after] - lines.coords[vertices])
    up = lines.up[vertices] + shares * (lines.up[after] - lines.up[vertices])
    counts = np.bincount(lines.line[vertices], minlength=len(lines))
    return Lines(coords, up, offsets(counts), lines.owner, lines.shift)


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Lines cut at the borders of cells. x, y: (l,) the cell of each."""

    lines: Lines
    x: Ints
    y: Ints

    def inside(self, x: int, y: int) -> Lines:
        """The lines of one cell."""
        return self.lines.take((self.x == x) & (self.y == y))


def pieces(lines: Lines, grid: Grid, level: int) -> Pieces:
    """``lines`` cut at the borders of the cells of ``level``; what lies outside the grid goes to the nearest cell."""
    size = grid.span / (1 << level)
    points = np.diff(lines.ends) == 1
    alone, lines = lines.take(points), lines.take(~points)
    lines = crossed(lines, [(lines.coords[:, 0] - grid.west) / size, (lines.coords[:, 1] - grid.south) / size])
    at = lines.starts
    middle = (lines.coords[at] + lines.coords[at + 1]) / 2
    x, y = grid.index(middle[:, 0], middle[:, 1], level)
    cut, first = runs(lines, np.stack([x, y], axis=1), np.ones(len(at), bool))
    both = Lines(
        np.concatenate([cut.coords, alone.coords]),
        np.concatenate([cut.up, alone.up]),
        offsets(np.concatenate([np.diff(cut.ends), np.ones(len(alone), np.int64)])),
        np.concatenate([cut.owner, alone.owner]),
        np.concatenate([cut.shift, alone.shift]),
    )
    px, py = grid.index(alone.coords[:, 0], alone.coords[:, 1], level)
    return Pieces(both, np.concatenate([x[first], px]), np.concatenate([y[first], py]))


def runs(lines: Lines, marks: Ints, keep: NDArray[np.bool_]) -> tuple[Lines, Ints]:
    """``lines`` broken where the (s, k) marks of segments change and where segments are not kept (s,); and each run's first segment."""
    at = lines.starts
    line = lines.line[at]
    fresh = np.ones(len(at), bool)
    fresh[1:] = (line[1:] != line[:-1]) | (marks[1:] != marks[:-1]).any(axis=1) | (keep[1:] != keep[:-1])
    first = np.flatnonzero(fresh)
    counts = np.diff(np.append(first, len(at))) + 1
    kept = keep[first]
    first, counts = first[kept], counts[kept]
    vertices = ranges(at[first], counts)
    of = line[first]
    return Lines(lines.coords[vertices], lines.up[vertices], offsets(counts), lines.owner[of], lines.shift[of]), first
