"""Cutting one polygon by a line, and making one of polygons that touch. Pure; no area comes or goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import shapely

from twin.crs import Geometries
from twin.errors import BadInput

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_CLOSE_DEG = 2e-9
"""A fifth of a millimetre: borders this close are one border, whose gap is closed."""
SAME_SHARE = 1e-6
"""By how much of itself an area may differ after a cut or a merge."""


def split(polygon: BaseGeometry, line: BaseGeometry) -> list[BaseGeometry]:
    """The parts of a polygon on the sides of a line, from west to east, then south to north.

    Raises BadInput where the line does not go right across.
    """
    edges = shapely.union_all(np.array([shapely.boundary(polygon), line], dtype=object))
    faces = shapely.get_parts(shapely.polygonize([edges]))
    parts = faces[shapely.contains(polygon, shapely.point_on_surface(faces))]
    if len(parts) < 2:
        raise BadInput(
            "the line does not cut the parcel in two", remedy="draw it right across, from outside to outside"
        )
    middle = shapely.get_coordinates(shapely.centroid(parts))
    return [shapely.orient_polygons(parts[row]) for row in np.lexsort((middle[:, 1], middle[:, 0]))]


def merged(polygons: Geometries | Sequence[BaseGeometry]) -> BaseGeometry:
    """One polygon of several that touch along their borders. Raises BadInput where they do not, or overlap."""
    shapes = np.array(list(polygons), dtype=object)
    whole: BaseGeometry = shapely.union_all(shapes)
    if whole.geom_type != "Polygon":
        grown = shapely.union_all(shapely.buffer(shapes, _CLOSE_DEG, join_style="mitre"))
        whole = shapely.buffer(grown, -_CLOSE_DEG, join_style="mitre")
    if whole.geom_type != "Polygon":
        raise BadInput("the parcels do not touch one another", remedy="merge parcels that share a border")
    total = float(shapely.area(shapes).sum())
    if abs(float(whole.area) - total) > SAME_SHARE * total:
        raise BadInput("the parcels lie over one another", remedy="mend their borders first")
    return shapely.orient_polygons(whole)
