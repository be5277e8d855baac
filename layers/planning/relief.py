"""The ground under what is planned, in national metres: heights of the elevation model (EGM96), slope, the ground under footprints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray

from twin.crs import NATIONAL, WGS84, Geometries, transformer

Floats = NDArray[np.float64]


class Heights(Protocol):
    """Heights (n,) in metres above EGM96 at lon, lat (n,) in degrees; `resolution_m`: how far apart the points are."""

    def __call__(self, lon: Floats, lat: Floats, /, *, resolution_m: float) -> NDArray[Any]: ...


_PROBE_M = 45.0


@dataclass(frozen=True, slots=True)
class Under:
    """Lowest and highest ground (n,) under footprints, metres above EGM96; nan where no ground is known."""

    lowest: Floats
    highest: Floats


@dataclass(frozen=True, slots=True)
class Relief:
    """The ground as a function of national metres; without a model every height is nan."""

    heights: Heights | None = None

    def at(self, points: Floats) -> Floats:
        """Heights (n,) at points (n, 2)."""
        if self.heights is None or not len(points):
            return np.full(len(points), np.nan)
        lon, lat = transformer(NATIONAL.to_wkt(), WGS84.to_wkt()).transform(points[:, 0], points[:, 1])
        return np.asarray(self.heights(np.asarray(lon, float), np.asarray(lat, float), resolution_m=0.0), np.float64)

    def slope(self, points: Floats) -> tuple[Floats, Floats]:
        """Slope in percent and the contour's direction in radians from east, (n,) each, over a cross of 90 m; 0 where unknown."""
        steps = np.array([[_PROBE_M, 0.0], [-_PROBE_M, 0.0], [0.0, _PROBE_M], [0.0, -_PROBE_M]])
        height = self.at((points[None, :, :] + steps[:, None, :]).reshape(-1, 2)).reshape(4, -1)
        east, north = (height[0] - height[1]) / (2 * _PROBE_M), (height[2] - height[3]) / (2 * _PROBE_M)
        east, north = np.nan_to_num(east), np.nan_to_num(north)
        return 100 * np.hypot(east, north), np.arctan2(east, -north)

    def under(self, footprints: Geometries) -> Under:
        """The ground at the corners and the middle of footprints (n,) in national metres."""
        if not len(footprints):
            return Under(np.empty(0), np.empty(0))
        points, owner = shapely.get_coordinates(footprints, return_index=True)
        middle = shapely.get_coordinates(shapely.centroid(footprints))
        height = self.at(np.concatenate([points, middle]))
        owner = np.concatenate([owner, np.arange(len(footprints))])
        lowest, highest = np.full(len(footprints), np.inf), np.full(len(footprints), -np.inf)
        with np.errstate(invalid="ignore"):  # one unknown height leaves the whole ground unknown
            np.minimum.at(lowest, owner, height)
            np.maximum.at(highest, owner, height)
        return Under(lowest, highest)


def ground_fields(under: Under, row: int) -> dict[str, float | None]:
    """`ground_m` and `ground_max_m` of one building; None where no ground is known."""
    if not np.isfinite(under.lowest[row]):
        return {"ground_m": None, "ground_max_m": None}
    return {"ground_m": round(float(under.lowest[row]), 2), "ground_max_m": round(float(under.highest[row]), 2)}
