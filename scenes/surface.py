"""The ground as it is drawn: heights on the very triangles of the deepest terrain tiles.

What lies on the ground takes its heights from here, so that it neither sinks into the served terrain nor floats over it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scenes.frame import METRES_PER_DEGREE
from scenes.lines import Lines, crossed
from scenes.terrain import CELLS, Terrain

Floats = NDArray[np.float64]
# A tile takes 34 KiB: 17 MiB in all, about 760 square kilometres.
MOST_TILES = 512


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Heights of the drawn terrain. Safe for many threads. ``known``: whether an elevation model is loaded."""

    terrain: Terrain
    known: bool = True
    _tiles: OrderedDict[tuple[int, int], Floats] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def step_deg(self) -> float:
        """Degrees between the vertices of the deepest terrain tiles."""
        return 180.0 / (CELLS << self.terrain.max_level)

    def ellipsoidal(self, lon: Floats, lat: Floats) -> Floats:
        """(n,) metres at degrees (n,)."""
        if not self.known:
            return self.terrain.outside_m + self.terrain.separation(lon, lat)
        u, v = (lon + 180.0) / self.step_deg, (lat + 90.0) / self.step_deg
        i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
        tile = (i // CELLS) * (1 << 32) + j // CELLS
        out = np.empty(len(lon))
        names, inverse = np.unique(tile, return_inverse=True)
        for number, name in enumerate(names.tolist()):
            mine = np.flatnonzero(inverse == number)
            heights = self._tile(name >> 32, name & 0xFFFFFFFF)
            out[mine] = _on_triangles(heights, u[mine], v[mine], i[mine], j[mine])
        return out

    def orthometric(self, lon: Floats, lat: Floats) -> Floats:
        """(n,) metres of the elevation model itself, or of nothing: for bounds, quicker than the triangles."""
        if not self.known:
            return np.full(len(lon), self.terrain.outside_m)
        found = np.asarray(self.terrain.heights(lon, lat, resolution_m=self.step_deg * METRES_PER_DEGREE), float)
        return np.where(np.isfinite(found), found, self.terrain.outside_m)

    def bent(self, lines: Lines, *, across: bool = True) -> Lines:
        """``lines`` with a vertex wherever they pass from one drawn triangle to another; without ``across`` at columns and rows alone."""
        u, v = (lines.coords[:, 0] + 180.0) / self.step_deg, (lines.coords[:, 1] + 90.0) / self.step_deg
        return crossed(lines, [u, v, u + v, u - v] if across else [u, v])

    def _tile(self, x: int, y: int) -> Floats:
        name = (x, y)
        with self._lock:
            found = self._tiles.get(name)
            if found is not None:
                self._tiles.move_to_end(name)
                return found
        made = self.terrain.surface(x, y)
        with self._lock:
            self._tiles[name] = made
            while len(self._tiles) > MOST_TILES:
                self._tiles.popitem(last=False)
        return made


def _on_triangles(heights: Floats, u: Floats, v: Floats, i: NDArray[np.int64], j: NDArray[np.int64]) -> Floats:
    """Heights in the squares (i, j) of the grid, each halved as the triangles halve it: along the diagonal through even corners."""
    a, b = u - i, v - j
    i, j = i % CELLS, j % CELLS
    sw, se, nw, ne = heights[j, i], heights[j, i + 1], heights[j + 1, i], heights[j + 1, i + 1]
    rising = (i + j) % 2 == 0
    below = np.where(rising, a >= b, a + b <= 1)
    lower = np.where(rising, sw + a * (se - sw) + b * (ne - se), sw + a * (se - sw) + b * (nw - sw))
    upper = np.where(rising, sw + b * (nw - sw) + a * (ne - nw), ne + (1 - a) * (nw - ne) + (1 - b) * (se - ne))
    return np.where(below, lower, upper)
