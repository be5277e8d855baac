"""Encoded tiles in memory: final bytes with ready headers, weighed in bytes, the least recently used given up first.

A change of the data evicts the tiles it touches, found by layer and place; a tile that was being computed meanwhile is answered
to those who asked before, and not kept. However many ask for one tile at once, it is computed once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from isal import igzip

from twin.access import ANONYMOUS, Actor
from twin.grid import BBox, Tile, tile_at

Header = tuple[bytes, bytes]
_OVERHEAD_BYTES = 1_200
"""What an entry weighs beside its bytes: headers, keys, indexes (measured with tracemalloc, rounded up)."""
_REACH = 416 / 4096
"""A change may show this share of a tile beyond its place: the buffer of 64 units, an aggregate's cell of 256 and overhang of 96."""


class AccessScope(NamedTuple):
    """What an actor may see, as far as tiles differ by it."""

    tenant: int | None
    may_read: tuple[str, ...]

    @classmethod
    def of(cls, actor: Actor) -> AccessScope:
        return cls(actor.tenant, tuple(sorted(actor.may_read)))


PUBLIC = AccessScope.of(ANONYMOUS)


class Key(NamedTuple):
    """What makes a tile what it is. `generations`: one per layer; `scenario`: lineage and versions; `words`: filter and time."""

    access: AccessScope
    layers: tuple[str, ...]
    tile: Tile
    generations: tuple[int, ...] = ()
    scenario: Hashable = None
    words: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Entry:
    """An answer ready to be sent. `headers` are those of 200 (204 where `body` is empty), `unchanged` those of 304."""

    key: Key
    body: bytes
    plain: int
    etag: bytes
    headers: list[Header]
    unchanged: list[Header]
    kept: bool = False
    aliases: list[Hashable] = field(default_factory=list)

    @property
    def status(self) -> int:
        return 200 if self.body else 204

    @property
    def weight(self) -> int:
        return len(self.body) + _OVERHEAD_BYTES


@dataclass(slots=True, eq=False)
class _Flight:
    key: Key
    done: asyncio.Future[Entry]
    stale: bool = False
    task: asyncio.Task[None] | None = None
    """Held here so that it is not collected while it runs."""
    waiting: int = 0


def entry(
    key: Key,
    data: bytes,
    media_type: str,
    *,
    more: Mapping[str, str] | None = None,
    compress: bool = True,
    lasts: str = "no-cache",
) -> Entry:
    """The answer for a tile's bytes. `compress`: gzip them (PNG is compressed already); `more`: further headers."""
    public = key.access == PUBLIC
    etag = b'W/"' + hashlib.blake2b(data, digest_size=12).hexdigest().encode() + b'"'
    body = igzip.compress(data, compresslevel=2) if compress and data else data
    visibility = "public" if public else "private"
    shared = [
        (b"etag", etag),
        (b"cache-control", f"{visibility}, {lasts}".encode()),
        (b"vary", b"Accept-Encoding, Authorization, Cookie"),
        *((name.lower().encode(), value.encode()) for name, value in (more or {}).items()),
    ]
    headers = list(shared)
    if body:
        headers += [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
        if compress:
            headers.append((b"content-encoding", b"gzip"))
    return Entry(key, body, len(data), etag, headers, shared)


class TileCache:
    """The tiles of one process. All of it runs on the event loop's thread."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self.hits = 0
        self.misses = 0
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._aliases: dict[Hashable, Entry] = {}
        self._places: dict[str, dict[int, dict[tuple[int, int], set[Key]]]] = defaultdict(lambda: defaultdict(dict))
        self._flights: dict[Key, _Flight] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Entry | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
            self.hits += 1
        return found

    def known(self, alias: Hashable) -> Entry | None:
        """The entry last answered to a request of that raw form, if it still stands."""
        found = self._aliases.get(alias)
        if found is not None:
            self._entries.move_to_end(found.key)
            self.hits += 1
        return found

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
            made = await make()
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
        self._entries[made.key] = made
        self.bytes += made.weight
        z, x, y = made.key.tile
        for layer in made.key.layers:
            self._places[layer][z].setdefault((x, y), set()).add(made.key)
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
        doomed = [key for key in self._touched(layer, extent) if concerns(key)]
        for key in doomed:
            self._drop(self._entries[key])
        return len(doomed)

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


def _span(extent: BBox, z: int) -> tuple[int, int, int, int]:
    """First and last column and row of zoom z that a change in `extent` may show in: west, north, east, south."""
    pad = 360.0 / (1 << z) * _REACH
    low = tile_at(extent.west - pad, extent.north + pad, z)
    high = tile_at(extent.east + pad, extent.south - pad, z)
    return low.x, low.y, high.x, high.y


def _touches(extent: BBox | None, tile: Tile) -> bool:
    if extent is None:
        return True
    west, north, east, south = _span(extent, tile.z)
    return west <= tile.x <= east and north <= tile.y <= south
