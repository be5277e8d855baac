"""The open alerts and the newest events of all in memory, for the stream to open maps. iot.alert_event is the truth."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from layers.live.alerts.queries import query
from layers.live.following import News
from twin.access import SYSTEM
from twin.db import Database

_MOST_READ = 500
_MOST_REMEMBERED = 5000


class Board:
    """`advance` follows the database; `since` tells a listener what it missed. For one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: deque[News] = deque(maxlen=_MOST_REMEMBERED)
        self._open: dict[int, News] = {}
        self.seq = -1
        """Number of the newest event taken in; -1 before any was read."""

    @property
    def open(self) -> list[News]:
        """The open alerts, by the event that each stands by, oldest first."""
        return sorted(self._open.values(), key=lambda one: one.seq)

    async def advance(self) -> list[News] | None:
        """The events since the last time, oldest first; None where all was read anew. Raises Unavailable where the database is away."""
        if self.seq < 0:
            await self._load()
            return None
        async with self._database.async_session(SYSTEM) as session:
            asked = {"after": self.seq, "most": _MOST_READ}
            rows = await (await session.execute(query("news"), asked)).fetchall()
        if not rows or rows[0][0] < self.seq:
            self.seq = -1
            return await self.advance()
        found = _read(rows)
        if found and found[0].seq != self.seq + 1:
            # Events went with their alerts.
            await self._load()
            return None
        for one in found:
            self._take(one)
        return found

    def remembers(self, seq: int) -> bool:
        """Whether every event after `seq` is in memory."""
        oldest = self._recent[0].seq if self._recent else self.seq + 1
        return oldest - 1 <= seq <= self.seq

    def since(self, seq: int) -> list[News]:
        return [one for one in self._recent if one.seq > seq]

    async def _load(self) -> None:
        """The open alerts as of one moment, and the events just before, which those who come back may have missed."""
        async with self._database.async_session(SYSTEM) as session:
            rows = await (await session.execute(query("open"))).fetchall()
            newest = int(rows[0][0]) if rows else 0
            asked = {"after": max(0, newest - _MOST_READ), "most": _MOST_READ}
            before = await (await session.execute(query("news"), asked)).fetchall()
        self._open = {one.alert: one for one in _read(rows)}
        self._recent.clear()
        for one in _read(before):
            if one.seq <= newest:
                if self._recent and one.seq != self._recent[-1].seq + 1:
                    self._recent.clear()
                self._recent.append(one)
        self.seq = newest

    def _take(self, one: News) -> None:
        self._recent.append(one)
        self.seq = one.seq
        if one.event == "cleared":
            self._open.pop(one.alert, None)
        else:
            self._open[one.alert] = one


def _read(rows: Sequence[Sequence[Any]]) -> list[News]:
    """`Any`: a row's values."""
    return [News._make((*row[1:-1], row[-1].encode())) for row in rows if row[1] is not None]
