"""The bus on PostgreSQL: what was posted becomes a numbered log, read by groups that keep their places in a table.

Nobody waits for a number: events are posted unnumbered and numbered afterwards by whoever reads, one at a time. A batch of telemetry
and a numbered change become events when some group wants them, from the tables that are their own outboxes.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import psycopg

from layers.live.bus.events import Event, read
from twin.access import Actor, actor
from twin.db import Database, Session
from twin.errors import Unavailable

log = logging.getLogger("layers.live.bus")
BUS: Actor = actor("live bus", "operator")
PARTITIONS = 8
"""How many members of a group can work at once."""
KEEP_S = 2 * 86_400.0
KEEP_BULK_S = 900.0
"""How long an event stays for groups to come; telemetry, which is stored elsewhere, shorter."""
LONGEST_S = 3 * 86_400.0
"""After this long an event goes even where a group that keeps has not read it: the disk is the whole twin's."""
_MOST_POSTED = 2000
_MOST_BATCHES = 200
_CLAIM_S = 1.0
_MEMBERS = 1_000_000  # beside the partitions' numbers, the lock that every member of a group shares
_TRY_LOCK = "select pg_try_advisory_lock(hashtext(%s), %s)"
_UNLOCK = "select pg_advisory_unlock(hashtext(%s), %s)"
_COUNT = (
    "select count(*) from pg_locks where locktype = 'advisory' and objsubid = 2 and granted and objid = %s"
    " and classid::bigint = hashtext(%s)::bigint & 4294967295"
    " and database = (select oid from pg_database where datname = current_database())"
)


