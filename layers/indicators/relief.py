"""Grids of the ground that indicators sample: height above the nearest drainage, slope, land cover, hours of sun."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from layers.ground import LANDCOVER, TERRAIN, WATER_CLASSES
from layers.indicators.spec import Floats, Grid, GridProvider, GridRequest, Parameter
from layers.models import flood, sun, terrain
from twin.crs import NATIONAL, WGS84, transformer

HAND, SLOPE, COVER, SUN_HOURS = "hand", "slope", "landcover", "sun_hours"
CHANNEL = Parameter("channel_km2", "km2", flood.CHANNEL_KM2, 0.05, 100.0, "Catchment from which a channel runs")
DAY = Parameter("day", "day of the year", 80.0, 1.0, 365.0, "Day of the year; 80 is the March equinox")
HAND_M, SLOPE_M, COVER_M, SUN_M = 50.0, 30.0, 30.0, 90.0
"""Cells, metres."""
_TILE_M = 9000.0
_REACH_M = 4500.0
"""How far ridges are looked for."""
_ROWS = 256
_MINUTES = 30.0
_YEAR = 2026


def _middles(west: float, north: float, cell: float, rows: int, columns: int, first: int = 0) -> tuple[Floats, Floats]:
    """Degrees (rows * columns,) of the middles of cells, from row `first` on."""
    x, y = np.meshgrid(west + (np.arange(columns) + 0.5) * cell, north - (first + np.arange(rows) + 0.5) * cell)
    lon, lat = transformer(NATIONAL.to_wkt(), WGS84.to_wkt()).transform(x.ravel(), y.ravel())
    return np.asarray(lon, np.float64), np.asarray(lat, np.float64)


def heights(request: GridRequest, cell: float, *, margin: int = 0) -> Grid:
    """The ground at the middles of cells over the extent and `margin` cells around it; metres above EGM96."""
    west, south, east, north = request.extent
    columns, rows = (round((high - low) / cell) + 2 * margin for low, high in ((west, east), (south, north)))
    west, north = west - margin * cell, north + margin * cell
    ground = request.ground()
    values = np.empty((rows, columns), np.float32)
    for first in range(0, rows, _ROWS):
        some = min(_ROWS, rows - first)
        lon, lat = _middles(west, north, cell, some, columns, first)
        values[first : first + some] = ground.heights(lon, lat, resolution_m=cell).reshape(some, columns)
    return Grid(values, west, north, cell)


def make_hand(request: GridRequest) -> Grid:
    """Height above the nearest drainage of the country, from the loaded elevation models; kept beside the rasters."""
    words = (request.extent, HAND_M, request.parameters[CHANNEL.name], request.rasters.get(TERRAIN), request.rasters.get(LANDCOVER))  # fmt: skip
    digest = hashlib.sha256(repr(words).encode()).hexdigest()[:16]
    kept = request.settings.data.state / "cache" / "grids" / f"hand-{digest}.npy"
    west, north = request.extent.west, request.extent.north
    if kept.is_file():
        return Grid(np.load(kept, mmap_mode="r"), west, north, HAND_M)
    ground = heights(request, HAND_M)
    found = flood.hand(
        ground.values, HAND_M, channel_km2=request.parameters[CHANNEL.name],
        water=np.isin(_cover(request, ground), WATER_CLASSES),
    ).height_m  # fmt: skip
    _keep(kept, found)
    return Grid(found, west, north, HAND_M)


def _keep(path: Path, values: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.npy")
    np.save(part, values)
    part.replace(path)


def _cover(request: GridRequest, like: Grid) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Land cover classes at the cells of a grid, NaN where none is loaded."""
    from layers.pyramid import Pyramid

    files = request.rasters.get(LANDCOVER, ())
    rows, columns = like.values.shape
    found = np.full((rows, columns), np.nan, np.float32)
    if not files:
        return found
    cover = Pyramid(files[-1], average=False)
    for first in range(0, rows, _ROWS):
        some = min(_ROWS, rows - first)
        lon, lat = _middles(like.west, like.north, like.cell, some, columns, first)
        found[first : first + some] = cover.sample(*cover.pixels(lon, lat), nearest=True).reshape(some, columns)
    return found


def make_slope(request: GridRequest) -> Grid:
    """Slope in per cent over cells of 30 m."""
    ground = heights(request, SLOPE_M, margin=1)
    steep = terrain.slope_percent(ground.values, SLOPE_M)[1:-1, 1:-1]
    return Grid(np.ascontiguousarray(steep), request.extent.west, request.extent.north, SLOPE_M)


def make_cover(request: GridRequest) -> Grid:
    """Classes of the land cover."""
    west, south, east, north = request.extent
    shape = (round((north - south) / COVER_M), round((east - west) / COVER_M))
    blank = Grid(np.empty(shape, np.float32), west, north, COVER_M)
    return Grid(_cover(request, blank), west, north, COVER_M)


def make_sun_hours(request: GridRequest) -> Grid:
    """Hours of direct sun on a day with a clear sky, terrain's shadows taken off; the sun as from the tile's middle."""
    margin = int(_REACH_M / SUN_M)
    ground = heights(request, SUN_M, margin=margin)
    west, south, east, north = request.extent
    lon, lat = transformer(NATIONAL.to_wkt(), WGS84.to_wkt()).transform((west + east) / 2, (south + north) / 2)
    day = datetime(_YEAR, 1, 1, 10, tzinfo=UTC) + timedelta(days=round(request.parameters[DAY.name]) - 1)
    path = sun.position(sun.times_of(day, step_minutes=_MINUTES), float(lon), float(lat))
    found = sun.hours(ground.values, SUN_M, path, step_hours=_MINUTES / 60, reach_m=_REACH_M)
    return Grid(np.ascontiguousarray(found[margin:-margin, margin:-margin]), west, north, SUN_M)


GRIDS = (
    GridProvider(HAND, "m", 1, make_hand, rasters=(TERRAIN, LANDCOVER), parameters=(CHANNEL,)),
    GridProvider(SLOPE, "%", 1, make_slope, rasters=(TERRAIN,), tile_m=_TILE_M),
    GridProvider(COVER, "class", 1, make_cover, rasters=(LANDCOVER,), tile_m=_TILE_M),
    GridProvider(SUN_HOURS, "h", 1, make_sun_hours, rasters=(TERRAIN,), parameters=(DAY,), tile_m=_TILE_M),
)
