"""What may be built: the ground inside the setbacks, and over it the solid up to the height limit, as a closed mesh.

The height limit is measured from the ground under each point, so the top follows the ground; no building that keeps the limit above
its lowest ground rises out of it. Pure: shapes in national metres, heights as a function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.planning.rules import Rules
from twin.crs import Geometries

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Floats = NDArray[np.float64]
HeightsAt = Callable[[Floats], Floats]
"""Heights (n,) of the ground at points (n, 2) in national metres."""
STOREY_M = 3.0
MOST_CELLS = 40_000
_GRID_M = 1e-4
_LEAST_CELL_M2 = 1e-6


@dataclass(frozen=True, slots=True)
class Mesh:
    """A closed solid. positions: (n, 3) float64, national metres east and north, height above EGM96; triangles: (m, 3) int32,
    counter-clockwise from outside.
    """

    positions: Floats
    triangles: NDArray[np.int32]

    @property
    def volume_m3(self) -> float:
        """By the divergence theorem; positive where the triangles face outward."""
        if not len(self.triangles):
            return 0.0
        a, b, c = (self.positions[self.triangles[:, k]] - self.positions[0] for k in range(3))
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a zone or a parcel allows. `footprint_m2`: ground inside the setbacks; `floor_area_m2`: the most that floor area
    ratio, coverage, setbacks and height leave together, with `storeys` of `storey_m`.
    """

    mesh: Mesh
    plot_m2: float
    footprint_m2: float
    volume_m3: float
    storeys: int
    storey_m: float
    floor_area_m2: float


def buildable(plots: Geometries, rules: Rules, roads: shapely.Geometry | None = None) -> Geometries:
    """The ground of each plot (n,) inside its setbacks, empty where they leave none."""
    inner: Geometries = shapely.buffer(plots, -rules.setback_m, join_style="mitre") if rules.setback_m else plots.copy()
    if roads is not None and not shapely.is_empty(roads):
        barred = shapely.buffer(roads, rules.setback_road_m, quad_segs=8) if rules.setback_road_m else roads
        near = shapely.STRtree(inner).query(barred, predicate="intersects")
        inner[near] = shapely.difference(inner[near], barred)
    return inner


def allowed_floor_m2(plots: Geometries, inner: Geometries, rules: Rules, *, storeys: int) -> Floats:
    """The most floor area (n,) that each plot's rules leave together."""
    area = shapely.area(plots)
    footprint = shapely.area(inner)
    if rules.coverage is not None:
        footprint = np.minimum(footprint, rules.coverage * area)
    floor = storeys * footprint
    if rules.far is not None:
        floor = np.minimum(floor, rules.far * area)
    return np.where(area >= rules.min_parcel_m2, floor, 0.0)


def storeys_under(rules: Rules, storey_m: float) -> int:
    """How many storeys the height limit leaves; 0 where not even one."""
    return 200 if rules.max_height_m is None else int((rules.max_height_m + 1e-9) // storey_m)


def envelope(
    plots: Geometries,
    rules: Rules,
    heights: HeightsAt,
    *,
    roads: shapely.Geometry | None = None,
    storey_m: float = STOREY_M,
    step_m: float = 10.0,
) -> Envelope:
    """The envelope over plots (n,): those below the smallest parcel are left out. `step_m`: how finely it follows the ground."""
    kept = plots[shapely.area(plots) >= rules.min_parcel_m2] if len(plots) else plots
    inner = buildable(kept, rules, roads)
    storeys = storeys_under(rules, storey_m)
    top = rules.max_height_m if rules.max_height_m is not None else storeys * storey_m
    mesh = solid(inner, heights, top, step_m=step_m)
    footprint = float(shapely.area(inner).sum()) if len(inner) else 0.0
    return Envelope(
        mesh=mesh,
        plot_m2=float(shapely.area(plots).sum()) if len(plots) else 0.0,
        footprint_m2=footprint,
        volume_m3=footprint * top,
        storeys=storeys,
        storey_m=storey_m,
        floor_area_m2=float(allowed_floor_m2(kept, inner, rules, storeys=storeys).sum()) if len(kept) else 0.0,
    )


def solid(areas: Geometries, heights: HeightsAt, top_m: float, *, step_m: float = 10.0) -> Mesh:
    """The closed solid from the ground of areas (n,) to `top_m` above it; areas that touch become one."""
    ground = shapely.union_all(areas)
    if shapely.is_empty(ground):
        return Mesh(np.empty((0, 3)), np.empty((0, 3), dtype=np.int32))
    pieces = _cells(ground, step_m)
    flat, faces = _triangulated(pieces)
    if not len(faces):
        return Mesh(np.empty((0, 3)), np.empty((0, 3), dtype=np.int32))
    base = np.nan_to_num(heights(flat))
    count = len(flat)
    positions = np.concatenate([np.column_stack([flat, base]), np.column_stack([flat, base + top_m])])
    rim = _rim(faces)
    walls = np.concatenate(
        [
            np.column_stack([rim[:, 0], rim[:, 1], rim[:, 1] + count]),
            np.column_stack([rim[:, 0], rim[:, 1] + count, rim[:, 0] + count]),
        ]
    )
    triangles = np.concatenate([faces + count, faces[:, ::-1], walls]).astype(np.int32)
    return Mesh(positions, triangles)


def _cells(ground: BaseGeometry, step_m: float) -> Geometries:
    """The ground cut by a square grid, coarser where it would be more than MOST_CELLS."""
    west, south, east, north = shapely.bounds(ground)
    step = max(step_m, float(np.sqrt((east - west) * (north - south) / MOST_CELLS)))
    x, y = np.arange(west, east + step, step), np.arange(south, north + step, step)
    left, low = (axis.ravel() for axis in np.meshgrid(x, y))
    cells = shapely.box(left, low, left + step, low + step)
    shapely.prepare(ground)
    cells = cells[shapely.intersects(ground, cells)]
    inner = shapely.contains_properly(ground, cells)
    cut = np.where(inner, cells, shapely.intersection(ground, cells))
    parts = shapely.get_parts(shapely.get_parts(cut))
    kept: Geometries = parts[(shapely.get_type_id(parts) == 3) & (shapely.area(parts) > _LEAST_CELL_M2)]
    return kept


def _triangulated(pieces: Geometries) -> tuple[Floats, NDArray[np.int64]]:
    """Corners (n, 2) and counter-clockwise triangles (m, 3) of polygons that share their corners to a tenth of a millimetre."""
    parts = shapely.get_parts(shapely.constrained_delaunay_triangles(pieces))
    corners = shapely.get_coordinates(shapely.get_exterior_ring(parts)).reshape(-1, 4, 2)[:, :3]
    keys = np.rint(corners.reshape(-1, 2) / _GRID_M).astype(np.int64)
    unique, where = np.unique(keys, axis=0, return_inverse=True)
    faces = where.reshape(-1, 3)
    a, b, c = (unique[faces[:, k]] * _GRID_M for k in range(3))
    turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    faces = np.where((turn < 0)[:, None], faces[:, ::-1], faces)[np.abs(turn) > 0]
    positions: Floats = (unique * _GRID_M).astype(np.float64)
    return positions, faces.astype(np.int64)


def _rim(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """The edges (k, 2) that only one triangle has, in its direction."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    low, high = edges.min(axis=1), edges.max(axis=1)
    _, where, count = np.unique(low * (int(edges.max()) + 1) + high, return_inverse=True, return_counts=True)
    rim: NDArray[np.int64] = edges[count[where] == 1]
    return rim
