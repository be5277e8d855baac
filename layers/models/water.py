"""Demand for water by coefficients, most of them assumptions: per person by place, and per floor area of what is no home."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layers.models.coefficients import Floats, Table, Words, of_use
from layers.models.energy import Demand
from twin.errors import BadInput


def daily_m3(rows: Table, use: Words, people: Floats, floor_m2: Floats, urban: NDArray[np.bool_], *, losses: float) -> Demand:  # fmt: skip
    """m3 a day (n,) to be put into supply for buildings.

    urban: (n,) whether people are served as Kigali's. losses: share of the water put in that reaches nobody, 0 to below 1. NaN counts 0;
    people count in any use, floors in all but residential. Raises BadInput for losses outside their range.
    """
    if not 0 <= losses < 1:
        raise BadInput(f"a share of losses of {losses} cannot be", remedy="give a share from 0 to below 1")
    each, each_error = of_use(rows, "daily_per_person", np.where(urban, "kigali", "elsewhere"))
    floors, floors_error = of_use(rows, "daily_per_floor", use)
    home = np.asarray(use) == "residential"
    floors, floors_error = (np.where(home, 0.0, one) for one in (floors, floors_error))
    many, area = np.nan_to_num(people), np.nan_to_num(floor_m2)
    litres = 1000.0 * (1.0 - losses)
    return Demand((each * many + floors * area) / litres, (each_error * many + floors_error * area) / litres)


def distance_m(columns: int, rows: int, west: float, north: float, cell_m: float, x: Floats, y: Floats) -> NDArray[np.float32]:  # fmt: skip
    """Straight metres (rows, columns) float32 from the middle of each cell to the nearest of the points (m,); NaN without a point."""
    from scipy.spatial import KDTree

    if not len(x):
        return np.full((rows, columns), np.nan, np.float32)
    across, down = np.meshgrid(west + (np.arange(columns) + 0.5) * cell_m, north - (np.arange(rows) + 0.5) * cell_m)
    far, _ = KDTree(np.column_stack([x, y])).query(np.column_stack([across.ravel(), down.ravel()]))
    return np.asarray(far, np.float32).reshape(rows, columns)
