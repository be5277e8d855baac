"""Which building lies in which cell: each in exactly one, the large ones coarse, no cell over its vertices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenes.footprints import Footprints
from scenes.frame import METRES_PER_DEGREE, Frame
from scenes.mesh import MOST_VERTICES, vertex_counts
from scenes.outlines import NO_POLYGON, outline
from scenes.quadtree import LEVELS, Grid, keys, morton, unmorton
from scenes.solids import standing
from scenes.tile import TERRAIN_ERROR_M

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A build fills cells up to this, or by half more at their end; edits may then add up to MOST_VERTICES before the cell gives its smallest to its children.
FILL_VERTICES = 32_000
NOWHERE = -1
# A box drawn for a collapsed footprint is a metre wide: bounds are wider than the corners by this.
MARGIN_DEG = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What placing wants to know of (b,) buildings. place: Morton number at the deepest level, NOWHERE without polygon.
    bounds: (b, 4) degrees. ground: (b, 2) lowest and highest of the ground under it, NaN where not known.
    low, high: orthometric metres of the mesh. size: metres, the longest of its three extents.
    """

    fid: Ints
    tenant: Ints
    classification: Ints
    place: Ints
    bounds: Floats
    ground: Floats
    low: Floats
    high: Floats
    size: Floats
    vertices: Ints
    reason: Ints

    def __len__(self) -> int:
        return len(self.fid)

    def take(self, index: NDArray[Any]) -> Survey:
        """The buildings at ``index``: numbers or a mask."""
        return Survey(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def join(cls, parts: Iterable[Survey]) -> Survey:
        """All of ``parts``, one after another; none is an empty survey."""
        every = list(parts) or [survey_of_nothing()]
        return cls(*(np.concatenate([getattr(part, field.name) for part in every]) for field in fields(cls)))


def survey_of_nothing() -> Survey:
    """A survey of no building."""
    none, floats = np.zeros(0, np.int64), np.zeros(0)
    return Survey(none, none, none, none, np.zeros((0, 4)), np.zeros((0, 2)), floats, floats, floats, none, none)


def survey(footprints: Footprints, grid: Grid) -> Survey:
    """Sizes, vertices and reasons of ``footprints``, by the same checks as their mesh."""
    facts = footprints.facts
    bounds = _bounds(footprints)
    known = np.isfinite(bounds).all(axis=1)
    lon, lat = (bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2
    middle = (float(np.mean(lon[known])), float(np.mean(lat[known]))) if known.any() else (grid.west, grid.south)
    outlines = outline(footprints, Frame.at(*middle), lambda east, _: np.zeros(len(east)))
    ground = facts["ground"].astype(float)
    ground = np.where(np.isfinite(ground), ground, float(np.nanmedian(ground)) if np.isfinite(ground).any() else 0.0)
    high = ground + outlines.top - outlines.ground
    solid = standing(footprints)
    if solid is not None:
        bounds = np.column_stack([np.fmin(bounds[:, :2], solid.bounds()[:, :2]), np.fmax(bounds[:, 2:], solid.bounds()[:, 2:])])  # fmt: skip
        high = np.where(solid.drawn, solid.high, np.where(solid.there, ground, high))
        ground = np.where(solid.drawn, np.fmin(ground, solid.low), ground)
    height = high - ground
    x, y = grid.index(np.where(known, lon, grid.west), np.where(known, lat, grid.south), LEVELS - 1)
    wide = (bounds[:, 2] - bounds[:, 0]) * np.cos(np.radians(lat))
    size = np.maximum(np.fmax(wide, bounds[:, 3] - bounds[:, 1]) * METRES_PER_DEGREE, height)
    lost = ~known | (outlines.reason == NO_POLYGON)
    return Survey(
        facts["fid"].astype(np.int64),
        facts["tenant"].astype(np.int64),
        facts["classification"].astype(np.int64),
        np.where(lost, NOWHERE, morton(x, y)),
        bounds + np.array([-1, -1, 1, 1]) * MARGIN_DEG,
        np.column_stack([facts["ground"], facts["ground_max"]]).astype(float),
        ground - TERRAIN_ERROR_M,
        high,
        size,
        vertex_counts(outlines),
        outlines.reason,
    )


def _bounds(footprints: Footprints) -> Floats:
    """(b, 4) west, south, east, north of the finite corners, NaN where a building has none."""
    corners = np.diff(footprints.rings[footprints.polygons])
    owner = np.repeat(footprints.owner, corners)
    finite = np.isfinite(footprints.coords).all(axis=1)
    out = np.full((len(footprints), 4), np.inf)
    out[:, 2:] = -np.inf
    np.minimum.at(out, (owner[finite, None], np.array([0, 1])), footprints.coords[finite])
    np.maximum.at(out, (owner[finite, None], np.array([2, 3])), footprints.coords[finite])
    return np.where(np.isfinite(out).all(axis=1)[:, None], out, np.nan)


def assign(found: Survey, grid: Grid) -> Ints:
    """(b,) cell keys, NOWHERE for what has no place.

    From the first level down: a cell that can hold all that is left in it does; otherwise it takes the largest up to
    FILL_VERTICES, and the rest goes to its children.
    """
    out = np.full(len(found), NOWHERE, np.int64)
    left = np.flatnonzero(found.place != NOWHERE)
    for level in range(grid.first_level, LEVELS):
        code = found.place[left] >> (2 * (LEVELS - 1 - level))
        left = left[np.lexsort((found.fid[left], -found.size[left], code))]
        code = found.place[left] >> (2 * (LEVELS - 1 - level))
        fresh = np.flatnonzero(np.diff(code, prepend=-1))
        group = np.cumsum(np.diff(code, prepend=-1) != 0) - 1
        total = np.cumsum(found.vertices[left])
        before = np.concatenate([[0], total])[fresh] if len(fresh) else np.zeros(0, np.int64)
        # A cell that is a little over takes all: four children with a rest each would cost more.
        whole = np.bincount(group, found.vertices[left], minlength=len(fresh))[group] <= 1.5 * FILL_VERTICES
        taken = whole | (total - before[group] <= FILL_VERTICES) | (level == LEVELS - 1)
        out[left[taken]] = _keys(code[taken], level)
        left = left[~taken]
    return out


def _keys(code: Ints, level: int) -> Ints:
    x, y = unmorton(code)
    return keys(np.full(len(code), level), x, y)


def cells_over(found: Survey) -> Ints:
    """(n, levels) keys of the cells of all levels over each of the buildings that have a place."""
    place = found.place[found.place != NOWHERE]
    return np.stack([_keys(place >> (2 * (LEVELS - 1 - level)), level) for level in range(LEVELS)], axis=1)


def settle(found: Survey, grid: Grid, cells: dict[int, int]) -> Ints:
    """(b,) cell keys of changed buildings among cells that stand: the deepest standing cell over each that has room.

    ``cells`` maps keys of standing cells to the vertices that stay in them; it is updated. A full cell sends the newcomer
    to the next level, so nothing that stands moves.
    """
    out = np.full(len(found), NOWHERE, np.int64)
    for i, over in zip(np.flatnonzero(found.place != NOWHERE), cells_over(found), strict=True):
        above = over.tolist()
        standing = [level for level in range(grid.first_level, LEVELS) if above[level] in cells]
        level = standing[-1] if standing else grid.first_level
        while level < LEVELS - 1 and cells.get(above[level], 0) + found.vertices[i] > MOST_VERTICES:
            level += 1
        out[i] = above[level]
        cells[above[level]] = cells.get(above[level], 0) + int(found.vertices[i])
    return out
