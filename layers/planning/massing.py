"""Massing: buildings that fill parcels as far as the rules of a zone allow. Pure, and the same for the same seed.

On each parcel stands one rectangle inside the setbacks, of no more than the coverage, with as many storeys as the height limit and
the floor area ratio leave. Uses are dealt out until each has its share of the floor area; dwellings, people and jobs follow by the
table of coefficients.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.planning.coefficients import coefficients, job_area_m2
from layers.planning.envelope import STOREY_M, buildable, storeys_under
from layers.planning.fitting import Rectangles, fit
from layers.planning.relief import Floats, Relief, Under
from layers.planning.rules import Rules
from layers.synthesis.noise import normal, uniform, village_keys
from layers.synthesis.people import HOUSEHOLD_SD, share
from twin.crs import Geometries

PITCH = 0.36
"""Rise over run of a pitched roof, about 20 degrees."""
_FLAT_FROM = 3
"""Storeys from which roofs are flat."""
_SAFETY = 0.999
"""What is kept of a limit, so that rounding breaks none."""
_NEAR_SETBACK_M = 0.02
_SLENDER = 1.5
"""How many times its narrow side a building may be high: none becomes a needle."""
_USE_ORDER = ("commercial", "public", "industrial", "agricultural")
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Wish:
    """How a zone is to be filled. `fill`: the share of the floor area allowed that is aimed at; `variety`: how much less than that
    a building may have, by chance; `storey_m`, `min_side_m` in metres; `max_slope_percent` bars steeper parcels.
    """

    seed: int = 1
    fill: float = 1.0
    variety: float = 0.15
    storey_m: float = STOREY_M
    min_side_m: float = 4.0
    max_slope_percent: float = 35.0
    dwelling_m2: float | None = None


@dataclass(frozen=True, slots=True)
class Masses:
    """n buildings. `plot`: the parcel each stands on; heights in metres above the lowest ground; `skipped`: parcels left free, by why."""

    plot: NDArray[np.intp]
    shapes: Geometries
    use: list[str]
    storeys: Ints
    height_m: Floats
    roof_m: Floats
    flat: NDArray[np.bool_]
    floor_area_m2: Floats
    dwellings: Ints
    people: Ints
    people_se: Floats
    jobs: Ints
    under: Under
    skipped: Mapping[str, int]


def masses(
    ids: Sequence[str],
    plots: Geometries,
    rules: Rules,
    wish: Wish,
    *,
    relief: Relief,
    roads: shapely.Geometry | None = None,
) -> Masses:
    """Buildings on plots (n,) in national metres. `ids` name the plots: each building hangs on its plot's id and the seed."""
    key = village_keys(ids, seed=wish.seed)
    area = shapely.area(plots)
    why = np.full(len(plots), "", dtype=object)
    why[area < rules.min_parcel_m2] = "smaller than the smallest parcel"
    slope, _ = relief.slope(shapely.get_coordinates(shapely.point_on_surface(plots)).reshape(-1, 2))
    why[(why == "") & (slope > wish.max_slope_percent)] = "too steep"
    inner = buildable(plots, rules, roads)
    inner = shapely.buffer(inner, -_NEAR_SETBACK_M, join_style="mitre")
    why[(why == "") & shapely.is_empty(inner)] = "no room inside the setbacks"
    most = area * (rules.coverage if rules.coverage is not None else 1.0) * _SAFETY
    most[why != ""] = 0.0
    room = fit(inner, most)
    why[(why == "") & (2 * room.half.min(axis=1) < wish.min_side_m)] = "no room inside the setbacks"
    slender = np.floor(_SLENDER * 2 * room.half.min(axis=1) / wish.storey_m)
    top = np.minimum(np.maximum(slender, 1), storeys_under(rules, wish.storey_m))
    goal = _goal(rules, area, room.area_m2, top, wish, key)
    storeys = np.clip(np.ceil(goal / np.maximum(room.area_m2, 1e-9) - 1e-9), 1, np.maximum(top, 1)).astype(np.int64)
    shrunk = np.sqrt(np.clip(goal / np.maximum(storeys * room.area_m2, 1e-9), 0, 1))
    room = room.scaled(shrunk)
    why[(why == "") & (2 * room.half.min(axis=1) < wish.min_side_m)] = "floor area ratio leaves too little"
    built = np.flatnonzero(why == "")
    return _finished(
        built, room.take(built), storeys[built], key[built], rules, wish, relief, roads, Counter(why[why != ""])
    )


