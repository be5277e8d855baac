"""Parcels for ground that has none: halved along and across the contour until they have the size wanted, with lanes between groups.

The cutting is that of the synthetic stock (`layers.synthesis.parcelling`), in national metres about the middle of the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.planning.fitting import axes
from layers.planning.relief import Floats, Relief
from layers.synthesis.noise import Keys, village_keys
from layers.synthesis.parcelling import in_place_order, split
from layers.synthesis.pieces import Pieces, from_polygons, ring_polygons
from layers.synthesis.slivers import merge
from twin.crs import Geometries

_FLAT_PERCENT = 4.0
_GROUP = 8
"""House plots between lanes."""
_LEAST_BLOCK_M2 = 10.0
_SMALLEST_SHARE = 0.5
"""A plot below this share of the size wanted joins its neighbour; halving alone leaves none under 0.58 of it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """n parcels: shapes in national metres, `lane` true where they give access."""

    shapes: Geometries
    lane: NDArray[np.bool_]


def lay_out(
    ground: shapely.Geometry, *, parcel_m2: float, lane_m: float, key: str, seed: int, relief: Relief
) -> Layout:
    """Parcels of about `parcel_m2` that cover `ground` (national metres), the same for the same key and seed."""
    blocks = shapely.get_parts(shapely.get_parts(np.array([shapely.make_valid(ground)], dtype=object)))
    blocks = blocks[(shapely.get_type_id(blocks) == 3) & (shapely.area(blocks) > _LEAST_BLOCK_M2)]
    if not len(blocks):
        return Layout(np.empty(0, dtype=object), np.empty(0, dtype=bool))
    west, south, east, north = shapely.bounds(ground)
    origin = np.array([(west + east) / 2, (south + north) / 2])
    blocks = shapely.normalize(shapely.transform(blocks, lambda points: points - origin))
    number = np.arange(len(blocks))
    keys: Keys = village_keys([f"{key}:{one}" for one in number], seed=seed)
    pieces = from_polygons(
        blocks,
        owner=np.zeros(len(blocks), dtype=np.int64),
        block=number,
        key=keys,
        angle=axes(blocks)[0],
        lane=np.zeros(len(blocks), dtype=bool),
    )

    def turn(some: Pieces) -> Floats:
        slope, along = relief.slope(some.middles() + origin)
        return np.where(slope > _FLAT_PERCENT, along, some.angle)

    def lanes(some: Pieces) -> Floats:
        return np.full(len(some), lane_m)

    groups = split(pieces, np.array([_GROUP * parcel_m2]), turn=turn, lanes=lanes if lane_m > 0 else None)
    plots = split(groups, np.array([parcel_m2]))
    plots = plots.take(in_place_order(plots))
    shapes = _shapes(plots)
    scrap = (shapely.area(shapes) < _SMALLEST_SHARE * parcel_m2) & ~plots.lane
    # Lanes are blocks of their own, so that no scrap joins one.
    place = plots.block * 2 + plots.lane
    shapes, into = merge(shapes, place, scrap)
    kept = into == np.arange(len(shapes))
    moved: Geometries = shapely.transform(shapes[kept], lambda points: points + origin)
    return Layout(moved, plots.lane[kept])


def _shapes(plots: Pieces) -> Geometries:
    shapes: Geometries = plots.shape.copy()
    convex = np.flatnonzero(plots.corners)
    shapes[convex] = ring_polygons(plots.ring[convex], plots.corners[convex])
    return shapes
