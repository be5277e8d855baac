"""Encoded tiles in memory: final bytes with ready headers, weighed in bytes, the least recently used given up first.

A change of the data evicts the tiles it touches, found by layer and place; a tile that was being computed meanwhile is answered
to those who asked before, and not kept. However many ask for one tile at once, it is computed once. Behind it may stand a second
level that workers share (`tiles.shared`). What is asked often is encoded in more ways, in the background.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import brotli  # type: ignore[import-untyped]  # the library has no stubs
import zstandard

from tiles.entry import IDENTITY, PUBLIC, AccessScope, Entry, Header, Key, entry
from tiles.history import REACH
from twin.grid import BBox, Tile, tile_at

if TYPE_CHECKING:
    from tiles.history import History

__all__ = ["PUBLIC", "AccessScope", "Entry", "Header", "Key", "TileCache", "entry"]
HOT_AFTER = 3
"""Asked so often, a tile is encoded by zstd and brotli too."""
MOST_SINGLY = 5_000
"""A change that may touch more of the tiles at hand than this ends its layer's generation here: all its tiles go, a few at a time."""
_SLICE = 500
_BROTLI_QUALITY = 8
_ZSTD_LEVEL = 12


class SecondLevel(Protocol):
    """What lies behind the memory: finds a tile, or has it made once among many processes."""

    async def through(self, key: Key, make: Callable[[], Awaitable[Entry]]) -> Entry: ...

    async def keep(self, made: Entry) -> None: ...

    def begin(self, recipe: str, history: History) -> None: ...


@dataclass(slots=True, eq=False)
class _Flight:
    key: Key
    done: asyncio.Future[Entry]
    stale: bool = False
    task: asyncio.Task[None] | None = None
    """Held here so that it is not collected while it runs."""
    waiting: int = 0


