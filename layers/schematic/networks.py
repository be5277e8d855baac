"""Roads and waterways: least-cost ways between towns, streams along the drainage, rivers from their seed points."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.transform import Affine
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import dijkstra
from shapely.geometry import LineString

from layers.schematic.country import Country, places, points, smooth
from layers.schematic.drainage import channels, drain, grid_edges
from layers.schematic.facts import Facts
from layers.schematic.terrain import UTM35S, Terrain
from twin.crs import NATIONAL, WGS84, reproject, to_wgs84

ROAD_CELL_M = 960.0
"""Cell of the road search."""
STREAM_CELL_M = 480.0
STREAM_KM2 = 12.0
"""A stream is drawn from where this much land drains through it."""
EASY_SLOPE = 0.06
"""Slope at which a kilometre of road costs twice what it costs on the flat."""
WATER_COST = 60.0
SURFACE = {"trunk": "asphalt", "primary": "asphalt", "secondary": "unpaved", "tertiary": "unpaved"}
LANES = {"trunk": "2", "primary": "2", "secondary": "2", "tertiary": "1"}


def waterways(country: Country, terrain: Terrain) -> gpd.GeoDataFrame:
    """Lines, downstream, EPSG:4326: id, name (rivers), waterway (river or stream), geometry."""
    cells = terrain.pixels(STREAM_CELL_M)
    coarse = _mean(terrain.heights, cells)
    dry = _mean((terrain.country & ~terrain.water & (terrain.river_m > STREAM_CELL_M)).astype(np.float32), cells) > 0.5
    cell_km2 = (cells * terrain.resolution_m / 1000) ** 2
    chains = channels(drain(coarse), round(STREAM_KM2 / cell_km2), dry)
    step = terrain.transform @ Affine.scale(cells)
    streams = [LineString(smooth(_centres(chain, coarse.shape[1], step))) for chain in chains]
    lines = np.concatenate(
        [
            reproject(np.array([river.line for river in country.rivers], dtype=object), NATIONAL, UTM35S),
            np.array(streams, dtype=object),
        ]
    )
    named = [river.name for river in country.rivers]
    return gpd.GeoDataFrame(
        {
            "id": [f"schematic:w{n}" for n in range(1, len(lines) + 1)],
            "name": named + [None] * len(streams),
            "waterway": ["river"] * len(named) + ["stream"] * len(streams),
        },
        geometry=to_wgs84(lines, UTM35S),
        crs="EPSG:4326",
    )


def roads(facts: Facts, terrain: Terrain, sectors: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Lines, EPSG:4326: id, ref, name, highway, surface, lanes, geometry. The links of the seed follow the easiest ground;
    the middle of each of `sectors` (polygons, EPSG:4326) is joined to the nearest of them by a tertiary road.
    """
    step = terrain.transform @ Affine.scale(terrain.pixels(ROAD_CELL_M))
    graph, columns = _cost(terrain)
    towns = facts.towns.assign(node=_nodes(places(facts.towns, UTM35S), step, columns)).set_index("name")
    at = dict(zip(towns.index, points(places(facts.towns, UTM35S)), strict=True))
    starts = sorted(set(facts.roads["from"]))
    _, before = dijkstra(graph, directed=False, indices=towns.loc[starts, "node"].to_numpy(), return_predecessors=True)
    rows: list[tuple[str, str, str, LineString]] = []
    used: set[int] = set()
    for link in facts.roads.to_dict("records"):
        chain = _back(before[starts.index(link["from"])], int(towns["node"][link["to"]]))
        used.update(chain)
        line = _centres(np.array(chain[::-1]), columns, step)
        ends = [shapely.get_coordinates(at[link[end]]) for end in ("from", "to")]
        line = np.vstack([ends[0], line[1:-1], ends[1]])
        rows.append((link["ref"], f"{link['from']} to {link['to']}", link["class"], LineString(smooth(line))))
    inside = shapely.point_on_surface(np.asarray(sectors.geometry.array))
    middles = shapely.get_coordinates(reproject(inside, WGS84, UTM35S))
    for name, chain in _branches(graph, used, _nodes(middles, step, columns), sectors["name"].tolist()):
        rows.append(("", f"{name} road", "tertiary", LineString(smooth(_centres(np.array(chain), columns, step)))))
    kinds = [row[2] for row in rows]
    return gpd.GeoDataFrame(
        {
            "id": [f"schematic:r{n}" for n in range(1, len(rows) + 1)],
            "ref": [row[0] or None for row in rows],
            "name": [row[1] for row in rows],
            "highway": kinds,
            "surface": [SURFACE[kind] for kind in kinds],
            "lanes": [LANES[kind] for kind in kinds],
        },
        geometry=to_wgs84(np.array([row[3] for row in rows], dtype=object), UTM35S),
        crs="EPSG:4326",
    )


def _branches(
    graph: csr_matrix, used: set[int], ends: NDArray[np.intp], names: list[str]
) -> list[tuple[str, list[int]]]:
    """For each end the chain of nodes to the network `used`; a chain stops where an earlier one already runs."""
    _, before, _ = dijkstra(graph, directed=False, indices=sorted(used), return_predecessors=True, min_only=True)
    taken, found = set(used), []
    for name, end in zip(names, ends.tolist(), strict=True):
        chain = [end]
        while chain[-1] not in taken and before[chain[-1]] >= 0:
            chain.append(int(before[chain[-1]]))
        taken.update(chain)
        if len(chain) > 1:
            found.append((name, chain))
    return found


def _cost(terrain: Terrain) -> tuple[csr_matrix, int]:
    cells = terrain.pixels(ROAD_CELL_M)
    height = _mean(terrain.heights, cells)
    wet = _mean(terrain.water.astype(np.float32), cells) + _mean((~terrain.country).astype(np.float32), cells)
    start, end, length = grid_edges(height.shape)
    run = length * cells * terrain.resolution_m
    rise = np.abs(height.ravel()[start] - height.ravel()[end]) / run
    cost = run * (
        1 + (rise / EASY_SLOPE) ** 2 + WATER_COST * np.maximum(wet.ravel()[start], wet.ravel()[end]).clip(0, 1)
    )
    return coo_matrix((cost, (start, end)), shape=(height.size, height.size)).tocsr(), height.shape[1]


def _mean(raster: NDArray[np.floating], step: int) -> NDArray[np.float32]:
    """Means of blocks of step x step pixels; the ragged rim is dropped."""
    rows, columns = raster.shape[0] // step, raster.shape[1] // step
    blocks = raster[: rows * step, : columns * step].reshape(rows, step, columns, step)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means


def _centres(nodes: NDArray[np.integer], columns: int, step: Affine) -> NDArray[np.float64]:
    x, y = step @ ((nodes % columns) + 0.5, (nodes // columns) + 0.5)
    return np.column_stack([x, y])


def _nodes(positions: NDArray[np.float64], step: Affine, columns: int) -> NDArray[np.intp]:
    column, row = ~step @ positions.T
    nodes: NDArray[np.intp] = row.astype(np.intp) * columns + column.astype(np.intp)
    return nodes


def _back(before: NDArray[np.int32], end: int) -> list[int]:
    chain = [end]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return chain
