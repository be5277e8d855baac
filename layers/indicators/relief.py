"""Grids of the ground that indicators sample: height above the nearest drainage, slope, land cover, hours of sun."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import shapely
from psycopg import sql

from layers import query
from layers.ground import LANDCOVER, TERRAIN, WATER_CLASSES
from layers.indicators.places import Shapes
from layers.indicators.spec import BUILDINGS, Floats, Grid, GridProvider, GridRequest, Parameter
from layers.models import flood, sun, terrain
from twin.crs import NATIONAL, WGS84, to_national, transformer
from twin.grid import BBox

HAND, SLOPE, COVER, SUN_HOURS, ROOF_HOURS = "hand", "slope", "landcover", "sun_hours", "sun_hours_roofs"
CHANNEL = Parameter("channel_km2", "km2", flood.CHANNEL_KM2, 0.05, 100.0, "Catchment from which a channel runs")
DAY = Parameter("day", "day of the year", 80.0, 1.0, 365.0, "Day of the year; 80 is the March equinox")
HAND_M, SLOPE_M, COVER_M, SUN_M = 50.0, 30.0, 30.0, 90.0
"""Cells, metres."""
ROOF_M, ROOF_TILE_M, ROOF_REACH_M = 5.0, 900.0, 300.0
"""Cells fine enough for houses, in tiles of some streets; a building of 20 m throws 300 m of shadow half an hour from sunset."""
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
    path = sun.position(sun.times_of(_day(request), step_minutes=_MINUTES), float(lon), float(lat))
    found = sun.hours(ground.values, SUN_M, path, step_hours=_MINUTES / 60, reach_m=_REACH_M)
    return Grid(np.ascontiguousarray(found[margin:-margin, margin:-margin]), west, north, SUN_M)


def make_roof_hours(request: GridRequest) -> Grid:
    """Hours of direct sun on a day on roofs and open ground: the shadows of buildings up to 300 m away and of the terrain beyond."""
    west, south, east, north = request.extent
    margin = int(ROOF_REACH_M / ROOF_M)
    ground = heights(request, ROOF_M, margin=margin)
    shapes, tall = _buildings(request, ROOF_REACH_M)
    surface = sun.with_buildings(ground.values, ground.west, ground.north, ROOF_M, shapes, tall)
    wide = int(_REACH_M / SUN_M)
    far = heights(request, SUN_M, margin=wide)
    lon, lat = transformer(NATIONAL.to_wkt(), WGS84.to_wkt()).transform((west + east) / 2, (south + north) / 2)
    path = sun.position(sun.times_of(_day(request), step_minutes=_MINUTES), float(lon), float(lat))
    rows, columns = surface.shape
    x = ground.west + (np.arange(columns) + 0.5) * ROOF_M
    y = ground.north - (np.arange(rows) + 0.5) * ROOF_M
    row = np.clip(((far.north - y) / SUN_M).astype(np.intp), 0, far.values.shape[0] - 1)
    column = np.clip(((x - far.west) / SUN_M).astype(np.intp), 0, far.values.shape[1] - 1)
    found = np.zeros(surface.shape, np.float32)
    for azimuth, altitude in zip(path.azimuth.tolist(), path.altitude.tolist(), strict=True):
        if altitude > 0:
            hills = sun.shaded(far.values, SUN_M, azimuth, altitude, reach_m=_REACH_M)[np.ix_(row, column)]
            found += ~(hills | sun.shaded(surface, ROOF_M, azimuth, altitude, reach_m=ROOF_REACH_M))
    found *= np.float32(_MINUTES / 60)
    found[~np.isfinite(surface)] = np.nan
    inner = np.ascontiguousarray(found[margin:-margin, margin:-margin])
    return Grid(inner, west, north, ROOF_M)


def _buildings(request: GridRequest, reach_m: float) -> tuple[Shapes, Floats]:
    """Footprints (n,) in national metres and heights (n,) metres of the buildings in the extent and around it, in the order of id."""
    west, south, east, north = request.extent
    wide = (west - reach_m, south - reach_m, east + reach_m, north + reach_m)
    box = BBox(*transformer(NATIONAL.to_wkt(), WGS84.to_wkt()).transform_bounds(*wide))
    asked, values = query.select(
        request.registry.layer(BUILDINGS), sql.SQL("t.id, st_asbinary(t.geom), t.height_m"), bbox=box, after=None,
        scenario=request.scenario, where=query.Clause(sql.SQL("t.height_m > 0"), {}), ordered=False,
    )  # fmt: skip
    rows = sorted(
        (str(row[1]), bytes(row[2]), float(row[3]))
        for row in request.session.execute(asked, values)
        if row[2] is not None
    )
    shapes = np.asarray(shapely.from_wkb(np.array([row[1] for row in rows], object)), object)
    return to_national(shapes), np.array([row[2] for row in rows], np.float64)


def _day(request: GridRequest) -> datetime:
    return datetime(_YEAR, 1, 1, 10, tzinfo=UTC) + timedelta(days=round(request.parameters[DAY.name]) - 1)


GRIDS = (
    GridProvider(HAND, "m", 1, make_hand, rasters=(TERRAIN, LANDCOVER), parameters=(CHANNEL,)),
    GridProvider(SLOPE, "%", 1, make_slope, rasters=(TERRAIN,), tile_m=_TILE_M),
    GridProvider(COVER, "class", 1, make_cover, rasters=(LANDCOVER,), tile_m=_TILE_M),
    GridProvider(SUN_HOURS, "h", 1, make_sun_hours, rasters=(TERRAIN,), parameters=(DAY,), tile_m=_TILE_M),
    GridProvider(
        ROOF_HOURS, "h", 1, make_roof_hours, inputs=(BUILDINGS,), rasters=(TERRAIN,), parameters=(DAY,), tile_m=ROOF_TILE_M,
        reach_m=ROOF_REACH_M,
    ),
)  # fmt: skip
