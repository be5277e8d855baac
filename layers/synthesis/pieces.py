"""Pieces of ground, many at once, and how one straight cut divides each of them in two.

A piece is convex with at most `CORNERS` corners (held as rows of one array and cut by NumPy) or any polygon (held as a
shapely geometry and cut by GEOS). Most pieces become convex after a few cuts; only those on the ragged edge stay behind.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.synthesis.frames import Floats, Ints, Shapes
from layers.synthesis.noise import Keys, derive

CORNERS = 8
_MIN_PART_M2 = 1e-6


@dataclass(frozen=True)
class Pieces:
    """n pieces in the local frames of their villages.

    ring: (n, 8, 2) metres, counter-clockwise, the first corner repeated to fill the row; zeros for ragged pieces
    corners: (n,) corners in the ring, 0 for a ragged piece · shape: (n,) polygon of a ragged piece, else None
    owner: (n,) village in the chunk · block: (n,) block in the village · key: (n,) random key
    angle: (n,) radians from east of the plots' long direction · lane: (n,) true for a lane between plots
    """

    ring: Floats
    corners: Ints
    shape: Shapes
    owner: Ints
    block: Ints
    key: Keys
    angle: Floats
    lane: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.owner)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Pieces:
        """The pieces at `index` (positions or a mask)."""
        return Pieces(*(getattr(self, f.name)[index] for f in fields(self)))

    def alter(self, **columns: NDArray[np.generic]) -> Pieces:
        """The same pieces with some columns replaced."""
        return Pieces(*(columns.get(f.name, getattr(self, f.name)) for f in fields(self)))

    def areas(self) -> Floats:
        """Areas in square metres (n,)."""
        x, y = self.ring[:, :, 0], self.ring[:, :, 1]
        area: Floats = 0.5 * (x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1)
        ragged = self.corners == 0
        area[ragged] = shapely.area(self.shape[ragged])
        return area

    def middles(self) -> Floats:
        """Centroids (n, 2); that of a ragged piece may lie outside it."""
        x, y = self.ring[:, :, 0], self.ring[:, :, 1]
        x1, y1 = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
        cross = x * y1 - x1 * y
        with np.errstate(invalid="ignore", divide="ignore"):
            weight = 1.0 / (3.0 * cross.sum(axis=1))
            middle = np.column_stack([((x + x1) * cross).sum(axis=1) * weight, ((y + y1) * cross).sum(axis=1) * weight])
        ragged = self.corners == 0
        middle[ragged] = shapely.get_coordinates(shapely.centroid(self.shape[ragged]))
        return middle

    def extents(self) -> tuple[Floats, Floats]:
        """Lowest and highest coordinate along and across the piece's own direction: (n, 2), (n, 2)."""
        along = np.column_stack([np.cos(self.angle), np.sin(self.angle)])
        across = np.column_stack([-along[:, 1], along[:, 0]])
        low, high = np.empty((len(self), 2)), np.empty((len(self), 2))
        ragged = self.corners == 0
        points, index = shapely.get_coordinates(self.shape[ragged], return_index=True)
        starts = np.flatnonzero(np.diff(index, prepend=-1))
        for axis, direction in enumerate((along, across)):
            measure = self.ring[:, :, 0] * direction[:, :1] + self.ring[:, :, 1] * direction[:, 1:]
            low[:, axis], high[:, axis] = measure.min(axis=1), measure.max(axis=1)
            if len(starts):
                measure = (points * direction[ragged][index]).sum(axis=1)
                low[ragged, axis] = np.minimum.reduceat(measure, starts)
                high[ragged, axis] = np.maximum.reduceat(measure, starts)
        return low, high


def ring_polygons(ring: Floats, corners: Ints) -> Shapes:
    """Polygons (n,) from rows of corners (n, k, 2), of which the first `corners` (n,) count."""
    if not len(ring):
        return np.empty(0, dtype=object)
    closed = np.concatenate([ring, ring[:, :1]], axis=1)
    row = np.arange(len(ring))
    closed[row, corners] = ring[:, 0]
    used = np.arange(closed.shape[1]) <= corners[:, None]
    return _polygons(closed[used], np.concatenate([[0], np.cumsum(corners + 1)]))


def rings_to_polygons(corners: Floats, index: Ints) -> Shapes:
    """Polygons from corners (m, 2) one ring after the other; `index` (m,) counts the rings from 0 without a gap."""
    if not len(corners):
        return np.empty(0, dtype=object)
    count = np.bincount(index)
    ends = np.cumsum(count)
    closed = np.empty((len(corners) + len(count), 2))
    closed[np.arange(len(corners)) + index] = corners
    closed[ends + np.arange(len(count))] = corners[ends - count]
    return _polygons(closed, np.concatenate([[0], ends + np.arange(1, len(count) + 1)]))


