"""A raster read in blocks, at the resolution that is asked for, by points in degrees. Safe for many threads.

Blocks come by rasterio windows from the file or its overviews and are kept, least recently used first out, as float32 with NaN
where the file has no value.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.windows import Window

from twin.crs import transformer
from twin.errors import SourceError, Unavailable

Floats = NDArray[np.float64]
Values = NDArray[np.float32]

BLOCK = 512
MOST_BLOCKS = 256
"""Of 1 MiB each, per raster."""
_FEWEST_PIXELS = 8
"""Along the longer side of the coarsest level."""
_LATTICE_DEG = 0.02
"""Step of the table from degrees to pixels; between its nodes it is bilinear, a centimetre off for a UTM zone."""
_DEGREE_M = 111_320.0


class Pyramid:
    """One band of one raster, with its levels: level k has pixels 2**k times as wide. `average`: levels are means, else samples."""

    def __init__(self, path: Path, *, average: bool = True) -> None:
        try:
            with rasterio.open(path) as source:
                if source.crs is None:
                    raise SourceError(f"raster {path.name} has no CRS", remedy="load it with --crs")
                self.width, self.height = source.width, source.height
                self.transform = source.transform
                self.nodata = source.nodata
                wkt = source.crs.to_wkt()
                bounds = source.bounds
                self.pixel_m = abs(source.transform.a) * (1.0 if source.crs.is_projected else _DEGREE_M)
        except rasterio.errors.RasterioIOError as error:
            raise Unavailable(f"the raster {path.name} cannot be read", remedy="load the raster again") from error
        self.path = path
        self.average = average
        self.levels = max(1, int(math.log2(max(self.width, self.height) / _FEWEST_PIXELS)) + 1)
        to_degrees = transformer(wkt, "EPSG:4326")
        self.bounds: tuple[float, float, float, float] = to_degrees.transform_bounds(*bounds)
        self._tabulate(wkt)
        self._blocks: OrderedDict[tuple[int, int, int], Values] = OrderedDict()
        self._lock = threading.Lock()

    def _tabulate(self, wkt: str) -> None:
        west, south, east, north = self.bounds
        lon = np.arange(west - _LATTICE_DEG, east + 2 * _LATTICE_DEG, _LATTICE_DEG)
        lat = np.arange(south - _LATTICE_DEG, north + 2 * _LATTICE_DEG, _LATTICE_DEG)
        x, y = transformer("EPSG:4326", wkt).transform(*np.meshgrid(lon, lat))
        a, b, c, d, e, f, *_ = ~self.transform
        column, row = a * x + b * y + c, d * x + e * y + f
        self._origin = (lon[0], lat[0])
        self._nodes = np.stack([column, row], axis=-1)

    def pixels(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """Fractional column and row (n,) of points in degrees (n,); the middle of the first pixel is 0.5, 0.5."""
        u, v = (lon - self._origin[0]) / _LATTICE_DEG, (lat - self._origin[1]) / _LATTICE_DEG
        i = np.clip(u.astype(np.intp), 0, self._nodes.shape[1] - 2)
        j = np.clip(v.astype(np.intp), 0, self._nodes.shape[0] - 2)
        u, v = u - i, v - j
        flat = self._nodes.reshape(-1, 2)
        start = j * self._nodes.shape[1] + i
        below, above = flat[start], flat[start + self._nodes.shape[1]]
        low = below + (flat[start + 1] - below) * u[:, None]
        high = above + (flat[start + 1 + self._nodes.shape[1]] - above) * u[:, None]
        place = low + (high - low) * v[:, None]
        return place[:, 0], place[:, 1]

    def pixels_over(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """As `pixels`, for a grid of meridians (m,) and parallels (n,): each (n * m,), row by row. Many times faster."""
        u, v = (lon - self._origin[0]) / _LATTICE_DEG, (lat - self._origin[1]) / _LATTICE_DEG
        i = np.clip(u.astype(np.intp), 0, self._nodes.shape[1] - 2)
        j = np.clip(v.astype(np.intp), 0, self._nodes.shape[0] - 2)
        u, v = u - i, (v - j)[:, None]
        first, last = int(i.min()), int(i.max()) + 2
        column, row = self._nodes[:, first:last, 0], self._nodes[:, first:last, 1]
        i = i - first

        def over(nodes: Floats) -> Floats:
            along = nodes[j] + (nodes[j + 1] - nodes[j]) * v
            spread: Floats = (along[:, i] + (along[:, i + 1] - along[:, i]) * u).ravel()
            return spread

        return over(column), over(row)

    def level(self, resolution_m: float) -> int:
        """The level whose pixels are at most as wide as `resolution_m`."""
        return int(min(max(math.log2(max(resolution_m, 1e-6) / self.pixel_m), 0), self.levels - 1))

    def sample(self, column: Floats, row: Floats, *, level: int = 0, nearest: bool = False) -> Values:
        """Values (n,) at fractional pixels of level 0: bilinear, or of the pixel itself; NaN where a pixel used has none or lies outside."""
        scale = 1 << level
        width, height = math.ceil(self.width / scale), math.ceil(self.height / scale)
        found = np.full(len(column), np.nan, dtype=np.float32)
        inside = np.flatnonzero((column >= 0) & (row >= 0) & (column <= self.width) & (row <= self.height))
        if not len(inside):
            return found
        shift = 0.0 if nearest else 0.5
        x = np.clip(column[inside] / scale - shift, 0, width - 1)
        y = np.clip(row[inside] / scale - shift, 0, height - 1)
        c, r = np.minimum(x.astype(np.intp), max(width - 2, 0)), np.minimum(y.astype(np.intp), max(height - 2, 0))
        if nearest:
            c, r = x.astype(np.intp), y.astype(np.intp)
        blocks = (r // BLOCK) * (width // BLOCK + 1) + c // BLOCK
        if blocks[0] == blocks[-1] and np.all(blocks == blocks[0]):
            groups = [np.arange(len(inside))]
        else:
            order = np.argsort(blocks, kind="stable")
            groups = np.split(order, np.flatnonzero(np.diff(blocks[order])) + 1)
        for group in groups:
            cg, rg = c[group], r[group]
            top, left = int(rg[0]) // BLOCK, int(cg[0]) // BLOCK
            block = self._block(level, top, left)
            i, j = rg - top * BLOCK, cg - left * BLOCK
            found[inside[group]] = block[i, j] if nearest else _bilinear(block, i, j, x[group] - cg, y[group] - rg)
        return found

    def _block(self, level: int, top: int, left: int) -> Values:
        """Values (513, 513) of a block of a level, one row and column of the next ones with it; NaN past the edge."""
        name = (level, top, left)
        with self._lock:
            known = self._blocks.get(name)
            if known is not None:
                self._blocks.move_to_end(name)
                return known
        block = self._read(level, top, left)
        with self._lock:
            self._blocks[name] = block
            while len(self._blocks) > MOST_BLOCKS:
                self._blocks.popitem(last=False)
        return block

    def _read(self, level: int, top: int, left: int) -> Values:
        scale = 1 << level
        wide = min(BLOCK + 1, math.ceil(self.width / scale) - left * BLOCK)
        high = min(BLOCK + 1, math.ceil(self.height / scale) - top * BLOCK)
        window = Window(left * BLOCK * scale, top * BLOCK * scale, wide * scale, high * scale)
        how = Resampling.average if self.average else Resampling.nearest
        try:
            with rasterio.open(self.path) as source:
                values = source.read(1, window=window, out_shape=(high, wide), resampling=how, boundless=False)
        except rasterio.errors.RasterioIOError as error:
            raise Unavailable(f"the raster {self.path.name} cannot be read", remedy="load the raster again") from error
        block = np.full((BLOCK + 1, BLOCK + 1), np.nan, dtype=np.float32)
        block[:high, :wide] = values
        if self.nodata is not None:
            block[:high, :wide][values == self.nodata] = np.nan
        block[high:], block[:, wide:] = block[max(high - 1, 0)], block[:, [max(wide - 1, 0)]]
        return block


def _bilinear(block: Values, i: NDArray[np.intp], j: NDArray[np.intp], x: Floats, y: Floats) -> Values:
    flat = block.reshape(-1)
    start = i * block.shape[1] + j
    x, y = x.astype(np.float32), y.astype(np.float32)
    a, b = flat[start], flat[start + block.shape[1]]
    low = a + (flat[start + 1] - a) * x
    high = b + (flat[start + 1 + block.shape[1]] - b) * x
    mixed: Values = low + (high - low) * y
    return mixed
