"""A raster layer over a box, as a regular grid in EPSG:4326."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from layers.ground import TERRAIN, Ground, Loaded
from layers.pyramid import Pyramid
from twin.errors import BadInput, NotFound
from twin.grid import BBox

if TYPE_CHECKING:
    from layers.spec import Layer

MOST_CELLS = 16_000_000
METRES_PER_DEGREE = 111_195.0
"""Of latitude, on a sphere of the Earth's mean radius (6,371,008.8 m, IUGG)."""
OUTSIDE_CLASS = 0


@dataclass(frozen=True, slots=True)
class Grid:
    """Values (rows, columns) from the north-west corner, `step` degrees apart in both directions; amounts float32 with NaN where nothing
    is known, classes uint8 with 0 there.
    """

    values: NDArray[np.float32] | NDArray[np.uint8]
    west: float
    north: float
    step: float

    @property
    def lon(self) -> NDArray[np.float64]:
        """Longitudes of the columns' middles, degrees."""
        found: NDArray[np.float64] = self.west + (np.arange(self.values.shape[1], dtype=np.float64) + 0.5) * self.step
        return found

    @property
    def lat(self) -> NDArray[np.float64]:
        """Latitudes of the rows' middles, degrees, falling."""
        found: NDArray[np.float64] = self.north - (np.arange(self.values.shape[0], dtype=np.float64) + 0.5) * self.step
        return found


def lattice(bbox: BBox, resolution_m: float) -> Grid:
    """The cells over a box, without values (NaN): `resolution_m` along the meridian. Raises BadInput for none, or too many."""
    step = resolution_m / METRES_PER_DEGREE
    width, height = bbox.east - bbox.west, bbox.north - bbox.south
    columns, rows = math.ceil(width / step - 1e-9), math.ceil(height / step - 1e-9)
    if columns < 1 or rows < 1:
        raise BadInput("the box is empty", remedy="give west,south,east,north in degrees, west of east, south of north")
    if columns * rows > MOST_CELLS:
        finest = math.ceil(math.sqrt(width * height / MOST_CELLS) * METRES_PER_DEGREE * 1.01)
        raise BadInput(
            f"{columns} x {rows} cells are more than one answer holds ({MOST_CELLS:,})",
            remedy=f"ask for a smaller box, or resolution={finest} or coarser",
        )
    return Grid(np.full((rows, columns), np.nan, np.float32), bbox.west, bbox.north, step)


def heights(ground: Ground, bbox: BBox, *, resolution_m: float | None) -> Grid:
    """Heights of the ground, metres above EGM96, complete. `resolution_m` None: that of the finest model."""
    finest = min(model.pyramid.pixel_m for model in ground.models)
    grid = lattice(_cut(bbox, ground.bounds), resolution_m or finest)
    found = ground.heights_over(grid.lon, grid.lat, resolution_m=resolution_m or finest)
    return Grid(found, grid.west, grid.north, grid.step)


def sampled(files: Sequence[Loaded], bbox: BBox, *, resolution_m: float | None) -> Grid:
    """Classes (the one at each middle) or amounts (bilinear), the last raster on top. Raises NotFound where the box has none."""
    covers = [Pyramid(one.path, average=not one.classes) for one in files]
    bounds = BBox(*covers[0].bounds)
    for cover in covers[1:]:
        bounds = bounds.union(BBox(*cover.bounds))
    finest = min(cover.pixel_m for cover in covers)
    grid = lattice(_cut(bbox, bounds), resolution_m or finest)
    classes = bool(files[0].classes)
    found = np.full(grid.values.size, np.nan, np.float32)
    for cover in covers:
        column, row = cover.pixels_over(grid.lon, grid.lat)
        values = cover.sample(column, row, level=cover.level(resolution_m or finest), nearest=classes)
        found = np.where(np.isfinite(values) & ((values > OUTSIDE_CLASS) | (not classes)), values, found)
    laid = found.reshape(grid.values.shape)
    if classes:
        return Grid(np.nan_to_num(laid, nan=OUTSIDE_CLASS).astype(np.uint8), grid.west, grid.north, grid.step)
    return Grid(laid, grid.west, grid.north, grid.step)


def of_layer(
    layer: Layer, files: Sequence[Loaded], ground: Ground | None, bbox: BBox, *, resolution_m: float | None
) -> Grid:
    """The grid of a raster layer; `ground` is that of the terrain. Raises NotFound where nothing is loaded, BadInput as `lattice`."""
    if layer.name == TERRAIN and ground is not None:
        return heights(ground, bbox, resolution_m=resolution_m)
    if not files:
        raise NotFound(f"nothing is loaded into {layer.name}", remedy=f"load a raster of {layer.name}")
    return sampled(files, bbox, resolution_m=resolution_m)


def _cut(bbox: BBox, bounds: BBox) -> BBox:
    """The part of a box that the raster covers. Raises NotFound for none."""
    if not bbox.intersects(bounds):
        raise NotFound(
            "the raster does not reach that box",
            remedy=f"ask within {', '.join(f'{value:.3f}' for value in bounds)} (west, south, east, north)",
        )
    return BBox(
        max(bbox.west, bounds.west),
        max(bbox.south, bounds.south),
        min(bbox.east, bounds.east),
        min(bbox.north, bounds.north),
    )
