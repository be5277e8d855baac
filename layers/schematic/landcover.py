"""The schematic land cover: classes by rule from the terrain, the parks, the towns and the people.

The numbers are those of the 2015 national scheme as far as they are known (12 water, 11 wetland, 10 annual cropland,
13 settlement); the others are read by their place in that list.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from rasterio.transform import Affine, from_origin
from rasterio.warp import Resampling
from rasterio.warp import reproject as warp

from layers.schematic.country import places, points
from layers.schematic.facts import Facts
from layers.schematic.noise import Grid, smooth_noise
from layers.schematic.terrain import UTM35S, Terrain
from twin.crs import WGS84, reproject

CLASSES = {
    0: "outside", 1: "dense forest", 2: "moderate forest", 3: "sparse forest", 4: "woodland", 5: "closed grassland",
    6: "open grassland", 7: "closed shrubland", 8: "open shrubland", 9: "perennial cropland", 10: "annual cropland",
    11: "wetland", 12: "water", 13: "settlement", 14: "bare ground",
}  # fmt: skip
NODATA = 255
DEGREE_M = 120_000.0
"""Rounds the resolution in degrees: 120 m of terrain become 0.001 degrees (111 m)."""
PATCHES_M = ((1700.0, 1.0), (600.0, 0.5))
"""Size and weight of the patches that the cover falls into."""
WETLAND_M = 450.0
WETLAND_BELOW_M = 1900.0
URBAN_PER_KM2 = 2200.0
TOWN_RADIUS_M = {"capital": 3200.0, "city": 2200.0, "town": 1100.0, "border": 500.0}

Classes = NDArray[np.uint8]


def landcover(
    facts: Facts, terrain: Terrain, villages: gpd.GeoDataFrame, random: np.random.Generator
) -> tuple[Classes, Affine]:
    """Classes (rows, columns) uint8 in EPSG:4326, 0 outside the border, and the transform of the raster."""
    shape, slope = terrain.heights.shape, terrain.slope
    noise: Grid = np.zeros(shape, np.float32)
    for spacing, size in PATCHES_M:
        noise += np.float32(size) * smooth_noise(shape, spacing / terrain.resolution_m, random)
    cover = np.full(shape, 10, np.uint8)
    cover[(noise > 0.5) & (terrain.heights > 1500)] = 9
    cover[(noise < -1.1) & (terrain.heights < 1500)] = 6
    cover[(noise < -1.6) & (slope > 0.15)] = 3
    cover[(slope > 0.42) & (noise > -0.4)] = 2
    _parks(facts, terrain, noise, cover)
    cover[(terrain.river_m < WETLAND_M) & (slope < 0.10) & (terrain.heights < WETLAND_BELOW_M)] = 11
    cover[_settled(facts, terrain, villages, noise) & (cover != 11) & (slope < 0.35)] = 13
    cover[terrain.water] = 12
    cover[~terrain.country] = 0
    return _geographic(cover, terrain)


def _parks(facts: Facts, terrain: Terrain, noise: NDArray[np.float32], cover: Classes) -> None:
    """Forest, savanna and, high on the volcanoes, moor and rock, in place."""
    for park, (east, north) in zip(facts.parks.to_dict("records"), places(facts.parks, UTM35S), strict=True):
        major, minor, turn = park["semi_major_km"] * 1000, park["semi_minor_km"] * 1000, np.radians(park["bearing_deg"])
        window = _window(terrain, east, north, 1.4 * major)
        part, rough = cover[window], noise[window]
        row, column = np.ogrid[window]
        x, y = terrain.transform @ (column + 0.5, row + 0.5)
        along = (x - east) * np.sin(turn) + (y - north) * np.cos(turn)
        across = (x - east) * np.cos(turn) - (y - north) * np.sin(turn)
        inside = np.hypot(along / major, across / minor) < 1 + 0.06 * rough
        wild = rough[inside]
        if park["cover"] == "forest":
            part[inside] = np.where(wild > 1.2, 2, 1)
        else:
            part[inside] = np.select([wild > 0.6, wild < -0.6], [4, 6], 8)
    cover[terrain.heights > 3300] = 7
    cover[terrain.heights > 4150] = 14


def _settled(
    facts: Facts, terrain: Terrain, villages: gpd.GeoDataFrame, noise: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Villages denser than `URBAN_PER_KM2`, and the ground about each town."""
    shapes = villages.geometry.to_crs(UTM35S)
    dense = shapes[villages["population"].to_numpy() / (shapes.area / 1e6) > URBAN_PER_KM2]
    settled = np.zeros(noise.shape, bool)
    if len(dense):
        settled |= rasterio.features.rasterize(dense, noise.shape, transform=terrain.transform).astype(bool)
    for rank, (east, north) in zip(facts.towns["rank"], places(facts.towns, UTM35S), strict=True):
        window = _window(terrain, east, north, 1.6 * TOWN_RADIUS_M[rank])
        row, column = np.ogrid[window]
        x, y = terrain.transform @ (column + 0.5, row + 0.5)
        settled[window] |= np.hypot(x - east, y - north) < TOWN_RADIUS_M[rank] * (1 + 0.25 * noise[window].clip(-2, 2))
    return settled


def _window(terrain: Terrain, east: float, north: float, reach_m: float) -> tuple[slice, slice]:
    """The rows and columns within `reach_m` of a place, cut to the raster."""
    column, row = ~terrain.transform @ (east, north)
    reach = terrain.pixels(reach_m) + 1
    rows, columns = terrain.heights.shape
    return (
        slice(max(int(row) - reach, 0), max(min(int(row) + reach + 1, rows), 0)),
        slice(max(int(column) - reach, 0), max(min(int(column) + reach + 1, columns), 0)),
    )


def _geographic(cover: Classes, terrain: Terrain) -> tuple[Classes, Affine]:
    rows, columns = cover.shape
    step = terrain.resolution_m / DEGREE_M
    corners = points(np.array([terrain.transform @ (c, r) for c in (0, columns) for r in (0, rows)]))
    lon, lat = shapely.get_coordinates(reproject(corners, UTM35S, WGS84)).T
    west, north = np.round(lon.min(), 2), np.round(lat.max(), 2)
    width, height = int((lon.max() - west) / step), int((north - lat.min()) / step)
    target = np.zeros((height, width), np.uint8)
    transform = from_origin(west, north, step, step)
    warp(
        cover, target,
        src_transform=terrain.transform, src_crs=UTM35S.to_wkt(), dst_transform=transform, dst_crs=WGS84.to_wkt(),
        resampling=Resampling.nearest, init_dest_nodata=False,
    )  # fmt: skip
    return target, transform
