"""A long answer on its way: chunks made in a worker thread, in one session, sent as they come.

Who leaves ends the work: the query is cancelled in the database, its transaction rolled back and its spool removed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from twin.access import Actor
from twin.db import Database, Pool, Session

Work = Callable[[Session], Iterator[bytes]]
MOST_AT_ONCE = 16
"""Chunks in the making at one time, per process; a reader who is slow takes no thread: at most one chunk waits for him."""
_END = object()


class Courier:
    """Delivers answers. Its threads start with the first and end with the process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, "delivery")
        self._ending: set[asyncio.Task[None]] = set()

    async def send(
        self, database: Database, actor: Actor, work: Work, *, pool: Pool, gone: Awaitable[None]
    ) -> AsyncIterator[bytes] | None:
        """The chunks of `work`, once the first is made, so that what can go wrong does so before the status line is out.

        `gone` ends when the asker leaves; then the answer is None and the work is ended. Raises what the work raises.
        """
        chunks = _Chunks(database, actor, work, pool, self._threads)
        first, watch = asyncio.ensure_future(chunks.following()), asyncio.ensure_future(gone)
        try:
            await asyncio.wait({first, watch}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._end(chunks)
            raise
        finally:
            watch.cancel()
        if not first.done():
            self._end(chunks)
            return None
        try:
            opening = first.result()
        except BaseException:
            self._end(chunks)
            raise
        return self._flow(chunks, opening)

    async def _flow(self, chunks: _Chunks, opening: bytes | None) -> AsyncIterator[bytes]:
        try:
            chunk = opening
            while chunk is not None:
                chunks.begin()  # one chunk ahead: it is made while this one is sent
                if chunk:
                    yield chunk
                chunk = await chunks.following()
        finally:
            # A task of its own: who is being cancelled cannot wait for anything.
            self._end(chunks)

    def _end(self, chunks: _Chunks) -> None:
        task = asyncio.get_running_loop().create_task(chunks.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


class _Chunks:
    """The generator of one answer, driven from the event loop, one step at a time."""

    def __init__(self, database: Database, actor: Actor, work: Work, pool: Pool, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._session: Session | None = None
        self._made = self._make(database, actor, work, pool)
        self._step: asyncio.Future[Any] | None = None  # what `following` has not given yet

    def _make(self, database: Database, actor: Actor, work: Work, pool: Pool) -> Iterator[bytes]:
        with database.session(actor, pool=pool) as session:
            self._session = session
            try:
                yield from work(session)
            finally:
                self._session = None

    def begin(self) -> asyncio.Future[Any]:
        """Start making the next chunk, where that is not done yet; `following` gives it."""
        if self._step is None:
            self._step = asyncio.get_running_loop().run_in_executor(self._threads, next, self._made, _END)
        return self._step

    async def following(self) -> bytes | None:
        """The next chunk, None at the end."""
        found = await asyncio.shield(self.begin())
        self._step = None
        return None if found is _END else bytes(found)

    async def end(self) -> None:
        """Cancel what is at work in the database, wait for the step to notice, and close the session."""
        step, loop = self._step, asyncio.get_running_loop()
        while step is not None and not step.done():
            if (session := self._session) is not None:
                await loop.run_in_executor(None, session.connection.cancel)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await asyncio.wait({step})
        if step is not None and not step.cancelled():
            step.exception()  # told to nobody: the asker is gone, or has it already
        with contextlib.suppress(Exception):  # what fails in closing belongs to an answer that nobody reads
            await loop.run_in_executor(self._threads, self._made.close)  # type: ignore[attr-defined]  # it is a generator
