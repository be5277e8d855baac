"""The outline of the country, its lakes and rivers as plane shapes in the national Transverse Mercator, metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from layers.schematic.facts import Facts
from twin.crs import NATIONAL, WGS84, Geometries, reproject

MEANDER_M = 700.0
"""How far a drawn river may lie from the straight line between its known points (5 km apart, rounded to 1 km)."""


@dataclass(frozen=True, slots=True)
class Lake:
    """`area` is what lies within the border, or for `abroad` all of it; `surface_m` orthometric."""

    id: int
    name: str
    surface_m: float
    area: BaseGeometry
    abroad: bool


@dataclass(frozen=True, slots=True)
class River:
    """`line` runs downstream; `heights` (n,) metres at its vertices, never rising."""

    id: int
    name: str
    line: LineString
    heights: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Country:
    border: Polygon
    land: BaseGeometry
    """The country less its lakes."""
    lakes: tuple[Lake, ...]
    rivers: tuple[River, ...]


def points(positions: NDArray[np.float64]) -> Geometries:
    """Points (n,) at positions (n, 2)."""
    return np.atleast_1d(np.asarray(shapely.points(positions), dtype=object))


def places(frame: pd.DataFrame, crs: CRS = NATIONAL) -> NDArray[np.float64]:
    """Columns lon, lat of a table as (n, 2) float64 in `crs`, metres."""
    return shapely.get_coordinates(reproject(points(frame[["lon", "lat"]].to_numpy(float)), WGS84, crs))


def country(facts: Facts) -> Country:
    """The shapes of the facts. Lakes are cut to the border; land is the border less the lakes."""
    border = Polygon(places(facts.border.sort_values("seq")))
    lakes = tuple(_lake(row, facts.lake_points, border) for _, row in facts.lakes.iterrows())
    water = shapely.union_all([lake.area for lake in lakes if not lake.abroad])
    land = shapely.difference(border, water)
    rivers = tuple(_river(row, facts.river_points) for _, row in facts.rivers.iterrows())
    return Country(border, land, lakes, rivers)


def _lake(row: pd.Series, vertices: pd.DataFrame, border: Polygon) -> Lake:
    line = places(vertices[vertices["lake"] == row["id"]].sort_values("seq"))
    if row["shape"] == "axis":
        area: BaseGeometry = LineString(_rounded(line)).buffer(float(row["width_m"]) / 2)
    else:
        area = Polygon(_rounded(np.vstack([line, line[:1]])) if row["shape"] == "outline" else line)
    # Rounded corners may cross each other in a narrow arm; a buffer of nothing keeps the outer shape.
    area = area if area.is_valid else shapely.make_valid(area, method="structure", keep_collapsed=False)
    abroad = row["shape"] == "abroad"
    return Lake(
        id=int(row["id"]),
        name=str(row["name"]),
        surface_m=float(row["surface_m"]),
        area=area if abroad else shapely.intersection(area, border),
        abroad=abroad,
    )


def _river(row: pd.Series, vertices: pd.DataFrame) -> River:
    own = vertices[vertices["river"] == row["id"]].sort_values("seq")
    heights = own["elevation_m"].interpolate(limit_direction="both").to_numpy(float)
    coarse = places(own)
    fine = _meandered(_rounded(coarse), np.random.default_rng(int(row["id"])))
    along = shapely.line_locate_point(LineString(coarse), points(fine))
    stations = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(coarse, axis=0).T))])
    floor = np.minimum.accumulate(np.interp(along, stations, np.minimum.accumulate(heights)))
    return River(int(row["id"]), str(row["name"]), LineString(fine), floor)


def _meandered(line: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """A line that bends as a river does between its known points: (n, 2) metres, off by `MEANDER_M` at most, the ends kept."""
    fine = shapely.get_coordinates(shapely.segmentize(LineString(line), MEANDER_M))
    along = np.gradient(fine, axis=0)
    across = np.column_stack([-along[:, 1], along[:, 0]]) / np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    swing = np.convolve(random.standard_normal(len(fine) + 4), [0.1, 0.25, 0.3, 0.25, 0.1], mode="valid").clip(-1, 1)
    ends = np.minimum(1.0, np.minimum(np.arange(len(fine)), np.arange(len(fine))[::-1]) / 3)
    return _rounded(fine + across * (MEANDER_M * swing * ends)[:, None], rounds=1)


def _rounded(line: NDArray[np.float64], rounds: int = 2) -> NDArray[np.float64]:
    """Corners cut twice (Chaikin 1974): (n, 2) metres, the ends kept; a closed ring stays closed at its first point."""
    for _ in range(rounds):
        if len(line) < 3:
            return line
        quarter = 0.75 * line[:-1] + 0.25 * line[1:]
        three = 0.25 * line[:-1] + 0.75 * line[1:]
        inner = np.stack([quarter, three], axis=1).reshape(-1, 2)
        line = np.vstack([line[:1], inner[1:-1], line[-1:]])
    return line


def smooth(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """A drawn line: (n, 2) metres with its corners cut, the ends kept."""
    return _rounded(line)
