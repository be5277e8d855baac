"""Roads, paths and pipes: drawn, and connected to the network that the branch has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely
from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry.base import BaseGeometry

from layers.planning import place
from layers.planning.joining import End, Joined, join
from layers.planning.place import LineIn, national
from layers.planning.reading import Standing, near
from layers.planning.site import Outcome
from layers.planning.zones import ROADS, digest
from layers.synthesis.frames import metres_per_degree
from twin.errors import BadInput
from twin.scenarios.branches import Edit

if TYPE_CHECKING:
    from layers.planning.site import Site

PIPES = "infrastructure.pipes"
MOST_CROSSINGS = 500
_IMPORTANCE = {"trunk": 8, "primary": 7, "secondary": 6, "tertiary": 5, "residential": 4, "unclassified": 4, "service": 3,
               "track": 2, "path": 1, "footway": 1, "steps": 1}  # fmt: skip


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    line: LineIn
    tolerance_m: float = Field(
        default=10.0,
        ge=0,
        le=200,
        allow_inf_nan=False,
        description="how far an end may be from the network and still join it, m",
    )
    join_crossings: bool = Field(
        default=True, description="meet the lines that it crosses; otherwise pass over or under them"
    )
    must_connect: bool = Field(default=False, description="refuse a line that meets nothing")


class DrawRoad(_Line):
    """A new road. Its ends join the nearest road within the tolerance, which is split where it is met between its ends."""

    road_class: Literal[
        "trunk", "primary", "secondary", "tertiary", "residential", "unclassified", "service", "track"
    ] = "residential"
    width_m: float = Field(default=6.0, ge=2, le=60, allow_inf_nan=False, description="m")
    surface: Literal["asphalt", "paved", "cobblestone", "gravel", "unpaved"] = "unpaved"
    lanes: int = Field(default=2, ge=1, le=16)
    oneway: bool = False
    name: str | None = Field(default=None, max_length=200)


class DrawPath(_Line):
    """A new path on foot, joined to roads and paths as a road is."""

    road_class: Literal["path", "footway", "steps"] = "path"
    width_m: float = Field(default=2.0, ge=0.5, le=10, allow_inf_nan=False, description="m")
    name: str | None = Field(default=None, max_length=200)


class DrawPipe(_Line):
    """A new water pipe, joined to the pipes that lie."""

    diameter_mm: float = Field(default=63.0, ge=10, le=1600, allow_inf_nan=False, description="nominal, mm")
    material: Literal["HDPE", "PVC", "steel", "ductile iron", "galvanised iron"] = "HDPE"
    pressure_bar: float = Field(default=10.0, ge=1, le=64, allow_inf_nan=False, description="nominal, bar")
    network: Literal["rural", "urban"] = "rural"


def draw_road(site: Site, asked: DrawRoad) -> Outcome:
    """The road, in parts where it meets others."""
    fields = {
        "class": asked.road_class, "importance": _IMPORTANCE[asked.road_class], "width_m": asked.width_m, "surface": asked.surface,
        "lanes": asked.lanes, "oneway": asked.oneway, "bridge": False, "name": asked.name,
    }  # fmt: skip
    return _drawn(site, asked, ROADS, fields)


def draw_path(site: Site, asked: DrawPath) -> Outcome:
    """The path, in parts where it meets others."""
    fields = {
        "class": asked.road_class, "importance": _IMPORTANCE[asked.road_class], "width_m": asked.width_m, "oneway": False,
        "bridge": False, "name": asked.name,
    }  # fmt: skip
    return _drawn(site, asked, ROADS, fields)


def draw_pipe(site: Site, asked: DrawPipe) -> Outcome:
    """The pipe, in parts where it meets others."""
    fields = {
        "diameter_mm": asked.diameter_mm, "material": asked.material, "pressure_bar": asked.pressure_bar, "network": asked.network,
        "pipe": f"plan:{digest(asked.line.shape())}",
    }  # fmt: skip
    return _drawn(site, asked, PIPES, fields)


def _drawn(site: Site, asked: _Line, layer: str, fields: Mapping[str, Any]) -> Outcome:
    shape = asked.line.shape()
    place.require_in_country(site, shape, "the line")
    found = near(site, layer, shape, margin_m=asked.tolerance_m)
    found = [one for one in found if shapely.get_type_id(one.shape) == 1 and not one.fields.get("bridge")]
    scale = metres_per_degree(np.array([float(shape.centroid.y)]))[0]
    to_metres, to_degrees = _frame(shape, scale)
    made = join(
        to_metres(shape),
        [to_metres(one.shape) for one in found],
        tolerance_m=asked.tolerance_m,
        cross=asked.join_crossings,
    )
    if asked.must_connect and not made.connected:
        raise BadInput(
            f"the line meets nothing of {layer} within {asked.tolerance_m} m",
            remedy="draw it nearer, or raise tolerance_m (200 m at most)",
        )
    if made.crossings > MOST_CROSSINGS:
        raise BadInput(
            f"the line crosses {made.crossings} others",
            remedy="draw it in shorter pieces, or let join_crossings be false",
        )
    ident = f"plan:{digest(layer, shape, dict(fields))}"
    edits = [
        Edit(
            layer,
            "add",
            ident if len(made.parts) == 1 else f"{ident}:{number}",
            part,
            {**fields, "length_m": _length(part)},
        )
        for number, part in enumerate((to_degrees(part) for part in made.parts), 1)
    ]
    for row, parts in sorted(made.split.items()):
        edits += _split_edits(layer, found[row], [to_degrees(part) for part in parts], ident)
    return Outcome(tuple(edits), _figures(made, found, edits, ident))


def _frame(
    shape: BaseGeometry, scale: np.ndarray[Any, Any]
) -> tuple[Callable[[Any], BaseGeometry], Callable[[Any], BaseGeometry]]:
    """To metres about the line's middle and back, straight lines staying straight. `Any`: shapes of shapely's several types."""
    origin = shapely.get_coordinates(shapely.centroid(shape))[0]
    return (
        lambda one: shapely.transform(one, lambda points: (points - origin) * scale),
        lambda one: shapely.transform(one, lambda points: points / scale + origin),
    )


def _split_edits(layer: str, line: Standing, parts: list[BaseGeometry], by: str) -> list[Edit]:
    """The line keeps its id on its first part; the others are new, with its fields."""
    kept = {name: value for name, value in line.fields.items() if value is not None}
    first = Edit(layer, "modify", line.id, parts[0], {"length_m": _length(parts[0])})
    more = [
        Edit(layer, "add", f"{line.id}:{by.removeprefix('plan:')}:{number}", part, {**kept, "length_m": _length(part)})
        for number, part in enumerate(parts[1:], 2)
    ]
    return [first, *more]


def _length(shape: BaseGeometry) -> float:
    return round(float(national(shape).length), 2)


def _figures(made: Joined, found: list[Standing], edits: list[Edit], ident: str) -> dict[str, Any]:
    """What the line joined. `Any`: it nests."""

    def told(end: End) -> dict[str, Any]:
        return {
            "joined": end.joined, "feature": None if end.line is None else found[end.line].id, "distance_m": round(end.distance_m, 2),
        }  # fmt: skip

    own = [edit for edit in edits if edit.operation == "add" and edit.id.startswith(ident)]
    return {
        "line": ident,
        "parts": [edit.id for edit in own],
        "length_m": round(sum(float((edit.fields or {})["length_m"]) for edit in own), 2),
        "connected": made.connected,
        "start": told(made.start),
        "end": told(made.end),
        "crossings": made.crossings,
        "split": sorted(found[row].id for row in made.split),
    }
