"""Filling a zone: parcels where there are none, buildings on them, as edits of a branch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import shapely
from pydantic import BaseModel, ConfigDict, Field

from layers.planning.allotting import Asked, Ground, allot
from layers.planning.buildings import VILLAGES
from layers.planning.massing import Masses, Wish, masses
from layers.planning.reading import Standing, near
from layers.planning.relief import ground_fields
from layers.planning.rules import BUILDINGS, PARCELS
from layers.planning.site import Outcome
from layers.planning.zones import Ident, Zone, contents, zone_named
from twin.crs import to_wgs84
from twin.errors import BadInput
from twin.scenarios.branches import Edit

if TYPE_CHECKING:
    from layers.planning.site import Site

MOST_BUILDINGS = 20_000


class FillZone(BaseModel):
    """Buildings for a zone as far as its rules allow, the same for the same seed. An earlier fill of the zone is replaced.

    `existing`: keep buildings that stand (their parcels are left alone) or replace them. `parcels`: keep those that stand,
    redraw all that are free, or `auto`: lay out free fields and ground without parcels, keep plots that have about the size.
    """

    model_config = ConfigDict(extra="forbid")

    zone: Ident
    seed: int = Field(default=1, ge=0, lt=2**63)
    existing: Literal["keep", "replace"] = "keep"
    parcels: Literal["auto", "keep", "redraw"] = "auto"
    parcel_m2: float | None = Field(
        default=None,
        ge=50,
        le=100_000,
        allow_inf_nan=False,
        description="size of new parcels, m2; by the zone where absent",
    )
    lane_m: float = Field(
        default=5.0, ge=0, le=30, allow_inf_nan=False, description="lanes between groups of new parcels, m"
    )
    storey_m: float = Field(default=3.0, ge=2.2, le=6, allow_inf_nan=False, description="m")
    fill: float = Field(
        default=1.0, gt=0, le=1, allow_inf_nan=False, description="share of the floor area allowed, aimed at"
    )
    variety: float = Field(
        default=0.15, ge=0, le=0.9, allow_inf_nan=False, description="how much less a building may have"
    )
    max_slope_percent: float = Field(
        default=35.0, gt=0, le=100, allow_inf_nan=False, description="steeper parcels stay free"
    )
    dwelling_m2: float | None = Field(
        default=None,
        ge=15,
        le=1000,
        allow_inf_nan=False,
        description="gross floor area per dwelling, m2; by the table where absent",
    )
    min_side_m: Annotated[
        float, Field(ge=2, le=50, allow_inf_nan=False, description="shortest side of a footprint, m")
    ] = 4.0

    def wish(self) -> Wish:
        return Wish(
            seed=self.seed, fill=self.fill, variety=self.variety, storey_m=self.storey_m, min_side_m=self.min_side_m,
            max_slope_percent=self.max_slope_percent, dwelling_m2=self.dwelling_m2,
        )  # fmt: skip


def fill(site: Site, asked: FillZone) -> Outcome:
    """The zone filled. Raises BadInput where its rules leave no storey, or it would be too much at once."""
    zone = zone_named(site, asked.zone)
    if zone.rules.max_height_m is not None and zone.rules.max_height_m < asked.storey_m:
        raise BadInput(
            f"zone {zone.id} allows {zone.rules.max_height_m} m, less than one storey of {asked.storey_m} m",
            remedy="raise max_height_m with zone.rules, or lower storey_m",
        )
    held = contents(site, zone)
    own = [one for one in held.buildings if one.id.startswith(f"{zone.id}:b")]
    standing = [one for one in held.buildings if not one.id.startswith(f"{zone.id}:b")]
    inside = {one.id for one in held.buildings}
    kept = [one for one in near(site, BUILDINGS, zone.shape) if one.id not in inside]
    kept += standing if asked.existing == "keep" else []
    ground = allot(site, zone, held, kept, Asked(asked.parcels, asked.parcel_m2, asked.lane_m, asked.seed))
    if len(ground.ids) > MOST_BUILDINGS:
        raise BadInput(
            f"zone {zone.id} has {len(ground.ids)} parcels to fill, more than {MOST_BUILDINGS}",
            remedy="fill it in parts, or with larger parcels",
        )
    made = masses(ground.ids, ground.shapes, zone.rules, asked.wish(), relief=site.relief, roads=held.roads)
    removed = [] if asked.existing == "keep" else [one.id for one in standing]
    edits = [
        *_parcel_edits(site, zone, ground, made),
        *_building_edits(site, zone, ground, made, own),
        *(Edit(BUILDINGS, "remove", ident) for ident in removed),
    ]
    return Outcome(tuple(edits), _figures(zone, ground, made, removed=len(removed)))


def _parcel_edits(site: Site, zone: Zone, ground: Ground, made: Masses) -> list[Edit]:
    before = {one.id for one in near(site, PARCELS, zone.shape)}
    own = {ident for ident in before if ident.startswith(f"{zone.id}:p")}
    village = _villages(site, zone, [shape for shape, _ in ground.new.values()])
    told: dict[str, dict[str, Any]] = {
        ground.ids[plot]: {"use": made.use[row], "people": int(made.people[row])} for row, plot in enumerate(made.plot)
    }
    edits = [Edit(PARCELS, "remove", ident) for ident in [*ground.gone, *sorted(own - set(ground.new))]]
    for (ident, (shape, fields)), holds in zip(ground.new.items(), village, strict=True):
        whole = {"village": holds, **fields, **told.pop(ident, {})}
        edits.append(Edit(PARCELS, "modify" if ident in before else "add", ident, shape, whole))
    edits += [Edit(PARCELS, "modify", ident, None, fields) for ident, fields in told.items()]
    return edits


def _building_edits(site: Site, zone: Zone, ground: Ground, made: Masses, own: list[Standing]) -> list[Edit]:
    """The new buildings, those of an earlier fill changed where one of the same number is there again, removed where none is."""
    before = {one.id for one in own}
    shapes = to_wgs84(made.shapes) if len(made.shapes) else made.shapes
    village = _villages(site, zone, list(shapes))
    edits: list[Edit] = []
    for row in range(len(made.plot)):
        ident = f"{zone.id}:b{row + 1}"
        fields = {
            "use": made.use[row],
            "storeys": int(made.storeys[row]),
            "height_m": round(float(made.height_m[row]), 2),
            "height_origin": None,
            "roof_shape": "flat" if made.flat[row] else "hipped",
            "roof_height_m": round(float(made.roof_m[row]), 2),
            **ground_fields(made.under, row),
            "floor_area_m2": round(float(made.floor_area_m2[row]), 1),
            "dwellings": int(made.dwellings[row]),
            "people": int(made.people[row]),
            "people_se": round(float(made.people_se[row]), 2),
            "jobs": int(made.jobs[row]),
            "parcel": ground.ids[made.plot[row]],
            "village": village[row],
        }
        edits.append(Edit(BUILDINGS, "modify" if ident in before else "add", ident, shapes[row], fields))
    kept = {edit.id for edit in edits}
    return edits + [Edit(BUILDINGS, "remove", one.id) for one in own if one.id not in kept]


def _villages(site: Site, zone: Zone, shapes: Sequence[shapely.Geometry]) -> list[str | None]:
    """The village that holds each WGS84 shape's inner point."""
    villages = near(site, VILLAGES, zone.shape)
    found: list[str | None] = [None] * len(shapes)
    if villages and len(shapes):
        inner = shapely.point_on_surface(np.array(shapes, dtype=object))
        tree = shapely.STRtree(np.array([one.shape for one in villages], dtype=object))
        for row, village in zip(*tree.query(inner, predicate="within"), strict=True):
            found[row] = villages[village].id
    return found


def _figures(zone: Zone, ground: Ground, made: Masses, *, removed: int) -> dict[str, Any]:
    """What the fill comes to. `Any`: it nests."""
    by_use: dict[str, float] = {}
    for use, floor in zip(made.use, made.floor_area_m2, strict=True):
        by_use[use] = round(by_use.get(use, 0.0) + float(floor), 1)
    return {
        "zone": zone.id,
        "parcels": {
            "new": len(ground.new),
            "free": len(ground.ids),
            "built_on": ground.busy,
            "skipped": dict(made.skipped),
        },
        "buildings": len(made.plot),
        "buildings_removed": removed,
        "floor_area_m2": round(float(made.floor_area_m2.sum()), 1),
        "floor_area_by_use_m2": by_use,
        "dwellings": int(made.dwellings.sum()),
        "people": int(made.people.sum()),
        "jobs": int(made.jobs.sum()),
    }
