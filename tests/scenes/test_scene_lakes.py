"""Lakes in the terrain: level, masked, joined without cracks, and sent to those who ask for them."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import shapely
from fastapi import FastAPI
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from scene_reading import ReadTerrain, read_terrain
from scene_samples import RWANDA
from test_scene_terrain import TERRAIN, at, edge, hills

from scenes.lakes import NO_LAKES, Lakes
from scenes.quadtree import Grid
from scenes.quantized import MASK_SIDE, encode
from scenes.router import router
from scenes.terrain import CELLS, Terrain
from twin.access import SYSTEM
from twin.audit import Unit
from twin.crs import geoid_separation
from twin.db import Database
from twin.grid import BBox
from twin.http import install_problems

MIDDLE = (30.06, -1.95)
ISLAND = shapely.Point(*MIDDLE).buffer(0.002)
LAKE = shapely.Point(*MIDDLE).buffer(0.03) - ISLAND
LEVEL_M = 1462.0


def basin(lon: NDArray[np.float64], lat: NDArray[np.float64], *, resolution_m: float = 0.0) -> NDArray[np.float64]:
    """Hills with a basin that the model knows to a metre or two, as real models do."""
    far = np.hypot(lon - MIDDLE[0], lat - MIDDLE[1])
    water = LEVEL_M + 1.5 * np.sin(lon * 9_000) * np.cos(lat * 8_000)
    return np.where(far < 0.031, water, np.nan_to_num(hills(lon, lat), nan=1500.0))


WET = replace(TERRAIN, heights=basin, lakes=Lakes.of([LAKE], basin))


def mesh_of(terrain: Terrain, z: int, x: int, y: int) -> ReadTerrain:
    return read_terrain(encode(terrain.mesh(z, x, y)))


@pytest.mark.parametrize("z", [9, 12, 14])
def test_a_lake_is_level_and_its_island_is_not(z: int) -> None:
    assert WET.lakes.levels[0] == pytest.approx(LEVEL_M, abs=0.5)
    x, y = at(z, MIDDLE[0] + 0.012, MIDDLE[1])
    tile = mesh_of(WET, z, x, y)
    size = 180 / 2**z
    lon = -180 + (x + np.rint(tile.u * CELLS / 32_767) / CELLS) * size
    lat = -90 + (y + np.rint(tile.v * CELLS / 32_767) / CELLS) * size
    wet = shapely.contains_xy(LAKE, lon, lat)
    assert wet.any()
    above = tile.heights - geoid_separation(lon, lat)
    assert np.ptp(above[wet]) <= 0.126, "one step of the heights"


@pytest.mark.parametrize("z", [8, 10, 12, 13, 14])
def test_tiles_join_across_the_shore_without_a_crack(z: int) -> None:
    x, y = at(z, MIDDLE[0] + 0.03, MIDDLE[1])
    for dx in (-1, 0, 1):
        here, east, north = (mesh_of(WET, z, *place) for place in ((x + dx, y), (x + dx + 1, y), (x + dx, y + 1)))
        assert np.array_equal(edge(here, 2), edge(east, 0))
        assert np.array_equal(edge(here, 3), edge(north, 1))


def mask_of(data: bytes) -> tuple[list[int], bytes]:
    """The extensions of a tile in order, and its water mask."""
    (count,) = struct.unpack("<I", data[88:92])
    at_byte = 92 + 6 * count
    (triangles,) = struct.unpack("<I", data[at_byte : at_byte + 4])
    at_byte += 4 + 6 * triangles
    for _ in range(4):
        (length,) = struct.unpack("<I", data[at_byte : at_byte + 4])
        at_byte += 4 + 2 * length
    found, mask = [], b""
    while at_byte < len(data):
        kind, length = struct.unpack("<BI", data[at_byte : at_byte + 5])
        found.append(kind)
        mask = data[at_byte + 5 : at_byte + 5 + length] if kind == 2 else mask
        at_byte += 5 + length
    return found, mask


def test_the_mask_shows_the_lake_from_north_to_south_and_is_one_byte_where_all_is_alike() -> None:
    z = 11
    x, y = at(z, MIDDLE[0], MIDDLE[1])
    kinds, mask = mask_of(WET.tile(z, x, y, extensions=("octvertexnormals", "watermask")))
    assert kinds == [1, 2]
    picture = np.frombuffer(mask, np.uint8).reshape(MASK_SIDE, MASK_SIDE)
    size = 180 / 2**z
    lon = -180 + x * size + (np.arange(MASK_SIDE) + 0.5) * size / MASK_SIDE
    lat = -90 + (y + 1) * size - (np.arange(MASK_SIDE) + 0.5) * size / MASK_SIDE
    truth = shapely.contains_xy(LAKE, *(axis.ravel() for axis in np.meshgrid(lon, lat))).reshape(picture.shape)
    assert ((picture == 255) != truth).mean() < 0.002
    dry = WET.tile(z, x + 5, y, extensions=("watermask",))
    assert mask_of(dry) == ([2], b"\0")
    middle = at(14, MIDDLE[0] + 0.015, MIDDLE[1])
    assert mask_of(WET.tile(14, *middle, extensions=("watermask",))) == ([2], b"\xff")
    assert len(gzip.compress(WET.tile(z, x, y, extensions=("octvertexnormals", "watermask")))) < 40 * 1024


def test_an_outline_on_a_slope_is_no_lake() -> None:
    slope = Lakes.of([LAKE], lambda lon, lat, *, resolution_m: (lon - 30.0) * 10_000)
    assert np.isnan(slope.levels).all()
    ground = np.array([1500.0])
    assert slope.level(np.array([MIDDLE[0] + 0.01]), np.array([MIDDLE[1]]), ground) is ground
    assert NO_LAKES.mask(BBox(29, -2, 30, -1)).max() == 0


@pytest.fixture(scope="module")
def web(database: Database) -> Iterator[TestClient]:
    with database.session(SYSTEM, pool="owner", unit=Unit("test", "land.lakes")) as session:
        session.execute(
            "insert into twin.raster (name, layer, path, west, south, east, north) values ('basin', 'land.terrain', '', 28, -3, 31, -1)"
        )
        session.execute(
            "insert into land.lakes (id, geom, origin) values ('lake:test', st_multi(st_geomfromwkb(%s, 4326)), 'derived')",
            (shapely.to_wkb(LAKE),),
        )
        session.execute("update twin.layer set count = 1, generation = generation + 1 where name = 'land.lakes'")
    app = FastAPI()
    install_problems(app)
    app.state.database = database
    app.include_router(
        router(grid=Grid.over(RWANDA), separation=geoid_separation, terrain=replace(TERRAIN, heights=basin))
    )
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize(
    ("accept", "kinds"),
    [
        ("*/*", [1]),
        ("application/vnd.quantized-mesh", []),
        ("application/vnd.quantized-mesh;extensions=octvertexnormals,*/*;q=0.01", [1]),
        (
            "application/vnd.quantized-mesh;extensions=octvertexnormals-watermask-metadata,application/octet-stream;q=0.9",
            [1, 2],
        ),
        ("application/octet-stream;q=0.9, application/vnd.quantized-mesh; extensions=watermask", [2]),
    ],
)
def test_a_client_gets_the_extensions_that_it_asks_for(web: TestClient, accept: str, kinds: list[int]) -> None:
    x, y = at(12, MIDDLE[0] + 0.02, MIDDLE[1])
    answer = web.get(f"/scenes/terrain/12/{x}/{y}.terrain", headers={"Accept": accept})
    assert answer.status_code == 200
    assert mask_of(answer.content)[0] == kinds
    assert "Accept" in answer.headers["vary"].split(", ")
    names = [{1: "octvertexnormals", 2: "watermask"}[kind] for kind in kinds]
    assert answer.headers["content-type"].endswith("-".join(names) or "quantized-mesh")
    assert set(web.get("/scenes/terrain/layer.json").json()["extensions"]) == {"octvertexnormals", "watermask"}


def test_the_lakes_of_the_database_lie_level_in_the_served_terrain(web: TestClient) -> None:
    x, y = at(14, MIDDLE[0] + 0.015, MIDDLE[1])
    tile = read_terrain(web.get(f"/scenes/terrain/14/{x}/{y}.terrain").content)
    assert np.ptp(tile.heights) < 0.5
