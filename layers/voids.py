"""Ground where no elevation model knows it: a coarse surface over the region, complete, with its standard error.

How a void is filled: lakes are level, at the second percentile of the known ground on their shores; dry ground is interpolated from
what surrounds it by averages over ever larger squares (push-pull), then relaxed to a smooth surface; where peaks stand
inside a void, what is interpolated is the difference from cones of their published height and foot. The standard error is the root mean square difference, halved as a variance, of known
ground as far apart as the void's point is from the nearest known one.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Grid = NDArray[np.float32]
Mask = NDArray[np.bool_]

STEP_DEG = 0.0027
"""Between the nodes of the surface, degrees: about 300 m."""
_DEGREE_M = 111_320.0
_RELAXATION = ((6.0, 6), (3.0, 10), (1.5, 16), (0.7, 24))
"""Reach in nodes, and how often."""
_LAGS = (1, 2, 4, 8, 16, 32, 64)
_LEAST_SE_M = 5.0


class Spot(NamedTuple):
    """A peak of known height: degrees, metres, and how far its foot reaches in kilometres."""

    lon: float
    lat: float
    height_m: float
    foot_km: float


@dataclass(frozen=True)
class Surface:
    """Nodes (rows from the south, columns from the west). `known`: some model holds it; `lake`: level water that was void."""

    west: float
    south: float
    heights: Grid
    known: Mask
    lake: Mask
    error_m: Grid

    def at(self, values: NDArray[np.generic], lon: Floats, lat: Floats) -> Grid:
        """Bilinear in a grid of the surface at points (n,); past the edge the edge's own."""
        rows, columns = self.heights.shape
        x = np.clip((lon - self.west) / STEP_DEG, 0, columns - 1.001)
        y = np.clip((lat - self.south) / STEP_DEG, 0, rows - 1.001)
        i, j = y.astype(np.intp), x.astype(np.intp)
        x, y = x - j, y - i
        flat = values.reshape(-1)
        start = i * columns + j
        low = flat[start] * (1 - x) + flat[start + 1] * x
        high = flat[start + columns] * (1 - x) + flat[start + columns + 1] * x
        mixed: Grid = (low * (1 - y) + high * y).astype(np.float32)
        return mixed

    def nearest(self, values: NDArray[np.bool_], lon: Floats, lat: Floats) -> Mask:
        rows, columns = self.heights.shape
        i = np.clip(np.rint((lat - self.south) / STEP_DEG).astype(np.intp), 0, rows - 1)
        j = np.clip(np.rint((lon - self.west) / STEP_DEG).astype(np.intp), 0, columns - 1)
        chosen: Mask = values[i, j]
        return chosen


def read_spots(path: Path) -> tuple[Spot, ...]:
    """The peaks of a CSV with columns kind, lon, lat, elevation_m, foot_km; rows of kind `spot` are no peaks. None where there is no file."""
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Spot(float(row["lon"]), float(row["lat"]), float(row["elevation_m"]), float(row["foot_km"]))
            for row in csv.DictReader(file)
            if row["kind"] != "spot"
        )


def fill(heights: Grid, water: Mask, *, west: float, south: float, spots: Sequence[Spot] = ()) -> Surface:
    """The complete surface of a grid with NaN where nothing is known. `water`: where open water lies."""
    known = np.isfinite(heights)
    if not known.any():
        return Surface(west, south, np.zeros_like(heights), known, np.zeros_like(known), np.full_like(heights, 500.0))
    level, lake = _lakes(heights, known, water)
    given = np.where(lake, level, heights)
    fixed = known | lake
    trend, summits = _cones(_push_pull(given), fixed, spots, west, south)
    for i, j, height in summits:
        given[i, j], fixed[i, j] = height, True
    surface = trend + _relaxed(_push_pull(given - trend), fixed)
    distance = ndimage.distance_transform_edt(~fixed)
    lags, errors = _variogram(heights)
    error = np.interp(distance, lags, errors).astype(np.float32)
    return Surface(
        west,
        south,
        surface.astype(np.float32),
        known,
        lake,
        np.where(known, 0, np.where(lake, _LEAST_SE_M, error)).astype(np.float32),
    )


