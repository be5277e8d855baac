"""Places by name, at any of the five administrative levels, and areas given as geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.client.problems import AmbiguousPlace
from twin.errors import BadInput, NotFound
from twin.grid import BBox

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from twin.client.connection import Connection

LEVELS = ("province", "district", "sector", "cell", "village")
_LAYERS = {f"land.{level}s": level for level in LEVELS}
_UNIQUE = ("province", "district")
"""Levels whose names are given once in the country: such a name wins over finer places of the same name."""
_MOST_HITS = 50


@dataclass(frozen=True, slots=True)
class Place:
    """An administrative unit: its level, national code and name, the names of what holds it (finest first), its bounds in degrees."""

    level: str
    id: str
    name: str
    within: tuple[str, ...]
    bounds: BBox

    @property
    def layer(self) -> str:
        """The layer of its level."""
        return f"land.{self.level}s"

    def __str__(self) -> str:
        held = f" in {', '.join(self.within)}" if self.within else ""
        return f"{self.level} {self.name} ({self.id}){held}"


def find(connection: Connection, words: str, *, level: str | None = None) -> Place:
    """The unit that `words` name: a name ("Gasabo"), a name and what holds it ("Kacyiru, Gasabo"), or a national code ("1103").

    A province or district wins over finer units of its name; among the finer ones `level` or a second name decides.
    Raises NotFound for no such unit, AmbiguousPlace (with every candidate) for several, BadInput for a level that is none.
    """
    if level is not None and level not in LEVELS:
        raise BadInput(f"{level!r} is no administrative level", remedy=f"choose one of {', '.join(LEVELS)}")
    name, *holders = (part.strip() for part in words.split(","))
    found = [one for one in _units(connection, name) if level in (None, one.level)]
    for holder in holders:
        found = [one for one in found if holder.casefold() in (held.casefold() for held in one.within)]
    for coarse in _UNIQUE:
        if len(chosen := [one for one in found if one.level == coarse]) == 1:
            return chosen[0]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(
            f"there is no {level or 'administrative unit'} {words!r}",
            remedy="write the name as the national boundaries do, or its code; `twin.search(…)` finds what begins alike",
        )
    told = "; ".join(str(one) for one in found[:12]) + ("; …" if len(found) > 12 else "")
    raise AmbiguousPlace(
        f"{words!r} names {len(found)} places: {told}",
        remedy=f"say which: within({name!r}, level=…), a holder as in within('{name}, {(found[0].within or ('…',))[0]}'), or a code",
        candidates=tuple((one.level, one.id, one.name, one.within) for one in found),
    )


def _units(connection: Connection, name: str) -> list[Place]:
    if not name:
        return []
    wanted = name.casefold()
    hits = connection.get("/search", {"q": name, "limit": _MOST_HITS})["hits"]
    return [
        Place(_LAYERS[hit["layer"]], hit["id"], hit["name"], tuple(hit["within"]), BBox(*hit["bounds"]))
        for hit in hits
        if hit["layer"] in _LAYERS and wanted in (str(hit["name"]).casefold(), str(hit["id"]).casefold())
    ]


def outline(connection: Connection, place: Place) -> BaseGeometry:
    """The boundary of a unit: a MultiPolygon in EPSG:4326."""
    from shapely.geometry import shape

    return shape(connection.get(f"/layers/{place.layer}/items/{place.id}")["geometry"])


def area_of(area: BaseGeometry | Sequence[float]) -> BaseGeometry:
    """A polygon in EPSG:4326 from one, or from west, south, east, north in degrees. Raises BadInput for what is no area."""
    import shapely

    if isinstance(area, shapely.Geometry):
        made = area
    else:
        try:
            west, south, east, north = (float(value) for value in area)
        except (TypeError, ValueError):
            raise _no_area(area) from None
        made = shapely.box(west, south, east, north)
    bounds = shapely.bounds(made)
    if made.geom_type not in {"Polygon", "MultiPolygon"} or made.is_empty or not made.is_valid:
        raise _no_area(area)
    west, south, east, north = bounds
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise _no_area(area)
    return made


def _no_area(area: object) -> BadInput:
    return BadInput(
        f"{str(area)[:80]} is no area in longitude and latitude",
        remedy="give a place's name, a valid polygon in EPSG:4326, or (west, south, east, north) in degrees",
    )
