"""How fast one walks: Tobler's speed by slope, slowed by what covers the ground, on a grid in the national Transverse Mercator.

Tobler, W. (1993): Three presentations on geographical analysis and modeling, NCGIA Technical Report 93-1. Land cover scales that
speed as in AccessMod (Ray, N. and Ebener, S. 2008, International Journal of Health Geographics 7:63): the speed of a class on
the flat, over Tobler's on the flat. The speeds of the classes and their sources are data/seed/walking_speeds.csv.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.errors import BadInput

Values = NDArray[np.float32]
Mask = NDArray[np.bool_]

FASTEST_KMH = 6.0
"""Tobler's speed at its best slope, 5 % downhill."""
STEEPNESS = 3.5
BEST_SLOPE = -0.05
FLAT_KMH = FASTEST_KMH * math.exp(STEEPNESS * BEST_SLOPE)
"""Tobler's speed on the flat: 5.04 km/h, the pace 1 of a road or a path."""
ROAD = "road"
"""The row of the table that holds for cells with a road or a path."""
SPEEDS = Path(__file__).resolve().parents[2] / "data" / "seed" / "walking_speeds.csv"


class CoverSpeed(NamedTuple):
    """A row of the table: speed on the flat in km/h (0: nobody walks there) and where the figure is from.

    `assumption`: no work that was read gives this speed for this cover.
    """

    cover: str
    flat_kmh: float
    assumption: bool
    source: str


@dataclass(frozen=True, slots=True)
class Surface:
    """What walking costs. North is up: row 0 is the northernmost.

    `heights` (rows, cols) float32 metres, finite wherever `pace` is positive; `pace` (rows, cols) float32: speed over Tobler's at
    the same slope, 0 where nobody can walk. `west`, `north`: metres, outer corner of cell (0, 0).
    """

    heights: Values
    pace: Values
    west: float
    north: float
    cell_m: float

    def __post_init__(self) -> None:
        if self.heights.shape != self.pace.shape or self.heights.ndim != 2 or not self.heights.size:
            raise BadInput(
                f"heights {self.heights.shape} and pace {self.pace.shape} are not one grid",
                remedy="give two arrays (rows, cols) of the same shape",
            )
        if not self.cell_m > 0:
            raise BadInput(f"a cell of {self.cell_m} m has no size", remedy="give metres above 0")
        walkable = self.pace > 0
        if not np.all(np.isfinite(self.heights[walkable])) or np.any(self.pace < 0) or np.any(np.isnan(self.pace)):
            raise BadInput(
                "the surface has cells that can be walked without a height, or a pace below 0",
                remedy="set the pace of such cells to 0",
            )

    def cells(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
        """Flat cell numbers (n,) of points (n,) in national metres; -1 outside the grid."""
        rows, cols = self.pace.shape
        col = np.floor((x - self.west) / self.cell_m).astype(np.int64)
        row = np.floor((self.north - y) / self.cell_m).astype(np.int64)
        inside = (row >= 0) & (col >= 0) & (row < rows) & (col < cols)
        found: NDArray[np.int64] = np.where(inside, row * cols + col, -1)
        return found

    def centres(self, cells: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """x, y (n,) in national metres of the middles of flat cell numbers (n,)."""
        row, col = np.divmod(cells, self.pace.shape[1])
        return self.west + (col + 0.5) * self.cell_m, self.north - (row + 0.5) * self.cell_m


def tobler_kmh(slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Speed in km/h at a slope (rise over run, uphill positive)."""
    speed: NDArray[np.float64] = FASTEST_KMH * np.exp(-STEEPNESS * np.abs(slope - BEST_SLOPE))
    return speed


def cover_speeds(path: Path = SPEEDS) -> dict[str, CoverSpeed]:
    """The table by name of cover."""
    with path.open(encoding="utf-8", newline="") as file:
        read = [
            CoverSpeed(row["cover"], float(row["flat_kmh"]), row["status"] != "published", row["source"])
            for row in csv.DictReader(file)
        ]
    return {row.cover: row for row in read}


def pace_of(
    classes: NDArray[np.integer],
    names: Mapping[int, str],
    speeds: Mapping[str, CoverSpeed],
    *,
    other: str = "other land",
) -> Values:
    """Pace of land-cover classes of any shape; `names` are theirs. A class without a row in the table is taken for `other`."""
    table = np.full(256, speeds[other].flat_kmh / FLAT_KMH, dtype=np.float32)
    for code, name in names.items():
        row = speeds.get(name.partition(" (")[0])
        if row is not None:
            table[code] = row.flat_kmh / FLAT_KMH
    pace: Values = table[np.asarray(classes).astype(np.uint8)]
    return pace


def burn_roads(pace: Values, lines: Sequence[NDArray[np.float64]], *, west: float, north: float, cell_m: float) -> Mask:
    """Which cells (rows, cols) a road crosses: lines are (n, 2) national metres, followed in steps of a tenth of a cell."""
    rows, cols = pace.shape
    crossed = np.zeros(rows * cols, dtype=bool)
    for line in lines:
        steps = np.maximum(np.ceil(np.hypot(*np.diff(line, axis=0).T) / (cell_m / 10)), 1).astype(np.int64)
        start = np.repeat(np.arange(len(steps)), steps)
        share = (np.arange(steps.sum()) - np.repeat(np.cumsum(steps) - steps, steps)) / np.repeat(steps, steps)
        points = np.vstack([line[start] + (line[start + 1] - line[start]) * share[:, None], line[-1:]])
        col = np.floor((points[:, 0] - west) / cell_m).astype(np.int64)
        row = np.floor((north - points[:, 1]) / cell_m).astype(np.int64)
        inside = (row >= 0) & (col >= 0) & (row < rows) & (col < cols)
        crossed[row[inside] * cols + col[inside]] = True
    return crossed.reshape(rows, cols)
