"""Quantized-mesh tiles: readable, joined without cracks, within their error, valid for horizon culling."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scene_reading import ReadTerrain, read_terrain
from scene_samples import RWANDA

from scenes import rtin
from scenes.frame import ecef
from scenes.terrain import CELLS, ERROR_SHARE, LEVEL_ZERO_ERROR_M, Terrain
from twin.crs import geoid_separation
from twin.errors import NotFound


def hills(lon: NDArray[np.float64], lat: NDArray[np.float64], *, resolution_m: float = 0.0) -> NDArray[Any]:
    """Whole metres like the national model, with a hole where it has none."""
    height = 1800 + 250 * np.sin(lon * 40) * np.cos(lat * 50) + 40 * np.sin(lon * 400) * np.sin(lat * 370)
    return np.where((lon < 29.2) & (lat < -2.4), np.nan, np.round(height)).astype(np.float32)


TERRAIN = Terrain(hills, geoid_separation, RWANDA, outside_m=1462.0)


def at(z: int, lon: float = 30.06, lat: float = -1.95) -> tuple[int, int]:
    size = 180 / 2**z
    return int((lon + 180) / size), int((lat + 90) / size)


def edge(tile: ReadTerrain, side: int) -> NDArray[np.float64]:
    """Position along the edge and height, west to east or south to north."""
    along = tile.v if side in (0, 2) else tile.u
    index = tile.edges[side]
    return np.column_stack([along[index], tile.heights[index]])


@pytest.mark.parametrize("z", [1, 6, 9, 12, 14])
def test_neighbours_share_every_vertex_of_their_edge_exactly(z: int) -> None:
    x, y = at(z)
    here, east, north = (
        read_terrain(TERRAIN.tile(z, *place) if TERRAIN.has(z, *place) else encoded(z, *place))
        for place in ((x, y), (x + 1, y), (x, y + 1))
    )
    assert np.array_equal(edge(here, 2), edge(east, 0))
    assert np.array_equal(edge(here, 3), edge(north, 1))
    assert len(here.edges[2]) == CELLS + 1


def encoded(z: int, x: int, y: int) -> bytes:
    from scenes.quantized import encode

    return encode(TERRAIN.mesh(z, x, y))


@pytest.mark.parametrize("z", [0, 3, 8, 11, 14])
def test_a_tile_covers_its_square_once_and_keeps_to_its_error(z: int) -> None:
    x, y = at(z)
    tile = read_terrain(TERRAIN.tile(z, x, y))
    column, row = np.rint(tile.u * CELLS / 32767).astype(int), np.rint(tile.v * CELLS / 32767).astype(int)
    a, b, c = (np.stack([column[i], row[i]], 1) for i in tile.triangles.T)
    area = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    assert area.min() > 0
    assert area.sum() == CELLS * CELLS
    size = 180 / 2**z
    lon, lat = (x + column / CELLS) * size % 360 - 180, -90 + (y + row / CELLS) * size
    truth = hills(lon, lat)
    truth = np.where(np.isfinite(truth), truth, 1462.0) + geoid_separation(lon, lat)
    assert np.abs(tile.heights - truth).max() <= 0.0626
    assert tile.low <= tile.heights.min()
    assert tile.high >= tile.heights.max()
    assert tile.high - tile.low <= 2 * max(np.ptp(tile.heights), 64)


def test_what_is_left_out_lies_within_the_error_of_the_level() -> None:
    x, y = at(12)
    mesh = TERRAIN.mesh(12, x, y)
    grid = mesh.heights.reshape(CELLS + 1, CELLS + 1)
    most = ERROR_SHARE * LEVEL_ZERO_ERROR_M / 2**12
    drawn = np.full(grid.shape, np.nan)
    for triangle in mesh.triangles:
        rows, columns = triangle // (CELLS + 1), triangle % (CELLS + 1)
        fill(drawn, grid, rows, columns)
    assert not np.isnan(drawn).any()
    assert np.abs(drawn - grid).max() <= 2 * most, (
        "the error of a vertex is measured against its parents, not against all"
    )
    assert len(mesh.triangles) < 2 * CELLS * CELLS


def fill(drawn: NDArray[np.float64], grid: NDArray[np.float64], rows: Any, columns: Any) -> None:
    """Interpolate the plane of a triangle at the vertices of the grid inside it."""
    row, column = np.mgrid[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    corners = np.array([[1, 1, 1], rows, columns], float)
    weights = np.linalg.solve(corners, np.stack([np.ones(row.size), row.ravel(), column.ravel()]))
    inside = (weights >= -1e-9).all(axis=0)
    drawn[row.ravel()[inside], column.ravel()[inside]] = (weights * grid[rows, columns][:, None]).sum(axis=0)[inside]


def test_level_ground_keeps_only_its_edges() -> None:
    heights = np.full((CELLS + 1, CELLS + 1), 1462.0)
    kept = rtin.triangles(rtin.errors(heights), CELLS, 0.1)
    assert len(np.unique(kept)) < 600
    assert len(rtin.triangles(rtin.errors(heights, keep_edges=False), CELLS, 0.1)) == 2


def test_the_occlusion_point_and_the_sphere_hold_all_vertices() -> None:
    x, y = at(10)
    data = TERRAIN.tile(10, x, y)
    tile = read_terrain(data)
    point = np.frombuffer(data, "<f8", 3, 64)
    assert np.linalg.norm(point) > 1
    size = 180 / 2**10
    lon, lat = -180 + (x + tile.u / 32767) * size, -90 + (y + tile.v / 32767) * size
    distance = np.linalg.norm(ecef(lon, lat, tile.heights) - np.array(tile.sphere[:3]), axis=1)
    assert distance.max() <= tile.sphere[3] + 0.5


def test_normals_of_neighbours_agree_along_their_edge() -> None:
    x, y = at(12)
    here, east = read_terrain(TERRAIN.tile(12, x, y)), read_terrain(TERRAIN.tile(12, x + 1, y))
    assert np.array_equal(here.normals[here.edges[2]], east.normals[east.edges[0]])


def test_tiles_outside_the_region_are_not_found_and_the_depth_is_said() -> None:
    for place in ((15, 0, 0), (10, 0, 0), (-1, 0, 0)):
        with pytest.raises(NotFound, match="levels go from 0 to 14"):
            TERRAIN.tile(*place)


def test_the_layer_names_both_roots_and_every_level() -> None:
    layer = TERRAIN.layer_json(version="3")
    assert layer["available"][0] == [{"startX": 0, "startY": 0, "endX": 1, "endY": 0}]
    assert len(layer["available"]) == 15
    assert layer["scheme"] == "tms"
    for z, (rows,) in enumerate(layer["available"]):
        assert TERRAIN.has(z, rows["startX"], rows["startY"])
        assert TERRAIN.has(z, rows["endX"], rows["endY"])


def test_a_tile_stays_under_forty_kibibytes() -> None:
    x, y = at(12)
    assert len(gzip.compress(TERRAIN.tile(12, x, y))) < 40 * 1024
