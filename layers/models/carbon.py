"""CO2 of buildings: embodied in their materials (about modules A1 to A3 of EN 15978), and of their electricity.

One house type and the grid are published figures, the other uses assumptions (data/seed/carbon_coefficients.csv). Not counted: wood and charcoal for cooking, generators, transport, demolition.
"""

from __future__ import annotations

import numpy as np

from layers.models.coefficients import Floats, Table, Words, of_use
from layers.models.energy import Demand

HIGH_STOREYS = 3.0
"""From so many storeys homes are taken to be of cement block and concrete: an assumption."""


def embodied_kg(rows: Table, use: Words, storeys: Floats, floor_m2: Floats) -> Demand:
    """Kg CO2 (n,) of making the materials of buildings. Unknown storeys count as low."""
    high = np.nan_to_num(storeys) >= HIGH_STOREYS
    kind = np.where(np.asarray(use) == "residential", np.where(high, "residential_high", "residential_low"), use)
    each, error = of_use(rows, "embodied", kind)
    area = np.nan_to_num(floor_m2)
    return Demand(each * area, error * area)


def operational_kg(rows: Table, demand: Demand) -> Demand:
    """Kg CO2 a year (n,) of electricity, kWh a year; errors of demand and factor add as squares."""
    factor = rows["grid", "electricity"]
    error = np.hypot(demand.error * factor.value, demand.amount * factor.error)
    return Demand(demand.amount * factor.value, error)