def _goal(rules: Rules, area: Floats, footprint: Floats, top: Floats, wish: Wish, key: NDArray[np.uint64]) -> Floats:
    """The floor area (n,) that each building is to have."""
    floor = footprint * top
    if rules.far is not None:
        floor = np.minimum(floor, rules.far * area * _SAFETY)
    goal: Floats = floor * wish.fill * (1 - wish.variety * uniform(key, 203))
    return goal


def _finished(
    built: NDArray[np.intp], room: Rectangles, storeys: Ints, key: NDArray[np.uint64], rules: Rules, wish: Wish,
    relief: Relief, roads: shapely.Geometry | None, skipped: Mapping[str, int],
) -> Masses:  # fmt: skip
    shapes = room.polygons()
    floor = room.area_m2 * storeys
    use = _uses(shapes, floor, rules, key, roads)
    roof, flat = _roofs(room, storeys, rules, wish)
    table = coefficients()
    dwelling_m2 = wish.dwelling_m2 or table["dwelling_m2"].value
    home = np.array([one == "residential" for one in use], dtype=bool)
    dwellings = np.where(home, np.maximum(np.floor(floor / dwelling_m2), 1), 0).astype(np.int64)
    people = _people(dwellings, table["household"].value, key)
    jobs = np.array(
        [0 if (each := job_area_m2(one)) is None else round(area / each) for one, area in zip(use, floor, strict=True)],
        dtype=np.int64,
    )
    return Masses(
        plot=built, shapes=shapes, use=use, storeys=storeys, height_m=storeys * wish.storey_m + roof, roof_m=roof, flat=flat,
        floor_area_m2=floor, dwellings=dwellings, people=people, people_se=HOUSEHOLD_SD * np.sqrt(dwellings), jobs=jobs,
        under=relief.under(shapes), skipped=dict(sorted(skipped.items())),
    )  # fmt: skip


def _uses(
    shapes: Geometries, floor: Floats, rules: Rules, key: NDArray[np.uint64], roads: shapely.Geometry | None
) -> list[str]:
    """A use for each building: shops nearest to the roads, public ones nearest to the middle, industry where it is largest.

    Each use takes buildings until it has its share of the floor area; the commonest use has what is left.
    """
    shares = {use: part for use, part in rules.shares.items() if part > 0} or {"residential": 1.0}
    rest = max(shares, key=lambda use: (shares[use], use == "residential"))
    chosen = np.full(len(shapes), rest, dtype=object)
    if not len(shapes):
        return []
    middle = shapely.centroid(shapes)
    centre = shapely.centroid(shapely.geometrycollections(middle))
    luck = uniform(key, 204)
    to_road = luck if roads is None or shapely.is_empty(roads) else shapely.distance(roads, middle)
    lure = {
        "commercial": to_road,
        "public": shapely.distance(centre, middle),
        "industrial": -floor,
        "agricultural": floor,
    }
    free = np.ones(len(shapes), dtype=bool)
    for use in (*_USE_ORDER, "residential"):
        if use == rest or use not in shares:
            continue
        order = np.flatnonzero(free)
        order = order[np.argsort(lure.get(use, luck)[order], kind="stable")]
        had = np.cumsum(floor[order]) - floor[order] / 2
        taken = order[had <= shares[use] * floor.sum()]
        chosen[taken] = use
        free[taken] = False
    return [str(one) for one in chosen]


def _roofs(room: Rectangles, storeys: Ints, rules: Rules, wish: Wish) -> tuple[Floats, NDArray[np.bool_]]:
    """The height of each roof, and whether it is flat: a pitched one where the building is low and the limit leaves it room."""
    left = np.inf if rules.max_height_m is None else rules.max_height_m - storeys * wish.storey_m
    rise = np.round(room.half[:, 1] * PITCH, 2)
    pitched = (storeys < _FLAT_FROM) & (rise <= left)
    return np.where(pitched, rise, 0.0), ~pitched


def _people(dwellings: Ints, household: float, key: NDArray[np.uint64]) -> Ints:
    """People by building: the mean household times the dwellings in all, dealt out by chance about it."""
    total = np.array([round(float(dwellings.sum()) * household)], dtype=np.int64)
    weight = dwellings * np.exp(0.3 * normal(key, 205) / np.sqrt(np.maximum(dwellings, 1)))
    if not len(dwellings) or not total[0]:
        return np.zeros(len(dwellings), dtype=np.int64)
    return share(total, weight.astype(np.float64), np.zeros(len(dwellings), dtype=np.int64))
