"""The ground of a fill: which parcels of a zone are built on as they are, which are laid out anew, and what stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.planning.layout import lay_out
from layers.planning.place import LAKES, national
from layers.planning.reading import Standing, near, shapes_national
from layers.planning.rules import PARCELS
from layers.planning.zones import Contents, Zone
from twin.crs import Geometries, to_wgs84

if TYPE_CHECKING:
    from layers.planning.site import Site

NOT_BUILT_ON = frozenset({"access", "water", "wetland", "forest"})
"""Uses of parcels on which nothing is built."""
USUAL_PARCEL_M2 = 300.0
_SLACK = 1.8
"""How much larger than the smallest parcel new ones are aimed at: halving leaves none under 0.58 of it."""
_LARGE = 3.0
"""From how many times the size wanted on a free parcel is a field that is laid out, not a plot."""
_TOUCH_M2 = 1.0
_NARROW_M = 3.0
"""Strips of ground narrower than twice this, such as between a road and the parcels along it, are no ground for parcels."""
_SHRINK_M = 0.05

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Asked:
    """How parcels are come by. `parcels`: keep those that stand, redraw all that are free, or redraw the free fields alone."""

    parcels: Literal["auto", "keep", "redraw"]
    parcel_m2: float | None
    lane_m: float
    seed: int


@dataclass(frozen=True, slots=True)
class Ground:
    """n parcels that may be built on, in national metres. `new` parcels come to be, with their shapes in EPSG:4326 and fields;
    those of `gone` go; `busy` are built on already.
    """

    ids: list[str]
    shapes: Geometries
    new: Mapping[str, tuple[shapely.Geometry, Mapping[str, Any]]]
    gone: list[str]
    busy: int


def allot(site: Site, zone: Zone, held: Contents, kept: list[Standing], asked: Asked) -> Ground:
    """The ground of a fill of `zone`. `kept`: buildings in and about it that stay."""
    size = asked.parcel_m2 or max(USUAL_PARCEL_M2, _SLACK * zone.rules.min_parcel_m2)
    own = f"{zone.id}:p"
    every = near(site, PARCELS, zone.shape)
    before = any(one.id.startswith(own) for one in every)
    every = [one for one in every if not one.id.startswith(own)]
    shapes = shapes_national(every)
    touching = shapely.area(shapely.intersection(shapes, zone.outline)) > _TOUCH_M2
    built, usable = (
        _built_on(shapes, kept),
        np.array([one.fields.get("use") not in NOT_BUILT_ON for one in every], dtype=bool),
    )
    redo = _redone(asked, touching & ~built, usable, shapely.area(shapes) > _LARGE * size)
    inside = {one.id for one in held.parcels}
    rows = [
        row for row, one in enumerate(every) if one.id in inside and usable[row] and not built[row] and not redo[row]
    ]
    busy = sum(1 for row, one in enumerate(every) if one.id in inside and built[row])
    plots = Ground([every[row].id for row in rows], shapes[rows], {}, [], busy)
    if not (redo.any() or before or asked.parcels == "redraw" or (asked.parcels == "auto" and not touching.any())):
        return plots
    room = _room(site, zone, held, shapes[touching & ~redo], kept)
    return _laid_out(
        site, zone, asked, plots, room, size, [one for one, again in zip(every, redo, strict=True) if again]
    )


def _redone(asked: Asked, free: Mask, usable: Mask, large: Mask) -> Mask:
    if asked.parcels == "redraw":
        return free
    return free & usable & large if asked.parcels == "auto" else np.zeros(len(free), dtype=bool)


def _built_on(shapes: Geometries, kept: list[Standing]) -> Mask:
    """Which parcels (n,) a kept building touches."""
    built = np.zeros(len(shapes), dtype=bool)
    if kept and len(built):
        houses = shapely.buffer(shapes_national(kept), -_SHRINK_M)
        built[shapely.STRtree(shapes).query(houses, predicate="intersects")[1]] = True
    return built


def _room(site: Site, zone: Zone, held: Contents, stays: Geometries, kept: list[Standing]) -> shapely.Geometry:
    """The zone less its roads, lakes, the parcels that stay and a margin about the buildings that are kept."""
    barred = [held.roads, *stays, *(national(one.shape) for one in near(site, LAKES, zone.shape))]
    if kept:
        barred += list(shapely.buffer(shapes_national(kept), zone.rules.setback_m + 1.0, quad_segs=2))
    room = shapely.difference(zone.outline, shapely.union_all(np.array(barred, dtype=object)))
    if not len(stays):
        return room
    opened = shapely.buffer(shapely.buffer(room, -_NARROW_M, join_style="mitre"), _NARROW_M, join_style="mitre")
    return shapely.intersection(opened, room)


def _laid_out(
    site: Site, zone: Zone, asked: Asked, plots: Ground, room: shapely.Geometry, size: float, redone: list[Standing]
) -> Ground:
    """The plots, and with them the parcels drawn on the room; of parcels redrawn, what lies outside the zone is left."""
    layout = lay_out(room, parcel_m2=size, lane_m=asked.lane_m, key=zone.id, seed=asked.seed, relief=site.relief)
    ids = [f"{zone.id}:p{number}" for number in range(1, len(layout.shapes) + 1)]
    area = np.round(shapely.area(layout.shapes), 2)
    degrees = to_wgs84(layout.shapes) if ids else layout.shapes
    new: dict[str, tuple[shapely.Geometry, Mapping[str, Any]]] = {
        ident: (
            degrees[row],
            {"use": "access" if layout.lane[row] else "open", "area_m2": float(area[row]), "people": 0},
        )
        for row, ident in enumerate(ids)
    }
    for parcel in redone:
        new |= _left_over(parcel, zone)
    free = np.flatnonzero(~layout.lane)
    every = np.concatenate([plots.shapes, layout.shapes[free]])
    return Ground([*plots.ids, *(ids[row] for row in free)], every, new, [one.id for one in redone], plots.busy)


def _left_over(parcel: Standing, zone: Zone) -> dict[str, tuple[shapely.Geometry, Mapping[str, Any]]]:
    """The parts of a parcel outside the zone, as parcels with its fields and lineage."""
    left: dict[str, tuple[shapely.Geometry, Mapping[str, Any]]] = {}
    kept = {name: value for name, value in parcel.fields.items() if value is not None}
    for part in shapely.get_parts(shapely.difference(parcel.shape, zone.shape)):
        area = float(national(part).area) if isinstance(part, shapely.Polygon) else 0.0
        if area >= _TOUCH_M2:
            fields = {**kept, "area_m2": round(area, 2), "lineage": parcel.id}
            left[f"{parcel.id}:{zone.id.removeprefix('zone:')}:{len(left) + 1}"] = (part, fields)
    return left
