"""Coordinate reference systems and heights.

Inside the twin coordinates are longitude, latitude in degrees (EPSG:4326, that axis order); tiles are EPSG:3857; areas and
lengths are measured in the national Transverse Mercator. Heights of the elevation models are orthometric (EGM96, metres);
meshes and Cesium want ellipsoidal ones: add `geoid_separation`.
"""

from __future__ import annotations

import functools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.datadir import get_data_dir

from twin.errors import SettingError

WGS84 = CRS.from_epsg(4326)
WEB_MERCATOR = CRS.from_epsg(3857)
NATIONAL = CRS.from_proj4(
    "+proj=tmerc +lat_0=0 +lon_0=30 +k=0.9999 +x_0=500000 +y_0=5000000 +ellps=GRS80 +towgs84=0,0,0 +units=m +no_defs"
)
"""The national Transverse Mercator of Rwanda (ITRF2005, Law on the national geodetic reference frame)."""

GEOID_NAME = "egm96_15.gtx"
_GEOID_FOLDERS = (Path("/usr/share/proj"), Path("/usr/local/share/proj"))

Geometries = NDArray[Any]
"""A NumPy array of shapely geometries: shape (n,), dtype object; `Any` because NumPy cannot say "object of geometry"."""


@functools.lru_cache(maxsize=32)
def transformer(source: str, target: str) -> Transformer:
    """A cached transformer that takes and gives x, y (lon, lat) order. `source`, `target`: anything pyproj reads."""
    return Transformer.from_crs(CRS.from_user_input(source), CRS.from_user_input(target), always_xy=True)


def reproject(geometries: Geometries, source: CRS, target: CRS) -> Geometries:
    """Geometries (n,) from one CRS to another, x, y order. Nulls and empties pass through."""
    if source == target:
        return geometries
    change = transformer(source.to_wkt(), target.to_wkt())

    def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = change.transform(points[:, 0], points[:, 1])
        return np.column_stack([x, y])

    moved: Geometries = shapely.transform(geometries, move)
    return moved


def to_national(geometries: Geometries, source: CRS = WGS84) -> Geometries:
    """Geometries (n,) into the national Transverse Mercator, metres."""
    return reproject(geometries, source, NATIONAL)


def to_wgs84(geometries: Geometries, source: CRS = NATIONAL) -> Geometries:
    """Geometries (n,) into lon, lat degrees."""
    return reproject(geometries, source, WGS84)


def to_web_mercator(geometries: Geometries, source: CRS = WGS84) -> Geometries:
    """Geometries (n,) into spherical Mercator (EPSG:3857), metres at the equator."""
    return reproject(geometries, source, WEB_MERCATOR)


@functools.lru_cache(maxsize=1)
def _geoid() -> tuple[float, float, float, float, NDArray[np.float32]]:
    """The EGM96 grid: south, west, step lat, step lon in degrees, and separations (rows from the south) in metres."""
    for folder in (Path(get_data_dir()), *_GEOID_FOLDERS):
        path = folder / GEOID_NAME
        if path.exists():
            break
    else:
        raise SettingError(
            f"the geoid grid {GEOID_NAME} is not on this machine",
            remedy="install the package proj-data, or copy the grid into PROJ's data folder",
        )
    raw = path.read_bytes()
    # GTX, NOAA VDatum: big-endian south, west, dlat, dlon (float64), rows, columns (int32), then float32 rows from the south.
    south, west, step_lat, step_lon, rows, columns = struct.unpack(">4d2i", raw[:40])
    grid = np.frombuffer(raw, dtype=">f4", offset=40, count=rows * columns).reshape(rows, columns).astype(np.float32)
    return south, west, step_lat, step_lon, grid


def geoid_separation(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height of the EGM96 geoid above the WGS84 ellipsoid, metres, bilinear in the 15-minute grid.

    lon, lat: (n,) degrees. In Rwanda it lies near -12 to -6 m. Source: NGA EGM96 (WW15MGH), as packaged by PROJ.
    """
    south, west, step_lat, step_lon, grid = _geoid()
    column = (np.asarray(lon, float) - west) % 360.0 / step_lon
    row = (np.asarray(lat, float) - south) / step_lat
    c0 = np.floor(column).astype(int)
    r0 = np.clip(np.floor(row).astype(int), 0, grid.shape[0] - 2)
    u, v = column - c0, row - r0
    left, right = c0 % grid.shape[1], (c0 + 1) % grid.shape[1]
    low = grid[r0, left] * (1 - u) + grid[r0, right] * u
    high = grid[r0 + 1, left] * (1 - u) + grid[r0 + 1, right] * u
    separation: NDArray[np.float64] = (low * (1 - v) + high * v).astype(np.float64)
    return separation
