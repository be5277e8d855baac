"""The quadtree of cells over the region, and the bigint key under which a building finds its cell.

A cell is (level, x, y), x to the east and y to the north, as in the implicit tiling of 3D Tiles 1.1. Its key is the
number of all cells at coarser levels plus its Morton number, so keys are unique over levels and near cells lie near.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenes.frame import METRES_PER_DEGREE, Frame
from twin.errors import NotFound
from twin.grid import BBox

# Below this cell size two bytes a coordinate still mean about 5 cm.
LARGEST_CELL_M = 3_600.0
# A tile of 65,000 vertices may hold 2,500 towers in one block: 15 levels below 2 degrees are cells of 7 m.
LEVELS = 15


class Cell(NamedTuple):
    """One cell of the quadtree."""

    level: int
    x: int
    y: int

    @property
    def key(self) -> int:
        return int(keys(np.array([self.level]), np.array([self.x]), np.array([self.y]))[0])

    @property
    def parent(self) -> Cell:
        return Cell(self.level - 1, self.x >> 1, self.y >> 1)


@dataclass(frozen=True, slots=True)
class Grid:
    """A square of degrees, halved per level. ``first_level`` is the coarsest that may hold buildings."""

    west: float
    south: float
    span: float
    first_level: int

    @classmethod
    def over(cls, bounds: BBox) -> Grid:
        """The smallest square over ``bounds``, anchored at its south-west corner."""
        span = max(bounds.east - bounds.west, bounds.north - bounds.south)
        first = max(0, math.ceil(math.log2(span * METRES_PER_DEGREE / LARGEST_CELL_M)))
        return cls(bounds.west, bounds.south, span, min(first, LEVELS - 1))

    @property
    def geometric_error(self) -> float:
        """Metres at the root: 64 m just above the first level that holds buildings, halved per level."""
        return 64.0 * 2.0 ** (self.first_level - 1)

    @property
    def frame(self) -> Frame:
        """East-north-up at the middle of the grid: the frame of the root tile."""
        return Frame.at(self.west + self.span / 2, self.south + self.span / 2)

    def bounds(self, cell: Cell) -> BBox:
        size = self.span / (1 << cell.level)
        west, south = self.west + cell.x * size, self.south + cell.y * size
        return BBox(west, south, west + size, south + size)

    def cell_frame(self, cell: Cell) -> Frame:
        """East-north-up at the middle of ``cell``."""
        west, south, east, north = self.bounds(cell)
        return Frame.at((west + east) / 2, (south + north) / 2)

    def index(self, lon: NDArray[np.float64], lat: NDArray[np.float64], level: int) -> NDArray[np.int64]:
        """Cell columns and rows at ``level``, ``(2, n)`` int64; what lies outside goes to the nearest cell."""
        n = 1 << level
        x = np.floor((lon - self.west) * (n / self.span))
        y = np.floor((lat - self.south) * (n / self.span))
        index: NDArray[np.int64] = np.clip(np.nan_to_num(np.stack([x, y])), 0, n - 1).astype(np.int64)
        return index

    def require(self, level: int, x: int, y: int) -> Cell:
        """The cell, or NotFound with the tileset's depth."""
        if not 0 <= level < LEVELS or not 0 <= x < 1 << level or not 0 <= y < 1 << level:
            raise NotFound(
                f"cell {level}/{x}/{y} is outside the tileset",
                remedy=f"ask for levels 0 to {LEVELS - 1} with x and y from 0 to 2^level - 1",
                levels=LEVELS,
            )
        return Cell(level, x, y)


def morton(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Morton numbers: the bits of x at even places, of y at odd. Up to 31 bits each."""
    return _spread(x) | (_spread(y) << 1)


def unmorton(code: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """X and y of Morton numbers."""
    return _gather(code), _gather(code >> 1)


def keys(level: NDArray[np.int64], x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cell keys."""
    return ((np.int64(1) << (2 * level)) - 1) // 3 + morton(np.asarray(x, np.int64), np.asarray(y, np.int64))


def cell_of(key: int) -> Cell:
    """The cell of a key."""
    level = ((3 * key + 1).bit_length() - 1) // 2
    x, y = unmorton(np.array([key - ((1 << (2 * level)) - 1) // 3], np.int64))
    return Cell(level, int(x[0]), int(y[0]))


def places(found: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Levels, x and y, (n,) each, of cell keys (n,)."""
    first = ((np.int64(1) << (2 * np.arange(LEVELS + 1))) - 1) // 3
    level = (np.searchsorted(first, found, side="right") - 1).astype(np.int64)
    x, y = unmorton(found - first[level])
    return level, x, y


_STEPS = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)


def _spread(value: NDArray[np.int64]) -> NDArray[np.int64]:
    bits = np.asarray(value, np.int64)
    for shift, mask in _STEPS:
        bits = (bits | (bits << shift)) & mask
    return bits


def _gather(value: NDArray[np.int64]) -> NDArray[np.int64]:
    bits = np.asarray(value, np.int64) & 0x5555555555555555
    for (shift, _), (_, mask) in zip(reversed(_STEPS), (*reversed(_STEPS[:-1]), (0, 0x00000000FFFFFFFF)), strict=True):
        bits = (bits | (bits >> shift)) & mask
    return bits
