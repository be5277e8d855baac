"""Provinces to villages: a Voronoi tiling of the land by village seeds, united upwards.

Every level is a union of the same noded faces, so borders are shared vertex for vertex at every level.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely.geometry import MultiPolygon, Polygon

from layers.schematic.country import Country, places
from layers.schematic.facts import Facts
from twin.crs import NATIONAL, to_wgs84

CELL_PEOPLE = 6200
"""People of a typical cell (13.2 million in 2,148 cells)."""
VILLAGES_PER_CELL = 4
"""Fewer than the real 6.9: the schematic says less than the real map does."""
HOUSEHOLD_PEOPLE = 4.0
"""Mean size of a private household, NISR census 2022."""
LATTICE_M = 250.0
GRID_M = 0.01
"""Vertices of the tiling snap to this, so that neighbours meet in the same point."""
LEVELS = ("province", "district", "sector", "cell", "village")


def divisions(facts: Facts, country: Country, random: np.random.Generator) -> dict[str, gpd.GeoDataFrame]:
    """Frames by level, EPSG:4326: id, name, population, household, geometry. Provinces and districts include the lakes
    they hold, as the national file has it; sectors, cells and villages are land.
    """
    seeds = village_seeds(facts, country, random)
    lattice_faces, owner = _faces(country, seeds[["x", "y"]].to_numpy(float))
    wet = ~shapely.contains_properly(country.land, shapely.point_on_surface(lattice_faces))
    villages = _united(lattice_faces[~wet], seeds["id"].to_numpy()[owner[~wet]])
    people = _people(facts, seeds, villages, random)
    levels = {"village": _level(facts, villages, people, 8)}
    for name, digits in (("cell", 6), ("sector", 4)):
        levels[name] = _level(
            facts, _united(villages.array, villages.index.to_numpy() // 10 ** (8 - digits)), people, digits
        )
    everything = _united(lattice_faces, seeds["id"].to_numpy()[owner] // 10**6)
    levels["district"] = _level(facts, everything, people, 2)
    levels["province"] = _level(facts, _united(everything.array, everything.index.to_numpy() // 10), people, 1)
    return {name: levels[name] for name in LEVELS}


def village_seeds(facts: Facts, country: Country, random: np.random.Generator) -> pd.DataFrame:
    """Id (8 digits), x, y (national metres), one row per village, on land. A sector's ground is what is nearest to its
    centre; it is halved along its longer axis until the parts are villages.
    """
    west, south, east, north = country.border.bounds
    grid = np.stack(np.meshgrid(np.arange(west, east, LATTICE_M), np.arange(south, north, LATTICE_M)), -1).reshape(
        -1, 2
    )
    grid = grid + random.uniform(-0.4, 0.4, grid.shape) * LATTICE_M
    shapely.prepare(country.land)
    grid = grid[shapely.contains_xy(country.land, grid)]
    nearest = cKDTree(places(facts.sectors)).query(grid)[1]
    order = np.argsort(nearest, kind="stable")
    parts = np.split(grid[order], np.searchsorted(nearest[order], np.arange(1, len(facts.sectors))))
    rows: list[tuple[int, float, float]] = []
    for ident, people, points in zip(facts.sectors["id"], facts.sectors["population_2022"], parts, strict=True):
        wanted = int(np.clip(round(people / CELL_PEOPLE), 2, 12))
        for c, cell in enumerate(_halved(points, min(wanted, max(len(points) // 6, 1))), 1):
            for v, village in enumerate(_halved(cell, min(VILLAGES_PER_CELL, max(len(cell) // 3, 1))), 1):
                middle = village[np.argmin(((village - village.mean(axis=0)) ** 2).sum(axis=1))]
                rows.append((int(ident) * 10**4 + c * 100 + v, *middle))
    return pd.DataFrame(rows, columns=["id", "x", "y"])


def _halved(points: NDArray[np.float64], parts: int) -> list[NDArray[np.float64]]:
    """(n, 2) points in `parts` groups of like size, split across the longer principal axis."""
    if parts <= 1:
        return [points]
    first = parts // 2
    centred = points - points.mean(axis=0)
    axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    axis = axis if axis[0] >= 0 else -axis
    order = np.argsort(centred @ axis, kind="stable")
    cut = round(len(points) * first / parts)
    return _halved(points[order[:cut]], first) + _halved(points[order[cut:]], parts - first)


def _faces(country: Country, seeds: NDArray[np.float64]) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """Faces (m,) that tile the border, national metres, and the index of the seed each belongs to."""
    edges = shapely.voronoi_polygons(shapely.multipoints(seeds), extend_to=country.border.buffer(5000), only_edges=True)
    lines = [*shapely.get_parts(edges), country.border.exterior, shapely.boundary(country.land)]
    noded = shapely.union_all(shapely.set_precision(lines, GRID_M), grid_size=GRID_M)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    inside = shapely.point_on_surface(faces)
    shapely.prepare(country.border)
    faces, inside = faces[keep := shapely.contains(country.border, inside)], inside[keep]
    owner = cKDTree(seeds).query(shapely.get_coordinates(inside))[1]
    return faces, owner


def _united(faces: NDArray[np.object_], keys: NDArray[np.int64]) -> gpd.GeoSeries:
    """Faces united by key, ascending, as MultiPolygons, in the faces' own frame."""
    order = np.argsort(keys, kind="stable")
    names, starts = np.unique(keys[order], return_index=True)
    groups = np.split(np.asarray(faces)[order], starts[1:])
    shapes = [shapely.normalize(shapely.coverage_union_all(group)) for group in groups]
    shapes = [MultiPolygon([one]) if isinstance(one, Polygon) else one for one in shapes]
    return gpd.GeoSeries(shapes, index=pd.Index(names, name="id"), crs=NATIONAL)


