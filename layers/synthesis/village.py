"""One chunk of villages from blocks to finished buildings and parcels."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layers.synthesis.attributes import Looks, looks
from layers.synthesis.blocks import Blocks, Obstacles, village_blocks
from layers.synthesis.country import Country, Rules
from layers.synthesis.frames import Floats, Frames, Ints, Shapes
from layers.synthesis.noise import Keys, normal, uniform
from layers.synthesis.parcelling import contour_turn, contours, in_place_order, split
from layers.synthesis.people import share, standard_errors
from layers.synthesis.pieces import Pieces, join, ring_polygons
from layers.synthesis.programme import Programme, barred, centre_pull, programme
from layers.synthesis.siting import REASONS, UNTESTED, Choice, Seats, choose, seats
from layers.synthesis.slivers import merge

_ROAD_REACH_M = 1500.0
_SPARE = 1.15
"""More plots than buildings are laid out by this factor, because some turn out too steep, too wet or too narrow."""
_SCRAP_SHARE = 0.16
"""A plot smaller than this share of the plots' usual size is a scrap."""


@dataclass(frozen=True)
class Chunk:
    """n villages: `ids`, EPSG:4326 `shapes`, `people`, `dwellings`, random `keys`."""

    ids: NDArray[np.object_]
    shapes: Shapes
    people: Ints
    dwellings: Ints
    keys: Keys


@dataclass(frozen=True)
class Laid:
    """The chunk's ground laid out: every `plot`, which of them are `settled`, and the lures of roads and centres there."""

    plots: Pieces
    settled: NDArray[np.bool_]
    need: Programme
    blocks: Blocks


