"""Synthetic parcels as batches: the other half of the pass that makes the building stock."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd

from layers.spec import Reading
from layers.synthesis.spool import read_side

SCOPES: dict[str, tuple[str, ...] | None] = {"kigali": ("1",), "rwanda": None}
"""What `--scope` names, as beginnings of village ids; anything else is taken for such a beginning itself."""


def read_parcels(reading: Reading) -> Iterator[gpd.GeoDataFrame]:
    """The synthetic parcels of the scope, lon and lat, with the fields of the contract.

    The stock hangs on the seed alone, so that these are the parcels that the buildings of the other sector name; where one
    load brings both, they are made once.
    """
    yield from read_side(reading, "parcels", scope=SCOPES.get(reading.scope, (reading.scope,)))
