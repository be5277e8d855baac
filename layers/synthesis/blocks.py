"""Blocks: a village less the lakes and less the corridors of roads and waterways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from scipy.spatial import cKDTree

from layers.synthesis.country import Corridors, Country, Rules
from layers.synthesis.frames import Floats, Frames, Ints, Shapes
from layers.synthesis.noise import Keys, derive
from layers.synthesis.pieces import Pieces, from_polygons

_LINE_POINTS = 24
_LAKE_POINTS = 60
_LAKE_MARGIN_DEG = 1e-4
_ROAD_STEP_DEG = 30.0 / 111_000.0


@dataclass(frozen=True)
class Obstacles:
    """Lakes and corridors of a country, indexed. Lines are cut into short runs so that a long river costs no village much."""

    lakes: shapely.STRtree
    lines: shapely.STRtree
    half_width_m: Floats
    roads: cKDTree | None
    """Points along the roads, at most 30 m apart, in degrees."""

    @classmethod
    def of(cls, country: Country) -> Obstacles:
        """Index the lakes and corridors of `country`."""
        runs = short_runs(country.corridors)
        return cls(
            shapely.STRtree(shapely.make_valid(country.lakes)),
            shapely.STRtree(runs.lines),
            runs.half_width_m,
            _road_points(runs.lines[runs.road]),
        )


def _road_points(roads: Shapes) -> cKDTree | None:
    if not len(roads):
        return None
    return cKDTree(shapely.get_coordinates(shapely.segmentize(roads, _ROAD_STEP_DEG)))


def short_runs(corridors: Corridors) -> Corridors:
    """The same corridors with every line in runs of at most 24 points."""
    usable = ~(shapely.is_missing(corridors.lines) | shapely.is_empty(corridors.lines))
    parts, source = shapely.get_parts(corridors.lines[usable], return_index=True)
    source = np.flatnonzero(usable)[source]
    points, line = shapely.get_coordinates(parts, return_index=True)
    if not len(points):
        return Corridors.none()
    count = np.bincount(line, minlength=len(parts))
    place = np.arange(len(points)) - np.repeat(np.cumsum(count) - count, count)
    last = place == count[line] - 1
    joint = (place > 0) & (place % (_LINE_POINTS - 1) == 0) & ~last  # a joint ends one run and starts the next
    order = np.repeat(np.arange(len(points)), 1 + joint)
    start = np.zeros(len(order), dtype=bool)
    start[np.cumsum(1 + joint)[joint] - 1] = True
    start[(np.cumsum(1 + joint) - (1 + joint))[place == 0]] = True
    runs = np.asarray(shapely.linestrings(points[order], indices=np.cumsum(start) - 1), dtype=object)
    origin = source[line[order][start]]
    return Corridors(runs, corridors.half_width_m[origin], corridors.road[origin])


@dataclass(frozen=True)
class Blocks:
    """The blocks of a chunk of n villages in their local frames. `drowned` (n,): villages that are all lake or corridor."""

    frames: Frames
    pieces: Pieces
    drowned: np.ndarray[tuple[int], np.dtype[np.bool_]]


def village_blocks(shapes: Shapes, keys: Keys, obstacles: Obstacles, rules: Rules) -> Blocks:
    """The blocks of villages (n,) in EPSG:4326, as pieces in their local frames, numbered from 0 within each village.

    A village that is wholly lake or corridor keeps its own shape as its block: its people must live somewhere.
    """
    frames = Frames.around(shapes)
    everyone = np.arange(len(shapes))
    local = shapely.make_valid(frames.shapes_local(shapes, everyone))
    left = shapely.difference(local, _barred(shapes, frames, obstacles))
    parts, owner = _solid_parts(left, rules.min_block_m2)
    drowned = np.setdiff1d(everyone, owner)
    if len(drowned):
        more, of = _solid_parts(local[drowned], 0.0)
        parts, owner = np.concatenate([parts, more]), np.concatenate([owner, drowned[of]])
    middle = shapely.get_coordinates(shapely.centroid(parts))
    order = np.lexsort((middle[:, 0], -middle[:, 1], owner))
    parts, owner = shapely.normalize(parts[order]), owner[order]
    block = np.arange(len(owner)) - np.searchsorted(owner, owner)
    key = derive(keys[owner] + block.astype(np.uint64), 1)
    lane = np.zeros(len(parts), dtype=bool)
    pieces = from_polygons(parts, owner=owner, block=block, key=key, angle=_long_axes(parts), lane=lane)
    return Blocks(frames, pieces, np.isin(everyone, drowned))


def _solid_parts(shapes: Shapes, least_m2: float) -> tuple[Shapes, Ints]:
    parts, owner = shapely.get_parts(shapes, return_index=True)
    inner, of = shapely.get_parts(parts, return_index=True)  # a collection may hold multipolygons
    solid = (shapely.get_type_id(inner) == 3) & (shapely.area(inner) > least_m2)
    return inner[solid], owner[of][solid]


def _barred(shapes: Shapes, frames: Frames, obstacles: Obstacles) -> Shapes:
    """What is no block in each village, in its local frame: lakes and buffered corridors, (n,) possibly empty."""
    barred: Shapes = np.full(len(shapes), shapely.GeometryCollection(), dtype=object)
    village, lake = obstacles.lakes.query(shapes, predicate="intersects")
    box = shapely.bounds(shapes)
    pieces = [frames.shapes_local(_near(obstacles.lakes.geometries[lake], box[village]), village)]
    owners = [village]
    widest = float(obstacles.half_width_m.max(initial=0.0))
    margin = (widest / frames.scale).repeat(2, axis=1).reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1, 4)
    box += margin * (-1, -1, 1, 1)
    village, line = obstacles.lines.query(shapely.box(*box.T))
    near = frames.shapes_local(obstacles.lines.geometries[line], village)
    pieces.append(shapely.buffer(near, obstacles.half_width_m[line], quad_segs=2))
    owners.append(village)
    piece, owner = np.concatenate(pieces), np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    if len(order):
        index = owner[order]
        touched, dense = np.unique(index, return_inverse=True)
        groups = np.asarray(shapely.geometrycollections(piece[order], indices=dense), dtype=object)
        barred[touched] = shapely.union_all(groups[:, None], axis=1)
    return barred


def _near(shapes: Shapes, box: Floats) -> Shapes:
    """The part of each large shape (n,) about its box (n, 4), a little wider: a village needs not the whole of Lake Kivu."""
    near: Shapes = shapes.copy()
    margin = _LAKE_MARGIN_DEG
    for row in np.flatnonzero(shapely.get_num_coordinates(shapes) > _LAKE_POINTS):
        west, south, east, north = box[row]
        near[row] = shapely.make_valid(
            shapely.clip_by_rect(shapes[row], west - margin, south - margin, east + margin, north + margin)
        )
    return near


def _long_axes(shapes: Shapes) -> Floats:
    """The direction of each polygon's longest side when boxed as tightly as can be: radians (n,)."""
    ring = shapely.get_coordinates(shapely.get_exterior_ring(shapely.oriented_envelope(shapes))).reshape(-1, 5, 2)
    sides = np.diff(ring, axis=1)[:, :2]
    longest = np.hypot(sides[:, :, 0], sides[:, :, 1]).argmax(axis=1)
    side = sides[np.arange(len(sides)), longest]
    direction: Floats = np.arctan2(side[:, 1], side[:, 0])
    return direction