def build(
    country: Country, rules: Rules, obstacles: Obstacles, chunk: Chunk, *, parcels: bool
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Buildings and parcels of a chunk; no parcels when they are not asked for."""
    laid = lay_out(country, rules, obstacles, chunk)
    frames, plots = laid.blocks.frames, laid.plots
    places = np.flatnonzero(laid.settled & ~plots.lane)
    candidates = plots.take(places)
    seated = seats(country, rules, frames, candidates, laid.need, laid.blocks.drowned)
    lure = _lure(country, obstacles, frames, candidates)
    choice = choose(candidates, seated, laid.need, rules, lure=lure)
    number = _numbers(plots)
    stand = places[choice.plot]
    parcel = "syn:" + chunk.ids[plots.owner[stand]] + ":p" + number[stand].astype(str).astype(object)
    built = _buildings(country, chunk, laid, candidates, seated.take(choice.plot), choice, parcel)
    if not parcels:
        return built, _no_parcels()
    return built, _parcels(country, rules, chunk, laid, number, stand, built)


def lay_out(country: Country, rules: Rules, obstacles: Obstacles, chunk: Chunk) -> Laid:
    """Blocks into groups, the best groups into plots, in the order of the parcels' numbers."""
    blocks = village_blocks(chunk.shapes, chunk.keys, obstacles, rules)
    need = programme(country, rules, shapes=chunk.shapes, blocks=blocks, dwellings=chunk.dwellings, keys=chunk.keys)
    turn = contour_turn(country.terrain, blocks.frames)

    def lanes(pieces: Pieces) -> Floats:
        """Lanes lead to houses: none where building is barred at the middle of the piece or a third of the way to its sides."""
        low, high = pieces.extents()
        reach = (np.minimum(high - low, (high - low)[:, ::-1]).min(axis=1) / 3)[:, None]
        turned = pieces.angle + np.where((high - low)[:, 0] >= (high - low)[:, 1], np.pi / 2, 0.0)
        along = np.column_stack([np.cos(turned), np.sin(turned)]) * reach
        middle = pieces.middles()
        spots = np.concatenate([middle - along, middle, middle + along])
        why = barred(country, rules, blocks.frames.lonlat(spots, np.tile(pieces.owner, 3))).reshape(3, -1)
        return np.where((why == 0).all(axis=0), need.lane_m[pieces.owner], 0.0)

    groups = split(blocks.pieces, need.group_m2, turn=turn, lanes=lanes)
    settled = _settled(country, rules, obstacles, blocks.frames, groups, need)
    plots = split(groups.take(settled), need.plot_m2)
    rest = groups.take(~settled)
    every = join([plots, rest])
    order = in_place_order(every)
    return Laid(every.take(order), (np.arange(len(every)) < len(plots))[order], need, blocks)


def _settled(
    country: Country, rules: Rules, obstacles: Obstacles, frames: Frames, groups: Pieces, need: Programme
) -> NDArray[np.bool_]:
    """The groups that get houses: gentle, legal ground near roads and centres first, with some chance, until there is room.

    Groups without a legal spot come last, so that they are only used where nothing else is left.
    """
    middle = groups.middles()
    low, high = groups.extents()
    quarter = (high - low) / 4
    along = np.column_stack([np.cos(groups.angle), np.sin(groups.angle)])
    across = np.column_stack([-along[:, 1], along[:, 0]])
    steps = np.array([(0.0, 0.0), (1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)])
    spots = middle[:, None, :] + (steps[None, :, :1] * quarter[:, None, :1]) * along[:, None, :]
    spots += (steps[None, :, 1:] * quarter[:, None, 1:]) * across[:, None, :]
    legal = barred(country, rules, frames.lonlat(spots.reshape(-1, 2), np.repeat(groups.owner, 5))) == 0
    fit = legal.reshape(-1, 5).mean(axis=1)
    slope, _ = contours(country.terrain, frames, middle, groups.owner)
    score = _lure(country, obstacles, frames, groups) + 1.2 * fit - slope / 40 + 0.35 * normal(groups.key, 81)
    room = groups.areas() / need.plot_m2[groups.owner] * np.where(fit > 0, fit, 1.0)
    room[groups.lane] = 0.0
    order = np.lexsort((-score, fit == 0, groups.lane, groups.owner))
    total = np.cumsum(room[order])
    owner = groups.owner[order]
    before = total - room[order] - (total - room[order])[np.searchsorted(owner, owner)]
    wanted = np.ceil(_SPARE * (need.homes + need.others)) + np.where(need.homes + need.others > 0, 1, 0)
    settled = np.zeros(len(groups), dtype=bool)
    settled[order] = before < wanted[owner]
    return settled & ~groups.lane


def _lure(country: Country, obstacles: Obstacles, frames: Frames, pieces: Pieces) -> Floats:
    """How much a place draws buildings (n,): nearness of a road and of a business centre, and a little chance."""
    points = frames.lonlat(pieces.middles(), pieces.owner)
    lure = 2.0 * centre_pull(country.centres, points)[0] + 0.5 * uniform(pieces.key, 82)
    if obstacles.roads is not None:
        distance, _ = obstacles.roads.query(points, distance_upper_bound=_ROAD_REACH_M / 110_000.0)
        lure += 1.0 - np.minimum(distance * frames.scale[pieces.owner, 1] / _ROAD_REACH_M, 1.0)
    return lure


def _numbers(plots: Pieces) -> Ints:
    """The number of each plot in its village, from 1."""
    return np.arange(len(plots)) - np.searchsorted(plots.owner, plots.owner) + 1


def _buildings(
    country: Country,
    chunk: Chunk,
    laid: Laid,
    candidates: Pieces,
    seat: Seats,
    choice: Choice,
    parcel: NDArray[np.object_],
) -> gpd.GeoDataFrame:
    frames, need = laid.blocks.frames, laid.need
    owner, key = candidates.owner[choice.plot], candidates.key[choice.plot]
    lonlat = frames.lonlat(seat.middle, owner)
    pull, top = centre_pull(country.centres, lonlat)
    town = np.clip((need.usual - 1) / 2 + (need.plot_m2 < 500) * 0.5, 0.0, 1.0)[owner]
    dwellings, people = _inhabit(chunk, owner, key, choice.home, 4 * seat.half.prod(axis=1) * (1 + 0.3 * (top - 1)))
    look: Looks = looks(key=key, home=choice.home, half=seat.half, dwellings=dwellings, town=town, pull=pull, top=top)
    corners = frames.lonlat(seat.corners().reshape(-1, 2), np.repeat(owner, 4)).reshape(-1, 4, 2)
    spots = np.concatenate([corners, lonlat[:, None, :]], axis=1)
    height, error = (v.reshape(-1, 5) for v in country.terrain.heights(spots.reshape(-1, 2)))
    # Where no model holds a height the slope of the filled void says nothing: the building tells so, beside its ground_se_m.
    tested = country.terrain.known(spots.reshape(-1, 2)).reshape(-1, 5).all(axis=1)
    reason = np.where((choice.reason == 0) & ~tested, UNTESTED, choice.reason)
    village = chunk.ids[owner]
    number = (np.arange(len(owner)) - np.searchsorted(owner, owner) + 1).astype(str).astype(object)
    frame = pd.DataFrame(
        {
            "id": "syn:" + village + ":" + number,
            "use": look.use,
            "storeys": look.storeys.astype(np.int32),
            "height_m": look.height_m,
            "height_se_m": look.height_se_m,
            "height_origin": "inferred",
            "roof_shape": look.roof_shape,
            "roof_height_m": look.roof_height_m,
            "ground_m": np.round(height.min(axis=1), 2),
            "ground_max_m": np.round(height.max(axis=1), 2),
            "ground_se_m": np.round(error.max(axis=1), 2),
            "floor_area_m2": look.floor_area_m2,
            "floor_area_se_m2": look.floor_area_se_m2,
            "dwellings": dwellings.astype(np.int32),
            "people": people.astype(np.int32),
            "people_se": np.round(standard_errors(people, dwellings), 2),
            "parcel": parcel,
            "village": village,
            "name": None,
            "siting": np.array(REASONS, dtype=object)[reason],
            "origin": "synthetic",
        }
    )
    count = np.full(len(corners), 4)
    return gpd.GeoDataFrame(frame, geometry=ring_polygons(corners, count), crs="EPSG:4326")


def _inhabit(chunk: Chunk, owner: Ints, key: Keys, home: NDArray[np.bool_], room: Floats) -> tuple[Ints, Ints]:
    """Dwellings and people of each building: one dwelling in each home and the rest by room; one person in each dwelling
    and the rest by chance. Both sum exactly to the village's.
    """
    dwellings, people = np.zeros(len(owner), dtype=np.int64), np.zeros(len(owner), dtype=np.int64)
    place, villages = np.flatnonzero(home), len(chunk.ids)
    of = owner[place]
    homes = np.bincount(of, minlength=villages)
    weight = room[place] * (0.5 + uniform(key[place], 91))
    dwellings[place] = 1 + share(np.maximum(chunk.dwellings - homes, 0), weight, of)
    spread = dwellings[place] * np.exp(0.42 * normal(key[place], 92) / np.sqrt(dwellings[place]))
    settled = np.where(homes > 0, chunk.people - np.bincount(of, dwellings[place], villages).astype(np.int64), 0)
    people[place] = dwellings[place] + share(settled, spread.astype(np.float64), of)
    return dwellings, people


def _parcels(
    country: Country,
    rules: Rules,
    chunk: Chunk,
    laid: Laid,
    number: Ints,
    stand: NDArray[np.intp],
    built: gpd.GeoDataFrame,
) -> gpd.GeoDataFrame:
    frames, plots = laid.blocks.frames, laid.plots
    own = plots.areas()
    free = np.ones(len(plots), dtype=bool)
    free[stand] = False
    scrap = free & (own < _SCRAP_SHARE * laid.need.plot_m2[plots.owner])
    shapes = _lonlat_shapes(frames, plots)
    place = plots.owner * 100_000 + plots.block
    shapes, into = merge(shapes, place, scrap)
    area: Floats = np.bincount(into, own, len(own)).astype(np.float64)
    kept = np.flatnonzero(into == np.arange(len(plots)))
    use = _free_use(country, rules, frames, plots, area, laid.settled, laid.need.plot_m2)
    use[stand] = built["use"].to_numpy()
    people = pd.array(np.zeros(len(plots), dtype=np.int32), dtype="Int32")
    people[free] = pd.NA
    people[stand] = built["people"].to_numpy()
    village = chunk.ids[plots.owner]
    frame = pd.DataFrame(
        {
            "id": village + ":p" + number.astype(str).astype(object),
            "use": use,
            "area_m2": area,
            "block": village + ":b" + (plots.block + 1).astype(str).astype(object),
            "village": village,
            "people": people,
            "origin": "synthetic",
        }
    )
    frame["id"] = "syn:" + frame["id"]
    return gpd.GeoDataFrame(frame.iloc[kept].reset_index(drop=True), geometry=shapes[kept], crs="EPSG:4326")


def _lonlat_shapes(frames: Frames, plots: Pieces) -> Shapes:
    """The plots as polygons in EPSG:4326 (n,)."""
    shapes: Shapes = plots.shape.copy()
    ragged, convex = np.flatnonzero(plots.corners == 0), np.flatnonzero(plots.corners)
    shapes[ragged] = frames.shapes_lonlat(plots.shape[ragged], plots.owner[ragged])
    ring = plots.ring[convex]
    corners = frames.lonlat(ring.reshape(-1, 2), np.repeat(plots.owner[convex], ring.shape[1]))
    shapes[convex] = ring_polygons(corners.reshape(ring.shape), plots.corners[convex])
    return shapes


def _free_use(
    country: Country,
    rules: Rules,
    frames: Frames,
    plots: Pieces,
    area: Floats,
    settled: NDArray[np.bool_],
    plot_m2: Floats,
) -> NDArray[np.object_]:
    """The use of parcels without a building: access, water, wetland, forest on steep ground, open in towns, or fields."""
    why = barred(country, rules, frames.lonlat(plots.middles(), plots.owner))
    town = (settled & (area < rules.urban_plot_m2)) | (plot_m2[plots.owner] < rules.urban_plot_m2)
    return np.select(
        [plots.lane, why == 4, why == 3, why == 2, town],
        ["access", "water", "wetland", "forest", "open"],
        "agricultural",
    ).astype(object)


def _no_parcels() -> gpd.GeoDataFrame:
    columns = ["id", "use", "area_m2", "block", "village", "people", "origin", "geometry"]
    return gpd.GeoDataFrame(columns=columns, geometry="geometry", crs="EPSG:4326")
