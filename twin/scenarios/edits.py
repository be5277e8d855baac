"""An edit, and what it must be whatever its layer: fields that the table has, of their types, and geometry that can be drawn.

What a layer's contract asks beyond that (choices, ranges, the country's border) is checked by those who know contracts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import shapely

from twin.errors import BadInput
from twin.scenarios.standing import RESERVED, Operation

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

MOST_CORNERS = 50_000
LONGEST_TEXT = 10_000
LONGEST_ID = 200
_INTEGER = 2**31
_MULTI = {"Point": "MultiPoint", "LineString": "MultiLineString", "Polygon": "MultiPolygon"}


@dataclass(frozen=True, slots=True)
class Edit:
    """One feature's change. `geometry` (EPSG:4326) and `fields` may be partial for a modify, are ignored for a remove."""

    layer: str
    operation: Operation
    id: str
    geometry: shapely.Geometry | None = None
    fields: Mapping[str, Any] | None = None
    """`Any`: values of whatever types the layer's fields have."""


def fields(edit: Edit, columns: Mapping[str, str]) -> dict[str, Any]:
    """The edit's fields as JSON values. Raises BadInput for one that the layer has not, or a value of another type."""
    if not edit.id or len(edit.id) > LONGEST_ID:
        raise BadInput(f"{edit.id[:40]!r} is no id of a feature", remedy=f"give 1 to {LONGEST_ID} characters")
    found: dict[str, Any] = {}
    for name, value in (edit.fields or {}).items():
        if name in RESERVED or name not in columns:
            known = ", ".join(sorted(set(columns) - RESERVED))
            raise BadInput(f"{edit.layer} has no field {name!r} to edit ({edit.id})", remedy=f"it has {known}")
        try:
            found[name] = _value(value, columns[name])
        except ValueError as error:
            raise BadInput(
                f"{edit.layer}.{name} of {edit.id} cannot be {str(value)[:60]!r}: {error}",
                remedy=f"give {_SAID.get(columns[name], columns[name])}, or null",
            ) from None
    return found


_SAID = {
    "text": "a text", "integer": "a whole number", "real": "a number", "boolean": "true or false",
    "timestamp with time zone": "a moment with its time zone, such as 2026-01-31T12:00:00+02:00",
}  # fmt: skip


def _value(value: Any, kind: str) -> Any:
    """A value as JSON holds it, of a column's type; ValueError where it is none. `Any`: it may be whatever was sent."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None:
        return None
    if kind == "text":
        if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\0" in value:
            raise ValueError(f"it is no text of at most {LONGEST_TEXT} characters")
    elif kind == "boolean":
        if not isinstance(value, bool):
            raise ValueError("it is neither true nor false")
    elif kind == "integer":
        whole = int(value) if isinstance(value, int | float) and math.isfinite(value) else None
        if isinstance(value, bool) or whole is None or whole != value or not -_INTEGER <= whole < _INTEGER:
            raise ValueError("it is no whole number of 32 bits")
        return whole
    elif kind == "real":
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError("it is no finite number")
        if abs(value) > 3.4e38:
            raise ValueError("it is too large")
    elif kind == "timestamp with time zone":
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        if moment.tzinfo is None:
            raise ValueError("it names no time zone")
        return moment.isoformat()
    return value


def plain(edits: Sequence[Edit], kind: str) -> dict[int, str]:
    """By place in `edits`, what `geometry` gives for those that are in order as they came, taken all at once; the others are left out."""
    places = [n for n, one in enumerate(edits) if one.geometry is not None and one.operation != "remove"]
    if not places:
        return {}
    shapes = np.array([edits[n].geometry for n in places], dtype=object)
    wanted = _wanted(kind)
    west, south, east, north = shapely.bounds(shapes).T
    fine = (
        (west >= -180) & (east <= 180) & (south >= -90) & (north <= 90)
    )  # false for an empty one, whose bounds are NaN
    fine &= shapely.get_num_coordinates(shapes) <= MOST_CORNERS
    if wanted != "Geometry":
        fine &= shapely.get_type_id(shapes) == shapely.GeometryType[wanted.upper()].value
    fine[fine] = shapely.is_valid(shapes[fine])
    written = shapely.to_wkb(shapely.set_srid(shapely.force_2d(shapes[fine]), 4326), hex=True, include_srid=True)
    return dict(zip(np.array(places)[fine].tolist(), written.tolist(), strict=True))


def _wanted(kind: str) -> str:
    """Of a column's type, such as `geometry(MultiPolygon,4326)`, that of its geometries."""
    return kind.removeprefix("geometry(").partition(",")[0]


def geometry(edit: Edit, kind: str) -> str | None:
    """The edit's geometry as hex EWKB (EPSG:4326) of the layer's type, None where it brings none.

    `kind` is the column's type, such as `geometry(MultiPolygon,4326)`; a single part and a multi-part of one become each
    other, a height is dropped. Raises BadInput for another type, an empty, invalid or endless geometry, and one of more than MOST_CORNERS.
    """
    given = cast("BaseGeometry | None", edit.geometry)
    if given is None:
        if edit.operation == "add":
            raise _refused(edit, "it has no geometry", "draw it")
        return None
    if given.is_empty:
        raise _refused(edit, "its geometry is empty", "draw it")
    corners = int(shapely.get_num_coordinates(given))
    if corners > MOST_CORNERS:
        raise _refused(edit, f"it has {corners} corners", f"draw it with at most {MOST_CORNERS}, or part it")
    west, south, east, north = given.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise _refused(edit, "its coordinates are no longitude and latitude in degrees", "give lon, lat in EPSG:4326")
    if not given.is_valid:
        raise _refused(
            edit, f"it is not valid ({shapely.is_valid_reason(given)[:80]})", "draw it without crossing itself"
        )
    wanted = _wanted(kind)
    flat = shapely.force_2d(given)
    if wanted not in ("Geometry", flat.geom_type):
        parts = shapely.get_parts(flat)
        if _MULTI.get(flat.geom_type) == wanted:
            flat = getattr(shapely, wanted)([flat])
        elif flat.geom_type == _MULTI.get(wanted) and len(parts) == 1:
            flat = parts[0]
        else:
            raise _refused(edit, f"it is a {flat.geom_type}", f"the layer holds {wanted}")
    return str(shapely.to_wkb(shapely.set_srid(flat, 4326), hex=True, include_srid=True))


def _refused(edit: Edit, why: str, remedy: str) -> BadInput:
    return BadInput(f"{edit.id} of {edit.layer} cannot be drawn: {why}", remedy=remedy, layer=edit.layer)
