"""Cost of building by a table of unit costs, most of them assumptions: floors by use, roads and pipes by length and class.

No land, no running cost, no prices of a later year.
"""

from __future__ import annotations

import numpy as np

from layers.models.coefficients import Floats, Table, Words, of_use
from layers.models.energy import Demand

PAVED = ("motorway", "trunk", "primary", "secondary", "motorway_link", "trunk_link", "primary_link", "secondary_link")
PATHS = ("path", "footway", "steps", "track", "pedestrian", "cycleway", "bridleway")
_PAVED_SURFACES = ("asphalt", "paved", "concrete", "paving_stones", "sett", "cobblestone")
SMALL_MM, MEDIUM_MM = 63.0, 160.0


def of_buildings(rows: Table, use: Words, floor_m2: Floats) -> Demand:
    """RWF (n,) of floors by use."""
    each, error = of_use(rows, "building", use)
    area = np.nan_to_num(floor_m2)
    return Demand(each * area, error * area)


def road_class(kind: Words, surface: Words) -> Words:
    """paved, path or unpaved (n,), by OpenStreetMap's highway and surface; a surface that is known decides."""
    paved = np.isin(surface, _PAVED_SURFACES) | (np.isin(kind, PAVED) & (np.asarray(surface) == ""))
    return np.where(np.isin(kind, PATHS), "path", np.where(paved, "paved", "unpaved"))


def of_roads(rows: Table, kind: Words, surface: Words, length_m: Floats) -> Demand:
    """RWF (n,) of roads, whatever their width."""
    each, error = of_use(rows, "road", road_class(kind, surface))
    long = np.nan_to_num(length_m)
    return Demand(each * long, error * long)


def of_pipes(rows: Table, diameter_mm: Floats, length_m: Floats) -> Demand:
    """RWF (n,) of pipes; one of unknown diameter counts as medium."""
    size = np.where(diameter_mm <= SMALL_MM, "small", np.where(diameter_mm > MEDIUM_MM, "large", "medium"))
    each, error = of_use(rows, "pipe", size)
    long = np.nan_to_num(length_m)
    return Demand(each * long, error * long)
