"""Parcels split and merged: area and people are kept, and from which parcels they were made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry.base import BaseGeometry

from layers.planning.cutting import merged, split
from layers.planning.place import LineIn, national, together
from layers.planning.reading import Standing, named, near, require_some
from layers.planning.rules import BUILDINGS, PARCELS
from layers.planning.site import Outcome
from layers.planning.zones import Ident, digest
from layers.synthesis.people import share
from twin.errors import BadInput
from twin.scenarios.branches import Edit

if TYPE_CHECKING:
    from layers.planning.site import Site

MOST_PARTS = 200
MOST_MERGED = 500
_LEAST_M2 = 1.0


class SplitParcel(BaseModel):
    """A parcel cut by a line that goes right across it. The parts keep its use; its people go with its buildings."""

    model_config = ConfigDict(extra="forbid")

    parcel: Ident
    line: LineIn


class MergeParcels(BaseModel):
    """Parcels that touch, made into one. The use is that of the largest where none is told."""

    model_config = ConfigDict(extra="forbid")

    parcels: list[Ident] = Field(min_length=2, max_length=MOST_MERGED)
    use: str | None = Field(default=None, min_length=1, max_length=50)


def split_one(site: Site, asked: SplitParcel) -> Outcome:
    """The parcel's parts in its place; buildings that named it name the part that they stand on."""
    parcel = named(site, PARCELS, asked.parcel)[0]
    shapes = split(_polygon(parcel.shape), asked.line.shape())
    if len(shapes) > MOST_PARTS:
        raise BadInput(f"the line cuts the parcel into {len(shapes)} parts", remedy=f"cut it into {MOST_PARTS} at most")
    area = np.array([float(national(shape).area) for shape in shapes])
    if area.min() < _LEAST_M2:
        raise BadInput(f"a part of the parcel has {area.min():.2f} m2", remedy="draw the line farther from its edge")
    houses = _houses(site, parcel.shape, {parcel.id})
    on = [_part_of(shapes, one.shape) for one in houses]
    people = _people_of_parts(parcel, houses, on, area)
    tag = digest(parcel.id, *shapes)
    ids = [f"{parcel.id}:{tag}:{number}" for number in range(1, len(shapes) + 1)]
    kept = {name: value for name, value in parcel.fields.items() if value is not None}
    edits = [Edit(PARCELS, "remove", parcel.id)]
    for row, (ident, shape) in enumerate(zip(ids, shapes, strict=True)):
        fields = {**kept, "area_m2": round(float(area[row]), 4), "people": people[row], "lineage": parcel.id}
        edits.append(Edit(PARCELS, "add", ident, shape, fields))
    edits += [
        Edit(BUILDINGS, "modify", one.id, None, {"parcel": ids[row]}) for one, row in zip(houses, on, strict=True)
    ]
    return Outcome(tuple(edits), {"parcels": ids, "area_m2": [round(float(one), 2) for one in area]})


def merge(site: Site, asked: MergeParcels) -> Outcome:
    """One parcel in the place of several; buildings that named one of them name it."""
    require_some(asked.parcels, "parcels")
    parcels = named(site, PARCELS, *asked.parcels)
    shape = merged([_polygon(one.shape) for one in parcels])
    area = [float(national(one.shape).area) for one in parcels]
    largest = parcels[int(np.argmax(area))]
    counts = [one.fields.get("people") for one in parcels]
    told = [int(one) for one in counts if one is not None]
    fields = {
        **{name: value for name, value in largest.fields.items() if value is not None},
        "use": asked.use or largest.fields.get("use"),
        "area_m2": round(float(national(shape).area), 4),
        "people": sum(told) if told else None,
        "lineage": " ".join(sorted(asked.parcels)),
    }
    ident = f"plan:{digest(PARCELS, shape, sorted(asked.parcels))}"
    houses = _houses(site, together(one.shape for one in parcels), set(asked.parcels))
    edits = [
        *(Edit(PARCELS, "remove", one.id) for one in parcels),
        Edit(PARCELS, "add", ident, shape, fields),
        *(Edit(BUILDINGS, "modify", one.id, None, {"parcel": ident}) for one in houses),
    ]
    return Outcome(tuple(edits), {"parcel": ident, "area_m2": round(sum(area), 2)})


def _polygon(shape: shapely.Geometry) -> BaseGeometry:
    if isinstance(shape, shapely.Polygon):
        return shape
    raise BadInput("the parcel has several parts", remedy="choose a parcel of one part")


def _houses(site: Site, area: shapely.Geometry, parcels: set[str]) -> list[Standing]:
    return [one for one in near(site, BUILDINGS, area) if one.fields.get("parcel") in parcels]


def _part_of(shapes: list[BaseGeometry], house: shapely.Geometry) -> int:
    """The part that most of a building stands on."""
    return int(np.argmax(shapely.area(shapely.intersection(np.array(shapes, dtype=object), house))))


def _people_of_parts(
    parcel: Standing, houses: list[Standing], on: list[int], area: np.ndarray[Any, Any]
) -> list[int | None]:
    """The parcel's people by part: with the buildings that hold them, the others by area; their sum is the parcel's."""
    told = parcel.fields.get("people")
    if told is None:
        return [None] * len(area)
    weight = np.bincount(on, [float(one.fields.get("people") or 0) for one in houses], len(area)) if houses else area
    weight = weight if weight.sum() > 0 else area
    parts = share(np.array([int(told)], dtype=np.int64), weight.astype(np.float64), np.zeros(len(area), dtype=np.int64))
    return [int(one) for one in parts]