def _lakes(heights: Grid, known: Mask, water: Mask) -> tuple[Grid, Mask]:
    """Levels of the void parts of waters, and where they are."""
    labels, _count = ndimage.label(water, structure=np.ones((3, 3)))
    level = np.full(heights.shape, np.nan, dtype=np.float32)
    lake = np.zeros(heights.shape, dtype=bool)
    for number, where in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = where
        area = (slice(max(rows.start - 2, 0), rows.stop + 2), slice(max(columns.start - 2, 0), columns.stop + 2))
        mine = labels[area] == number
        void = mine & ~known[area]
        if not void.any():
            continue
        shore = ndimage.binary_dilation(mine, iterations=2) & known[area]
        if shore.any():
            level[area][void] = np.percentile(heights[area][shore], 2)
            lake[area] |= void
    return level, lake


def _push_pull(given: Grid) -> Grid:
    """Every NaN filled from the mean of the smallest square of doubling size that holds something known."""
    known = np.isfinite(given)
    if known.all() or min(given.shape) == 1:
        return np.where(known, given, np.nanmean(given) if known.any() else 0).astype(np.float32)
    rows, columns = given.shape
    pad = ((0, rows % 2), (0, columns % 2))
    weight = np.pad(known, pad).astype(np.float32)
    value = np.pad(np.where(known, given, 0), pad)
    shape = (weight.shape[0] // 2, 2, weight.shape[1] // 2, 2)
    count, total = weight.reshape(shape).sum(axis=(1, 3)), value.reshape(shape).sum(axis=(1, 3))
    coarse = _push_pull(np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32))
    fine = ndimage.zoom(coarse, 2, order=1, grid_mode=True, mode="nearest")[:rows, :columns]
    return np.where(known, given, fine).astype(np.float32)


def _relaxed(surface: Grid, fixed: Mask) -> Grid:
    """The free nodes drawn towards the mean of their neighbours, over a wide and then narrower reach."""
    for sigma, rounds in _RELAXATION:
        for _ in range(rounds):
            surface = np.where(
                fixed, surface, ndimage.gaussian_filter(surface, sigma, mode="nearest", truncate=3.0)
            ).astype(np.float32)
    return surface


def _cones(
    flat: Grid, fixed: Mask, spots: Sequence[Spot], west: float, south: float
) -> tuple[Grid, list[tuple[int, int, float]]]:
    """What peaks in the voids add to a flat fill, and their summits: row, column, height."""
    rows, columns = flat.shape
    trend, summits = np.zeros_like(flat), []
    y, x = np.ogrid[:rows, :columns]
    for spot in spots:
        i, j = round((spot.lat - south) / STEP_DEG), round((spot.lon - west) / STEP_DEG)
        if not (0 <= i < rows and 0 <= j < columns) or fixed[i, j] or spot.height_m <= flat[i, j]:
            continue
        away_km = np.hypot(y - i, x - j) * STEP_DEG * _DEGREE_M / 1000
        cone = (spot.height_m - flat[i, j]) * np.clip(1 - away_km / spot.foot_km, 0, 1) ** 1.5
        trend = np.maximum(trend, cone).astype(np.float32)
        summits.append((i, j, spot.height_m))
    return trend, summits


def _variogram(heights: Grid) -> tuple[list[float], list[float]]:
    """Distances in nodes and the standard error of taking a height from that far away, metres."""
    lags, errors = [0.0], [_LEAST_SE_M]
    for lag in _LAGS:
        if lag >= min(heights.shape):
            break
        steps = np.concatenate(
            [(heights[lag:] - heights[:-lag]).ravel(), (heights[:, lag:] - heights[:, :-lag]).ravel()]
        )
        steps = steps[np.isfinite(steps)]
        if len(steps):
            lags.append(float(lag))
            errors.append(max(float(np.sqrt(np.mean(steps.astype(np.float64) ** 2) / 2)), _LEAST_SE_M))
    return lags, errors
