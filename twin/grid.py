"""The web-mercator tile matrix (OGC WebMercatorQuad): which tile covers which place.

Tiles are named z, x, y with y from the north (XYZ), 256 or 512 px alike. Extents are metres in EPSG:3857.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from twin.errors import NotFound

EARTH_RADIUS_M = 6378137.0
HALF_WORLD_M = math.pi * EARTH_RADIUS_M
MAX_ZOOM = 22
MAX_LATITUDE = 85.05112877980659


class BBox(NamedTuple):
    """An extent, in the units of its CRS: degrees (lon, lat) unless its name says otherwise."""

    west: float
    south: float
    east: float
    north: float

    def intersects(self, other: BBox) -> bool:
        return not (
            self.east < other.west or other.east < self.west or self.north < other.south or other.north < self.south
        )

    def union(self, other: BBox) -> BBox:
        return BBox(
            min(self.west, other.west),
            min(self.south, other.south),
            max(self.east, other.east),
            max(self.north, other.north),
        )


class Tile(NamedTuple):
    z: int
    x: int
    y: int

    def parent(self) -> Tile:
        return Tile(self.z - 1, self.x // 2, self.y // 2)


def checked(z: int, x: int, y: int, *, max_zoom: int = MAX_ZOOM) -> Tile:
    """The tile, or NotFound where the matrix has none of that name."""
    if not 0 <= z <= max_zoom:
        raise NotFound(f"there is no zoom {z}", remedy=f"ask for zooms 0 to {max_zoom}")
    if not (0 <= x < 1 << z and 0 <= y < 1 << z):
        raise NotFound(f"there is no tile {z}/{x}/{y}", remedy=f"x and y at zoom {z} lie within 0 to {(1 << z) - 1}")
    return Tile(z, x, y)


def mercator_extent(tile: Tile) -> BBox:
    """West, south, east, north of the tile in EPSG:3857 metres."""
    size = 2 * HALF_WORLD_M / (1 << tile.z)
    west = tile.x * size - HALF_WORLD_M
    north = HALF_WORLD_M - tile.y * size
    return BBox(west, north - size, west + size, north)


def extent(tile: Tile) -> BBox:
    """West, south, east, north of the tile in degrees."""
    count = 1 << tile.z

    def latitude(row: int) -> float:
        return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * row / count))))

    return BBox(tile.x / count * 360 - 180, latitude(tile.y + 1), (tile.x + 1) / count * 360 - 180, latitude(tile.y))


def tile_at(lon: float, lat: float, z: int) -> Tile:
    """The tile that holds a point in degrees; latitudes beyond the matrix fall on its edge."""
    count = 1 << z
    x = math.floor((lon + 180) / 360 * count)
    radians = math.radians(max(-MAX_LATITUDE, min(MAX_LATITUDE, lat)))
    y = math.floor((1 - math.asinh(math.tan(radians)) / math.pi) / 2 * count)
    return Tile(z, min(max(x, 0), count - 1), min(max(y, 0), count - 1))


def tiles_over(box: BBox, z: int) -> Iterator[Tile]:
    """The tiles of zoom z that a box in degrees touches, row by row from the north-west."""
    first, last = tile_at(box.west, box.north, z), tile_at(box.east, box.south, z)
    for y in range(first.y, last.y + 1):
        for x in range(first.x, last.x + 1):
            yield Tile(z, x, y)


def tile_count(box: BBox, z: int) -> int:
    """How many tiles of zoom z a box in degrees touches."""
    first, last = tile_at(box.west, box.north, z), tile_at(box.east, box.south, z)
    return (last.x - first.x + 1) * (last.y - first.y + 1)
