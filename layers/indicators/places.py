"""Places that indicators are asked for: administrative units as sets of villages, and drawn polygons.

Every unit is the union of its villages, whose codes begin with the unit's. A drawn polygon takes the atoms that lie in it.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.indicators.spec import PlaceKind
from twin.crs import to_national
from twin.errors import BadInput, NotFound

if TYPE_CHECKING:
    from layers.indicators.spec import Floats
    from twin.db import Session

Ints = NDArray[np.int64]
Shapes = NDArray[Any]
"""shapely geometries (n,), dtype object; `Any` because NumPy cannot name them."""

COUNTRY = "RW"
DIGITS: Mapping[PlaceKind, int] = {"province": 1, "district": 2, "sector": 4, "cell": 6, "village": 8}
_KINDS: Mapping[int, PlaceKind] = {digits: kind for kind, digits in DIGITS.items()}
MOST_CORNERS = 20_000
_CODE_DIGITS = 8
_VILLAGES = "select id, name, st_asbinary(geom) from land.villages where id ~ '^[1-9][0-9]{7}$' order by id"
_LAKES = "select st_asbinary(geom) from land.lakes where valid_to is null or valid_to > now()"
_STATE = "select name, generation from twin.layer where name in ('land.villages', 'land.lakes') order by name"


@dataclass(frozen=True, eq=False)
class Villages:
    """The n villages of the country, by code. codes: (n,) ascending. shapes: (n,) EPSG:4326. boxes: (n, 4) degrees."""

    codes: Ints
    shapes: Shapes
    boxes: Floats
    lakes: Shapes
    """(l,) lakes in the national TM."""

    def __len__(self) -> int:
        return len(self.codes)

    @functools.cached_property
    def tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.shapes)

    @functools.cached_property
    def digest(self) -> str:
        """Of their codes and shapes."""
        return hashlib.sha256(self.codes.tobytes() + self.boxes.tobytes()).hexdigest()

    @functools.cached_property
    def land_m2(self) -> Floats:
        """(n,) area in the national TM less lakes, m2."""
        return self.land_of(self.shapes)

    def land_of(self, shapes: Shapes) -> Floats:
        """(k,) land area of EPSG:4326 shapes (k,): their area in the national TM less lakes, m2."""
        plane = to_national(shapes)
        area = shapely.area(plane)
        if len(self.lakes):
            shapely.prepare(plane)
            shape, lake = self.lake_tree.query(plane, predicate="intersects").T.reshape(-1, 2).T
            wet = shapely.area(shapely.intersection(plane[shape], self.lakes[lake]))
            np.subtract.at(area, shape, wet)
        return np.maximum(area, 0.0)

    @functools.cached_property
    def lake_tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.lakes)

    def begins(self, code: str) -> Ints:
        """Indices of the villages whose code begins so; ascending."""
        step = 10 ** (_CODE_DIGITS - len(code))
        first, last = np.searchsorted(self.codes, [int(code) * step, (int(code) + 1) * step])
        return np.arange(first, last, dtype=np.int64)

    def locate(self, lon: Floats, lat: Floats) -> Ints:
        """(n,) index of the village each point (degrees) lies in, the lower code on a border; -1 in none."""
        found = np.full(len(lon), len(self), np.int64)
        if len(lon) and len(self):
            points: Shapes = np.asarray(shapely.points(lon, lat), object)
            box = shapely.box(lon.min(), lat.min(), lon.max(), lat.max())
            near = np.sort(self.tree.query(box))
            if len(near) > len(points):
                point, village = self.tree.query(points, predicate="intersects")
            else:
                row, point = shapely.STRtree(points).query(self.shapes[near], predicate="intersects")
                village = near[row]
            np.minimum.at(found, point, village)
        return np.where(found == len(self), -1, found)


@dataclass(frozen=True, eq=False)
class Place:
    """Where a figure is asked for. whole, part: indices of the villages that lie in it wholly, and in part (drawn ones only).

    key: the unit's id, RW, or `drawn`. polygon: EPSG:4326, prepared; None for a unit.
    """

    kind: PlaceKind
    key: str
    whole: Ints
    part: Ints
    polygon: shapely.Geometry | None = None
    remark: str = ""

    @property
    def all(self) -> Ints:
        """Every village it touches, ascending."""
        return np.union1d(self.whole, self.part)


class VillageKeeper:
    """The villages of a process, read when first asked for and anew when they or the lakes are loaded anew."""

    def __init__(self) -> None:
        self._kept: tuple[Any, Villages] | None = None
        self._lock = threading.Lock()

    def get(self, session: Session) -> Villages:
        """Raises NotFound where no villages are loaded."""
        state = session.execute(_STATE).fetchall()
        with self._lock:
            if self._kept is None or self._kept[0] != state:
                self._kept = (state, _read(session))
            return self._kept[1]


def _read(session: Session) -> Villages:
    rows = session.execute(_VILLAGES).fetchall()
    if not rows:
        raise NotFound("no villages are loaded", remedy="load land.villages; `twin load` says from which file")
    lakes = [row[0] for row in session.execute(_LAKES).fetchall()]
    wet = shapely.from_wkb(np.array(lakes, object)) if lakes else np.empty(0, object)
    # One lake may be drawn twice, by two sources.
    joined = shapely.get_parts(shapely.union_all(to_national(wet))) if lakes else wet
    shapes = shapely.from_wkb(np.array([row[2] for row in rows], object))
    shapely.prepare(shapes)
    codes = np.array([int(row[0]) for row in rows], np.int64)
    return Villages(codes, shapes, shapely.bounds(shapes), joined[shapely.get_dimensions(joined) == 2])


def place_of(villages: Villages, said: str | Mapping[str, Any]) -> Place:
    """The place of a unit's id, of `RW`, or of a GeoJSON Polygon or MultiPolygon (or a Feature of one) in lon, lat degrees.

    Raises NotFound for a unit that is not there, BadInput for a polygon that cannot be used.
    """
    if isinstance(said, str):
        return _unit(villages, said.strip())
    return _drawn(villages, polygon_of(said))


def _unit(villages: Villages, said: str) -> Place:
    none = np.empty(0, np.int64)
    if said.upper() == COUNTRY:
        return Place("country", COUNTRY, np.arange(len(villages), dtype=np.int64), none)
    kind = _KINDS.get(len(said)) if said.isascii() and said.isdigit() and said[0] != "0" else None
    whole = villages.begins(said) if kind is not None else none
    if kind is None or not len(whole):
        raise NotFound(
            f"there is no administrative unit {said[:40]!r}",
            remedy="name the country RW, or a province, district, sector, cell or village by its national code of 1, 2, 4, 6 or 8 digits",
        )
    return Place(kind, said, whole, none)


def polygon_of(said: Mapping[str, Any]) -> shapely.Geometry:
    """A polygon from GeoJSON, checked. Raises BadInput saying what is wrong with it."""
    inner = said.get("geometry") if said.get("type") == "Feature" else said
    if not isinstance(inner, Mapping) or inner.get("type") not in {"Polygon", "MultiPolygon"}:
        raise BadInput(
            "the place is no polygon", remedy="give a unit's id, or GeoJSON of type Polygon or MultiPolygon in degrees"
        )
    try:
        shape = shapely.geometry.shape(dict(inner))
        corners = shapely.get_coordinates(shape)
    except (ValueError, TypeError, IndexError, AttributeError, KeyError, shapely.errors.ShapelyError) as error:
        raise BadInput(
            f"the polygon cannot be read: {str(error)[:100] or 'its coordinates are malformed'}",
            remedy="give rings of [lon, lat] pairs, at least four corners each, closed",
        ) from error
    if not len(corners) or not np.isfinite(corners).all():
        raise BadInput("the polygon has no corners, or one that is no number", remedy="give rings of [lon, lat] pairs")
    if len(corners) > MOST_CORNERS:
        raise BadInput(
            f"the polygon has {len(corners)} corners, more than {MOST_CORNERS}",
            remedy="simplify it; a metre is more exact than what it is laid over",
        )
    if not shapely.is_valid(shape):
        raise BadInput(
            f"the polygon is not valid: {shapely.is_valid_reason(shape)}",
            remedy="draw it again so that no edge crosses another and holes lie inside",
        )
    if not shapely.area(shape):
        raise BadInput("the polygon has no area", remedy="draw at least three corners that are not in one line")
    return shape


def _drawn(villages: Villages, polygon: shapely.Geometry) -> Place:
    shapely.prepare(polygon)
    near = np.sort(villages.tree.query(polygon, predicate="intersects"))
    if not len(near):
        raise BadInput(
            "the polygon lies outside the country",
            remedy="draw it in Rwanda: 28.86 to 30.90 east, 2.84 to 1.05 south, longitude first",
        )
    inside = shapely.covers(polygon, villages.shapes[near])
    within = shapely.area(shapely.intersection(polygon, villages.shapes[near[~inside]])).sum()
    within += shapely.area(villages.shapes[near[inside]]).sum()
    remark = (
        "part of the polygon lies outside the country and counts as nothing"
        if within < 0.999 * shapely.area(polygon)
        else ""
    )
    return Place("drawn", "drawn", near[inside], near[~inside], polygon, remark)
