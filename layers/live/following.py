"""Who listens to the stream: what each wants, and what waits for it, bounded however slow it is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from twin.access import Actor
from twin.errors import BadInput
from twin.grid import BBox

LAYER = "iot.sensors"
MOST_WAITING = 4000
"""Values that may wait for one listener before only the newest of each sensor is kept for it."""


@dataclass(slots=True)
class Place:
    """What is said of a datastream beside its value. lon, lat in degrees; of a sensor that moves, where it was last."""

    datastream: int
    id: str
    fid: int
    lon: float
    lat: float
    district: str | None
    phenomenon: str
    unit: str
    origin: str
    tenant: int
    classification: str


class Update(NamedTuple):
    """One new value: whose, where the sensor is and where it was before (degrees), and the JSON object that tells it."""

    place: Place
    lon: float
    lat: float
    was_lon: float
    was_lat: float
    told: bytes


@dataclass(frozen=True, slots=True)
class Interest:
    """What a listener wants; an empty part means all. `bbox` in degrees: a sensor that leaves it is told once more."""

    layers: frozenset[str] = frozenset()
    bbox: BBox | None = None
    districts: frozenset[str] = frozenset()
    sensors: frozenset[str] = frozenset()
    phenomena: frozenset[str] = frozenset()

    def wants(self, update: Update) -> bool:
        place = update.place
        if self.sensors and place.id not in self.sensors:
            return False
        if self.phenomena and place.phenomenon not in self.phenomena:
            return False
        if self.districts and place.district not in self.districts:
            return False
        if self.bbox is None:
            return True
        return self._holds(update.lon, update.lat) or self._holds(update.was_lon, update.was_lat)

    def _holds(self, lon: float, lat: float) -> bool:
        box = self.bbox
        return box is None or (box.west <= lon <= box.east and box.south <= lat <= box.north)


def read_interest(words: dict[str, str]) -> Interest:
    """From query words: `layers`, `districts`, `sensors`, `phenomena` comma separated, `bbox` west,south,east,north.

    Raises BadInput for another word, a layer that does not stream or a bbox that is none.
    """
    known = {"layers", "districts", "sensors", "phenomena", "bbox"}
    stray = sorted(set(words) - known)
    if stray:
        raise BadInput(f"{stray[0]!r} is nothing to subscribe by", remedy=f"use {', '.join(sorted(known))}, since")
    lists = {name: frozenset(part for part in words.get(name, "").split(",") if part) for name in known - {"bbox"}}
    silent = sorted(lists["layers"] - {LAYER})
    if silent:
        raise BadInput(f"the layer {silent[0]!r} does not stream", remedy=f"subscribe to {LAYER}")
    return Interest(bbox=_bbox(words["bbox"]) if words.get("bbox") else None, **lists)


def _bbox(text: str) -> BBox:
    try:
        box = BBox(*(float(part) for part in text.split(",")))
    except (ValueError, TypeError):
        raise BadInput(f"{text!r} is not a bbox", remedy="write west,south,east,north in degrees") from None
    if not (-180 <= box.west <= box.east <= 180 and -90 <= box.south <= box.north <= 90):
        raise BadInput(f"the bbox {text!r} is turned round", remedy="west must not be over east, nor south over north")
    return box


def may_see(actor: Actor, place: Place) -> bool:
    """As the row-level policy says it."""
    return place.classification == "public" or (actor.tenant == place.tenant and place.classification in actor.may_read)


def compose(kind: str, seq: int, told: Iterable[bytes], *, skipped: int = 0) -> bytes:
    """A message: `{"type", "seq", "sensors": […]}`, with `skipped` where values were left out for newer ones."""
    left_out = b',"skipped":%d' % skipped if skipped else b""
    return b'{"type":"%s","seq":%d%s,"sensors":[%s]}' % (kind.encode(), seq, left_out, b",".join(told))


@dataclass(slots=True, eq=False)
class Follower:
    """One listener. `offer` is told of every batch; `next_message` gives what to send, waiting where there is nothing.

    Where more than `most` values wait, it falls back to the newest of each sensor, and the next message says how many were
    skipped; so memory is bounded by the number of sensors.
    """

    actor: Actor
    interest: Interest
    most: int = MOST_WAITING
    _batches: deque[tuple[int, list[Update]]] = field(default_factory=deque)
    _newest: dict[int, Update] | None = None
    _snapshot: tuple[int, list[bytes]] | None = None
    _seq: int = 0
    _count: int = 0
    _skipped: int = 0
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waiting(self) -> int:
        """Values that wait to be sent, the snapshot apart."""
        return self._count if self._newest is None else len(self._newest)

    def restart(self, seq: int, state: Iterable[Update]) -> None:
        """Forget what waits; send the whole state first."""
        self._batches.clear()
        self._newest, self._count, self._skipped = None, 0, 0
        self._snapshot = (seq, [one.told for one in state if self._takes(one)])
        self._seq = seq
        self._ready.set()

    def offer(self, seq: int, updates: Sequence[Update]) -> None:
        wanted = [one for one in updates if self._takes(one)]
        if not wanted:
            return
        self._seq = seq
        if self._newest is None:
            self._batches.append((seq, wanted))
            self._count += len(wanted)
            if self._count > self.most:
                waiting = [one for _, batch in self._batches for one in batch]
                self._batches.clear()
                self._newest = {}
                self._conflate(waiting)
        else:
            self._conflate(wanted)
        self._ready.set()

    async def next_message(self) -> tuple[int, bytes]:
        """The next message and its number."""
        while True:
            await self._ready.wait()
            message = self._take()
            if message is not None:
                return message
            self._ready.clear()

    def _take(self) -> tuple[int, bytes] | None:
        if self._snapshot is not None:
            (seq, told), self._snapshot = self._snapshot, None
            return seq, compose("snapshot", seq, told)
        if self._newest is not None:
            newest, skipped = self._newest, self._skipped
            self._newest, self._count, self._skipped = None, 0, 0
            return self._seq, compose("update", self._seq, (one.told for one in newest.values()), skipped=skipped)
        if self._batches:
            seq, batch = self._batches.popleft()
            self._count -= len(batch)
            return seq, compose("update", seq, (one.told for one in batch))
        return None

    def _conflate(self, updates: Iterable[Update]) -> None:
        newest = self._newest if self._newest is not None else {}
        for one in updates:
            if newest.pop(one.place.datastream, None) is not None:
                self._skipped += 1
            newest[one.place.datastream] = one
        self._newest = newest

    def _takes(self, update: Update) -> bool:
        return may_see(self.actor, update.place) and self.interest.wants(update)