def _polygons(points: Floats, starts: Ints) -> Shapes:
    """Polygons from closed rings laid one after the other: points (m, 2), `starts` (n + 1,) of each ring and the end."""
    rings = np.arange(len(starts))
    made: Shapes = shapely.from_ragged_array(shapely.GeometryType.POLYGON, points, (starts, rings))
    return made


def join(parts: list[Pieces]) -> Pieces:
    """One after the other."""
    return Pieces(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Pieces)))


def from_polygons(
    shapes: Shapes, *, owner: Ints, block: Ints, key: Keys, angle: Floats, lane: NDArray[np.bool_]
) -> Pieces:
    """Pieces from simple polygons (n,) in local metres; the convex ones with few corners are recognised."""
    ring = np.zeros((len(shapes), CORNERS, 2))
    corners = np.zeros(len(shapes), dtype=np.int64)
    small = np.asarray(shapely.get_num_coordinates(shapes) <= CORNERS + 1)
    few = np.flatnonzero(small & (shapely.get_num_interior_rings(shapes) == 0))
    if len(few):
        points, index = shapely.get_coordinates(shapes[few], return_index=True)
        count = np.bincount(index, minlength=len(few)) - 1
        place = np.arange(len(points)) - np.repeat(np.cumsum(count + 1) - (count + 1), count + 1)
        rows = np.repeat(points[np.cumsum(count + 1) - 1][:, None, :], CORNERS + 1, axis=1)
        rows[index, place] = points
        rows = rows[:, :CORNERS]
        turn = _turns(rows, count)
        backward = np.asarray((turn <= 1e-9).all(axis=1))
        column = np.arange(CORNERS)
        flipped = np.where(column < count[:, None], (count[:, None] - column) % np.maximum(count, 1)[:, None], 0)
        rows = np.where(backward[:, None, None], np.take_along_axis(rows, flipped[:, :, None], axis=1), rows)
        convex = backward | np.asarray((turn >= -1e-9).all(axis=1))
        ring[few[convex]], corners[few[convex]] = rows[convex], count[convex]
    shape = shapes.copy()
    shape[corners > 0] = None
    return Pieces(ring, corners, shape, owner, block, key, angle, lane)


def _turns(ring: Floats, corners: Ints) -> Floats:
    """The turn at each corner (n, 8): positive to the left; 0 past the last corner. Unused columns repeat the first corner."""
    column = np.arange(ring.shape[1])
    used = column < corners[:, None]
    following = np.where(column + 1 < corners[:, None], column + 1, 0)
    forward = np.take_along_axis(ring, following[:, :, None], axis=1) - ring
    before = np.where(column == 0, corners[:, None] - 1, column - 1)
    backward = ring - np.take_along_axis(ring, before[:, :, None], axis=1)
    turn = backward[:, :, 0] * forward[:, :, 1] - backward[:, :, 1] * forward[:, :, 0]
    return np.where(used, turn, 0.0)


def cut(pieces: Pieces, direction: Floats, offset: Floats) -> tuple[Pieces, Pieces]:
    """Cut each piece along the line of points p with p·direction = offset.

    `direction`: (n, 2) unit vectors. Gives the pieces below and those above; a ragged piece may fall into several on
    either side, and a piece that the line misses lies whole on one side. Keys derive from the parent's.
    """
    convex = pieces.corners > 0
    flat, ragged = pieces.take(convex), pieces.take(~convex)
    low, high = _cut_convex(flat, direction[convex], offset[convex])
    if len(ragged):
        ragged_low, ragged_high = _cut_ragged(ragged, direction[~convex], offset[~convex])
        low, high = join([low, ragged_low]), join([high, ragged_high])
    return low, high


def _cut_convex(pieces: Pieces, direction: Floats, offset: Floats) -> tuple[Pieces, Pieces]:
    """Sutherland and Hodgman's clip on both sides at once; both sides share the very same new corners."""
    ring, corners = pieces.ring, pieces.corners
    distance = ring[:, :, 0] * direction[:, :1] + ring[:, :, 1] * direction[:, 1:] - offset[:, None]
    after = np.roll(distance, -1, axis=1)
    used = np.arange(CORNERS) < corners[:, None]
    crossing = (distance * after < 0) & used
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(crossing, distance / (distance - after), 0.0)
    point = ring + share[:, :, None] * (np.roll(ring, -1, axis=1) - ring)
    candidates = np.stack([ring, point], axis=2).reshape(len(ring), 2 * CORNERS, 2)
    sides: list[Pieces] = []
    for side, inside in enumerate((distance <= 0, distance >= 0)):
        keep = np.stack([inside & used, crossing], axis=2).reshape(len(ring), 2 * CORNERS)
        sides.append(_side(pieces, candidates, keep, salt=11 + side))
    return sides[0], sides[1]


