"""A hand-made country of two sectors and eight villages by a lake, and the real one for a few sectors."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_bounds, from_origin

from layers.synthesis.country import Centre, Corridors, Country
from layers.synthesis.frames import metres_per_degree
from layers.synthesis.ground import Cover, Elevation, Terrain, read_raster
from layers.synthesis.stock import Pair, stock, whole

WEST, NORTH, SIDE = 30.0, -1.98, 0.006
"""The villages are squares of 0.006 degrees (670 m), two rows of four: sector 9101 above, 9102 below."""


def village_square(row: int, column: int) -> shapely.Polygon:
    west, north = WEST + column * SIDE, NORTH - row * SIDE
    return shapely.box(west, north - SIDE, west + SIDE, north)


def elevation(folder: Path) -> Terrain:
    """Heights rise 8 % to the east; the village 91010004 lies on a slope of 70 %. 10 m pixels, a void in the south-west."""
    east_m, north_m = metres_per_degree(np.array([NORTH]))[0]
    step = 10 / east_m
    columns, rows = int(5 * SIDE / step), int(3 * SIDE / step)
    x = np.arange(columns) * 10.0
    height = np.repeat((1400 + 0.08 * x)[None, :], rows, axis=0)
    first_column, last_row = int(3.4 * SIDE / step), int(1.4 * SIDE / step)
    height[:last_row, first_column:] += 0.62 * (np.arange(columns - first_column) * 10.0)
    values = np.rint(height).astype(np.int16)
    values[-40:, :40] = -32768
    path = folder / "heights.tif"
    transform = from_origin(WEST - SIDE / 2, NORTH + SIDE / 2, step, 10 / north_m)
    profile = {"driver": "GTiff", "width": columns, "height": rows, "count": 1, "dtype": "int16", "nodata": -32768}
    with rasterio.open(path, "w", crs="EPSG:4326", transform=transform, **profile) as target:
        target.write(values, 1)
    raster = read_raster(path)
    assert raster is not None
    return Terrain((Elevation.prepare(raster, se_m=5.0),))


def cover(folder: Path) -> Cover:
    """Class 10 everywhere, and a band of wetland (11) that covers the eastern half of the villages in the second column."""
    values = np.full((120, 240), 10, dtype=np.uint8)
    values[:, 60:80] = 11
    path = folder / "cover.tif"
    bounds = from_bounds(WEST - SIDE / 2, NORTH - 2.5 * SIDE, WEST + 5.5 * SIDE, NORTH + SIDE / 2, 240, 120)
    profile = {"driver": "GTiff", "width": 240, "height": 120, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", crs="EPSG:4326", transform=bounds, **profile) as target:
        target.write(values, 1)
    raster = read_raster(path)
    assert raster is not None
    return Cover(raster, water=(12,), wetland=(11,))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Country:
    folder = tmp_path_factory.mktemp("tiny")
    ids = [f"910{1 + row}000{1 + column}" for row in range(2) for column in range(4)]
    shapes = [village_square(row, column) for row in range(2) for column in range(4)]
    people = [500, 300, 350, 200, 2500, 320, 410, 30]
    villages = gpd.GeoDataFrame(
        {"id": ids, "population": people, "household": [p // 4 for p in people]}, geometry=shapes, crs="EPSG:4326"
    )
    lake = shapely.union(
        village_square(1, 3).buffer(0.0001), shapely.Point(WEST + 2.9 * SIDE, NORTH - 1.5 * SIDE).buffer(0.002)
    )
    road = shapely.LineString(
        [
            (WEST - 0.001, NORTH - 0.4 * SIDE),
            (WEST + 2.2 * SIDE, NORTH - 0.7 * SIDE),
            (WEST + 4.1 * SIDE, NORTH - 0.3 * SIDE),
        ]
    )
    river = shapely.LineString([(WEST + 0.5 * SIDE, NORTH), (WEST + 0.6 * SIDE, NORTH - 2 * SIDE)])
    return Country(
        villages=villages,
        census={"9101": 1777, "9102": 4211},
        terrain=elevation(folder),
        cover=cover(folder),
        lakes=np.array([lake], dtype=object),
        corridors=Corridors(np.array([road, river], dtype=object), np.array([7.0, 5.0]), np.array([True, False])),
        centres=(Centre("market", WEST + 0.5 * SIDE, NORTH - 1.4 * SIDE, 200.0, 12),),
    )


@pytest.fixture(scope="session")
def made(tiny: Country) -> Pair:
    return whole(stock(tiny, seed=7))
