"""What an archive will hold: which layers, zooms and area, of which state of the database, and which tiles can hold something.

Everything is read as anonymous: an archive holds what everybody may see, and nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from psycopg import sql
from shapely.geometry.base import BaseGeometry

from layers.spec import Layer
from tiles.archive_format import Longs, tile_ids, tile_of
from tiles.archive_words import Words
from tiles.archive_write import WORLD
from tiles.bands import BUFFER, EXTENT, Band, bands, companion, table_name
from tiles.queries import query
from tiles.service import described
from twin.access import ANONYMOUS
from twin.db import Database, Session
from twin.errors import BadInput
from twin.grid import HALF_WORLD_M, BBox, Tile, extent

MOST_TILES = 50_000_000
_LANDINGS = (6, 9, 12)
"""Zooms at which a companion that answers only deeper is asked on the way down; a query for each zoom would cost more than it spares."""
_AT_ONCE = 20_000
"""Envelopes asked about in one statement."""
Ints = NDArray[np.int64]


def metadata(session: Session, words: Words, *, name: str) -> tuple[dict[str, Any], BBox]:
    """What PMTiles' metadata say beside the archive's provenance, and the bounds in degrees. `Any`: it is JSON."""
    row = session.execute(query("described"), {"layers": list(words.names), "closed": []}).fetchone()
    *box, attribution, _ = row or (None, None, None, None, [], {})
    bounds = WORLD if box[0] is None else BBox(*box)
    if words.area is not None:
        bounds = BBox(*shapely.bounds(words.area).tolist())
    told = {
        "name": name,
        "description": ", ".join(layer.titles.en for layer in words.layers),
        "type": "overlay",
        "format": "pbf",
        "attribution": ", ".join(attribution or []),
        "vector_layers": [described(layer) for layer in words.layers],
    }
    return told, bounds


def plan(database: Database, words: Words) -> Longs:
    """The ids of all tiles that can hold something, rising. Raises BadInput for more than can be baked.

    It walks down the quadtree of each companion, a tile's children only where something comes near the tile. Where one companion
    comes near is not asked of the next.
    """
    found: list[Longs] = [np.zeros(0, np.uint64)]
    with database.session(ANONYMOUS, pool="bulk") as session:
        # Reading a small table once for each of thousands of envelopes is dearer than its index, whatever the planner thinks.
        session.execute("set local enable_seqscan = off")
        walks = [_Walk(layer, band) for layer, band in _companions(session, words)]
        for z in range(words.high + 1):
            known = np.zeros(0, np.int64)
            for walk in walks:
                if walk.band.high >= z:
                    known = walk.descend(session, z, known, words.area)
            if z >= words.low:
                found.append(np.sort(tile_ids(z, known >> 32, known & 0xFFFFFFFF)))
            if sum(map(len, found)) > MOST_TILES:
                raise BadInput(
                    f"these are more than {MOST_TILES:,} tiles", remedy="choose fewer zooms or a smaller area"
                )
    return np.concatenate(found)


def _companions(session: Session, words: Words) -> list[tuple[Layer, Band]]:
    """The companions that stand and answer some zoom of the words; coverages first, since they fill most."""
    rows = session.execute("select relname from pg_class where relnamespace = 'companion'::regnamespace").fetchall()
    standing = {str(row[0]) for row in rows}
    return [
        (layer, band)
        for layer in sorted(words.layers, key=lambda one: (not one.coverage, one.name))
        for band in bands(layer)
        if band.low <= words.high and band.high >= words.low and table_name(layer, band) in standing
    ]


class _Walk:
    """The way down one companion's quadtree: `at` are the tiles of the last zoom that something comes near, x * 2^32 + y."""

    def __init__(self, layer: Layer, band: Band) -> None:
        self.layer = layer
        self.band = band
        self.at = np.zeros(1, np.int64)

    def descend(self, session: Session, z: int, known: Ints, area: BaseGeometry | None) -> Ints:
        """Go to zoom z; gives `known` with the tiles that this companion answers."""
        next_ones = self.at if z == 0 else _children(self.at)
        next_ones = next_ones[_inside(next_ones, z, area)]
        answers = z >= self.band.low
        sure = np.isin(next_ones, known) if answers else np.zeros(len(next_ones), bool)
        if not answers and z not in _LANDINGS:
            self.at = next_ones
            return known
        open_ones = next_ones[~sure]
        self.at = np.concatenate(
            [next_ones[sure], open_ones[_near(session, companion(self.layer, self.band), open_ones, z)]]
        )
        return np.union1d(known, self.at) if answers else known


def _children(at: Ints) -> Ints:
    x, y = (at >> 32) * 2, (at & 0xFFFFFFFF) * 2
    return np.concatenate([((x + east) << 32) | (y + south) for east in (0, 1) for south in (0, 1)])


def inside(ids: Longs, area: BaseGeometry | None) -> NDArray[np.bool_]:
    """Which tiles, by their ids, touch an area (None: everywhere)."""
    if area is None:
        return np.ones(len(ids), bool)
    shapely.prepare(area)
    corners = np.array([extent(tile_of(identity)) for identity in ids.tolist()], float).reshape(-1, 4)
    found: NDArray[np.bool_] = shapely.intersects(area, shapely.box(*corners.T))
    return found


def _inside(at: Ints, z: int, area: BaseGeometry | None) -> NDArray[np.bool_]:
    if area is None:
        return np.ones(len(at), bool)
    shapely.prepare(area)
    boxes = [extent(Tile(z, tile >> 32, tile & 0xFFFFFFFF)) for tile in at.tolist()]
    corners = np.array(boxes, float).reshape(-1, 4)
    inside: NDArray[np.bool_] = shapely.intersects(area, shapely.box(*corners.T))
    return inside


def _near(session: Session, table: sql.Identifier, at: Ints, z: int) -> NDArray[np.bool_]:
    """Which tiles some row comes near, the buffer around the tile counted."""
    near = np.zeros(len(at), bool)
    size = 2 * HALF_WORLD_M / (1 << z)
    pad = size * BUFFER / EXTENT
    for begin in range(0, len(at), _AT_ONCE):
        some = at[begin : begin + _AT_ONCE]
        west, north = (some >> 32) * size - HALF_WORLD_M, HALF_WORLD_M - (some & 0xFFFFFFFF) * size
        values = {
            "west": (west - pad).tolist(),
            "south": (north - size - pad).tolist(),
            "east": (west + size + pad).tolist(),
            "north": (north + pad).tolist(),
        }
        rows = session.execute(query("occupied").format(companion=table), values).fetchall()
        near[[begin + number - 1 for (number,) in rows]] = True
    return near
