"""Shocks that a branch supposes: jobs at a place, a closed road, water risen, a failed transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import shapely
from pydantic import BaseModel, ConfigDict, Field

from layers.planning import place
from layers.planning.place import PointIn, PolygonIn
from layers.planning.reading import named
from layers.planning.site import Outcome
from layers.planning.zones import ROADS, Ident, digest
from twin.errors import BadInput
from twin.scenarios.branches import Edit

if TYPE_CHECKING:
    from layers.planning.site import Site

SHOCKS = "land.shocks"
POWER = "infrastructure.power"


class _Shock(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, min_length=1, max_length=200)


class JobsShock(_Shock):
    """Jobs that come to a place or, below zero, leave it."""

    place: PointIn
    jobs: int = Field(ge=-1_000_000, le=1_000_000)


class RoadShock(_Shock):
    """A road that is closed: it is taken out of the network, and the closure marked where it lay."""

    road: Ident


class FloodShock(_Shock):
    """Water that stands so high above the nearest drainage inside an area."""

    area: PolygonIn
    level_m: float = Field(gt=0, le=100, allow_inf_nan=False, description="above the nearest drainage, m")


class TransformerShock(_Shock):
    """A transformer or another feature of the grid that fails, or a failure at a place; it reaches `radius_m` around."""

    feature: Ident | None = None
    place: PointIn | None = None
    radius_m: float = Field(default=800.0, gt=0, le=50_000, allow_inf_nan=False, description="m")


def jobs(site: Site, asked: JobsShock) -> Outcome:
    if asked.jobs == 0:
        raise BadInput("a shock of no jobs changes nothing", remedy="give how many jobs come, or go (below zero)")
    point = asked.place.shape()
    place.require_in_country(site, point, "the shock")
    return _shock(point, "jobs", asked.name, jobs=asked.jobs)


def road(site: Site, asked: RoadShock) -> Outcome:
    closed = named(site, ROADS, asked.road)[0]
    made = _shock(closed.shape, "road closed", asked.name or closed.fields.get("name"), feature=f"{ROADS} {closed.id}")
    return Outcome(
        (*made.edits, Edit(ROADS, "remove", closed.id)), {**made.figures, "length_m": closed.fields.get("length_m")}
    )


def flood(site: Site, asked: FloodShock) -> Outcome:
    area = asked.area.shape()
    place.require_in_country(site, area, "the flood")
    return _shock(area, "flood", asked.name, level_m=asked.level_m)


def transformer(site: Site, asked: TransformerShock) -> Outcome:
    if (asked.feature is None) == (asked.place is None):
        raise BadInput("a failure is of one feature or at one place", remedy="give either `feature` or `place`")
    if asked.place is not None:
        point: shapely.Geometry = asked.place.shape()
        place.require_in_country(site, point, "the failure")
        return _shock(point, "transformer failed", asked.name, radius_m=asked.radius_m)
    failed = named(site, POWER, asked.feature or "")[0]
    told = asked.name or failed.fields.get("name")
    return _shock(failed.shape, "transformer failed", told, radius_m=asked.radius_m, feature=f"{POWER} {failed.id}")


def _shock(shape: shapely.Geometry, kind: str, name: str | None, **more: Any) -> Outcome:
    """One feature of the shocks. `Any`: numbers and texts of the layer's fields."""
    fields = {"kind": kind, "name": name, **more}
    ident = f"shock:{digest(shape, fields)}"
    return Outcome((Edit(SHOCKS, "add", ident, shape, fields),), {"shock": ident})
