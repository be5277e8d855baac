"""A flat local frame for each village: metres east and north of its middle.

The frame is an affine image of longitude and latitude (the radii of WGS84 at the village's middle), so a straight edge
here is a straight edge in EPSG:4326, neighbours share their border to the last bit, and the way back costs two
multiplications. Areas agree with geodesic ones to 1e-5 in a village of 2 km and to 1e-4 in one of 20 km.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Shapes = NDArray[Any]
"""A NumPy array of shapely geometries, dtype object; `Any` because NumPy cannot name them."""

_AXIS_M = 6378137.0
_ECCENTRICITY_SQUARED = 0.00669437999014


@dataclass(frozen=True)
class Frames:
    """Local frames of n villages: `origin` (n, 2) lon, lat in degrees; `scale` (n, 2) metres per degree east and north."""

    origin: Floats
    scale: Floats

    @classmethod
    def around(cls, shapes: Shapes) -> Frames:
        """The frames about the middles of the bounding boxes of EPSG:4326 shapes (n,)."""
        box = shapely.bounds(shapes)
        origin = np.column_stack([(box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2])
        return cls(origin, metres_per_degree(origin[:, 1]))

    def local(self, points: Floats, owner: Ints) -> Floats:
        """Lon, lat (m, 2) into metres (m, 2) in the frame of village `owner` (m,)."""
        return (points - self.origin[owner]) * self.scale[owner]

    def lonlat(self, points: Floats, owner: Ints) -> Floats:
        """Metres (m, 2) in the frame of village `owner` (m,) into lon, lat (m, 2)."""
        return points / self.scale[owner] + self.origin[owner]

    def shapes_local(self, shapes: Shapes, owner: Ints) -> Shapes:
        """EPSG:4326 shapes (m,) into the frames of `owner` (m,). Empty shapes stay empty."""
        points, index = shapely.get_coordinates(shapes, return_index=True)
        moved: Shapes = shapely.set_coordinates(shapes.copy(), self.local(points, owner[index]))
        return moved

    def shapes_lonlat(self, shapes: Shapes, owner: Ints) -> Shapes:
        """Local shapes (m,) of the frames of `owner` (m,) into EPSG:4326."""
        points, index = shapely.get_coordinates(shapes, return_index=True)
        moved: Shapes = shapely.set_coordinates(shapes.copy(), self.lonlat(points, owner[index]))
        return moved


def metres_per_degree(latitude: Floats) -> Floats:
    """Metres in a degree of longitude and of latitude at `latitude` (n,) in degrees: (n, 2), on WGS84."""
    phi = np.radians(latitude)
    w = 1.0 - _ECCENTRICITY_SQUARED * np.sin(phi) ** 2
    east = _AXIS_M / np.sqrt(w) * np.cos(phi)
    north = _AXIS_M * (1.0 - _ECCENTRICITY_SQUARED) / w**1.5
    return np.radians(np.column_stack([east, north]))
