"""Tiles of a layer whose values live in telemetry: joined when the tile is made, fresh within seconds, evicting nothing.

An observation is no change of the layer. Such tiles are kept beside the cache for `FRESH_S` and made anew at the next request after it,
once however many ask; they are never written to disk or baked.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import replace

from psycopg import sql

from layers.live.following import LAYER
from layers.spec import Layer
from tiles import vector
from tiles.bands import bands, companion
from tiles.entry import Entry
from tiles.queries import query

FRESH_S = 5.0
"""How old a value in a tile may be, beyond the time it took to reach the database."""
_MOST_KEPT = 512
_CELL_UNITS = 64


def is_live(layers: Sequence[Layer]) -> bool:
    """Whether some layer's values come from telemetry."""
    return any(layer.name == LAYER for layer in layers)


def with_values(part: vector.Part) -> vector.Part:
    """The part with the newest values, clustered below the last band; another layer's as it is.

    Every sensor is looked at for each tile: the companion's index says where a sensor that moves was registered, not where it is.
    """
    if part.layer.name != LAYER or part.source is not None:
        return part
    valued = query("sensors").format(exact=companion(part.layer, bands(part.layer)[-1]))
    if part.band.exact:
        return replace(part, source=valued)
    side = sql.Literal(part.band.unit_m * _CELL_UNITS)
    return replace(part, source=query("sensor_clusters").format(sensors=valued, side=side))


class LiveTiles:
    """The tiles of the last seconds, of one process. All of it runs on the event loop's thread."""

    def __init__(self) -> None:
        self._made: OrderedDict[Hashable, tuple[float, asyncio.Task[Entry]]] = OrderedDict()

    async def obtain(self, key: Hashable, make: Callable[[], Awaitable[Entry]]) -> Entry:
        """The tile of a key, made now unless it was within `FRESH_S`. What fails is not kept."""
        now = asyncio.get_running_loop().time()
        known = self._made.get(key)
        if known is None or now - known[0] > FRESH_S or (known[1].done() and not _stands(known[1])):
            known = (now, asyncio.ensure_future(_made(make)))
            self._made[key] = known
        self._made.move_to_end(key)
        while len(self._made) > _MOST_KEPT:
            self._made.popitem(last=False)
        return await asyncio.shield(known[1])


async def _made(make: Callable[[], Awaitable[Entry]]) -> Entry:
    return await make()


def _stands(task: asyncio.Task[Entry]) -> bool:
    return not task.cancelled() and task.exception() is None
