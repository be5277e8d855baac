"""The stream to open maps: the newest value of every sensor in memory, and each committed batch told to who listens.

The outbox is the truth, NOTIFY only wakes: a lost notification costs half a second, nothing else. Everything runs on one
event loop, so a listener's snapshot and the batches after it meet without a gap and without a repeat. Each service process has a hub
of its own; a listener that comes back may meet another, which reads what was missed from the outbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg

from layers.live.alerts.board import Board
from layers.live.bus import outbox as bus
from layers.live.follower import Batch, Follower
from layers.live.following import Interest, Place, Update
from layers.live.store import query
from layers.live.updates import Row, Standing, told
from twin import background, changes
from twin.access import SYSTEM, Actor
from twin.db import Database
from twin.errors import Unavailable

log = logging.getLogger("layers.live")
_POLL_S = 0.5
_PAUSE_S = 0.04
# Batches of this long are told together: a hundred small batches a second need not be a hundred queries and messages.
_MOST_BATCHES = 200
_MOST_REMEMBERED = 50_000
_MOST_MISSED = 20_000
# Values that a listener which comes back is told from the outbox; past it the whole state is shorter.
_MOST_FOLLOWERS = 2000
_PLACES_S = 30.0
_CATCH_UP_S = 3.0
_TEND_S = 60.0


class Hub:
    """One per service process. `run` follows the database for ever; `follow` lets a listener in."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places: dict[int, Place] = {}
        self._state: dict[int, Update] = {}
        self._standing = Standing()
        self._recent: deque[tuple[int, list[Update]]] = deque()
        self._remembered = 0
        self._followers: set[Follower] = set()
        self._places_at = 0.0
        self._started = asyncio.Event()
        self._board = Board(database)
        self._board_read = asyncio.Event()
        self._dropped = 0
        self.seq = 0
        self.values = 0
        """Values told so far."""
        self.heard_at: datetime | None = None
        """When the newest batch was taken in."""

    @property
    def listeners(self) -> int:
        return len(self._followers)

    @property
    def dropped(self) -> int:
        """Values that slow listeners were not told, for newer ones of the same sensors."""
        return self._dropped + sum(one.dropped for one in self._followers)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Hub]:
        """The hub at work, for a service's lifespan."""
        tasks = (
            asyncio.create_task(self.run(), name="live-hub"),
            asyncio.create_task(self._tell_alerts(), name="live-alerts"),
            asyncio.create_task(self._tend(), name="bus-trim"),
        )
        try:
            yield self
        finally:
            await background.end(*tasks)

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

    async def _tell_alerts(self) -> None:
        """Follow the events of alerts for ever; waits out a database that is away."""
        async with changes.wakes(self._database, "twin_alert") as woken:
            while True:
                try:
                    news = await self._board.advance()
                except (Unavailable, psycopg.Error) as away:
                    log.debug("the hub waits: %s", away)
                    await asyncio.sleep(_POLL_S)
                    continue
                self._board_read.set()
                for follower in self._followers:
                    if news is None:
                        follower.restart_alerts()
                    else:
                        follower.offer_news(news)
                if not news:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_POLL_S):
                            await woken.wait()
                    woken.clear()

    @contextlib.asynccontextmanager
    async def follow(
        self, actor: Actor, interest: Interest, *, since: int | None = None, alerts_since: int | None = None
    ) -> AsyncIterator[Follower]:
        """A listener, from now until the block ends: a snapshot first, or what came after `since` where that is still known.

        The open alerts come with it, or what happened to alerts after `alerts_since` where that is still known.

        Raises Unavailable before the hub has read the database, and where too many listen.
        """
        if len(self._followers) >= _MOST_FOLLOWERS:
            raise Unavailable(f"{_MOST_FOLLOWERS} maps listen already", remedy="close some, or add a service process")
        await self.ready()
        follower = Follower(actor, interest, alerts=self._board)
        try:
            await self.restart(follower, interest, since=since, alerts_since=alerts_since)
            yield follower
        finally:
            self._followers.discard(follower)
            self._dropped += follower.dropped

    async def restart(
        self, follower: Follower, interest: Interest, *, since: int | None = None, alerts_since: int | None = None
    ) -> None:
        """Let a listener in, or bring one that wants something else to where the hub is."""
        missed: list[Batch] | None = None
        reached = since if since is not None else -1
        if since is not None:
            await self._reach(since)
            if not self._remembers(since) and since <= self.seq:
                until = self.seq
                missed = await self._missed(since, until)
                reached = until if missed is not None else -1
        if alerts_since is not None:
            await self._reach_alerts(alerts_since)
        # From here on nothing waits: what the listener gets and what comes next meet exactly.
        follower.interest = interest
        self._followers.add(follower)
        self._restart_alerts(follower, alerts_since, joins=since is None)
        if since is None or not self._remembers(reached):
            follower.restart(self.seq, self._state.values())
            return
        follower.forget()
        follower.reached = since
        for batch in missed or ():
            follower.offer(batch)
        for seq, updates in self._recent:
            if seq > reached:
                follower.offer(Batch(seq, updates))

    def _restart_alerts(self, follower: Follower, since: int | None, *, joins: bool) -> None:
        """`joins`: the open alerts come with a snapshot; without one they are told where there ever were any."""
        if since is not None and self._board.remembers(since):
            follower.resume_alerts(since, self._board.since(since))
        elif joins or since is not None or self._board.seq > 0:
            follower.restart_alerts()

    async def _reach_alerts(self, seq: int) -> None:
        """As `_reach`, of alerts."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CATCH_UP_S):
                while self._board.seq < seq:  # noqa: ASYNC110  # as rare
                    await asyncio.sleep(_PAUSE_S)

    def _remembers(self, since: int) -> bool:
        """Whether every batch after `since` is in memory."""
        oldest = self._recent[0][0] if self._recent else self.seq + 1
        return oldest - 1 <= since <= self.seq

    async def _reach(self, seq: int) -> None:
        """Wait a moment for a number that another process has told already."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CATCH_UP_S):
                while self.seq < seq:  # noqa: ASYNC110  # a rare wait, not worth an event per batch
                    await asyncio.sleep(_PAUSE_S)

    async def ready(self, seconds: float = 5.0) -> None:
        """Wait until the state is read. Raises Unavailable after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._started.wait()
                await self._board_read.wait()
        except TimeoutError:
            raise Unavailable("the live state is not read yet", remedy="try again in a moment") from None

    async def snapshot(self, actor: Actor, interest: Interest) -> str:
        """The snapshot message alone, for those who do not stay."""
        await self.ready()
        once = Follower(actor, interest, alerts=self._board)
        once.restart_alerts()
        once.restart(self.seq, self._state.values())
        return (await once.next_message())[1]

    async def _load(self) -> None:
        """The whole state as of one moment, and its number: what comes after is told batch by batch."""
        async with self._database.async_session(SYSTEM) as session:
            rows = await (await session.execute(query("state"))).fetchall()
            await self._read_places(session)
        self._state.clear()
        self._standing.clear()
        self._recent.clear()
        self._remembered = 0
        self.seq = int(rows[0][0]) if rows else 0
        for row in rows:
            if row[1] is not None:
                self._apply(row[1:])
        self._started.set()
        for follower in self._followers:
            follower.restart(self.seq, self._state.values())

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
        together: list[Update] = []
        for seq, *columns in found:
            updates = [update for row in zip(*columns, strict=True) if (update := self._apply(row)) is not None]
            self.seq = int(seq)
            self._remember(updates)
            together += updates
        if together:
            self.values += len(together)
            batch = Batch(self.seq, together)
            for follower in self._followers:
                follower.offer(batch)
        if found:
            self.heard_at = datetime.now(UTC)
        return len(found) == _MOST_BATCHES

    async def _missed(self, since: int, until: int) -> list[Batch] | None:
        """The batches of a stretch from the outbox, less what was late even then; None where it is trimmed or too long."""
        async with self._database.async_session(SYSTEM) as session:
            asked = {"since": since, "until": until, "most": _MOST_MISSED}
            found = await (await session.execute(query("missed"), asked)).fetchall()
            whole = len(found) == until - since and (not found or found[0][-1] <= _MOST_MISSED)
            if not whole:
                return None
            before = await (await session.execute(query("before"), {"since": since})).fetchall()
        standing = Standing(before)
        batches = []
        for seq, *columns, _ in found:
            updates = [
                told(place, row)
                for row in zip(*columns, strict=True)
                if (place := self._places.get(row[0])) is not None and standing.advances(row)
            ]
            batches.append(Batch(int(seq), updates))
        return batches

    async def _read_places(self, session: Any) -> None:
        """`Any`: an AsyncSession, whose module the type would tie to a cycle."""
        for row in await (await session.execute(query("places"))).fetchall():
            place = Place(*row)
            known = self._places.get(place.datastream)
            if known is not None and known.moves:
                place.lon, place.lat, place.moves = known.lon, known.lat, True
            self._places[place.datastream] = place
        self._places_at = asyncio.get_running_loop().time()

    def _apply(self, row: Row | Sequence[Any]) -> Update | None:
        """Take a value into the state; None where it is not newer than what stands, or its sensor is not known."""
        place = self._places.get(row[0])
        if place is None or not self._standing.advances(row):
            return None
        update = told(place, row)
        place.lon, place.lat, place.moves = update.lon, update.lat, place.moves or row[6] is not None
        self._state[place.datastream] = update
        return update

    def _remember(self, updates: list[Update]) -> None:
        self._recent.append((self.seq, updates))
        self._remembered += len(updates)
        while self._remembered > _MOST_REMEMBERED or len(self._recent) > _MOST_REMEMBERED:
            self._remembered -= len(self._recent.popleft()[1])

    async def _tend(self) -> None:
        """Give up old events of the bus now and then, whichever process comes first."""
        while True:
            await asyncio.sleep(_TEND_S)
            try:
                await asyncio.to_thread(bus.trim, self._database)
            except (Unavailable, psycopg.Error) as away:
                log.debug("trimming the bus waits: %s", away)
