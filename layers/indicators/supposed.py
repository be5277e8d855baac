"""What the shocks of a branch suppose, as grids that other indicators sample: water that stands in an area, supply that failed around a place."""

from __future__ import annotations

import numpy as np
import shapely
from psycopg import sql

from layers.indicators.spec import Floats, Grid, GridProvider, GridRequest
from layers.query import Clause, select
from twin.crs import NATIONAL, WGS84, to_national, transformer
from twin.grid import BBox

SHOCKS = "land.shocks"
WATER, DARK = "supposed.flood_m", "supposed.without_power"
CELL_M, TILE_M = 25.0, 5000.0
_FARTHEST_M = 50_000.0
_RIM_M = 50.0


def _shocks(request: GridRequest, kind: str, field: str, reach_m: float) -> list[tuple[shapely.Geometry, float]]:
    """Shapes (national metres) and sizes of the shocks of a kind within `reach_m` of the extent."""
    if SHOCKS not in request.registry.layers:
        return []
    west, south, east, north = request.extent
    wide = (west - reach_m, south - reach_m, east + reach_m, north + reach_m)
    box = BBox(*transformer(NATIONAL.to_wkt(), WGS84.to_wkt()).transform_bounds(*wide))
    asked, values = select(
        request.registry.layer(SHOCKS), sql.SQL("st_asbinary(t.geom), ") + sql.Identifier("t", field), bbox=box, after=None,
        scenario=request.scenario, where=Clause(sql.SQL("t.kind = %(kind)s"), {"kind": kind}), ordered=False,
    )  # fmt: skip
    rows = [(bytes(row[1]), float(row[2])) for row in request.session.execute(asked, values) if None not in row[1:]]
    shapes = to_national(shapely.from_wkb(np.array([row[0] for row in rows], object)))
    return [(shape, size) for shape, (_, size) in zip(shapes, rows, strict=True)]


def _nothing(request: GridRequest) -> Grid:
    """One cell for all of the extent, of no value: most of the country has no shocks."""
    side = max(request.extent.east - request.extent.west, request.extent.north - request.extent.south)
    return Grid(np.full((1, 1), np.nan, np.float32), request.extent.west, request.extent.north, side)


def _middles(request: GridRequest) -> tuple[Floats, Floats]:
    """National metres (rows, columns) of the middles of cells."""
    west, south, east, north = request.extent
    columns, rows = round((east - west) / CELL_M), round((north - south) / CELL_M)
    x, y = np.meshgrid(west + (np.arange(columns) + 0.5) * CELL_M, north - (np.arange(rows) + 0.5) * CELL_M)
    return x, y


def make_water(request: GridRequest) -> Grid:
    """Metres above the nearest drainage at which water is supposed to stand, the highest of several; NaN where none is."""
    found = _shocks(request, "flood", "level_m", _RIM_M)
    if not found:
        return _nothing(request)
    x, y = _middles(request)
    level = np.full(x.shape, np.nan, np.float32)
    for shape, high in found:
        shapely.prepare(shape)
        level = np.where(shapely.intersects_xy(shape, x, y), np.fmax(level, np.float32(high)), level)
    return Grid(level.astype(np.float32), request.extent.west, request.extent.north, CELL_M)


def make_dark(request: GridRequest) -> Grid:
    """1 within the reach of a failure of the grid, NaN elsewhere."""
    found = _shocks(request, "transformer failed", "radius_m", _FARTHEST_M)
    if not found:
        return _nothing(request)
    x, y = _middles(request)
    spots = shapely.points(x, y)
    dark = np.zeros(x.shape, bool)
    for shape, radius in found:
        shapely.prepare(shape)
        dark |= np.asarray(shapely.dwithin(shape, spots, radius), bool)
    return Grid(np.where(dark, np.float32(1), np.float32(np.nan)), request.extent.west, request.extent.north, CELL_M)


GRIDS = (
    GridProvider(WATER, "m", 1, make_water, inputs=(SHOCKS,), tile_m=TILE_M, reach_m=_RIM_M),
    GridProvider(DARK, "1", 1, make_dark, inputs=(SHOCKS,), tile_m=TILE_M, reach_m=_FARTHEST_M),
)
