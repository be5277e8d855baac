"""Buildings: the synthetic stock as batches, and OpenStreetMap's words for use and roof in ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from layers.spec import Reading
from layers.synthesis.spool import read_side

SCOPES: dict[str, tuple[str, ...] | None] = {"kigali": ("1",), "rwanda": None}
"""What `--scope` names, as beginnings of village ids; anything else is taken for such a beginning itself."""
HIGHEST_STOREYS = 200

_USES = {
    "residential": "residential", "house": "residential", "detached": "residential", "apartments": "residential",
    "hut": "residential", "bungalow": "residential", "terrace": "residential", "dormitory": "residential", "commercial": "commercial",
    "retail": "commercial", "supermarket": "commercial", "kiosk": "commercial", "hotel": "commercial", "office": "commercial",
    "industrial": "industrial", "warehouse": "industrial", "factory": "industrial", "manufacture": "industrial",
    "public": "public", "government": "public", "civic": "public", "church": "public", "mosque": "public", "train_station": "public",
    "stadium": "public", "school": "education", "university": "education", "college": "education", "kindergarten": "education",
    "hospital": "health", "clinic": "health", "farm": "agricultural", "farm_auxiliary": "agricultural", "barn": "agricultural",
    "stable": "agricultural", "greenhouse": "agricultural", "mixed": "mixed",
}  # fmt: skip
_AMENITY_USES = {
    "school": "education", "university": "education", "college": "education", "kindergarten": "education",
    "hospital": "health", "clinic": "health", "doctors": "health", "pharmacy": "health", "townhall": "public",
    "place_of_worship": "public", "police": "public", "courthouse": "public", "restaurant": "commercial", "bar": "commercial",
    "bank": "commercial", "fuel": "commercial", "marketplace": "commercial",
}  # fmt: skip
_ROOFS = {
    "flat": "flat", "skillion": "skillion", "lean_to": "skillion", "gabled": "gabled", "hipped": "hipped",
    "half-hipped": "hipped", "pyramidal": "pyramidal",
}  # fmt: skip


def scope_of(scope: str) -> tuple[str, ...] | None:
    """Beginnings of village ids for a scope; None is the whole country."""
    return SCOPES.get(scope, (scope,))


def read_synthetic(reading: Reading) -> Iterator[gpd.GeoDataFrame]:
    """The synthetic buildings of the scope, lon and lat, with the fields of the contract."""
    yield from read_side(reading, "buildings", scope=scope_of(reading.scope))


def use(batch: gpd.GeoDataFrame) -> pd.Series[Any]:
    """The use of OpenStreetMap buildings: what stands in them before what they were built as; `yes` says nothing."""
    amenity = batch["amenity"].map(_AMENITY_USES)
    trade = pd.Series("commercial", index=batch.index).where(batch["shop"].notna() | batch["office"].notna())
    built = batch["building_use"].fillna(batch["building"]).map(_USES)
    found: pd.Series[Any] = amenity.fillna(trade).fillna(built)
    return found


def tagged(batch: gpd.GeoDataFrame) -> pd.Series[Any]:
    """`tagged` where somebody wrote the height."""
    return pd.Series("tagged", index=batch.index, dtype="object").where(batch["height"].notna())


def storeys(batch: gpd.GeoDataFrame) -> pd.Series[Any]:
    """Whole storeys of `building:levels`; a half storey counts as one; nonsense (0, 900) is null."""
    levels = np.ceil(pd.to_numeric(batch["levels"], errors="coerce"))
    believable: pd.Series[Any] = levels.where(levels.between(1, HIGHEST_STOREYS))
    return believable


def roof(batch: gpd.GeoDataFrame) -> pd.Series[Any]:
    """The roof shape in our words; a shape that we do not draw is `other`."""
    shapes: pd.Series[Any] = batch["roof_shape"].map(lambda shape: _ROOFS.get(shape, "other"), na_action="ignore")
    return shapes
