"""The coordinate reference systems in which features are given, by URI (OGC API Features, Part 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from psycopg import sql
from pyproj import CRS

from layers.query import DIGITS, Clause, Projection
from twin.crs import NATIONAL, WEB_MERCATOR, WGS84, reproject
from twin.errors import BadInput

_EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_BOX_STEP = 32
"""Points a side of a box gets before it moves to another CRS, where it is no longer straight."""


@dataclass(frozen=True, slots=True)
class Named:
    """A CRS by its URI. `path` ends the URI of one that this service defines itself; `flipped`: y (latitude) stands before x."""

    name: str
    crs: CRS
    path: str
    flipped: bool = False

    def uri(self, root: str) -> str:
        return self.path if self.path.startswith("http") else f"{root}{self.path}"

    @property
    def projection(self) -> Projection | None:
        """How PostgreSQL writes the stored geometry in it; None for the way it is stored."""
        if self.crs == WGS84:
            return Projection(sql.SQL("st_flipcoordinates(t.geom)"), DIGITS) if self.flipped else None
        code = self.crs.to_epsg()
        target = sql.Literal(code) if code else sql.Literal(self.crs.to_wkt())
        return Projection(sql.SQL("st_transform(t.geom, {})").format(target), 3)


CRS84 = Named("longitude, latitude (WGS 84)", WGS84, _CRS84)
OFFERED = (
    CRS84,
    Named("latitude, longitude (WGS 84)", WGS84, f"{_EPSG}4326", flipped=True),
    Named("Web Mercator", WEB_MERCATOR, f"{_EPSG}3857"),
    Named("UTM 35 south (WGS 84)", CRS.from_epsg(32735), f"{_EPSG}32735"),
    Named("UTM 36 south (WGS 84)", CRS.from_epsg(32736), f"{_EPSG}32736"),
    Named("national Transverse Mercator of Rwanda", NATIONAL, "/crs/rwanda-tm"),
)


def named(said: str | None, root: str, *, parameter: str) -> Named:
    """The CRS of a URI, CRS84 where none is said. Raises BadInput."""
    if said is None:
        return CRS84
    found = next((one for one in OFFERED if said.strip("<>[]") == one.uri(root)), None)
    if found is None:
        raise BadInput(
            f"{parameter}={said[:120]!r} is not a CRS of this service", remedy=f"{root}/collections lists them"
        )
    return found


def box(said: str, crs: Named) -> Clause:
    """What meets a box given as four or six numbers in a CRS and its axis order, as a condition on `t.geom`.

    A box of degrees whose west lies east of its east goes over the antimeridian. Raises BadInput.
    """
    remedy = "write the lower, then the upper corner, such as 30.0,-2.0,30.1,-1.9"
    try:
        numbers = [float(part) for part in said.split(",")]
        x0, y0, x1, y1 = numbers if len(numbers) == 4 else (*numbers[:2], *numbers[3:5])
    except ValueError:
        raise BadInput(f"{said[:80]!r} is not a bounding box", remedy=remedy) from None
    if len(numbers) not in (4, 6) or not all(math.isfinite(one) for one in numbers):
        raise BadInput(f"{said[:80]!r} is not a bounding box", remedy=remedy)
    if crs.flipped:
        x0, y0, x1, y1 = y0, x0, y1, x1
    degrees = crs.crs == WGS84
    if y0 > y1 or (x0 > x1 and not degrees):
        raise BadInput(f"{said[:80]!r} has its corners the wrong way round", remedy=remedy)
    if degrees and not (min(x0, x1) >= -180 and max(x0, x1) <= 180 and -90 <= y0 <= y1 <= 90):
        raise BadInput(f"{said[:80]!r} lies beyond the world", remedy=remedy)
    parts = [(x0, y0, x1, y1)] if x0 <= x1 else [(x0, y0, 180.0, y1), (-180.0, y0, x1, y1)]
    return _meets([_moved(part, crs) for part in parts], said)


def _moved(corners: tuple[float, float, float, float], crs: Named) -> shapely.Geometry:
    west, south, east, north = corners
    if crs.crs == WGS84:
        return shapely.box(west, south, east, north)
    area = shapely.box(west, south, east, north)
    step = max(east - west, north - south) / _BOX_STEP
    area = shapely.segmentize(area, step) if step > 0 else area
    return reproject(np.array([area], dtype=object), crs.crs, WGS84)[0]  # type: ignore[no-any-return]  # of an object array


def _meets(areas: list[shapely.Geometry], said: str) -> Clause:
    if not all(np.isfinite(shapely.get_coordinates(area)).all() for area in areas):
        raise BadInput(f"{said[:80]!r} lies beyond its CRS", remedy="give a box within the CRS's own area")
    place = sql.SQL("st_geomfromwkb({}, 4326)")
    test = sql.SQL("(t.geom && {0} and st_intersects(t.geom, {0}))")
    tests = sql.SQL(" or ").join(test.format(place.format(sql.Placeholder(f"box{n}"))) for n in range(len(areas)))
    return Clause(sql.SQL("({})").format(tests), {f"box{n}": shapely.to_wkb(area) for n, area in enumerate(areas)})
