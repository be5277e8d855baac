"""The ground of the country: elevation models laid one over the other without a seam, complete, at any point.

A finer model lies on a coarser one and fades in over its rim, the coarsest lies on a surface that fills what none knows
(`layers.voids`), fading in likewise; so heights are continuous everywhere. Heights are orthometric (EGM96), metres.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy import ndimage

from layers.pyramid import Floats, Pyramid, Values
from layers.voids import STEP_DEG, Grid, Mask, Spot, Surface, fill
from twin.errors import NotFound, Unavailable
from twin.grid import BBox

if TYPE_CHECKING:
    from twin.access import Actor
    from twin.db import Database

TERRAIN = "land.terrain"
LANDCOVER = "land.landcover"
WATER_CLASSES = (12,)
"""Classes of the land cover that are open water."""
_CELL_M = 300.0
_RIM_CELLS = 4.0
"""Over how many cells of about 300 m a model fades in."""
_LEVEL_M = 300.0


@dataclass(frozen=True)
class Model:
    """One elevation model. `weight` (rows, columns) of its cells of `cell` pixels: 0 at voids and rim, 1 inside."""

    pyramid: Pyramid
    weight: Grid
    sure: Mask
    cell: int

    @classmethod
    def open(cls, path: Path) -> Model:
        """Reads the whole file once, strip by strip, to know where it has values."""
        pyramid = Pyramid(path)
        cell = 1 << pyramid.level(_CELL_M)
        sure = _whole_cells(pyramid, cell)
        distance = ndimage.distance_transform_edt(np.pad(sure, 1))[1:-1, 1:-1]
        return cls(pyramid, np.clip((distance - 1.5) / _RIM_CELLS, 0, 1).astype(np.float32), sure, cell)

    def weights(self, column: Floats, row: Floats) -> Values:
        """How much the model counts (n,) at fractional pixels."""
        rows, columns = self.weight.shape
        x, y = column / self.cell - 0.5, row / self.cell - 0.5
        outside = (x < 0) | (y < 0) | (x > columns - 1) | (y > rows - 1)
        x, y = np.clip(x, 0, columns - 1.001), np.clip(y, 0, rows - 1.001)
        i, j = y.astype(np.intp), x.astype(np.intp)
        x, y = x - j, y - i
        flat, start = self.weight.reshape(-1), i * columns + j
        low = flat[start] * (1 - x) + flat[start + 1] * x
        high = flat[start + columns] * (1 - x) + flat[start + columns + 1] * x
        weights: Values = np.where(outside, 0, low * (1 - y) + high * y).astype(np.float32)
        return weights

    def knows(self, column: Floats, row: Floats) -> Mask:
        """Whether the cell of 300 m (n,) is wholly known."""
        rows, columns = self.sure.shape
        i, j = np.floor(row / self.cell).astype(np.intp), np.floor(column / self.cell).astype(np.intp)
        inside = (i >= 0) & (j >= 0) & (i < rows) & (j < columns)
        known: Mask = inside & self.sure[np.clip(i, 0, rows - 1), np.clip(j, 0, columns - 1)]
        return known


class Ground:
    """Heights of the whole region. Made by `open` or `from_database`; safe for many threads."""

    def __init__(self, models: Sequence[Model], surface: Surface) -> None:
        self.models = tuple(models)
        self.surface = surface

    @classmethod
    def open(
        cls,
        elevation: Sequence[Path],
        *,
        landcover: Path | None = None,
        spots: Sequence[Spot] = (),
        region: BBox | None = None,
    ) -> Ground:
        """The ground from elevation models, the lowest first. `landcover` tells lakes; `spots` are peaks for the voids;
        `region` in degrees widens the surface beyond the models. Raises NotFound without a model.
        """
        if not elevation:
            raise NotFound("no elevation model is loaded", remedy="load a raster of land.terrain")
        models = [Model.open(path) for path in elevation]
        bounds = BBox(*models[0].pyramid.bounds)
        for model in models[1:]:
            bounds = bounds.union(BBox(*model.pyramid.bounds))
        if region is not None:
            bounds = bounds.union(region)
        lon, lat = (
            np.arange(bounds.west, bounds.east + STEP_DEG, STEP_DEG),
            np.arange(bounds.south, bounds.north + STEP_DEG, STEP_DEG),
        )
        x, y = (axis.ravel() for axis in np.meshgrid(lon, lat))
        heights = np.full(len(x), np.nan, dtype=np.float32)
        for model in models:
            column, row = model.pyramid.pixels(x, y)
            values = model.pyramid.sample(column, row, level=model.pyramid.level(_LEVEL_M))
            heights = np.where(model.knows(column, row) & np.isfinite(values), values, heights)
        water = np.zeros(len(x), dtype=bool)
        if landcover is not None:
            cover = Pyramid(landcover, average=False)
            classes = cover.sample(*cover.pixels(x, y), level=cover.level(_LEVEL_M / 4), nearest=True)
            water = np.isin(classes, WATER_CLASSES)
        shape = (len(lat), len(lon))
        return cls(
            models,
            fill(heights.reshape(shape), water.reshape(shape), west=float(lon[0]), south=float(lat[0]), spots=spots),
        )

    @classmethod
    def from_database(
        cls, database: Database, actor: Actor, *, spots: Sequence[Spot] = (), region: BBox | None = None
    ) -> Ground:
        """The ground from the rasters that were loaded. Raises NotFound where there is none."""
        found = registered(database, actor)
        cover = found.get(LANDCOVER, ())
        return cls.open(found.get(TERRAIN, ()), landcover=cover[-1] if cover else None, spots=spots, region=region)

    def heights(self, lon: Floats, lat: Floats, *, resolution_m: float = 0.0) -> Values:
        """Heights (n,) float32, EGM96 metres, bilinear, at points in degrees (n,).

        `resolution_m`: how far apart the points are, so that coarse questions read coarse levels.
        """
        lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
        return self._laid(lon, lat, [model.pyramid.pixels(lon, lat) for model in self.models], resolution_m)

    def heights_over(self, lon: Floats, lat: Floats, *, resolution_m: float = 0.0) -> Values:
        """As `heights`, for a grid of meridians (m,) and parallels (n,): (n, m) float32."""
        pixels = [model.pyramid.pixels_over(lon, lat) for model in self.models]
        x, y = np.broadcast_to(lon, (len(lat), len(lon))).ravel(), np.repeat(lat, len(lon))
        return self._laid(x, y, pixels, resolution_m).reshape(len(lat), len(lon))

    def _laid(self, lon: Floats, lat: Floats, pixels: Sequence[tuple[Floats, Floats]], resolution_m: float) -> Values:
        """Each model over those below it, from the highest that hides them everywhere."""
        weights = [model.weights(*place) for model, place in zip(self.models, pixels, strict=True)]
        whole = [number for number, weight in enumerate(weights) if np.all(weight == 1)]
        first = whole[-1] if whole else 0
        found = np.zeros(len(lon), np.float32) if whole else self.surface.at(self.surface.heights, lon, lat)
        for model, weight, (column, row) in zip(self.models[first:], weights[first:], pixels[first:], strict=True):
            there = np.flatnonzero(weight > 0)
            if not len(there):
                continue
            values = model.pyramid.sample(column[there], row[there], level=model.pyramid.level(resolution_m))
            held = np.isfinite(values)
            found[there] += np.where(held, weight[there], 0) * (np.where(held, values, 0) - found[there])
        return found

    def estimated(self, lon: Floats, lat: Floats) -> Mask:
        """Where (n,) no model knows the height and no lake gives it: it is interpolated, and slope rules do not apply."""
        known = self.surface.nearest(self.surface.known | self.surface.lake, lon, lat)
        for model in self.models:
            known = known | (model.weights(*model.pyramid.pixels(lon, lat)) > 0.5)
        return ~known

    def error_m(self, lon: Floats, lat: Floats) -> Values:
        """Standard error (n,) of the interpolation, metres; 0 where a model knows the height."""
        return np.where(self.estimated(lon, lat), self.surface.at(self.surface.error_m, lon, lat), 0).astype(np.float32)

    @property
    def bounds(self) -> BBox:
        """West, south, east, north in degrees of what the ground covers; beyond, its edge goes on."""
        rows, columns = self.surface.heights.shape
        return BBox(
            self.surface.west,
            self.surface.south,
            self.surface.west + (columns - 1) * STEP_DEG,
            self.surface.south + (rows - 1) * STEP_DEG,
        )


class GroundKeeper:
    """The ground of a running service, opened when first asked for and anew when the rasters change."""

    def __init__(
        self, database: Database, actor: Actor, *, spots: Sequence[Spot] = (), region: BBox | None = None
    ) -> None:
        self.database = database
        self.actor = actor
        self.spots = spots
        self.region = region
        self._ground: Ground | None = None
        self._lock = threading.Lock()

    def get(self) -> Ground:
        """The ground; blocks for some seconds the first time. Raises NotFound where no raster is loaded."""
        with self._lock:
            if self._ground is None:
                self._ground = Ground.from_database(self.database, self.actor, spots=self.spots, region=self.region)
            return self._ground

    def forget(self) -> None:
        """Open it anew at the next question."""
        with self._lock:
            self._ground = None


class Loaded(NamedTuple):
    """A raster that was loaded: its file, the names of its classes (none where it holds amounts), its least and largest value."""

    path: Path
    classes: Mapping[str, str]
    minimum: float
    maximum: float


def loaded(database: Database, actor: Actor) -> dict[str, tuple[Loaded, ...]]:
    """Raster layers with what was loaded into them, the lowest first."""
    with database.session(actor) as session:
        rows = session.execute(
            "select layer, path, metadata from twin.raster order by layer, (metadata ->> 'order')::int, name"
        ).fetchall()
    found: dict[str, tuple[Loaded, ...]] = {}
    for layer, path, told in rows:
        one = Loaded(Path(path), told.get("classes", {}), float(told.get("minimum", 0)), float(told.get("maximum", 1)))
        found[layer] = (*found.get(layer, ()), one)
    return found


def registered(database: Database, actor: Actor) -> dict[str, tuple[Path, ...]]:
    """Raster layers with their files, the lowest first."""
    return {layer: tuple(one.path for one in every) for layer, every in loaded(database, actor).items()}


def _whole_cells(pyramid: Pyramid, cell: int) -> NDArray[np.bool_]:
    """Whether every pixel of each cell of `cell` x `cell` holds a value: (rows, columns) bool, the last ones cut off false."""
    rows, columns = pyramid.height // cell, pyramid.width // cell
    whole = np.zeros((-(-pyramid.height // cell), -(-pyramid.width // cell)), dtype=bool)
    strip = max(512 // cell, 1)
    try:
        with rasterio.open(pyramid.path) as source:
            for first in range(0, rows, strip):
                last = min(first + strip, rows)
                values = source.read(1, window=Window(0, first * cell, columns * cell, (last - first) * cell))
                held = np.ones(values.shape, bool) if pyramid.nodata is None else values != pyramid.nodata
                whole[first:last, :columns] = held.reshape(last - first, cell, columns, cell).all(axis=(1, 3))
    except rasterio.errors.RasterioIOError as error:
        raise Unavailable(f"the raster {pyramid.path.name} cannot be read", remedy="load the raster again") from error
    return whole
