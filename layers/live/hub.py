"""The stream to open maps: the newest value of every sensor in memory, and each committed batch told to who listens.

The outbox is the truth, NOTIFY only wakes: a lost notification costs half a second, nothing else. Everything runs on one
event loop, so a listener's snapshot and the batches after it meet without a gap and without a repeat.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from layers.live.following import Follower, Interest, Place, Update
from layers.live.store import query
from twin import background, changes
from twin.access import SYSTEM, Actor
from twin.db import Database
from twin.errors import Unavailable

log = logging.getLogger("layers.live")
_POLL_S = 0.5
_PAUSE_S = 0.02
# Batches of this long are told together: a hundred small batches a second need not be a hundred queries.
_MOST_BATCHES = 200
_MOST_REMEMBERED = 50_000
_MOST_FOLLOWERS = 2000
_PLACES_S = 30.0

_Row = tuple[Any, ...]
"""datastream, phenomenon time, sequence, result, text, quality, lon, lat as the database gives them."""


class Hub:
    """One per service process. `run` follows the database for ever; `follow` lets a listener in."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places: dict[int, Place] = {}
        self._state: dict[int, Update] = {}
        self._times: dict[int, tuple[datetime, int]] = {}
        self._recent: deque[tuple[int, list[Update]]] = deque()
        self._remembered = 0
        self._followers: set[Follower] = set()
        self._places_at = 0.0
        self._started = asyncio.Event()
        self.seq = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Hub]:
        """The hub at work, for a service's lifespan."""
        task = asyncio.create_task(self.run(), name="live-hub")
        try:
            yield self
        finally:
            await background.end(task)

    async def run(self) -> None:
        """Follow the committed batches for ever; waits out a database that is away."""
        async with changes.wakes(self._database, "twin_observation") as woken:
            while True:
                try:
                    if not self._started.is_set():
                        await self._load()
                    more = await self._advance()
                except (Unavailable, psycopg.Error) as away:
                    log.debug("the hub waits: %s", away)
                    await asyncio.sleep(_POLL_S)
                    continue
                if not more:
                    await asyncio.sleep(_PAUSE_S)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_POLL_S):
                            await woken.wait()
                    woken.clear()

    @contextlib.asynccontextmanager
    async def follow(self, actor: Actor, interest: Interest, *, since: int | None = None) -> AsyncIterator[Follower]:
        """A listener, from now until the block ends: a snapshot first, or what came after `since` where that is still known.

        Raises Unavailable before the hub has read the database, and where too many listen.
        """
        if len(self._followers) >= _MOST_FOLLOWERS:
            raise Unavailable(f"{_MOST_FOLLOWERS} maps listen already", remedy="close some, or add a service process")
        await self.ready()
        follower = Follower(actor, interest)
        self.restart(follower, since=since)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def restart(self, follower: Follower, *, since: int | None = None) -> None:
        """Bring a listener to where the hub is, after it joined or wants something else."""
        oldest = self._recent[0][0] if self._recent else self.seq + 1
        if since is None or not oldest - 1 <= since <= self.seq:
            follower.restart(self.seq, self._state.values())
            return
        for seq, updates in self._recent:
            if seq > since:
                follower.offer(seq, updates)

    async def ready(self, seconds: float = 5.0) -> None:
        """Wait until the state is read. Raises Unavailable after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._started.wait()
        except TimeoutError:
            raise Unavailable("the live state is not read yet", remedy="try again in a moment") from None

    async def snapshot(self, actor: Actor, interest: Interest) -> bytes:
        """The snapshot message alone, for those who do not stay."""
        await self.ready()
        once = Follower(actor, interest)
        once.restart(self.seq, self._state.values())
        return (await once.next_message())[1]

    async def _load(self) -> None:
        """The whole state. The number is read first: batches after it that the state holds already are met as not newer."""
        async with self._database.async_session(SYSTEM) as session:
            row = await (await session.execute("select seq from iot.stream where tenant = twin.tenant()")).fetchone()
            await self._read_places(session)
            latest = await (await session.execute(query("latest"))).fetchall()
        self._state.clear()
        self._times.clear()
        self._recent.clear()
        self._remembered = 0
        self.seq = int(row[0]) if row else 0
        for one in latest:
            self._apply(one)
        self._started.set()
        for follower in self._followers:
            self.restart(follower)

    async def _advance(self) -> bool:
        """Take in the batches since the last; whether there may be more at once."""
        async with self._database.async_session(SYSTEM) as session:
            found = await (await session.execute(query("since"), {"seq": self.seq, "most": _MOST_BATCHES})).fetchall()
            now = asyncio.get_running_loop().time()
            if now - self._places_at > _PLACES_S or any(
                datastream not in self._places for batch in found for datastream in batch[1]
            ):
                await self._read_places(session)
        if found and found[0][0] != self.seq + 1:
            log.warning("the outbox begins at %d, the hub stands at %d: all is read again", found[0][0], self.seq)
            await self._load()
            return True
        for seq, *columns in found:
            updates = [update for row in zip(*columns, strict=True) if (update := self._apply(row)) is not None]
            self.seq = int(seq)
            self._remember(updates)
            for follower in self._followers:
                follower.offer(self.seq, updates)
        return len(found) == _MOST_BATCHES

    async def _read_places(self, session: Any) -> None:
        """`Any`: an AsyncSession, whose module the type would tie to a cycle."""
        for row in await (await session.execute(query("places"))).fetchall():
            place = Place(*row)
            known = self._state.get(place.datastream)
            if known is not None:
                place.lon, place.lat = known.place.lon, known.place.lat
            self._places[place.datastream] = place
        self._places_at = asyncio.get_running_loop().time()

    def _apply(self, row: _Row) -> Update | None:
        """Take a value into the state; None where it is not newer than what stands, or its sensor is not known."""
        datastream, time, sequence, result, text, quality, lon, lat = row
        place = self._places.get(datastream)
        stands = self._times.get(datastream)
        if place is None or (stands is not None and (time, sequence) <= stands):
            return None
        self._times[datastream] = (time, sequence)
        was = (place.lon, place.lat)
        if lon is not None and lat is not None:
            place.lon, place.lat = lon, lat
        told = msgspec.json.encode(
            {
                "id": place.id, "fid": place.fid, "datastream": datastream, "lon": round(place.lon, 6), "lat": round(place.lat, 6),
                "district": place.district, "phenomenon": place.phenomenon, "value": text if result is None else result,
                "unit": place.unit, "time": time, "quality": quality, "origin": place.origin,
            }
        )  # fmt: skip
        update = Update(place, place.lon, place.lat, *was, told)
        self._state[datastream] = update
        return update

    def _remember(self, updates: list[Update]) -> None:
        self._recent.append((self.seq, updates))
        self._remembered += len(updates)
        while self._remembered > _MOST_REMEMBERED or len(self._recent) > _MOST_REMEMBERED:
            self._remembered -= len(self._recent.popleft()[1])
