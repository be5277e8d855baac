"""What one process of all does for the twin: whoever holds an advisory lock of the database leads, until it dies or loses its connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import psycopg

from twin import background
from twin.errors import TwinError

if TYPE_CHECKING:
    from twin.db import Database

log = logging.getLogger("twin.leader")
_TRY_EVERY_S = 0.5
_FEEL_EVERY_S = 1.0
_LOCK = "select pg_try_advisory_lock(hashtext('twin.leader'))"


async def lead(database: Database, work: Callable[[], list[Coroutine[Any, Any, None]]]) -> None:
    """Wait for the lock, then run what `work` gives, for ever; the work ends when the lock may be somebody else's.

    `Any`: coroutines name what they take and send.
    """
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                database.conninfo_of("features"), autocommit=True, connect_timeout=10
            ) as connection:
                if await _granted(connection):
                    await _led(connection, work)
        except (psycopg.OperationalError, TwinError) as error:
            log.debug("not leading: %s", error)
        await asyncio.sleep(_TRY_EVERY_S)


async def _granted(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Wait for the lock on a connection that stays; raises OperationalError where it is lost."""
    while True:
        row = await (await connection.execute(_LOCK)).fetchone()
        if row is not None and row[0]:
            return True
        await asyncio.sleep(_TRY_EVERY_S)


async def _led(connection: psycopg.AsyncConnection[Any], work: Callable[[], list[Coroutine[Any, Any, None]]]) -> None:
    tasks = [asyncio.create_task(one) for one in work()]
    try:
        while not any(task.done() for task in tasks):
            await connection.execute("select 1")
            await asyncio.sleep(_FEEL_EVERY_S)
    finally:
        await background.end(*tasks)
