"""Where a CityJSON file lies: its reference system, and its vertices as longitude, latitude and height above EGM96.

A height of a national datum is taken for one above EGM96: the two differ by a metre or so, and the grids that tell are not
always on the machine. Ellipsoidal heights (EPSG:4979 and the like) lose the geoid separation. Feet become metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from twin.crs import WGS84, geoid_separation, transformer
from twin.errors import SourceError

Floats = NDArray[np.float64]
_FLAT = {"Projected CRS", "Geographic 2D CRS"}
_DEEP = {"Geographic 3D CRS", "Geocentric CRS"}
_REMEDY = "say the file's CRS with --crs, such as EPSG:32735, EPSG:32735+5773 or EPSG:7415"


@dataclass(frozen=True, slots=True)
class Places:
    """Turns (n, 3) coordinates of a reference system into lon, lat degrees and orthometric metres."""

    change: Transformer
    unit_m: float
    """Metres of one unit of height."""
    ellipsoidal: bool

    @classmethod
    def of(cls, system: CRS, path: Path) -> Places:
        """Raises SourceError for a system that tells no place on Earth (engineering, vertical alone, time)."""
        if system.is_compound:
            parts = [CRS.from_wkt(part.to_wkt()) for part in system.sub_crs_list]
            flat = next((part for part in parts if part.is_projected or part.is_geographic), None)
            up = next((part for part in parts if part.is_vertical), None)
            if flat is None or up is None or up.axis_info[0].direction != "up":
                raise _nowhere(system, path)
            return cls(transformer(flat.to_wkt(), WGS84.to_wkt()), _unit(up, 0), ellipsoidal=False)
        if system.type_name in _DEEP or (system.is_projected and len(system.axis_info) == 3):
            geodetic = CRS.from_epsg(4979)
            return cls(Transformer.from_crs(system, geodetic, always_xy=True), 1.0, ellipsoidal=True)
        if system.type_name not in _FLAT:
            raise _nowhere(system, path)
        unit = _unit(system, 0) if system.is_projected else 1.0
        return cls(transformer(system.to_wkt(), WGS84.to_wkt()), unit, ellipsoidal=False)

    def __call__(self, vertices: Floats) -> Floats:
        """(n, 3); what the system cannot place comes out infinite."""
        if not len(vertices):
            return vertices
        if self.ellipsoidal:
            lon, lat, height = self.change.transform(vertices[:, 0], vertices[:, 1], vertices[:, 2])
            placed = np.isfinite(lon) & np.isfinite(lat)
            lift = geoid_separation(np.where(placed, lon, 0.0), np.where(placed, lat, 0.0))
            return np.column_stack([lon, lat, height - lift])
        lon, lat = self.change.transform(vertices[:, 0], vertices[:, 1])
        return np.column_stack([lon, lat, vertices[:, 2] * self.unit_m])


def _unit(system: CRS, axis: int) -> float:
    return float(system.axis_info[axis].unit_conversion_factor)


def _nowhere(system: CRS, path: Path) -> SourceError:
    return SourceError(f"{path.name} is in {system.name}, which tells no place on Earth", remedy=_REMEDY)


def reference_system(metadata: Any, path: Path) -> CRS:
    """The CRS of ``metadata.referenceSystem`` (`Any`: JSON as it came). Raises SourceError where there is none or it is not known."""
    said = metadata.get("referenceSystem") if isinstance(metadata, dict) else None
    if not isinstance(said, str) or not said.strip():
        raise SourceError(f"{path.name} has no metadata.referenceSystem", remedy=_REMEDY)
    try:
        return CRS.from_user_input(_compound(said.strip()))
    except CRSError as failure:
        raise SourceError(f"{path.name}: {said!r} is no CRS that PROJ knows", remedy=_REMEDY) from failure


def _compound(said: str) -> str:
    """`…/crs-compound?1=…/EPSG/0/25832&2=…/EPSG/0/5783` as PROJ reads it: EPSG:25832+5783."""
    if "crs-compound?" not in said:
        return said
    codes = [value.rstrip("/").rsplit("/", 1)[-1] for _, value in sorted(parse_qsl(urlsplit(said).query))]
    return f"EPSG:{'+'.join(codes)}"
