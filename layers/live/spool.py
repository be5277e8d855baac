"""Where messages wait, on disk, while the database is away: first in, first out, bounded, fsynced before they are acknowledged."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from twin.errors import Unavailable

log = logging.getLogger("layers.live")
_PAGE_BYTES = 4096
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Message(NamedTuple):
    """An MQTT message as it came: topic, payload, and when it was received (aware UTC)."""

    topic: str
    payload: bytes
    received_at: datetime


class Spool:
    """A queue of messages in one SQLite file of at most `limit_mb` MiB (its write-ahead log apart). For one process."""

    def __init__(self, path: Path, *, limit_mb: int = 256) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("page_size = 4096", "journal_mode = wal", "synchronous = full", "wal_autocheckpoint = 100"):
            self._connection.execute(f"pragma {pragma}")
        self._connection.execute(f"pragma max_page_count = {limit_mb * 1024 * 1024 // _PAGE_BYTES}")
        self._connection.execute(
            "create table if not exists message"
            " (id integer primary key autoincrement, topic text not null, payload blob not null, received_us integer not null)"
        )
        self._count = int(self._connection.execute("select count(*) from message").fetchone()[0])
        self._taken = 0

    def __len__(self) -> int:
        return self._count

    def append(self, messages: Sequence[Message]) -> None:
        """Keep messages behind those that wait; they are on disk when this returns.

        Raises Unavailable, keeping none of them, where the spool or its disk is full.
        """
        rows = [(one.topic, one.payload, (one.received_at - _EPOCH) // _MICROSECOND) for one in messages]
        try:
            self._connection.execute("begin immediate")
            self._connection.executemany("insert into message (topic, payload, received_us) values (?, ?, ?)", rows)
            self._connection.execute("commit")
        except sqlite3.OperationalError as failure:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise Unavailable(
                f"the spool takes no more: {failure}", remedy="bring the database back, or raise TWIN_SPOOL_MB"
            ) from failure
        self._count += len(rows)

    def first(self, count: int) -> tuple[int, list[Message]]:
        """The oldest messages, and the mark to give `remove` once they are stored; mark 0 where none waits."""
        rows = self._connection.execute(
            "select id, topic, payload, received_us from message where id > ? order by id limit ?",
            (self._taken, count),
        ).fetchall()
        return (rows[-1][0] if rows else 0), [
            Message(topic, payload, _EPOCH + at * _MICROSECOND) for _, topic, payload, at in rows
        ]

    def remove(self, mark: int) -> None:
        """Forget the messages up to a mark of `first`.

        A disk that is too full even to forget on keeps them: they are passed over here, and stored again, to no effect, after a restart.
        """
        gone = self._connection.execute(
            "select count(*) from message where id > ? and id <= ?", (self._taken, mark)
        ).fetchone()[0]
        self._taken, self._count = max(mark, self._taken), self._count - int(gone)
        try:
            self._connection.execute("delete from message where id <= ?", (mark,))
        except sqlite3.OperationalError as failure:
            log.warning("the spool cannot let go of what is stored: %s", failure)

    def close(self) -> None:
        self._connection.close()