@functools.cache
def query(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def collect(database: Database) -> int:
    """Number what was posted and take in telemetry and changes that are wanted; how many events. 0 where another is at it."""
    with database.session(BUS, pool="bulk") as session:
        head = session.execute(query("lock")).fetchone()
        if head is None:
            return 0
        seq, observations, changes = (int(part) for part in head)
        places = {"most": _MOST_POSTED, "partitions": PARTITIONS}
        first = seq
        seq += _count(session, "number", places | {"seq": seq})
        wants_observations, wants_changes, oldest = session.execute(query("wanted")).fetchone() or (False, False, None)
        if wants_observations and oldest is not None:
            if observations and oldest > observations + 1:
                log.error("batches %d to %d were trimmed before the bus took them", observations + 1, oldest - 1)
            asked = places | {"seq": seq, "after": max(observations, oldest - 1), "most": _MOST_BATCHES}
            row = session.execute(query("observations"), asked).fetchone() or (0, None, None)
            seq, observations = seq + int(row[0]), int(row[1] or observations)
        if wants_changes:
            row = session.execute(query("changes"), places | {"seq": seq, "after": changes}).fetchone() or (0, None)
            seq, changes = seq + int(row[0]), int(row[1] or changes)
        if (seq, observations, changes) != (first, int(head[1]), int(head[2])):
            session.execute(
                "update bus.head set seq = %s, observations = %s, changes = %s where tenant = twin.tenant()",
                (seq, observations, changes),
            )
        return seq - first


def trim(
    database: Database, *, keep_s: float = KEEP_S, keep_bulk_s: float = KEEP_BULK_S, longest_s: float = LONGEST_S
) -> int:
    """Give up what is old and read, and what is too old whoever has not read it; how many events. Unnumbered ones are numbered first."""
    while collect(database) >= _MOST_POSTED:
        pass
    with database.session(BUS, pool="bulk") as session:
        return _count(session, "trim", {"keep_s": keep_s, "keep_bulk_s": keep_bulk_s, "longest_s": longest_s})


def _count(session: Session, name: str, values: dict[str, Any]) -> int:
    """`Any`: bound values."""
    row = session.execute(query(name), values).fetchone()
    return int(row[0]) if row else 0


class OutboxSubscription:
    """A member of a group on PostgreSQL. Its partitions are advisory locks of a connection of its own, which go with it however it ends."""

    def __init__(self, database: Database, group: str, topics: Sequence[str], *, keeps: bool = False) -> None:
        self._database = database
        self._group = group
        self._name = f"bus:{group}"
        self._patterns = [one.replace("_", r"\_").replace("*", "%") for one in topics]
        self._keeps = keeps
        self._connection: psycopg.Connection[Any] | None = None
        self._places: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self._claimed_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._places.clear()
        self._committed.clear()

    def poll(self, *, most: int = 500, wait_s: float = 1.0) -> list[Event]:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                self._claim()
                while collect(self._database) >= _MOST_POSTED:
                    pass
                found = self._unread(most)
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self._wait(min(left, 0.5))
            except (psycopg.Error, Unavailable) as failure:
                self.close()
                raise Unavailable("the bus is away with its database", remedy="poll again in a moment") from failure

    def commit(self) -> None:
        ahead = {part: seq for part, seq in self._places.items() if seq > self._committed[part]}
        if not ahead:
            return
        with self._database.session(BUS, pool="bulk") as session:
            session.execute(
                query("commit"), {"reader": self._group, "partitions": list(ahead), "reached": list(ahead.values())}
            )
        self._committed |= ahead

    def rewind(self) -> None:
        self._places = dict(self._committed)

    def _unread(self, most: int) -> list[Event]:
        if not self._places:
            return []
        asked = {
            "partitions": list(self._places), "after": list(self._places.values()), "topics": self._patterns, "most": most,
        }  # fmt: skip
        with self._database.session(BUS, pool="bulk") as session:
            rows = session.execute(query("unread"), asked).fetchall()
        for partition, seq, _ in rows:
            self._places[partition] = seq
        return [read(body) for _, _, body in rows]

    def _claim(self) -> None:
        """Hold a fair share of the partitions: take free ones, let go of what is over once it is committed."""
        connection = self._connected()
        if time.monotonic() - self._claimed_at < _CLAIM_S and self._places:
            return
        self._claimed_at = time.monotonic()
        row = connection.execute(_COUNT, (_MEMBERS, self._name)).fetchone()
        fair = -(-PARTITIONS // max(1, int(row[0]) if row else 1))
        for partition in range(PARTITIONS):
            if partition in self._places and len(self._places) > fair:
                if self._places[partition] == self._committed[partition]:
                    connection.execute(_UNLOCK, (self._name, partition))
                    del self._places[partition], self._committed[partition]
            elif partition not in self._places and len(self._places) < fair:
                taken = connection.execute(_TRY_LOCK, (self._name, partition)).fetchone()
                if taken and taken[0]:
                    self._places[partition] = self._committed[partition] = -1
        self._learn_places()

    def _learn_places(self) -> None:
        with self._database.session(BUS, pool="bulk") as session:
            session.execute(
                query("join"),
                {"reader": self._group, "topics": self._patterns, "keeps": self._keeps, "partitions": PARTITIONS},
            )
            rows = session.execute(
                "select p.partition, p.seq, h.trimmed from bus.position p join bus.head h on h.tenant = p.tenant"
                " where p.tenant = twin.tenant() and p.reader = %s and p.partition = any(%s)",
                (self._group, [part for part, seq in self._places.items() if seq < 0]),
            ).fetchall()
        for partition, seq, _ in rows:
            self._places[partition] = self._committed[partition] = seq

    def _connected(self) -> psycopg.Connection[Any]:
        """The connection that holds the locks and listens; `Any`: rows of any shape."""
        if self._connection is None or self._connection.closed:
            self.close()
            self._connection = psycopg.connect(self._database.conninfo_of("bulk"), autocommit=True, connect_timeout=5)
            self._connection.execute("listen twin_bus")
            self._connection.execute("listen twin_observation")
            self._connection.execute("select pg_advisory_lock_shared(hashtext(%s), %s)", (self._name, _MEMBERS))
            self._claimed_at = 0.0
        return self._connection

    def _wait(self, seconds: float) -> None:
        with contextlib.suppress(StopIteration):
            list(self._connected().notifies(timeout=seconds, stop_after=1))