def shares(total: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """`total` in whole parts by weight, (n,) int64, summing exactly (largest remainder)."""
    exact = total * weights / weights.sum()
    whole: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    rest = int(total - whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:rest]] += 1
    return whole


def _people(facts: Facts, seeds: pd.DataFrame, villages: gpd.GeoSeries, random: np.random.Generator) -> pd.Series:
    """People by village id: the sector's census count shared by area, the nearer to a town the denser."""
    town = cKDTree(places(facts.towns)).query(seeds[["x", "y"]].to_numpy(float))[0]
    area = villages.area.reindex(seeds["id"]).to_numpy()
    weight = area * (1 + 4 * np.exp(-town / 4000)) * random.lognormal(0.0, 0.25, len(seeds))
    counts = np.zeros(len(seeds), np.int64)
    sector = seeds["id"].to_numpy() // 10**4
    for ident, people in zip(facts.sectors["id"], facts.sectors["population_2022"], strict=True):
        rows = np.flatnonzero(sector == ident)
        counts[rows] = shares(int(people), weight[rows])
    return pd.Series(counts, index=seeds["id"])


def _level(facts: Facts, shapes: gpd.GeoSeries, people: pd.Series, digits: int) -> gpd.GeoDataFrame:
    below = people.groupby(people.index // 10 ** (8 - digits)).sum().reindex(shapes.index)
    households = np.maximum(np.rint(people / HOUSEHOLD_PEOPLE), 1).astype(np.int64)
    homes = households.groupby(households.index // 10 ** (8 - digits)).sum().reindex(shapes.index)
    ids = shapes.index.to_numpy()
    return gpd.GeoDataFrame(
        {
            "id": ids,
            "name": _names(facts, ids, digits),
            "population": below.to_numpy(),
            "household": homes.to_numpy(),
        },
        geometry=to_wgs84(np.asarray(shapes.array)),
        crs="EPSG:4326",
    )


def _names(facts: Facts, ids: NDArray[np.int64], digits: int) -> list[str]:
    """Names of the census down to the sector; cells and villages are numbered after their sector (`Gitega 2.1`)."""
    known = pd.concat([facts.provinces, facts.districts, facts.sectors]).set_index("id")["name"]
    if digits <= 4:
        return [str(known[one]) for one in ids]
    places_of = known.reindex(ids // 10 ** (digits - 4))
    tails = [str(one)[4:] for one in ids]
    numbers = [".".join(str(int(tail[k : k + 2])) for k in range(0, len(tail), 2)) for tail in tails]
    return [f"{place} {number}" for place, number in zip(places_of, numbers, strict=True)]
