"""Demand for electricity by coefficients, most of them assumptions: per dwelling, and per floor area by use.

Annual energy: homes by dwelling and share connected, other uses by floor area. Peak: what a use draws at the system's evening peak,
annual energy over (8760 h x load factor), times the share of that peak that coincides. Additive over buildings, so it holds for many buildings
together (after diversity), not for one. Willis, H. L. (2004), Power Distribution Planning Reference Book (coincidence).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layers.models.coefficients import Floats, Table, Words, of_use

HOURS = 8760.0
NO_FLOOR = ("residential",)
"""Uses whose demand is counted by dwelling alone."""


class Demand(NamedTuple):
    """amount: (n,); error: (n,) standard errors that the coefficient brings, the same way for all that share it."""

    amount: Floats
    error: Floats


def annual_kwh(rows: Table, use: Words, floor_m2: Floats, dwellings: Floats, urban: NDArray[np.bool_], *, connected: float) -> Demand:  # fmt: skip
    """KWh a year (n,) of buildings. urban: (n,) whether homes are Kigali's. connected: share of homes on the grid, 0 to 1.

    Dwellings count in any use (homes over shops); NaN floors and dwellings count 0. An empty use is `other`.
    """
    homes, homes_error = of_use(rows, "annual_per_dwelling", np.where(urban, "kigali", "elsewhere"))
    floors, floors_error = of_use(rows, "annual_per_floor", use)
    floors, floors_error = (np.where(np.isin(use, NO_FLOOR), 0.0, one) for one in (floors, floors_error))
    many, area = np.nan_to_num(dwellings) * connected, np.nan_to_num(floor_m2)
    return Demand(homes * many + floors * area, homes_error * many + floors_error * area)


def peak_kw(rows: Table, use: Words, floor_m2: Floats, dwellings: Floats, urban: NDArray[np.bool_], *, connected: float) -> Demand:  # fmt: skip
    """KW (n,) that buildings draw together at the system's evening peak. Arguments as of `annual_kwh`."""
    none = np.zeros(len(floor_m2))
    homes = annual_kwh(rows, use, none, dwellings, urban, connected=connected)
    rest = annual_kwh(rows, use, floor_m2, none, urban, connected=connected)
    at_home = _peak_per_kwh(rows, np.full(len(floor_m2), "residential", dtype=object))
    at_work = _peak_per_kwh(rows, use)
    return Demand(
        homes.amount * at_home + rest.amount * at_work,
        homes.error * at_home + rest.error * at_work,
    )


def _peak_per_kwh(rows: Table, use: Words) -> Floats:
    """KW at the evening peak per kWh a year (n,)."""
    factor, _ = of_use(rows, "load_factor", use)
    share, _ = of_use(rows, "coincidence", use)
    return share / (HOURS * factor)
