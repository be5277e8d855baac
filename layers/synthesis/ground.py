"""The ground as the stock sees it: heights, slopes and land cover at any point, from rasters held in memory.

A raster may be in any CRS; the way from longitude and latitude to its pixels is tabulated once on a coarse lattice and
interpolated, which is a few millimetres off over Rwanda and many times faster than a projection for each point.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.windows import Window
from scipy.ndimage import distance_transform_edt

from layers.synthesis.frames import Floats
from twin.errors import SourceError

Bounds = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

_LATTICE_DEG = 0.02
_MARGIN_DEG = 0.03
_BLOCK = 4
_RELIEF_PER_M = 0.1
"""How much the ground may have risen or fallen for each metre away from the last known height (Rwanda's mean slope)."""
_MAX_SE_M = 500.0


@dataclass(frozen=True)
class Lattice:
    """Pixel coordinates (column, row; the middle of the first pixel is 0.5, 0.5) tabulated on a lon, lat lattice.

    `cells` (rows, columns, 8): of each cell, the column and then the row as a + bx + cy + dxy of the place in the cell.
    """

    west: float
    south: float
    step: float
    cells: Floats

    @classmethod
    def through(cls, nodes: Floats, *, west: float, south: float, step: float) -> Lattice:
        """The lattice whose nodes (rows, columns, 2) have these columns and rows."""
        corner, east = nodes[:-1, :-1], nodes[:-1, 1:]
        north, far = nodes[1:, :-1], nodes[1:, 1:]
        parts = np.stack([corner, east - corner, north - corner, far - east - north + corner], axis=-1)
        return cls(west, south, step, np.ascontiguousarray(parts.reshape(*parts.shape[:2], 8)))

    def pixels(self, points: Floats) -> Floats:
        """Lon, lat (n, 2) into fractional column and row (n, 2); outside the lattice it extrapolates linearly."""
        rows, columns, _ = self.cells.shape
        x, y = (points[:, 0] - self.west) / self.step, (points[:, 1] - self.south) / self.step
        column = np.clip(x, 0, columns - 1).astype(np.intp)
        row = np.clip(y, 0, rows - 1).astype(np.intp)
        x, y = x - column, y - row
        cell = self.cells.reshape(-1, 8)[row * columns + column]
        xy = x * y
        pixels = np.empty((len(points), 2))
        pixels[:, 0] = cell[:, 0] + cell[:, 1] * x + cell[:, 2] * y + cell[:, 3] * xy
        pixels[:, 1] = cell[:, 4] + cell[:, 5] * x + cell[:, 6] * y + cell[:, 7] * xy
        return pixels


@dataclass(frozen=True)
class Raster:
    """Values (rows, columns) of one band and the way to them. `mask`: where the file holds a value."""

    values: NDArray[np.int16]
    mask: NDArray[np.bool_]
    lattice: Lattice
    pixel_m: float

    def nearest(self, points: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """Row and column (n,) of the pixel under each lon, lat (n, 2), held inside the raster, and whether it was inside."""
        pixel = self.lattice.pixels(points)
        x, y = pixel[:, 0], pixel[:, 1]
        rows, columns = self.values.shape
        inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
        return np.clip(y, 0, rows - 1).astype(np.intp), np.clip(x, 0, columns - 1).astype(np.intp), inside

    def reaches(self, points: Floats) -> bool:
        """Whether the box about lon, lat (n, 2) may meet the raster; never false where it does."""
        if not len(points):
            return False
        (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
        pixel = self.lattice.pixels(np.array([(west, south), (west, north), (east, south), (east, north)]))
        margin = 8 + 0.05 * (pixel.max(axis=0) - pixel.min(axis=0))  # the box is a little askew in the raster's CRS
        size = np.array(self.values.shape[::-1])
        return bool(((pixel.max(axis=0) + margin >= 0) & (pixel.min(axis=0) - margin <= size)).all())


def read_raster(path: Path, *, bounds: Bounds | None = None, floor: float | None = None) -> Raster | None:
    """Read one band, as int16, inside `bounds` and a margin of 3 km; None where they do not meet.

    `floor`: values under it are no values (artefacts at the edge of an elevation model).
    """
    with rasterio.open(path) as source:
        if source.crs is None:
            raise SourceError(f"raster {path.name} has no CRS", remedy="give it one with gdal_edit.py -a_srs")
        to_raster = Transformer.from_crs(CRS.from_epsg(4326), CRS.from_wkt(source.crs.to_wkt()), always_xy=True)
        if bounds is None:
            bounds = to_raster.transform_bounds(
                source.bounds.left, source.bounds.bottom, source.bounds.right, source.bounds.top, direction="INVERSE"
            )
        west, south, east, north = np.array(bounds) + _MARGIN_DEG * np.array([-1.0, -1.0, 1.0, 1.0])
        lon = west + _LATTICE_DEG * np.arange(np.ceil((east - west) / _LATTICE_DEG) + 1)
        lat = south + _LATTICE_DEG * np.arange(np.ceil((north - south) / _LATTICE_DEG) + 1)
        x, y = to_raster.transform(*np.meshgrid(lon, lat))
        column, row = ~source.transform @ (x, y)
        left, top = max(0, int(column.min())), max(0, int(row.min()))
        right, bottom = min(source.width, int(column.max()) + 1), min(source.height, int(row.max()) + 1)
        if right - left < 3 or bottom - top < 3:
            return None
        values = source.read(1, window=Window(left, top, right - left, bottom - top))
        mask = np.ones(values.shape, dtype=bool) if source.nodata is None else values != source.nodata
        pixel_m = abs(source.transform.a) * (1.0 if source.crs.is_projected else 111_320.0)
    if floor is not None:
        mask &= values >= floor
    nodes = np.stack([column - left, row - top], axis=-1)
    lattice = Lattice.through(nodes, west=float(west), south=float(south), step=_LATTICE_DEG)
    return Raster(values.astype(np.int16), mask, lattice, pixel_m)


@dataclass(frozen=True)
class Elevation:
    """One elevation model with its voids filled from the nearest known ground and its slopes tabulated.

    `slope_percent` (rows, columns) uint8: Horn's slope, capped at 255, 0 where it cannot be known (voids).
    `se_m` at a quarter of the resolution: the model's own error, or in a void 0.1 m for each metre to the nearest known
    height, at most 500 m. `doubts`: boxes (west, south, east, north, se_m) where the file's values are kept but not trusted.
    """

    raster: Raster
    slope_percent: NDArray[np.uint8]
    se_m: NDArray[np.float32]
    doubts: tuple[tuple[float, float, float, float, float], ...] = ()

    @classmethod
    def prepare(
        cls, raster: Raster, *, se_m: float, doubts: tuple[tuple[float, float, float, float, float], ...] = ()
    ) -> Elevation:
        """Fill the voids of `raster`, tabulate slopes and errors. `se_m`: the model's standard error where it is known."""
        values, error = _fill(raster, se_m)
        filled = Raster(values, raster.mask, raster.lattice, raster.pixel_m)
        return cls(filled, _slopes(values, raster.mask, raster.pixel_m), error, doubts)

    def heights(self, points: Floats) -> Floats:
        """Bilinear heights in metres (n,) at lon, lat (n, 2); past the edge the edge's own."""
        values = self.raster.values
        pixel = self.raster.lattice.pixels(points) - 0.5
        limit = np.array(values.shape[::-1]) - 1
        pixel = np.clip(pixel, 0, limit)
        corner = np.minimum(pixel.astype(np.intp), limit - 1)
        x, y = (pixel - corner).T
        start = corner[:, 1] * values.shape[1] + corner[:, 0]
        flat = values.reshape(-1)
        low = flat[start] * (1 - x) + flat[start + 1] * x
        start += values.shape[1]
        high = flat[start] * (1 - x) + flat[start + 1] * x
        heights: Floats = low * (1 - y) + high * y
        return heights

    def known(self, points: Floats) -> NDArray[np.bool_]:
        """Whether the model holds a measured value at lon, lat (n, 2): (n,)."""
        row, column, inside = self.raster.nearest(points)
        return inside & self.raster.mask[row, column]

    def slopes(self, points: Floats) -> Floats:
        """Slope in percent (n,) of the pixel under lon, lat (n, 2)."""
        row, column, inside = self.raster.nearest(points)
        return np.where(inside, self.slope_percent[row, column], 0).astype(np.float64)

    def errors(self, points: Floats) -> Floats:
        """Standard error of the height in metres (n,) at lon, lat (n, 2)."""
        row, column, inside = self.raster.nearest(points)
        error = np.where(inside, self.se_m[row // _BLOCK, column // _BLOCK], _MAX_SE_M).astype(np.float64)
        for west, south, east, north, doubt in self.doubts:
            within = (points[:, 0] >= west) & (points[:, 0] <= east) & (points[:, 1] >= south) & (points[:, 1] <= north)
            error = np.where(within, np.maximum(error, doubt), error)
        return error


@dataclass(frozen=True)
class Terrain:
    """Elevation models, the finest first. Where none knows a height the last one's filled void answers."""

    models: tuple[Elevation, ...]

    def heights(self, points: Floats) -> tuple[Floats, Floats]:
        """Height and its standard error in metres, each (n,), at lon, lat (n, 2)."""
        if not self.models:
            return np.zeros(len(points)), np.full(len(points), _MAX_SE_M)
        height, error = np.empty(len(points)), np.empty(len(points))
        rest = np.arange(len(points))
        for model in self.models:
            last = model is self.models[-1]
            if not last and not model.raster.reaches(points):
                continue
            mine = rest if last else rest[model.known(points[rest])]
            height[mine] = model.heights(points[mine])
            error[mine] = model.errors(points[mine])
            rest = np.setdiff1d(rest, mine, assume_unique=True) if not last else rest[:0]
        return height, error

    def slopes(self, points: Floats) -> Floats:
        """Slope in percent (n,): the greatest of what the models say; 0 where none knows."""
        worst = np.zeros(len(points))
        for model in self.models:
            if model.raster.reaches(points):
                worst = np.maximum(worst, model.slopes(points))
        return worst

    def known(self, points: Floats) -> NDArray[np.bool_]:
        """Whether some model holds a measured value at lon, lat (n, 2): (n,)."""
        found = np.zeros(len(points), dtype=bool)
        for model in self.models:
            if model.raster.reaches(points):
                found |= model.known(points)
        return found


@dataclass(frozen=True)
class Cover:
    """Land cover classes. `water` and `wetland`: the codes that bar building; which codes they are is the caller's word."""

    raster: Raster
    water: tuple[int, ...]
    wetland: tuple[int, ...]

    def classes(self, points: Floats) -> NDArray[np.uint8]:
        """0 free, 1 wetland, 2 water at lon, lat (n, 2); free outside the raster."""
        row, column, inside = self.raster.nearest(points)
        table = np.zeros(256, dtype=np.uint8)
        table[list(self.wetland)] = 1
        table[list(self.water)] = 2
        return np.where(inside, table[self.raster.values[row, column] & 255], 0).astype(np.uint8)


def _fill(raster: Raster, se_m: float) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Voids filled from the nearest known block of 4 x 4 pixels, and the standard error of each block."""
    rows, columns = raster.values.shape
    pad = ((0, -rows % _BLOCK), (0, -columns % _BLOCK))
    mask = np.pad(raster.mask, pad)
    shape = (mask.shape[0] // _BLOCK, _BLOCK, mask.shape[1] // _BLOCK, _BLOCK)
    known = mask.reshape(shape).any(axis=(1, 3))
    if known.all() and raster.mask.all():
        return raster.values, np.full(known.shape, se_m, dtype=np.float32)
    if not known.any():
        return np.zeros_like(raster.values), np.full(known.shape, _MAX_SE_M, dtype=np.float32)
    highest = np.where(mask, np.pad(raster.values, pad), np.iinfo(np.int16).min).reshape(shape).max(axis=(1, 3))
    distance, nearest = distance_transform_edt(~known, return_indices=True)
    coarse = highest[tuple(nearest)]
    values = raster.values.copy()
    row, column = np.nonzero(~raster.mask)
    values[row, column] = coarse[row // _BLOCK, column // _BLOCK]
    error = np.hypot(se_m, distance * _BLOCK * raster.pixel_m * _RELIEF_PER_M)
    return values, np.minimum(error, _MAX_SE_M).astype(np.float32)


def _slopes(values: NDArray[np.int16], mask: NDArray[np.bool_], pixel_m: float) -> NDArray[np.uint8]:
    """Horn's slope (Proc. IEEE 69, 1981) in whole percent, rounded up, in bands of rows to spare memory."""
    slopes = np.zeros(values.shape, dtype=np.uint8)
    for top in range(1, values.shape[0] - 1, 512):
        bottom = min(top + 512, values.shape[0] - 1)
        z = values[top - 1 : bottom + 1].astype(np.float32)
        down = z[:-2] + 2 * z[1:-1] + z[2:]
        right = z[:, :-2] + 2 * z[:, 1:-1] + z[:, 2:]
        east = (down[:, 2:] - down[:, :-2]) / (8 * pixel_m)
        north = (right[2:] - right[:-2]) / (8 * pixel_m)
        percent = np.ceil(100 * np.hypot(east, north) - 1e-3)
        known = mask[top - 1 : bottom + 1]
        sure = known[:-2, :-2] & known[:-2, 2:] & known[2:, :-2] & known[2:, 2:] & known[1:-1, 1:-1]
        slopes[top:bottom, 1:-1] = np.where(sure, np.minimum(percent, 255), 0)
    return slopes
