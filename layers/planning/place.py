"""Where an operation is to act: GeoJSON as it comes in, checked before anything is read or written.

Coordinates are lon, lat in degrees (EPSG:4326). Each check raises BadInput that says which rule the shape broke.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, cast

import numpy as np
import shapely
from pydantic import BaseModel, ConfigDict, Field

from layers import query
from layers.planning.reading import near
from twin.crs import to_national
from twin.errors import BadInput

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from layers.planning.site import Site

MOST_CORNERS = 10_000
LARGEST_KM2 = 200.0
LONGEST_KM = 200.0
_SMALLEST_M2 = 1.0
_SHORTEST_M = 0.5
_OUTSIDE_SHARE = 1e-3
"""The share of a shape that may lie outside the country: a border drawn by hand never meets the border itself."""
COUNTRY = "land.sectors"
LAKES = "land.lakes"

Degrees = Annotated[float, Field(allow_inf_nan=False, ge=-180, le=180)]
Position = tuple[Degrees, Degrees]
"""Lon, lat in degrees."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore")


class PointIn(_Shape):
    """A GeoJSON point, lon and lat in degrees."""

    type: Literal["Point"]
    coordinates: Position

    def shape(self) -> shapely.Point:
        return shapely.Point(self.coordinates)


class LineIn(_Shape):
    """A GeoJSON line, lon and lat in degrees."""

    type: Literal["LineString"]
    coordinates: list[Position]

    def shape(self) -> shapely.LineString:
        """Raises BadInput for a line of too few or too many corners, too short or too long a one."""
        _check_corners(len(self.coordinates), "line")
        if len(self.coordinates) < 2:
            raise BadInput("a line needs two points at least", remedy="draw from where to where")
        line = shapely.LineString(self.coordinates)
        length = float(shapely.length(national(line)))
        if not _SHORTEST_M <= length <= 1000 * LONGEST_KM:
            raise BadInput(
                f"the line is {length:.1f} m long", remedy=f"draw one between {_SHORTEST_M} m and {LONGEST_KM:.0f} km"
            )
        return line


class PolygonIn(_Shape):
    """A GeoJSON polygon, lon and lat in degrees; the first ring is the outline, the others are holes."""

    type: Literal["Polygon"]
    coordinates: list[list[Position]]

    def shape(self) -> shapely.Polygon:
        """Raises BadInput for too many corners, an open or self-crossing ring, too small or too large an area."""
        _check_corners(sum(len(ring) for ring in self.coordinates), "polygon")
        for ring in self.coordinates or [[]]:
            if len(ring) < 4 or ring[0] != ring[-1]:
                raise BadInput(
                    "a ring of the polygon is not closed",
                    remedy="give four positions at least, the last like the first",
                )
        polygon = shapely.Polygon(self.coordinates[0], self.coordinates[1:])
        if not polygon.is_valid:
            raise BadInput(
                f"the polygon is not valid: {shapely.is_valid_reason(polygon)}",
                remedy="draw an outline that does not cross or touch itself",
            )
        area = float(shapely.area(national(polygon)))
        if not _SMALLEST_M2 <= area <= 1e6 * LARGEST_KM2:
            raise BadInput(
                f"the polygon covers {area:.1f} m2",
                remedy=f"draw one between {_SMALLEST_M2:.0f} m2 and {LARGEST_KM2:.0f} km2",
            )
        return shapely.orient_polygons(polygon)


def _check_corners(count: int, what: str) -> None:
    if count > MOST_CORNERS:
        raise BadInput(
            f"the {what} has {count} corners, more than {MOST_CORNERS}",
            remedy="simplify it, or draw it in several parts",
        )


def national(shape: shapely.Geometry) -> BaseGeometry:
    """One WGS84 shape in the national Transverse Mercator, metres."""
    return cast("BaseGeometry", to_national(np.array([shape], dtype=object))[0])


def together(shapes: Iterable[shapely.Geometry]) -> BaseGeometry:
    """Shapes as one collection, for one question about them all."""
    return shapely.GeometryCollection([cast("BaseGeometry", shape) for shape in shapes])


def require_in_country(site: Site, shape: shapely.Geometry, what: str) -> None:
    """BadInput where more than a thousandth of a WGS84 shape lies outside the sectors. Unchecked while none are loaded."""
    sectors = near(site, COUNTRY, shape)
    inside = sum(_size(shapely.intersection(one.shape, shape)) for one in sectors)
    if inside >= (1 - _OUTSIDE_SHARE) * _size(shape):
        return
    if not sectors and _nothing_loaded(site):
        return
    raise BadInput(f"{what} lies outside the country", remedy="draw it inside Rwanda's border; lon comes before lat")


def _size(shape: shapely.Geometry) -> float:
    """Area of a surface, length of a line, 1 for a point; 0 for nothing."""
    if shapely.is_empty(shape):
        return 0.0
    kind = int(shapely.get_dimensions(shape))
    return float(shapely.area(shape) if kind == 2 else shapely.length(shape) if kind == 1 else 1.0)


def _nothing_loaded(site: Site) -> bool:
    return query.count(site.session, site.registry.layer(COUNTRY), most=1) == 0


def require_dry(site: Site, shapes: Sequence[shapely.Geometry], what: str) -> None:
    """BadInput where one of the WGS84 shapes meets a lake as the branch has it."""
    everything = together(shapes)
    for lake in near(site, LAKES, everything):
        if shapely.intersects(lake.shape, everything):
            name = lake.fields.get("name") or lake.id
            raise BadInput(f"{what} stands in the water of {name}", remedy="place it on dry ground")
