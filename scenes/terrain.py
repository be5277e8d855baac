"""The ground as quantized-mesh tiles in Cesium's geographic TMS: level 0 is two tiles, y runs north.

Heights come from one callable over the national elevation model, so that tiles, buildings and rasters stand on the same
ground. Tiles join without cracks: an edge has all its vertices, sampled at the same places and rounded alike on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scenes import rtin
from scenes.frame import METRES_PER_DEGREE, ecef
from scenes.lakes import NO_LAKES, Lakes
from scenes.outlines import Separation
from scenes.quantized import EXTENSIONS, HEIGHT_STEP_M, STEPS, Extension, GroundMesh, encode
from twin.errors import NotFound
from twin.grid import BBox

Floats = NDArray[np.float64]


class Heights(Protocol):
    """Orthometric (EGM96) metres, (n,) of any float type, at degrees (n,); NaN where the elevation model has none.

    ``resolution_m``: how far apart the points are. The same for a whole level, so that neighbours agree.
    """

    def __call__(self, lon: Floats, lat: Floats, *, resolution_m: float) -> NDArray[Any]: ...


CELLS = 64
# What Cesium assumes of level 0 with 65 vertices a side: a quarter of a vertex spacing at the equator.
LEVEL_ZERO_ERROR_M = 77_067.34
# A tile may lose a quarter of what its level is assumed to.
ERROR_SHARE = 0.25
# About 38 KiB gzipped. Rough country at coarse levels loses more instead; edges do not change with it.
MOST_TRIANGLES = 4_600


@dataclass(frozen=True, slots=True)
class Terrain:
    """The ground of a region. ``outside_m``: the orthometric height where the elevation model has none."""

    heights: Heights
    separation: Separation
    bounds: BBox
    max_level: int = 14
    outside_m: float = 0.0
    attribution: str = ""
    lakes: Lakes = NO_LAKES

    def tile(self, z: int, x: int, y: int, *, extensions: tuple[Extension, ...] = ("octvertexnormals",)) -> bytes:
        """The ``.terrain`` bytes of a tile; NotFound with the depth where the region has none of that name."""
        if not self.has(z, x, y):
            raise NotFound(
                f"there is no terrain tile {z}/{x}/{y}",
                remedy=f"layer.json names the tiles; levels go from 0 to {self.max_level}",
                levels=self.max_level + 1,
            )
        mask = None
        if "watermask" in extensions:
            size = 180 / 2**z
            mask = self.lakes.mask(BBox(-180 + x * size, -90 + y * size, -180 + (x + 1) * size, -90 + (y + 1) * size))
        return encode(self.mesh(z, x, y), normals="octvertexnormals" in extensions, water=mask)

    def has(self, z: int, x: int, y: int) -> bool:
        """Whether a tile is in ``layer.json``."""
        if not 0 <= z <= self.max_level:
            return False
        west, south, east, north = self.range(z)
        return west <= x <= east and south <= y <= north

    def range(self, z: int) -> tuple[int, int, int, int]:
        """First column, first row, last column, last row of level ``z``; both tiles of level 0."""
        if z == 0:
            return 0, 0, 1, 0
        size = 180 / 2**z
        west, south, east, north = self.bounds
        columns, rows = 2 ** (z + 1) - 1, 2**z - 1
        return (
            max(0, int((west + 180) / size)), max(0, int((south + 90) / size)),
            min(columns, int((east + 180) / size)), min(rows, int((north + 90) / size)),
        )  # fmt: skip

    def layer_json(self, *, version: str) -> dict[str, Any]:
        """``layer.json``: what levels and tiles there are. ``version`` goes into the tiles' addresses."""
        available = []
        for z in range(self.max_level + 1):
            west, south, east, north = self.range(z)
            available.append([{"startX": west, "startY": south, "endX": east, "endY": north}])
        return {
            "tilejson": "2.1.0",
            "name": "terrain",
            "version": version,
            "format": "quantized-mesh-1.0",
            "scheme": "tms",
            "projection": "EPSG:4326",
            "tiles": ["{z}/{x}/{y}.terrain?v={version}"],
            "minzoom": 0,
            "maxzoom": self.max_level,
            "bounds": list(self.bounds),
            "extensions": list(EXTENSIONS),
            "attribution": self.attribution,
            "available": available,
        }

    def mesh(self, z: int, x: int, y: int) -> GroundMesh:
        """The tile's mesh: a 65 x 65 grid, less what the level's error allows."""
        size = _spacing(z)
        lon, lat, around = self._around(z, x, y)
        inner = around[1:-1, 1:-1]
        triangles, _ = _few(rtin.errors(inner), ERROR_SHARE * LEVEL_ZERO_ERROR_M / 2**z)
        column, row = np.tile(np.arange(CELLS + 1), CELLS + 1), np.repeat(np.arange(CELLS + 1), CELLS + 1)
        at_lon, at_lat = lon[1:-1][column], lat[1:-1][row]
        return GroundMesh(
            np.rint(column * (STEPS / CELLS)).astype(np.int64),
            np.rint(row * (STEPS / CELLS)).astype(np.int64),
            inner.ravel(),
            ecef(at_lon, at_lat, inner.ravel()),
            _normals(around, size, at_lon, at_lat),
            triangles,
        )

    def surface(self, x: int, y: int) -> Floats:
        """(65, 65) ellipsoidal metres of the triangles drawn in a tile of the deepest level, rows running north."""
        _, _, around = self._around(self.max_level, x, y)
        inner = around[1:-1, 1:-1]
        found = rtin.errors(inner)
        _, most = _few(found, ERROR_SHARE * LEVEL_ZERO_ERROR_M / 2**self.max_level)
        return rtin.surface(inner, found, most)

    def _around(self, z: int, x: int, y: int) -> tuple[Floats, Floats, Floats]:
        """Meridians and parallels (67,) of a tile's grid and one row around it, and the ground there, (67, 67)."""
        steps = np.arange(-1, CELLS + 2)
        # Whole numbers until the last step: both sides of an edge get the same double.
        size = _spacing(z)
        lon = np.asarray(-180.0 + (x * CELLS + steps) * size, np.float64)
        lat: Floats = np.clip(-90.0 + (y * CELLS + steps) * size, -90.0, 90.0)
        side = CELLS + 3
        ground = self._ground(np.tile(lon, side), np.repeat(lat, side), size * METRES_PER_DEGREE)
        return lon, lat, ground.reshape(side, side)

    def _ground(self, lon: Floats, lat: Floats, resolution_m: float) -> Floats:
        """Ellipsoidal metres, whole HEIGHT_STEP_M; a lake lies at its level."""
        turned = (lon + 180.0) % 360.0 - 180.0
        orthometric = np.asarray(self.heights(turned, lat, resolution_m=resolution_m), np.float64)
        orthometric = np.where(np.isfinite(orthometric), orthometric, self.outside_m)
        orthometric = self.lakes.level(turned, lat, orthometric)
        ellipsoidal = orthometric + self.separation(turned, lat)
        return np.rint(ellipsoidal / HEIGHT_STEP_M) * HEIGHT_STEP_M


