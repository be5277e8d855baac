"""Zoom bands: which companion table of a layer answers at which zoom, and what it carries.

A layer's companions lie in the schema `companion`, one per band, in EPSG:3857. The last band of a layer is exact: the whole
geometry of every feature. The bands before it are generalised for the highest zoom they serve.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from psycopg import sql

from layers.spec import Field, Layer
from twin.grid import HALF_WORLD_M, MAX_ZOOM

EXTENT = 4096
"""Units along the side of a tile (MVT 2.1, 4.1)."""
BUFFER = 64
"""Units around a tile that its features may reach into."""
LOWS = (0, 6, 8, 10, 12, 14)
"""The first zoom of each band."""
SCHEMA = "companion"
_NAME_MOST = 63  # bytes, PostgreSQL's NAMEDATALEN less one


class Band(NamedTuple):
    """Zooms `low` to `high`, both included, of one companion. `exact`: the last, whose geometry is whole."""

    low: int
    high: int
    exact: bool

    @property
    def unit_m(self) -> float:
        """Metres (EPSG:3857) of one tile unit at the highest zoom of the band; a CSS pixel of a 512 px tile is 8 units."""
        return 2 * HALF_WORLD_M / EXTENT / (1 << self.high)


def bands(layer: Layer) -> tuple[Band, ...]:
    """The bands of a layer from coarse to fine; they cover every zoom from its `min_zoom` to the grid's last."""
    lows = [low for low in LOWS if low <= layer.max_zoom]
    lows = [low for low in lows if low > layer.min_zoom or low == max(one for one in lows if one <= layer.min_zoom)]
    highs = [*(low - 1 for low in lows[1:]), MAX_ZOOM]
    return tuple(Band(max(low, layer.min_zoom), high, high == MAX_ZOOM) for low, high in zip(lows, highs, strict=True))


def band_at(layer: Layer, z: int) -> Band | None:
    """The band that answers at zoom z; None below the layer's `min_zoom`."""
    return next((band for band in bands(layer) if band.low <= z <= band.high), None)


def table_name(layer: Layer, band: Band) -> str:
    """The companion's name inside the schema; a name too long for PostgreSQL ends in a digest of itself."""
    name = f"{layer.sector}_{layer.table}_z{band.low}"
    if len(name) <= _NAME_MOST - 4:
        return name
    return f"{name[:40]}_{hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:12]}_z{band.low}"


def companion(layer: Layer, band: Band, suffix: str = "") -> sql.Identifier:
    """The companion table, quoted: the one place where it becomes SQL."""
    return sql.Identifier(SCHEMA, table_name(layer, band) + suffix)


def carried(layer: Layer, z: int) -> tuple[Field, ...]:
    """The fields that a tile of zoom z carries."""
    return tuple(field for field in layer.fields if field.min_zoom <= z)


def stored(layer: Layer, band: Band) -> tuple[Field, ...]:
    """The fields that a companion holds: those of its band; the exact one and those of coverages hold all, for filters."""
    return layer.fields if band.exact or layer.coverage else carried(layer, band.high)


def count_name(layer: Layer) -> str:
    """The property that says how many features an aggregate stands for; absent where it stands for itself."""
    return "count" if layer.field_named("count") is None else "features"
