"""Height above the nearest drainage (HAND), and what lies below a flood level.

HAND is the height of a cell above the cell where its water first meets a channel, along the flow. A flood that rises by h metres
above its channels is taken to cover every cell with HAND <= h: no discharge, no time, no backwater, no structures.

Nobre, A. D. et al. (2011): Height Above the Nearest Drainage, a hydrologically relevant new terrain model. Journal of Hydrology 404,
13-29. The model is made without depressions first: Wang, L. and Liu, H. (2006), IJGIS 20, 193-213, in `pyflwdir`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.errors import BadInput

Floats = NDArray[np.float64]
Heights = NDArray[np.float32]
Mask = NDArray[np.bool_]

CHANNEL_KM2 = 1.0
"""Catchment from which a channel is taken to run, where none is mapped. A working assumption."""
_VOID = np.float32(-9999.0)


class Hand(NamedTuple):
    """height_m: (rows, columns) float32 metres above the channel, never negative, NaN at voids and where the water leaves
    the model before it meets a channel. channel: (rows, columns) bool.
    """

    height_m: Heights
    channel: Mask


def hand(
    elevation_m: NDArray[np.floating] | NDArray[np.integer],
    cell_m: float,
    *,
    void: float | None = None,
    channel_km2: float = CHANNEL_KM2,
    water: Mask | None = None,
) -> Hand:
    """Height above the nearest drainage of an elevation model.

    elevation_m: (rows, columns) metres, square cells `cell_m` wide; NaN and `void` are voids. water: (rows, columns) cells that are
    open water or a mapped channel and drain as such whatever their catchment. Depressions are filled, so a dam or a bridge in the
    model floods to its crest. At most some 60 bytes a cell are held. Raises BadInput for sizes that are not positive.
    """
    import pyflwdir
    from pyflwdir.dem import fill_depressions

    if elevation_m.ndim != 2 or not elevation_m.size:
        raise BadInput("an elevation model has rows and columns", remedy="give an array of two dimensions")
    if not cell_m > 0 or not channel_km2 > 0:
        raise BadInput(
            f"cells of {cell_m} m and channels from {channel_km2} km2 cannot be", remedy="both must be above 0"
        )
    ground = np.ascontiguousarray(elevation_m, np.float32)
    hollow = ~np.isfinite(ground) if void is None else ~np.isfinite(ground) | (ground == np.float32(void))
    ground = np.where(hollow, _VOID, ground)
    if hollow.all():
        return Hand(np.full(ground.shape, np.nan, np.float32), np.zeros(ground.shape, bool))
    filled, directions = fill_depressions(ground, nodata=_VOID)
    del ground
    flow = pyflwdir.from_array(directions, ftype="d8", check_ftype=False)
    del directions
    channel = flow.upstream_area("cell") >= channel_km2 * 1e6 / cell_m**2
    if water is not None:
        channel |= water
    channel &= ~hollow
    # Differences along the way to the channel add up to the difference to it: hand the channel's height upstream.
    reached = flow.fillnodata(np.where(channel, filled, _VOID), _VOID, direction="up")
    height = filled - reached
    height[hollow | (reached == _VOID)] = np.nan
    return Hand(np.maximum(height, np.float32(0)), channel)


def flooded(height_m: NDArray[np.floating], level_m: float | Floats) -> Mask:
    """Whether (n,) places lie at or below a flood of `level_m` above their channels; unknown heights do not."""
    covered: Mask = height_m <= level_m
    return covered


def depth_m(height_m: NDArray[np.floating], level_m: float | Floats) -> NDArray[np.floating]:
    """Depth of the water (n,) in metres, 0 where dry or unknown."""
    deep: NDArray[np.floating] = np.nan_to_num(np.maximum(level_m - height_m, 0.0))
    return deep


def chance(height_m: Floats, level_m: float | Floats, error_m: float) -> Floats:
    """The probability (n,) that a place is below the level, its height having a normal error of `error_m`; 0 where unknown."""
    from scipy.special import ndtr

    if error_m <= 0:
        return flooded(height_m, level_m).astype(np.float64)
    known = np.isfinite(height_m)
    found: Floats = np.where(known, ndtr((level_m - np.where(known, height_m, 0.0)) / error_m), 0.0)
    return found
