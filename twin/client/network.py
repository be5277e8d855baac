"""Roads as a graph in the form of OSMnx: a MultiDiGraph of junctions and the stretches between them.

OpenStreetMap's ways share the coordinates of the nodes they share, so ways are parted where two of them have a point in common,
and joined nowhere else: a bridge over a road is no junction unless they share a point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twin.errors import NotFound

if TYPE_CHECKING:
    import geopandas as gpd
    import networkx as nx

NODE_DEGREES = 7
"""Decimals of a degree to which OpenStreetMap stores a node: points that agree so far are one."""
EDGES = ("name", "ref", "surface", "lanes", "width_m", "bridge", "origin")


def graph_of(roads: gpd.GeoDataFrame) -> nx.MultiDiGraph[int]:
    """The graph of roads (LineStrings in EPSG:4326, columns id, class, oneway). Raises NotFound without a road.

    Nodes: x, y (degrees). Edges: osmid, highway, oneway, reversed, length (metres, geodesic on WGS84), geometry, and name, ref,
    surface, lanes, bridge where they are known. A road without `oneway` runs both ways.
    """
    import networkx as nx
    import shapely

    kept = roads[~(roads.geometry.is_empty | roads.geometry.isna())]
    if kept.empty:
        raise NotFound("there are no roads to make a network of", remedy="load infrastructure.roads, or widen the area")
    points, way = shapely.get_coordinates(kept.geometry.values, return_index=True)
    places, node = np.unique(np.rint(points * 10**NODE_DEGREES).astype(np.int64), axis=0, return_inverse=True)
    node = node.reshape(-1)
    cuts = _cuts(node, way, len(places))
    firsts, lasts = cuts[:-1], cuts[1:]
    within = way[firsts] == way[lasts]
    firsts, lasts = firsts[within], lasts[within]
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph(crs="epsg:4326", created_with="the national digital twin")
    used = np.unique(node[cuts])
    lon, lat = (places[used] / 10**NODE_DEGREES).T
    graph.add_nodes_from((int(n), {"x": float(x), "y": float(y)}) for n, x, y in zip(used, lon, lat, strict=True))
    lengths = _lengths(points)
    told = _told(kept)
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        edge = told[way[first]] | {"length": float(lengths[last] - lengths[first])}
        start, end = int(node[first]), int(node[last])
        line = points[first : last + 1]
        graph.add_edge(start, end, **edge, reversed=False, geometry=shapely.LineString(line))
        if not edge["oneway"]:
            graph.add_edge(end, start, **edge, reversed=True, geometry=shapely.LineString(line[::-1]))
    return graph


def _cuts(node: NDArray[np.intp], way: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Where ways (m,) begin, end, and meet another or themselves: places among the points (m,), in order."""
    times = np.bincount(node, minlength=count)
    ends = np.ones(len(way), dtype=bool)
    ends[1:-1] = (way[1:-1] != way[:-2]) | (way[1:-1] != way[2:])
    return np.flatnonzero(ends | (times[node] > 1))


def _lengths(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metres along all points (m,), from the first, geodesic; steps between two ways are never asked for."""
    from pyproj import Geod

    lon, lat = points.T
    _, _, steps = Geod(ellps="WGS84").inv(lon[:-1], lat[:-1], lon[1:], lat[1:])
    return np.concatenate([[0.0], np.cumsum(steps)])


def _told(roads: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """What each road tells of its edges. `Any`: values are of many types."""
    import pandas as pd

    names = [name for name in EDGES if name in roads]
    oneway = roads["oneway"] if "oneway" in roads else pd.Series(False, index=roads.index)
    rows = roads[names].to_dict("records") if names else [{} for _ in range(len(roads))]
    return [
        {"osmid": ident, "highway": kind, "oneway": bool(one) if pd.notna(one) else False}
        | {name: value for name, value in row.items() if pd.notna(value)}
        for ident, kind, one, row in zip(roads["id"], roads["class"], oneway, rows, strict=True)
    ]
