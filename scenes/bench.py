"""How fast and how small the scenes are: the figures for ``twin bench scenes``, without reference or goal.

Seconds are of this process's CPU unless a measure says otherwise, for the machine may be shared.
"""

from __future__ import annotations

import gzip
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import Connection

from scenes import catalogue, cells
from scenes.outlines import Separation
from scenes.quadtree import Cell, Grid
from scenes.router import GZIP_LEVEL
from scenes.terrain import Terrain
from scenes.tile import tile


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure."""

    measure: str
    value: float
    unit: str


def buildings(connection: Connection[Any], *, grid: Grid, separation: Separation, most: int = 100) -> list[Measure]:
    """Mesh up to ``most`` cells, spread over all, that the session may read, from PostGIS rows to gzipped GLB."""
    known = list(catalogue.contents(connection, Cell(0, 0, 0)))
    if not known:
        return []
    chosen = [known[i] for i in np.linspace(0, len(known) - 1, min(most, len(known))).astype(int)]
    meshed = sent = 0
    walls: list[float] = []
    began = time.process_time()
    for cell in chosen:
        wall = time.perf_counter()
        found = cells.read(connection, cell)
        body = gzip.compress(tile(found, cell, grid=grid, separation=separation), GZIP_LEVEL, mtime=0)
        walls.append(time.perf_counter() - wall)
        meshed, sent = meshed + len(found), sent + len(body)
    spent = time.process_time() - began
    return [
        Measure("buildings a second and core, rows to gzipped GLB", meshed / spent, "1/s"),
        Measure("bytes a building, gzipped", sent / meshed, "B"),
        Measure("buildings a cell", meshed / len(chosen), ""),
        Measure("a cold cell, median, wall", float(np.median(walls)) * 1000, "ms"),
        Measure("a cold cell, 99 of 100, wall", float(np.quantile(walls, 0.99)) * 1000, "ms"),
    ]


def terrain(ground: Terrain, *, most: int = 50) -> list[Measure]:
    """Make up to ``most`` terrain tiles of the deepest level around the middle of the region."""
    west, south, east, north = ground.range(ground.max_level)
    side = max(1, int(most**0.5))
    spent, sizes = [], []
    for x in range((west + east) // 2, (west + east) // 2 + side):
        for y in range((south + north) // 2, (south + north) // 2 + side):
            began = time.process_time()
            body = gzip.compress(ground.tile(ground.max_level, x, y), GZIP_LEVEL, mtime=0)
            spent.append(time.process_time() - began)
            sizes.append(len(body))
    return [
        Measure("a terrain tile, cold", float(np.median(spent)) * 1000, "ms"),
        Measure("a terrain tile, gzipped, largest", max(sizes) / 1024, "KiB"),
    ]