class TileCache:
    """The tiles of one process. All of it runs on the event loop's thread."""

    def __init__(self, most_bytes: int, second: SecondLevel | None = None) -> None:
        self.most_bytes = most_bytes
        self.second = second
        self.bytes = 0
        self.hits = 0
        self.misses = 0
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._aliases: dict[Hashable, Entry] = {}
        self._places: dict[str, dict[int, dict[tuple[int, int], set[Key]]]] = defaultdict(lambda: defaultdict(dict))
        self._flights: dict[Key, _Flight] = {}
        self._born = 0
        self._ended: dict[str, int] = {}
        """Layers of which every tile born up to a number is given up, and some of them still lie here."""
        self._chores: set[asyncio.Task[None]] = set()
        self._encoding = asyncio.Semaphore(1)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Entry | None:
        found = self._entries.get(key)
        if found is None or (self._ended and self._is_ended(found)):
            return None
        self._entries.move_to_end(key)
        self._count(found)
        return found

    def known(self, alias: Hashable) -> Entry | None:
        """The entry last answered to a request of that raw form, if it still stands."""
        found = self._aliases.get(alias)
        if found is None or (self._ended and self._is_ended(found)):
            return None
        self._entries.move_to_end(found.key)
        self._count(found)
        return found

    def _count(self, found: Entry) -> None:
        self.hits += 1
        found.asked += 1
        if found.asked == HOT_AFTER and found.compressible:
            self._do(self._encode(found))
        if found.asked_whole >= HOT_AFTER:
            self._keep_whole(found)

    def _keep_whole(self, found: Entry) -> None:
        """Hold a tile without any coding too, for the many that ask it so: to undo the gzip costs more than to send it."""
        found.asked_whole = 0
        whole = found.whole()
        found.add(IDENTITY, whole)
        if found.kept:
            self.bytes += len(whole)
        self._shrink()

    def _is_ended(self, found: Entry) -> bool:
        return any(found.born <= self._ended.get(layer, -1) for layer in found.key.layers)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _encode(self, found: Entry) -> None:
        """Encode a tile that is asked often in every way, one tile at a time, off the event loop."""
        async with self._encoding:
            if not found.kept:
                return
            for coding, data in await asyncio.to_thread(_encoded, found):
                found.add(coding, data)
                if found.kept:
                    self.bytes += len(data)
        self._shrink()
        if found.kept and self.second is not None:
            await self.second.keep(found)

    def call(self, alias: Hashable, found: Entry) -> None:
        """Remember that a request of this raw form is answered by `found`."""
        if found.kept and alias not in self._aliases and len(found.aliases) < 8:
            self._aliases[alias] = found
            found.aliases.append(alias)

    async def obtain(self, key: Key, make: Callable[[], Awaitable[Entry]]) -> Entry:
        """The entry of `key`, made by `make` once however many wait. Errors reach all who wait and are not kept.

        When everybody who waited has left, the making is cancelled.
        """
        if (found := self.get(key)) is not None:
            return found
        flight = self._flights.get(key)
        if flight is None:
            self.misses += 1
            flight = _Flight(key, asyncio.get_running_loop().create_future())
            self._flights[key] = flight
            flight.task = asyncio.create_task(self._fly(flight, make))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.done)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.done.done():
                self._abandon(flight)

    def _abandon(self, flight: _Flight) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        if flight.task is not None:
            flight.task.cancel()

    async def _fly(self, flight: _Flight, make: Callable[[], Awaitable[Entry]]) -> None:
        try:
            made = await (make() if self.second is None else self.second.through(flight.key, make))
        except asyncio.CancelledError:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
            flight.done.cancel()
            raise
        except Exception as error:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
            flight.done.set_exception(error)
            flight.done.exception()
            return
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        if not flight.stale:
            self.put(made)
        flight.done.set_result(made)

    def put(self, made: Entry) -> None:
        if (old := self._entries.get(made.key)) is not None:
            self._drop(old)
        if made.weight > self.most_bytes:
            return
        made.kept = True
        self._born += 1
        made.born = self._born
        self._entries[made.key] = made
        self.bytes += made.weight
        z, x, y = made.key.tile
        for layer in made.key.layers:
            self._places[layer][z].setdefault((x, y), set()).add(made.key)
        self._shrink()

    def _shrink(self) -> None:
        while self.bytes > self.most_bytes:
            self._drop(next(iter(self._entries.values())))

    def clear(self) -> None:
        """Give up everything, what is being made too."""
        for flight in self._flights.values():
            flight.stale = True
        self._flights.clear()
        for old in list(self._entries.values()):
            self._drop(old)

    def _drop(self, old: Entry) -> None:
        old.kept = False
        del self._entries[old.key]
        self.bytes -= old.weight
        for alias in old.aliases:
            self._aliases.pop(alias, None)
        z, x, y = old.key.tile
        for layer in old.key.layers:
            here = self._places[layer][z]
            here[x, y].discard(old.key)
            if not here[x, y]:
                del here[x, y]

    def evict(self, layer: str, extent: BBox | None, *, concerns: Callable[[Key], bool] = lambda _: True) -> int:
        """Give up the tiles of `layer` that a change in `extent` (degrees; None: everywhere) touches; returns how many.

        `concerns` narrows it to some keys, such as those of one scenario.
        """
        for flight in list(self._flights.values()):
            if layer in flight.key.layers and concerns(flight.key) and _touches(extent, flight.key.tile):
                flight.stale = True
                del self._flights[flight.key]
        if self._most_touched(layer, extent) > MOST_SINGLY and (ended := self._end(layer, concerns)) is not None:
            return ended
        doomed = [key for key in self._touched(layer, extent) if concerns(key)]
        for key in doomed:
            self._drop(self._entries[key])
        return len(doomed)

    def _most_touched(self, layer: str, extent: BBox | None) -> int:
        """At most so many places of a layer lie here where a change may show."""
        most = 0
        for z, places in self._places.get(layer, {}).items():
            if extent is None:
                most += len(places)
            else:
                west, north, east, south = _span(extent, z)
                most += min(len(places), (east - west + 1) * (south - north + 1))
        return most

    def _end(self, layer: str, concerns: Callable[[Key], bool]) -> int | None:
        """End a layer's generation: its tiles are not answered from now on and leave in slices. None where no loop runs to do it."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return None
        doomed = [key for key in self._touched(layer, None) if concerns(key)]
        self._ended[layer] = self._born
        self._do(self._leave(layer, doomed, self._born))
        return len(doomed)

    async def _leave(self, layer: str, doomed: list[Key], born: int) -> None:
        for first in range(0, len(doomed), _SLICE):
            for key in doomed[first : first + _SLICE]:
                if (old := self._entries.get(key)) is not None and old.born <= born:
                    self._drop(old)
            await asyncio.sleep(0)
        if self._ended.get(layer) == born:
            del self._ended[layer]

    def _touched(self, layer: str, extent: BBox | None) -> Iterable[Key]:
        for z, places in list(self._places.get(layer, {}).items()):
            if extent is None:
                yield from [key for keys in places.values() for key in keys]
                continue
            west, north, east, south = _span(extent, z)
            if (east - west + 1) * (south - north + 1) > len(places):
                near = [keys for (x, y), keys in places.items() if west <= x <= east and north <= y <= south]
            else:
                spots = ((x, y) for x in range(west, east + 1) for y in range(north, south + 1))
                near = [keys for spot in spots if (keys := places.get(spot))]
            yield from [key for keys in near for key in keys]


def _encoded(found: Entry) -> list[tuple[bytes, bytes]]:
    """A tile in the codings that are too slow for the first answer; those that gain nothing over gzip are left out. Blocks."""
    whole, most = found.whole(), len(found.body)
    made = [
        (b"zstd", zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(whole)),
        (b"br", brotli.compress(whole, quality=_BROTLI_QUALITY)),
    ]
    return [(coding, data) for coding, data in made if len(data) < most]


def _span(extent: BBox, z: int) -> tuple[int, int, int, int]:
    """First and last column and row of zoom z that a change in `extent` may show in: west, north, east, south."""
    pad = 360.0 / (1 << z) * REACH
    low = tile_at(extent.west - pad, extent.north + pad, z)
    high = tile_at(extent.east + pad, extent.south - pad, z)
    return low.x, low.y, high.x, high.y


def _touches(extent: BBox | None, tile: Tile) -> bool:
    if extent is None:
        return True
    west, north, east, south = _span(extent, tile.z)
    return west <= tile.x <= east and north <= tile.y <= south
