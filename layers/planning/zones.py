"""Zones: drawn, given other rules, removed; and what stands in them, judged."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import shapely
from pydantic import BaseModel, ConfigDict, Field, model_validator

from layers.planning import place
from layers.planning.coefficients import coefficients
from layers.planning.envelope import STOREY_M
from layers.planning.place import PolygonIn, national
from layers.planning.reading import Standing, named, near, shapes_national
from layers.planning.rules import BUILDINGS, PARCELS, SHARED_USES, Houses, Plots, Rules, Violation, violations
from layers.planning.site import Outcome
from twin.crs import to_wgs84
from twin.errors import BadInput
from twin.scenarios.branches import Edit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from layers.planning.site import Site

ZONES = "land.zones"
ROADS = "infrastructure.roads"
_OVERLAP_M2 = 1.0
_USUAL_WIDTH_M = {"motorway": 12.0, "trunk": 9.0, "primary": 8.0, "secondary": 7.0, "tertiary": 6.0, "residential": 5.0,
                  "unclassified": 5.0, "service": 4.0, "living_street": 4.0, "track": 3.0}  # fmt: skip
_PATH_M = 2.0
_WIDEST_M = 60.0
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Ident = Annotated[str, Field(min_length=1, max_length=200)]


class Limits(BaseModel):
    """The rules of a zone. Shares are of floor area and sum to 1; a use of share 0 is not allowed in the zone."""

    model_config = ConfigDict(extra="forbid")

    residential_share: Share = 1.0
    commercial_share: Share = 0.0
    industrial_share: Share = 0.0
    public_share: Share = 0.0
    agricultural_share: Share = 0.0
    far: float = Field(ge=0.01, le=30, allow_inf_nan=False, description="floor area over parcel area, at most")
    max_height_m: float = Field(ge=2.5, le=500, allow_inf_nan=False, description="top above the lowest ground, m")
    coverage: float = Field(gt=0, le=1, allow_inf_nan=False, description="footprints over parcel area, at most")
    setback_m: float = Field(default=2.0, ge=0, le=100, allow_inf_nan=False, description="to the parcel's edge, m")
    setback_road_m: float = Field(
        default=0.0, ge=0, le=100, allow_inf_nan=False, description="to the edge of a road, m"
    )
    min_parcel_m2: float = Field(default=0.0, ge=0, le=1_000_000, allow_inf_nan=False, description="m2")

    @model_validator(mode="after")
    def _whole(self) -> Limits:
        total = sum(self.shares().values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of the uses sum to {total:g}, not to 1")
        return self

    def shares(self) -> dict[str, float]:
        return {use: float(getattr(self, f"{use}_share")) for use in SHARED_USES}

    def fields(self) -> dict[str, Any]:
        """As fields of the layer, with the leading use. `Any`: numbers and texts."""
        shares = self.shares()
        use, most = max(shares.items(), key=lambda item: item[1])
        return {**self.model_dump(include=set(Limits.model_fields)), "use": use if most > 0.5 else "mixed"}


class DrawZone(Limits):
    """A new zone."""

    name: str = Field(min_length=1, max_length=200)
    outline: PolygonIn
    id: Ident | None = Field(default=None, description="made of the outline and the rules where absent")


class RuleZone(Limits):
    """Other rules for a zone that stands."""

    zone: Ident


class RemoveZone(BaseModel):
    """A zone that is given up; what stands in it stays."""

    model_config = ConfigDict(extra="forbid")

    zone: Ident


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone of a branch: outline in EPSG:4326 and in national metres, its rules."""

    id: str
    name: str
    shape: shapely.Geometry
    outline: shapely.Geometry
    rules: Rules

    @classmethod
    def of(cls, found: Standing) -> Zone:
        told = found.fields
        shares = {use: float(told.get(f"{use}_share") or 0.0) for use in SHARED_USES}
        rules = Rules(
            shares=shares if any(shares.values()) else {},
            far=told.get("far"),
            max_height_m=told.get("max_height_m"),
            coverage=told.get("coverage"),
            setback_m=float(told.get("setback_m") or 0.0),
            setback_road_m=float(told.get("setback_road_m") or 0.0),
            min_parcel_m2=float(told.get("min_parcel_m2") or 0.0),
        )
        return cls(found.id, str(told.get("name") or found.id), found.shape, national(found.shape), rules)


@dataclass(frozen=True, slots=True)
class Contents:
    """What stands in a zone: parcels and buildings whose inner points lie in it, and the surfaces of the roads about it."""

    parcels: list[Standing]
    plots: Plots
    buildings: list[Standing]
    houses: Houses
    roads: shapely.Geometry


