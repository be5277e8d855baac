"""Lakes: the level at which each lies, and the mask of water in a tile.

A lake's level is the median of the elevation model inside it. Where the model says that it is not level at all, the
outline does not fit the ground, and the ground stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from rasterio.transform import from_bounds
from shapely.geometry.base import BaseGeometry

from scenes.quantized import MASK_SIDE
from twin.grid import BBox

Floats = NDArray[np.float64]
# Places a side at which a lake's level is asked for, over the box of the lake.
PLACES = 40
# A lake whose middle nine tenths rise by more than this is none, or not there.
LEVEL_M = 8.0


class Sampler(Protocol):
    """Orthometric metres (n,) at degrees (n,)."""

    def __call__(self, lon: Floats, lat: Floats, *, resolution_m: float) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Lakes:
    """``k`` outlines with their levels in orthometric metres, NaN for one that is not level; the largest first."""

    outlines: NDArray[Any]
    levels: Floats
    tree: shapely.STRtree

    @classmethod
    def of(cls, outlines: Sequence[BaseGeometry], heights: Sampler) -> Lakes:
        """Lakes of polygons in degrees. Empty ones are left out."""
        kept = sorted((one for one in outlines if one is not None and not one.is_empty), key=lambda one: -one.area)
        shapes = np.array(kept, object)
        levels = np.array([_level(one, heights) for one in kept], float)
        shapely.prepare(shapes)
        return cls(shapes, levels, shapely.STRtree(shapes))

    def level(self, lon: Floats, lat: Floats, ground: Floats) -> Floats:
        """``ground`` (n,) with the level of the lake wherever a place of degrees (n,) lies in one."""
        out = ground
        for k in self._near(BBox(float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max()))):
            if np.isfinite(self.levels[k]):
                out = np.where(shapely.contains_xy(self.outlines[k], lon, lat), self.levels[k], out)
        return out

    def mask(self, box: BBox) -> NDArray[np.uint8]:
        """(256, 256) uint8, 255 where the middle of a pixel is water, from north to south."""
        near = self._near(box)
        dry = np.zeros((MASK_SIDE, MASK_SIDE), np.uint8)
        if not len(near):
            return dry
        margin = (box.east - box.west) / 64
        cut = shapely.clip_by_rect(
            self.outlines[near], box.west - margin, box.south - margin, box.east + margin, box.north + margin
        )
        wet = [(one, 255) for one in cut if not one.is_empty and shapely.get_dimensions(one) == 2]
        if not wet:
            return dry
        place = from_bounds(*box, MASK_SIDE, MASK_SIDE)
        mask: NDArray[np.uint8] = rasterio.features.rasterize(wet, out=dry, transform=place)
        return mask

    def _near(self, box: BBox) -> NDArray[np.int64]:
        """Which lakes come near a box, the largest first."""
        found: NDArray[np.int64] = np.sort(self.tree.query(shapely.box(*box)))
        return found


def _level(outline: BaseGeometry, heights: Sampler) -> float:
    west, south, east, north = outline.bounds
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(west, east, PLACES), np.linspace(south, north, PLACES)))
    inside = shapely.contains_xy(outline, x, y)
    middle = outline.representative_point()
    x, y = np.append(x[inside], middle.x), np.append(y[inside], middle.y)
    found = np.asarray(heights(x, y, resolution_m=19.0), float)
    found = found[np.isfinite(found)]
    if not len(found):
        return float("nan")
    low, level, high = np.quantile(found, [0.05, 0.5, 0.95])
    return float(level) if high - low <= LEVEL_M else float("nan")


NO_LAKES = Lakes(np.zeros(0, object), np.zeros(0), shapely.STRtree([]))
