"""The schematic elevation model: measured spot heights joined by a smooth surface, hills of a stated size laid over it,
valleys along the rivers, cones and rounded summits at the named peaks, flat lakes. EPSG:32735, orthometric metres.

What it is not: a height at any place but the spot heights, the peaks, the rivers and the lakes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import rasterio.features
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.transform import Affine
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom
from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry

from layers.schematic.country import Country, places, points
from layers.schematic.drainage import drain
from layers.schematic.facts import Facts
from layers.schematic.noise import Grid, ridges, smooth_noise
from twin.crs import NATIONAL, reproject

UTM35S = CRS.from_epsg(32735)
RESOLUTION_M = 120.0
"""Of the whole country; a coarser one is for tests."""
MARGIN_M = 12000.0
"""How far the model reaches past the border, so that a view from the border has a horizon."""
HILL_M = 3600.0
"""Spacing of the largest ridges; three octaves follow down to 450 m."""
HILL_LOW_M, HILL_HIGH_M = 170.0, 640.0
"""Valley to crest of the hills: the least in the eastern plains near 1,300 m, the most on the ridge above 2,200 m."""
CARVE_M, CARVE_MOST_M = 30.0, 190.0
"""How much deeper a valley gets for each e-fold of the land above it, and at most."""
COARSE_M = 360.0
"""Cell of the drainage and of the distance to rivers."""
VALLEY_M = 350.0
SHORE_M = 900.0
BASE_STEP_M = 2500.0


@dataclass(frozen=True, slots=True)
class Terrain:
    """`heights` (rows, columns) float32 metres; pixel (0, 0) is the north-west one of `transform` (EPSG:32735)."""

    heights: Grid
    transform: Affine
    water: NDArray[np.bool_]
    """Lakes, those beyond the border included."""
    river_m: Grid
    """Distance to the nearest river, metres."""
    country: NDArray[np.bool_]

    @property
    def resolution_m(self) -> float:
        return float(self.transform.a)

    def pixels(self, metres: float) -> int:
        """How many pixels make up about so many metres; 1 at least."""
        return max(round(metres / self.resolution_m), 1)

    @property
    def slope(self) -> Grid:
        """Rise over run, (rows, columns) float32."""
        down, across = np.gradient(self.heights, self.resolution_m)
        steep: Grid = np.hypot(down, across).astype(np.float32)
        return steep


def terrain(
    facts: Facts, country: Country, random: np.random.Generator, *, resolution_m: float = RESOLUTION_M
) -> Terrain:
    west, south, east, north = shapely.bounds(_utm(country.border).buffer(MARGIN_M))
    columns, rows = int((east - west) / resolution_m), int((north - south) / resolution_m)
    shape = (rows, columns)
    transform = Affine(resolution_m, 0, round(west, -2), 0, -resolution_m, round(north, -2))
    base = _base(facts, country, shape, transform)
    heights = _carved(base + _hills(base, random, resolution_m), resolution_m)
    river_m, heights = _valleys(country, heights, transform)
    # Volcanoes last and the highest first, so that no cone lifts another one's summit.
    volcano = facts.peaks["kind"] == "volcano"
    for peak in (
        facts.peaks.assign(volcano=volcano)
        .sort_values(["volcano", "elevation_m"], ascending=[True, False])
        .itertuples()
    ):
        _raise(heights, transform, peak)
    water, heights = _lakes(country, heights, transform)
    inside = rasterio.features.rasterize([_utm(country.border)], shape, transform=transform).astype(bool)
    return Terrain(heights.astype(np.float32), transform, water, river_m, inside)


def _utm(shape: BaseGeometry) -> BaseGeometry:
    moved: BaseGeometry = reproject(np.array([shape], dtype=object), NATIONAL, UTM35S)[0]
    return moved


def _base(facts: Facts, country: Country, shape: tuple[int, int], transform: Affine) -> Grid:
    """The smooth surface through sectors, border, spots and shores."""
    known = [facts.sectors.dropna(subset="elevation_m"), facts.border.dropna(subset="elevation_m")]
    known.append(facts.peaks[facts.peaks["kind"] == "spot"])
    where = [places(frame, UTM35S) for frame in known]
    values = [frame["elevation_m"].to_numpy(float) for frame in known]
    for lake in country.lakes:
        rim = shapely.get_coordinates(_utm(lake.area).simplify(1500))
        where.append(rim)
        values.append(np.full(len(rim), lake.surface_m + 40))
    sites, index = np.unique(np.round(np.vstack(where) / 200), axis=0, return_index=True)
    step = BASE_STEP_M / transform.a
    coarse = (int(np.ceil(shape[0] / step)) + 1, int(np.ceil(shape[1] / step)) + 1)
    row, column = np.mgrid[: coarse[0], : coarse[1]] * step
    x, y = transform @ (column.ravel() + 0.5, row.ravel() + 0.5)
    surface = RBFInterpolator(sites * 200 / 1e4, np.concatenate(values)[index], kernel="linear", smoothing=0.3)
    low, high = 900.0, 2700.0
    fine = surface(np.column_stack([x, y]) / 1e4).reshape(coarse).clip(low, high)
    full = zoom(fine.astype(np.float32), step, order=3, grid_mode=False, mode="nearest")
    result: Grid = full[: shape[0], : shape[1]]
    return result


def _hills(base: Grid, random: np.random.Generator, resolution_m: float) -> Grid:
    """Hills about the base, their mean near 0, their size by the height of the ground."""
    size = HILL_LOW_M + (HILL_HIGH_M - HILL_LOW_M) * np.clip((base - 1300) / 900, 0, 1)
    crest = ridges(base.shape, HILL_M / resolution_m, 4, random)
    crest = (crest - crest.mean()) / np.ptp(np.percentile(crest, [2, 98]))
    swell = 0.18 * smooth_noise(base.shape, 1.8 * HILL_M / resolution_m, random)
    result: Grid = (size * (crest + swell)).astype(np.float32)
    return result


def _carved(heights: Grid, resolution_m: float) -> Grid:
    """Pits filled and valleys deepened along the drainage, on cells of about `COARSE_M`."""
    step, (rows, columns) = max(round(COARSE_M / resolution_m), 1), heights.shape
    padded = np.pad(heights, ((0, -rows % step), (0, -columns % step)), mode="edge")
    coarse = padded.reshape(padded.shape[0] // step, step, -1, step).mean(axis=(1, 3))
    drainage = drain(coarse)
    above = drainage.upstream_cells[:-1].reshape(coarse.shape)
    depth = np.minimum(CARVE_M * np.log(np.maximum(above / 4, 1)), CARVE_MOST_M)
    change = gaussian_filter(drainage.filled - coarse - depth, 1.2).astype(np.float32)
    result: Grid = heights + zoom(change, step, order=1, grid_mode=True, mode="nearest")[:rows, :columns]
    return result


def _valleys(country: Country, heights: Grid, transform: Affine) -> tuple[Grid, Grid]:
    """Distance to the nearest river, and the ground drawn down to the river's floor near it, on cells of about `COARSE_M`."""
    step = max(round(COARSE_M / transform.a), 1)
    coarse = transform @ Affine.scale(step)
    shape = (heights.shape[0] // step + 1, heights.shape[1] // step + 1)
    floor = np.full(shape, np.nan, np.float32)
    for river in country.rivers:
        line = shapely.segmentize(_utm(river.line), 150)
        along = _stations(line, line)
        stations = _stations(line, _utm(river.line))
        column, row = ~coarse @ shapely.get_coordinates(line).T
        inside = (row >= 0) & (column >= 0) & (row < shape[0]) & (column < shape[1])
        order = np.argsort(-along[inside], kind="stable")
        at = row[inside][order].astype(int), column[inside][order].astype(int)
        floor[at] = np.fmin(floor[at], np.interp(along, np.maximum.accumulate(stations), river.heights)[inside][order])
    distance, (near_row, near_column) = distance_transform_edt(
        np.isnan(floor), sampling=step * transform.a, return_indices=True
    )
    nearest = gaussian_filter(floor[near_row, near_column], 2)
    fine = [
        zoom(a.astype(np.float32), step, order=1)[: heights.shape[0], : heights.shape[1]] for a in (distance, nearest)
    ]
    river_m, level = fine
    hold = np.exp(-np.clip(river_m - VALLEY_M, 0, None) / 1100)
    lowered = heights * (1 - hold) + level * hold
    lowered = np.where(heights < level, heights * (1 - hold) + (level + 8) * hold, lowered)
    return river_m, lowered.astype(np.float32)


def _stations(line: BaseGeometry, vertices: BaseGeometry) -> NDArray[np.float64]:
    """How far along `line` the vertices of another lie, metres, (n,)."""
    way = LineString(shapely.get_coordinates(line))
    return shapely.line_locate_point(way, points(shapely.get_coordinates(vertices)))


def _raise(heights: Grid, transform: Affine, peak: object) -> None:
    """Bring the ground to the peak's height at its pixel, in place: a cone for a volcano, a rounded top for the rest."""
    frame = pd.DataFrame([peak])
    (x, y), foot = places(frame, UTM35S)[0], float(frame["foot_km"].iloc[0]) * 1000
    column, row = (int(v) for v in ~transform @ (x, y))
    reach = int(foot * (1 if frame["kind"].iloc[0] == "volcano" else 3) / transform.a)
    rows = slice(max(row - reach, 0), min(row + reach + 1, heights.shape[0]))
    columns = slice(max(column - reach, 0), min(column + reach + 1, heights.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    down, across = np.ogrid[rows, columns]
    away = np.hypot(down - row, across - column) * transform.a
    target = float(frame["elevation_m"].iloc[0])
    part = heights[rows, columns]
    if frame["kind"].iloc[0] == "volcano":
        gullies = 1 + 0.05 * np.sin(11 * np.arctan2(down - row, across - column) + 0.8 * np.sin(away / 900))
        hold = np.clip(1 - away / foot * np.where(away > 0, gullies, 1), 0, 1) ** 1.75
        part[:] = np.maximum(part, part * (1 - hold) + target * hold)
    else:
        part += (target - heights[row, column]) * np.exp(-((away / foot) ** 2))


def _lakes(country: Country, heights: Grid, transform: Affine) -> tuple[NDArray[np.bool_], Grid]:
    """Flat lakes, and shores that rise from them."""
    shapes = [(_utm(lake.area), lake.id) for lake in country.lakes if not lake.area.is_empty]
    number = rasterio.features.rasterize(shapes, heights.shape, transform=transform, dtype="int32")
    surface = np.zeros(int(number.max()) + 1, np.float32)
    for lake in country.lakes:
        surface[lake.id] = lake.surface_m
    water = number > 0
    distance, (row, column) = distance_transform_edt(~water, sampling=transform.a, return_indices=True)
    level = surface[number[row, column]]
    hold = np.exp(-distance / SHORE_M).astype(np.float32)
    shore = np.where(distance < 5 * SHORE_M, np.maximum(heights - level, 4) * (1 - hold) + 3 * hold, 0) + level
    near = (distance < 5 * SHORE_M) & (heights < level + 4000)
    fade = np.clip((5 * SHORE_M - distance) / SHORE_M, 0, 1).astype(np.float32)
    ashore = heights * (1 - fade) + shore * fade
    result: Grid = np.where(water, level, np.where(near, ashore, heights)).astype(np.float32)
    return water, result
