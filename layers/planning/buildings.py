"""Single buildings: added, made taller or lower, put to another use, demolished."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import shapely
from pydantic import BaseModel, ConfigDict, Field

from layers.planning import place
from layers.planning.coefficients import coefficients, job_area_m2
from layers.planning.place import PolygonIn, national
from layers.planning.reading import Standing, named, near, require_some
from layers.planning.relief import ground_fields
from layers.planning.rules import BUILDINGS, PARCELS
from layers.planning.site import Outcome
from layers.planning.zones import digest
from twin.errors import BadInput
from twin.scenarios.branches import Edit

if TYPE_CHECKING:
    from layers.planning.site import Site

VILLAGES = "land.villages"
STOREY_M = 3.0
LARGEST_M2 = 100_000.0
MOST_AT_ONCE = 10_000
Use = Literal[
    "residential", "commercial", "industrial", "public", "education", "health", "mixed", "agricultural", "other"
]
Roof = Literal["flat", "skillion", "gabled", "hipped", "pyramidal", "other"]
Ident = Annotated[str, Field(min_length=1, max_length=200)]
Storeys = Annotated[int, Field(ge=1, le=200)]
Height = Annotated[float, Field(ge=2, le=900, allow_inf_nan=False, description="top above the lowest ground, m")]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AddBuilding(_Asked):
    """A new building on a footprint. Dwellings, people and jobs follow from the floor area where they are not told."""

    footprint: PolygonIn
    use: Use = "residential"
    storeys: Storeys = 1
    height_m: Height | None = Field(
        default=None, description="top above the lowest ground, m; 3 m a storey where absent"
    )
    roof_shape: Roof = "flat"
    dwellings: int | None = Field(default=None, ge=0, le=5000)
    people: int | None = Field(default=None, ge=0, le=50_000)
    jobs: int | None = Field(default=None, ge=0, le=50_000)
    name: str | None = Field(default=None, max_length=200)


class ChangeHeight(_Asked):
    """Other storeys or another height for a building that stands; floor area and who it holds follow the storeys."""

    building: Ident
    storeys: Storeys | None = None
    height_m: Height | None = None


class ChangeUse(_Asked):
    """Another use for buildings that stand; dwellings, people and jobs follow from it."""

    buildings: list[Ident] = Field(max_length=MOST_AT_ONCE)
    use: Use


class Demolish(_Asked):
    """Buildings that are taken away."""

    buildings: list[Ident] = Field(max_length=MOST_AT_ONCE)


def load(use: str, floor_area_m2: float) -> dict[str, int]:
    """Dwellings, people and jobs of a floor area, by the table of coefficients; half of a mixed building is commercial."""
    table = coefficients()
    homes = floor_area_m2 * {"residential": 1.0, "mixed": 0.5}.get(use, 0.0)
    work = "commercial" if use == "mixed" else use
    each = job_area_m2(work)
    dwellings = max(math.floor(homes / table["dwelling_m2"].value), 1 if homes else 0)
    jobs = 0 if each is None else round(floor_area_m2 * (0.5 if use == "mixed" else 1.0) / each)
    return {"dwellings": dwellings, "people": round(dwellings * table["household"].value), "jobs": jobs}


def add(site: Site, asked: AddBuilding) -> Outcome:
    """A building in the country, on dry ground, through no other building; on the ground of the elevation model."""
    shape = asked.footprint.shape()
    footprint = national(shape)
    area = float(footprint.area)
    if area > LARGEST_M2:
        raise BadInput(f"the footprint covers {area:.0f} m2", remedy=f"draw one of at most {LARGEST_M2:.0f} m2")
    place.require_dry(site, [shape], "the building")
    place.require_in_country(site, shape, "the building")
    _require_room(site, shape)
    floor = area * asked.storeys
    told = {name: value for name in ("dwellings", "people", "jobs") if (value := getattr(asked, name)) is not None}
    height = asked.height_m if asked.height_m is not None else STOREY_M * asked.storeys
    fields: dict[str, Any] = {
        "use": asked.use,
        "storeys": asked.storeys,
        "height_m": height,
        "height_origin": None,
        "roof_shape": asked.roof_shape,
        "roof_height_m": 0.0 if asked.roof_shape == "flat" else min(2.0, height / 3),
        **ground_fields(site.relief.under(np.array([footprint], dtype=object)), 0),
        "floor_area_m2": round(floor, 1),
        **load(asked.use, floor),
        **told,
        "parcel": _holding(site, PARCELS, shape),
        "village": _holding(site, VILLAGES, shape),
        "name": asked.name,
    }
    ident = f"plan:{digest(shape, fields)}"
    return Outcome((Edit(BUILDINGS, "add", ident, shape, fields),), {"building": ident, **_figures(fields)})


def change_height(site: Site, asked: ChangeHeight) -> Outcome:
    """The building with other storeys, another height, or both."""
    if asked.storeys is None and asked.height_m is None:
        raise BadInput("neither storeys nor a height were given", remedy="give `storeys`, `height_m` or both")
    found = named(site, BUILDINGS, asked.building)[0]
    before = found.fields
    stood = int(before.get("storeys") or 1)
    storeys = asked.storeys or (max(1, round((asked.height_m or STOREY_M) / _storey_m(before))))
    height = asked.height_m if asked.height_m is not None else _height(before, storeys)
    roof = min(float(before.get("roof_height_m") or 0.0), height / 2)
    floor = round(float(national(found.shape).area) * storeys, 1)
    fields: dict[str, Any] = {
        "storeys": storeys,
        "height_m": round(height, 2),
        "height_se_m": None,
        "roof_height_m": roof,
        "floor_area_m2": floor,
        "floor_area_se_m2": None,
    }
    if storeys != stood:
        fields |= _scaled(before, storeys / stood, str(before.get("use") or "other"), floor)
    return Outcome((Edit(BUILDINGS, "modify", found.id, None, fields),), {"building": found.id, **_figures(fields)})


def _storey_m(fields: Mapping[str, Any]) -> float:
    """The height of a storey of a building that stands, between 2.2 and 6 m."""
    height, storeys = fields.get("height_m"), fields.get("storeys") or 1
    if height is None:
        return STOREY_M
    return min(max((float(height) - float(fields.get("roof_height_m") or 0.0)) / int(storeys), 2.2), 6.0)


def _height(fields: Mapping[str, Any], storeys: int) -> float:
    return storeys * _storey_m(fields) + float(fields.get("roof_height_m") or 0.0)


def _scaled(before: Mapping[str, Any], ratio: float, use: str, floor: float) -> dict[str, Any]:
    """Who a building holds after its floor area grew by a ratio: as crowded as it was, by the table where nobody knew."""
    by_table = load(use, floor)
    made: dict[str, Any] = {}
    for name in ("dwellings", "people", "jobs"):
        was = before.get(name)
        made[name] = by_table[name] if was is None else round(was * ratio)
    return made | {"people_se": None}


def change_use(site: Site, asked: ChangeUse) -> Outcome:
    """The buildings put to another use."""
    require_some(asked.buildings, "buildings")
    found = named(site, BUILDINGS, *asked.buildings)
    edits = [Edit(BUILDINGS, "modify", one.id, None, {"use": asked.use, **_reloaded(one, asked.use)}) for one in found]
    return Outcome(tuple(edits), {"buildings": len(edits)})


def _reloaded(one: Standing, use: str) -> dict[str, Any]:
    floor = one.fields.get("floor_area_m2")
    if floor is None:
        floor = float(national(one.shape).area) * int(one.fields.get("storeys") or 1)
    return {**load(use, float(floor)), "people_se": None}


def demolish(site: Site, asked: Demolish) -> Outcome:
    """The branch without the buildings."""
    require_some(asked.buildings, "buildings")
    found = named(site, BUILDINGS, *asked.buildings)
    people = sum(int(one.fields.get("people") or 0) for one in found)
    edits = tuple(Edit(BUILDINGS, "remove", one.id) for one in found)
    return Outcome(edits, {"buildings": len(edits), "people_who_lose_their_home": people})


def _require_room(site: Site, shape: shapely.Geometry) -> None:
    """BadInput where a footprint lies in another building by more than a tenth of itself."""
    mine = national(shape)
    for other in near(site, BUILDINGS, shape):
        if shapely.area(shapely.intersection(mine, national(other.shape))) > 0.1 * mine.area:
            raise BadInput(f"building {other.id} stands there", remedy="demolish that one first, or draw beside it")


def _holding(site: Site, layer: str, shape: shapely.Geometry) -> str | None:
    """The id of the feature of a layer that holds the shape's inner point."""
    inner = shapely.point_on_surface(shape)
    return next((one.id for one in near(site, layer, inner) if shapely.covers(one.shape, inner)), None)


def _figures(fields: Mapping[str, Any]) -> dict[str, Any]:
    names = ("storeys", "height_m", "floor_area_m2", "dwellings", "people", "jobs")
    return {name: fields[name] for name in names if name in fields}
