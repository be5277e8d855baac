"""What changed, where: the one reader that numbers changes in commit order, and those who follow it.

The table `twin.change` is the truth; NOTIFY only wakes, and a poll stands behind it, so a lost connection loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from twin import background
from twin.access import SYSTEM
from twin.errors import TwinError, Unavailable
from twin.grid import BBox

if TYPE_CHECKING:
    from twin.db import Database

log = logging.getLogger("twin.changes")
POLL_S = 0.5
BATCH = 1000
AGAIN_S = 0.01
_LEFT = "select exists (select from twin.change where seq is null)"
_SINCE = "select seq, layer, scenario, count, west, south, east, north, tenant, output, cells from twin.change where seq > %s order by seq limit %s"


@dataclass(frozen=True, slots=True)
class Change:
    """Features of a layer changed within `extent` (old and new place together, degrees; None: nowhere known).

    `scenario` is None for the base. `output` is None where the layer itself changed, else what was made of it anew.
    """

    seq: int
    layer: str
    scenario: int | None
    count: int
    extent: BBox | None
    tenant: int
    output: str | None = None
    cells: tuple[str, ...] = ()
    """Of an output `scene`: the cells whose content is new, as level/x/y; empty where they are not known, or too many."""


async def last_seq(database: Database) -> int:
    """The number of the newest numbered change; 0 where there is none."""
    async with database.async_session(SYSTEM) as session:
        row = await (await session.execute("select change_seq from twin.reader")).fetchone()
    return int(row[0]) if row else 0


async def since(database: Database, seq: int, *, limit: int = BATCH) -> list[Change]:
    """Numbered changes after `seq`, oldest first."""
    async with database.async_session(SYSTEM) as session:
        rows = await (await session.execute(_SINCE, (seq, limit))).fetchall()
    return [
        Change(r[0], r[1], r[2], r[3], None if r[4] is None else BBox(*r[4:8]), r[8], r[9], tuple(r[10] or ()))
        for r in rows
    ]


async def follow(database: Database, seq: int) -> AsyncIterator[Change]:
    """Every change after `seq`, in order, for ever; waits out a database that is away and misses nothing."""
    async with wakes(database, "twin_numbered") as woken:
        while True:
            try:
                found = await since(database, seq)
            except Unavailable:
                await asyncio.sleep(POLL_S)
                continue
            for change in found:
                seq = change.seq
                yield change
            if len(found) < BATCH:
                await _either(woken)


async def advance_for_ever(database: Database) -> None:
    """The reader: number what was committed, link the audit. Any number of processes may run it; one works at a time."""
    async with wakes(database, "twin_change") as woken:
        wait = AGAIN_S
        while True:
            try:
                async with database.async_session(SYSTEM) as session:
                    await session.execute("select twin.advance()")
                    row = await (await session.execute(_LEFT)).fetchone()
            except Unavailable:
                await asyncio.sleep(POLL_S)
                continue
            if row and row[0]:  # an older transaction is still open; nobody tells when it ends
                await _either(woken, wait)
                wait = min(wait * 1.5, POLL_S)
            else:
                await _either(woken)
                wait = AGAIN_S


async def _either(woken: asyncio.Event, wait: float = POLL_S) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait):
            await woken.wait()
    woken.clear()


@contextlib.asynccontextmanager
async def wakes(database: Database, channel: str) -> AsyncIterator[asyncio.Event]:
    """An event that is set whenever PostgreSQL notifies the channel; the listening connection comes back by itself."""
    event = asyncio.Event()

    async def listen() -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    database.conninfo_of("features"), autocommit=True
                ) as connection:
                    await connection.execute(f"listen {channel}")
                    event.set()
                    async for _ in connection.notifies():
                        event.set()
            except (psycopg.OperationalError, TwinError) as error:
                log.debug("listening to %s again in a moment: %s", channel, error)
            await asyncio.sleep(POLL_S)

    task = asyncio.create_task(listen(), name=f"listen-{channel}")
    try:
        yield event
    finally:
        await background.end(task)