def digest(*parts: object) -> str:
    """Twelve hexadecimal figures that hang on the parts alone, so that the same operation gives the same ids."""
    text = json.dumps(
        [shapely.to_wkb(part, hex=True) if isinstance(part, shapely.Geometry) else part for part in parts],
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def draw(site: Site, asked: DrawZone) -> Outcome:
    """A zone inside the country that lies over no other."""
    shape = asked.outline.shape()
    place.require_in_country(site, shape, "the zone")
    outline = national(shape)
    for other in near(site, ZONES, shape):
        over = float(shapely.area(shapely.intersection(national(other.shape), outline)))
        if over > _OVERLAP_M2:
            raise BadInput(
                f"the zone lies over zone {other.id} ({over:.0f} m2)",
                remedy="draw it beside that one, or remove that one first",
            )
    fields = {**asked.fields(), "name": asked.name, "area_m2": round(float(outline.area), 1)}
    ident = asked.id or f"zone:{digest(shape, fields)}"
    figures = {"zone": ident, "area_m2": fields["area_m2"], "allows": allowed(asked, float(outline.area))}
    return Outcome((Edit(ZONES, "add", ident, shape, fields),), figures)


def allowed(limits: Limits, area_m2: float) -> dict[str, float]:
    """What rules allow on an area of ground (m2) at most, were all of it parcels: floor area by the plot ratio or by the
    coverage times the storeys, whichever is less. Lanes and setbacks take from it; a fill says what is left.
    """
    table = coefficients()
    storeys = math.floor(limits.max_height_m / STOREY_M + 1e-9)
    floor = area_m2 * min(limits.far, limits.coverage * storeys)
    dwellings = math.floor(floor * limits.residential_share / table["dwelling_m2"].value)
    return {
        "storeys": storeys,
        "floor_area_m2": round(floor, 1),
        "dwellings": dwellings,
        "people": round(dwellings * table["household"].value),
    }


def rule(site: Site, asked: RuleZone) -> Outcome:
    """The zone with its rules replaced."""
    zone = named(site, ZONES, asked.zone)[0]
    figures = {"zone": zone.id, "allows": allowed(asked, float(national(zone.shape).area))}
    return Outcome((Edit(ZONES, "modify", zone.id, None, asked.fields()),), figures)


def remove(site: Site, asked: RemoveZone) -> Outcome:
    """The branch without the zone."""
    zone = named(site, ZONES, asked.zone)[0]
    return Outcome((Edit(ZONES, "remove", zone.id),), {"zone": zone.id})


def zone_named(site: Site, ident: str) -> Zone:
    return Zone.of(named(site, ZONES, ident)[0])


def contents(site: Site, zone: Zone) -> Contents:
    """What stands in a zone of a branch."""
    parcels = _inside(zone, near(site, PARCELS, zone.shape))
    buildings = _inside(zone, near(site, BUILDINGS, zone.shape))
    return Contents(parcels, plots_of(parcels), buildings, houses_of(buildings), road_surface(site, zone))


def _inside(zone: Zone, found: list[Standing]) -> list[Standing]:
    if not found:
        return []
    shapely.prepare(zone.shape)
    points = shapely.point_on_surface(np.array([one.shape for one in found], dtype=object))
    held = shapely.contains(zone.shape, points)
    return [one for one, inside in zip(found, held, strict=True) if inside]


def plots_of(parcels: list[Standing]) -> Plots:
    return Plots([one.id for one in parcels], shapes_national(parcels))


def houses_of(buildings: list[Standing]) -> Houses:
    """Their facts; a floor area that nobody told is footprint times storeys, one storey where nobody told that either."""
    shapes = shapes_national(buildings)
    footprint = shapely.area(shapes)
    floors = [one.fields.get("floor_area_m2") for one in buildings]
    storeys = [one.fields.get("storeys") or 1 for one in buildings]
    return Houses(
        [one.id for one in buildings],
        shapes,
        np.array([one.fields.get("height_m") for one in buildings], dtype=np.float64),
        np.array(
            [footprint[i] * storeys[i] if floor is None else floor for i, floor in enumerate(floors)], dtype=np.float64
        ),
        [one.fields.get("use") for one in buildings],
    )


def road_width_m(fields: object) -> float:
    """A road's width as told, or as usual for its class, metres."""
    told: Any = fields
    return float(told.get("width_m") or _USUAL_WIDTH_M.get(str(told.get("class") or "").removesuffix("_link"), _PATH_M))


def road_surface(site: Site, zone: Zone) -> shapely.Geometry:
    """The surfaces of the roads in and about a zone, one shape in national metres; empty where there are none."""
    roads = near(site, ROADS, zone.shape, margin_m=_WIDEST_M + zone.rules.setback_road_m)
    if not roads:
        return shapely.Polygon()
    half = np.array([road_width_m(one.fields) / 2 for one in roads])
    return shapely.union_all(shapely.buffer(shapes_national(roads), half, cap_style="flat", quad_segs=4))


def broken(site: Site, zone: Zone) -> list[Violation]:
    """What breaks the rules of a zone as the branch stands now."""
    held = contents(site, zone)
    return violations(zone.id, zone.outline, zone.rules, held.plots, held.houses, roads=held.roads)


def broken_near(site: Site, shapes: Sequence[shapely.Geometry]) -> list[Violation]:
    """What breaks rules in the zones that meet WGS84 shapes, each violation of a zone told."""
    touched = [shape for shape in shapes if shape is not None and not shapely.is_empty(shape)]
    if not touched:
        return []
    everything = place.together(touched)
    found: list[Violation] = []
    for zone in near(site, ZONES, everything):
        if shapely.intersects(shapely.box(*shapely.bounds(zone.shape)), everything):
            found += broken(site, Zone.of(zone))
    return found


def as_json(found: Sequence[Violation]) -> list[dict[str, Any]]:
    """Violations with their place in lon, lat. `Any`: they are JSON."""
    points = to_wgs84(np.array([shapely.Point(one.at) for one in found], dtype=object))
    return [
        {
            "zone": one.zone, "layer": one.layer, "id": one.id, "rule": one.rule, "value": one.value, "limit": one.limit,
            "unit": one.unit, "place": [round(float(point.x), 7), round(float(point.y), 7)],
        }
        for one, point in zip(found, points, strict=True)
    ]  # fmt: skip
