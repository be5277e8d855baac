"""Slopes of the ground: Horn, B. K. P. (1981), Hill shading and the reflectance map, Proceedings of the IEEE 69, 14-47."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.errors import BadInput

Heights = NDArray[np.float32]


def slope_percent(height_m: NDArray[np.floating], cell_m: float) -> Heights:
    """Steepness (rows, columns) float32 in per cent (rise over run) by the third-order differences of the eight neighbours.

    height_m: metres on square cells. A cell whose neighbours are not all known, and the rim, has NaN.
    """
    if not cell_m > 0:
        raise BadInput(f"cells of {cell_m} m cannot be", remedy="give a width above 0")
    if height_m.ndim != 2:
        raise BadInput("an elevation model has rows and columns", remedy="give an array of two dimensions")
    found = np.full(height_m.shape, np.nan, np.float32)
    if min(height_m.shape) < 3:
        return found
    z = np.asarray(height_m, np.float64)
    nw, n, ne = z[:-2, :-2], z[:-2, 1:-1], z[:-2, 2:]
    w, e = z[1:-1, :-2], z[1:-1, 2:]
    sw, s, se = z[2:, :-2], z[2:, 1:-1], z[2:, 2:]
    east = (ne + 2 * e + se - nw - 2 * w - sw) / (8 * cell_m)
    south = (sw + 2 * s + se - nw - 2 * n - ne) / (8 * cell_m)
    inner = 100 * np.hypot(east, south)
    inner[~np.isfinite(z[1:-1, 1:-1])] = np.nan
    found[1:-1, 1:-1] = inner
    return found