def _spacing(z: int) -> float:
    """Degrees between the vertices of a tile of level ``z``."""
    return 180.0 / ((1 << z) * CELLS)


def _few(found: Floats, most: float) -> tuple[NDArray[np.int64], float]:
    """Triangles and the metres they may lose: within ``most`` metres, or within half as much again, and again, until a tile holds MOST_TRIANGLES."""
    triangles = rtin.triangles(found, CELLS, most)
    while len(triangles) > MOST_TRIANGLES:
        most *= 1.5
        triangles = rtin.triangles(found, CELLS, most)
    return triangles, most


def _normals(around: Floats, size: float, lon: Floats, lat: Floats) -> Floats:
    """(n, 3) unit normals in ECEF by central differences over the grid and one row around it: the same on both sides of an edge."""
    cos_lat = np.maximum(np.cos(np.radians(lat)), 1e-6)
    east = (around[1:-1, 2:] - around[1:-1, :-2]).ravel() / (2 * size * METRES_PER_DEGREE * cos_lat)
    north = (around[2:, 1:-1] - around[:-2, 1:-1]).ravel() / (2 * size * METRES_PER_DEGREE)
    lam, phi = np.radians(lon), np.radians(lat)
    sin_lam, cos_lam, sin_phi, cos_phi = np.sin(lam), np.cos(lam), np.sin(phi), np.cos(phi)
    # -east * E - north * N + U
    normal = np.stack(
        [
            east * sin_lam + north * sin_phi * cos_lam + cos_phi * cos_lam,
            -east * cos_lam + north * sin_phi * sin_lam + cos_phi * sin_lam,
            -north * cos_phi + sin_phi,
        ],
        axis=1,
    )
    unit: Floats = normal / np.sqrt((normal * normal).sum(axis=1))[:, None]
    return unit