def _side(pieces: Pieces, candidates: Floats, keep: NDArray[np.bool_], *, salt: int) -> Pieces:
    """The kept candidates of each row as pieces; rows with fewer than three corners vanish."""
    count = keep.sum(axis=1)
    alive = count >= 3
    wide = alive & (count > CORNERS)
    row, column = np.nonzero(keep & (alive & ~wide)[:, None])
    place = np.arange(len(row)) - np.searchsorted(row, row)
    first = keep.argmax(axis=1)
    ring = np.repeat(candidates[np.arange(len(count)), first][:, None, :], CORNERS, axis=1)
    ring[row, place] = candidates[row, column]
    shape = pieces.shape.copy()
    for many in np.flatnonzero(wide):  # a ninth corner is rare: a row that GEOS takes over
        shape[many] = shapely.Polygon(candidates[many][keep[many]])
        ring[many] = 0.0
    corners = np.where(wide, 0, count)
    side = pieces.alter(ring=ring, corners=corners, shape=shape, key=derive(pieces.key, salt))
    side = side.take(alive)
    return side.take(side.areas() > _MIN_PART_M2)


def _cut_ragged(pieces: Pieces, direction: Floats, offset: Floats) -> tuple[Pieces, Pieces]:
    """Rings that the line crosses exactly twice are cut by NumPy; the rest, and those with holes, by GEOS."""
    ring = shapely.get_num_interior_rings(pieces.shape) == 0
    points, index = shapely.get_coordinates(pieces.shape, return_index=True)
    distance = (points * direction[index]).sum(axis=1) - offset[index]
    closing = np.diff(index, append=-1) != 0
    following = np.append(distance[1:], 0.0)
    crossing = (distance * following < 0) & ~closing
    plain = ring & (np.bincount(index, crossing, len(pieces)) == 2)
    plain &= np.bincount(index, np.abs(distance) < 1e-7, len(pieces)) == 0
    sides: list[Pieces] = []
    used = plain[index] & ~closing
    place = np.flatnonzero(crossing & used)
    share = distance[place] / (distance[place] - following[place])
    between = points[place] + share[:, None] * (points[place + 1] - points[place])
    hard = np.flatnonzero(~plain)
    for side, sign in enumerate((-1.0, 1.0)):
        keep = np.flatnonzero(used & (sign * distance > 0))
        order = np.argsort(np.concatenate([2 * keep, 2 * place + 1]), kind="stable")
        corner = np.concatenate([points[keep], between])[order]
        owner = np.concatenate([index[keep], index[place]])[order]
        parent, dense = np.unique(owner, return_inverse=True)
        parts = rings_to_polygons(corner, dense)
        torn, of = _half_plane(pieces.shape[hard], sign * direction[hard], sign * offset[hard])
        parts, parent = np.concatenate([parts, torn]), np.concatenate([parent, hard[of]])
        solid = shapely.area(parts) > _MIN_PART_M2
        sides.append(_descend(pieces, parts[solid], parent[solid], salt=21 + side))
    return sides[0], sides[1]


def _half_plane(shapes: Shapes, outward: Floats, offset: Floats) -> tuple[Shapes, Ints]:
    """The polygons that lie where p·outward >= offset, and the position of the shape that each is a part of.

    The half plane is drawn as a rectangle wide enough to cover the shape.
    """
    box = shapely.bounds(shapes)
    reach = np.hypot(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])[:, None] + 1.0
    middle = (box[:, :2] + box[:, 2:]) / 2
    foot = middle - ((middle * outward).sum(axis=1) - offset)[:, None] * outward
    along = np.column_stack([outward[:, 1], -outward[:, 0]]) * reach
    out = outward * reach * 2
    plane = shapely.polygons(np.stack([foot - along, foot + along, foot + along + out, foot - along + out], axis=1))
    parts, parent = shapely.get_parts(shapely.intersection(shapes, plane), return_index=True)
    solid = shapely.get_type_id(parts) == 3
    return parts[solid], parent[solid]


def _descend(pieces: Pieces, parts: Shapes, parent: Ints, *, salt: int) -> Pieces:
    """Pieces from the parts of ragged ones; several parts of one parent get keys of their own."""
    order = np.argsort(parent, kind="stable")
    parts, parent = parts[order], parent[order]
    copy = np.arange(len(parent)) - np.searchsorted(parent, parent)
    return from_polygons(
        parts,
        owner=pieces.owner[parent],
        block=pieces.block[parent],
        key=derive(pieces.key[parent] + copy.astype(np.uint64), salt),
        angle=pieces.angle[parent],
        lane=pieces.lane[parent],
    )
